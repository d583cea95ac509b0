"""Layouts of votes: rows as they are published, and every layout read back from what it wrote."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.arena.layouts import LAYOUTS, lmarena, read, write
from assay.arena.votes import Outcome, Votes, votes
from assay.errors import ConfigError, DataError


def same(one: Votes, other: Votes) -> None:
    """Equal column by column; names of clusters are not in votes."""
    assert (one.players, one.judges) == (other.players, other.judges)
    assert one.covariate_names == other.covariate_names
    assert one.measure_names == other.measure_names
    for name in ("first", "second", "outcome", "weights", "cluster", "judge", "covariates",
                 "measures"):  # fmt: skip
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_allclose(a, b, err_msg=name)


def some(**more: Any) -> Votes:
    """Two prompts, each in both orders, with two judges."""
    return votes(
        ["base", "m", "base", "n"], ["m", "base", "n", "base"], [0, 1, 2, 0],
        cluster=["p", "p", "q", "q"], judge=["j", "j", "k", "k"], **more,
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_layout_writes_it_reads(layout: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"votes{suffix}"
    made = some()
    write(made, path, layout)
    same(read(path), made)
    same(read(path, layout), made)


MEASURES = {name: np.arange(8.0).reshape(4, 2) for name in ("length", "headers", "lists", "bold")}


@pytest.mark.parametrize(
    ("layout", "made"),
    [
        ("plain", some(weight=[0.5, 1, 2, 3], covariates={"x": [1.0, -2, 0, 0.25]})),
        ("plain", some(measures=MEASURES)),
        ("lmarena", some(measures=MEASURES)),
        ("arena-hard", some(weight=[3, 1, 1, 3])),
        (
            "alpaca-eval",
            votes(["b", "b", "b"], ["m", "m", "m"], [0, 1, 2], weight=[0.25, 0.75, 1.0],
                  cluster=["p", "p", "q"], judge=["j", "j", "j"]),
        ),
    ],
)  # fmt: skip
def test_weights_and_measures_are_read_back(layout: str, made: Votes, tmp_path: Path) -> None:
    write(made, tmp_path / "votes.jsonl", layout)
    same(read(tmp_path / "votes.jsonl", layout), made)


@pytest.mark.parametrize("layout", ["mt-bench", "lmarena", "judge-arena", "alpaca-eval"])
def test_what_a_layout_cannot_say_it_refuses(layout: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write a plain table"):
        write(some(weight=[1, 2, 3, 4]), tmp_path / "votes.csv", layout)
    assert not list(tmp_path.iterdir())


def rows_of(name: str, rows: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / name
    if name.endswith(".csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def published() -> Iterator[tuple[str, str, list[dict[str, Any]], list[Outcome], int]]:
    """Rows with the columns of each published file, what they say and how many are left out."""
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "**hello**"}]
    text = [{"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "# hello"}]}]  # fmt: skip
    models = {"model_a": "x", "model_b": "y"}
    first, second, tie, bad = Outcome
    fifty = [
        {"id": i, **models, "prompt": '["hi"]', "response_a": '["a **b**"]',
         "response_b": '["c", null]', "winner_model_a": a, "winner_model_b": b, "winner_tie": t}
        for i, (a, b, t) in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)])
    ]  # fmt: skip
    yield "55k.csv", "lmarena", fifty, [first, second, tie], 1
    hundred = [
        {"question_id": f"q{i}", **models, "winner": said, "conversation_a": talk,
         "conversation_b": talk, "turn": 1, "anony": True, "language": "English", "tstamp": 1.5,
         "conv_metadata": {"sum_assistant_a_tokens": 9, "sum_assistant_b_tokens": 4,
                           "header_count_a": 1, "header_count_b": 0, "list_count_a": 0,
                           "list_count_b": 2, "bold_count_a": 0, "bold_count_b": 0},
         "is_code": False, "is_refusal": False, "dedup_tag": {"high_freq": False, "sampled": True},
         "category_tag": {}, "judge_hash": "h"}
        for i, said in enumerate(["model_a", "tie (bothbad)", "tie", "skip"])
    ]  # fmt: skip
    yield "100k.jsonl", "lmarena", hundred, [first, bad, tie], 1
    most = [
        {"id": f"{i}", **models, "winner": said, "conversation_a": text, "conversation_b": text,
         "conv_metadata": {"sum_assistant_a_tokens": 9, "sum_assistant_b_tokens": 4,
                           "header_count_a": {"h1": 1, "h2": 2}, "header_count_b": {"h1": 0},
                           "list_count_a": {"ordered": 1, "unordered": 1},
                           "list_count_b": {"ordered": 0}, "bold_count_a": {"**": 1, "__": 0},
                           "bold_count_b": {"**": 0}}, "timestamp": "2025-06-01"}
        for i, said in enumerate(["model_b", "both_bad"])
    ]  # fmt: skip
    yield "140k.jsonl", "lmarena", most, [second, bad], 0
    human = [
        {"question_id": 81, **models, "winner": said, "judge": "expert_1", "conversation_a": talk,
         "conversation_b": talk, "turn": 2}
        for said in ("model_a", "tie")
    ]  # fmt: skip
    yield "mt_human.jsonl", "lmarena", human, [first, tie], 0
    pairs = [
        {"question_id": 81, "model_1": "x", "model_2": "y", "g1_winner": one, "g2_winner": other,
         "judge": ["gpt-4", "pair-v2"], "g1_user_prompt": "", "g1_judgment": "", "turn": 1,
         "tstamp": 1.0}
        for one, other in [("model_1", "model_1"), ("model_1", "model_2"), ("tie", "model_2"),
                           ("error", "model_1")]
    ]  # fmt: skip
    yield "gpt-4_pair.jsonl", "mt-bench", pairs, [first, tie, tie], 1
    hard = [
        {"uid": f"u{i}", "category": "hard_prompt", "judge": "gpt-4.1", "model": "m",
         "baseline": "o3-mini", "games": games}
        for i, games in enumerate([
            [{"score": "A>>B", "judgment": {"answer": "[[A>>B]]"}, "prompt": []}, {"score": "B>A"}],
            [{"score": "A=B"}, None], [{"score": None}, {"score": "A>B"}]])
    ]  # fmt: skip
    yield "hard.jsonl", "arena-hard", hard, [first, second], 4
    alpaca = [
        {"instruction": f"do {i}", "output_1": "long one", "generator_1": "base", "dataset": "d",
         "output_2": "**b**", "generator_2": "m", "annotator": "weighted", "preference": p,
         "price_per_example": 0.01}
        for i, p in enumerate([1.0, 1.75, 1.5, 0, None])
    ]  # fmt: skip
    yield "annotations.jsonl", "alpaca-eval", alpaca, [first, first, second, tie, tie], 1
    judged = [
        {"judge_completion": said, "instruction": "i", "completion_A": "a", "completion_B": "b",
         "instruction_index": i, "model_A": "m", "model_B": "base", "judge": "j"}
        for i, said in enumerate(["score_A: 7\nscore_B: 9", '{"score_A": 3, "score_B": 3}',
                                  "It quotes score A: 9. Score A: 2, score B: 1.", "I cannot."])
    ]  # fmt: skip
    yield "x-annotations.csv", "judge-arena", judged, [second, tie, first], 1


@pytest.mark.parametrize("case", list(published()), ids=lambda case: case[0])
def test_published_rows_are_read_as_they_are(case: Any, tmp_path: Path) -> None:
    name, layout, rows, said, left = case
    assert next(key for key, each in LAYOUTS.items() if each.matches(rows[0])) == layout
    made = read(rows_of(name, rows, tmp_path))
    assert [Outcome(each) for each in made.outcome] == said
    assert dict(made.left_out) == ({"the outcome is not known": left} if left else {})


def test_measures_come_from_the_metadata_or_from_the_texts(tmp_path: Path) -> None:
    cases = {name: rows for name, _, rows, _, _ in published()}
    made = read(rows_of("140k.jsonl", cases["140k.jsonl"], tmp_path))
    assert made.measures is not None
    assert made.measures[0].tolist() == [[9, 4], [3, 0], [2, 0], [1, 0]]
    made = read(rows_of("55k.csv", cases["55k.csv"], tmp_path))
    assert made.measures is not None
    assert made.measures[0, 3].tolist() == [1, 0]
    made = read(rows_of("a.jsonl", cases["annotations.jsonl"], tmp_path))
    assert made.weights.tolist() == [1, 0.25, 0.75, 1, 1]
    assert made.cluster is not None
    assert made.cluster.tolist() == [0, 1, 1, 2, 3]
    made = read(rows_of("hard.jsonl", cases["hard.jsonl"], tmp_path))
    assert made.weights.tolist() == [3, 1]


def test_a_plain_table_may_have_any_columns(tmp_path: Path) -> None:
    rows = [{"who": "a", "whom": "b", "better": "left", "dlen": 3, "q": 1},
            {"who": "a", "whom": "b", "better": "2", "dlen": "", "q": 1}]  # fmt: skip
    path = rows_of("votes.csv", rows, tmp_path)
    with pytest.raises(DataError, match=r"are no layout of votes .* name the columns"):
        read(path)
    names = {"first": "who", "second": "whom", "outcome": "better", "cluster": "q"}
    made = read(path, columns=names, covariates=("dlen",))
    assert made.covariates is not None
    assert made.covariates.tolist() == [[3.0]]
    assert dict(made.left_out) == {"a covariate or measure is NaN, infinite or beyond 1e100": 1}
    with pytest.raises(DataError, match="no row has a number in each of length"):
        read(path, columns=names, covariates=("length",))
    with pytest.raises(ConfigError, match="a vote has no part who"):
        read(path, columns={"who": "first"})
    with pytest.raises(DataError, match="no column says the first"):
        read(path, "plain")
    with pytest.raises(ConfigError, match="no layout of votes is called 'elo'"):
        read(path, "elo")


def test_a_vote_may_name_the_winner_and_a_cell_may_be_empty(tmp_path: Path) -> None:
    said = ["", "x", "y", "tie", "nobody", "", "model_a"]
    stated = {name.format(side): 1 for name in lmarena.STATED for side in "ab"}
    columns: list[dict[str, Any]] = [
        {"first": "x", "second": "y"},
        {"first": "x", "second": "y", "prompt": "p"},
        {"model_a": "x", "model_b": "y", "conv_metadata": json.dumps(stated)},
    ]
    for i, names in enumerate(columns):
        rows = [{**names, "winner": winner} for winner in said]
        made = read(rows_of(f"{i}.csv", rows, tmp_path))
        first, second, tie, _ = Outcome
        assert [Outcome(each) for each in made.outcome] == [first, second, tie, first]
        assert dict(made.left_out) == {"the outcome is not known": 3}
    named = {"outcome": "winner"}
    assert len(read(tmp_path / "0.csv", columns=named)) == 4


@pytest.mark.parametrize(
    ("first", "second", "winner"), [("b", "a", "a"), (2, 1, 1), ("tie", "x", "tie")]
)
def test_a_name_that_is_also_a_word_for_another_outcome_is_refused(
    first: object, second: object, winner: object, tmp_path: Path
) -> None:
    """Left out would be all votes of one order, or all that one player won."""
    clear = {"first": winner, "second": "x2", "winner": "model_a"}
    rows = [clear, {"first": first, "second": second, "winner": winner}]
    with pytest.raises(DataError, match=r":2: .* is the name of one of the two, .*write model_a"):
        read(rows_of("a.jsonl", rows, tmp_path))
    assert len(read(rows_of("b.jsonl", [clear], tmp_path))) == 1


def test_games_that_are_missing_are_left_out_and_counted(tmp_path: Path) -> None:
    cases = {layout: rows[0] for _, layout, rows, _, _ in published()}
    gone = {
        "arena-hard": ("games", 2),
        "mt-bench": ("g2_winner", 1),
        "judge-arena": ("judge_completion", 1),
    }
    for layout, (column, count) in gone.items():
        rows = [cases[layout], {**cases[layout], column: None}]
        made = read(rows_of(f"{layout}.jsonl", rows, tmp_path))
        assert dict(made.left_out) == {"the outcome is not known": count}
    rows = [{**cases["arena-hard"], "games": "A>B"}]
    with pytest.raises(DataError, match=r"'games': expected a list of two games"):
        read(rows_of("a.jsonl", rows, tmp_path), "arena-hard")


def test_a_row_of_json_without_an_outcome_is_told_what_to_do(tmp_path: Path) -> None:
    rows = [{"first": "a", "second": "b", "outcome": 1}, {"first": "a", "second": "b"}]
    with pytest.raises(
        DataError, match=r"a\.jsonl:2: no column says the outcome .* leave out rows"
    ):
        read(rows_of("a.jsonl", rows, tmp_path))


def test_a_row_that_cannot_be_read_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    path.write_text('{"first": "a", "second": "b", "outcome": 1}\n{"first": \n')
    with pytest.raises(DataError, match=r"votes\.jsonl:2: cut short"):
        read(path)
    path.write_text("")
    with pytest.raises(DataError, match="has no rows"):
        read(path)


def test_llmfao_is_read_as_it_is(assay_data: Path) -> None:
    folder = assay_data / "arena/llmfao"
    judged = read(folder / "gpt4-comparisons.csv")
    assert (len(judged), dict(judged.left_out)) == (3236, {})
    assert judged.cluster is not None
    assert len(set(judged.cluster.tolist())) == 19


def test_a_bad_first_row_is_named_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("first,second,outcome\na,b\n")
    with pytest.raises(DataError, match=r"short\.csv:2: the row has 2 cells"):
        read(tmp_path / "short.csv")
