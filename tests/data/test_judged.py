"""Verdicts in other people's columns: judged pairs, right and wrong responses, grades and votes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from assay.data import winners
from assay.data.cells import Cell
from assay.data.columns import Columns
from assay.data.formats.arena import Arena
from assay.data.formats.helpsteer import Helpsteer
from assay.data.formats.judge_logs import JudgeLogs
from assay.data.formats.oasst import Oasst
from assay.data.formats.pku_saferlhf import PkuSaferlhf
from assay.data.io import Counts, read, write
from assay.data.layouts import resolve
from assay.errors import ConfigError, DataError
from assay.types import Group, Message, Preference, Ranking, Record, StepLabels

TALK = [{"role": "user", "content": "Hi"}]
ROWS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "alpaca-eval": (
        {
            "instruction": "2+3?", "output_1": "5", "generator_1": "x", "dataset": "d",
            "output_2": "6", "generator_2": "y", "annotator": "z", "preference": 1.25,
        },
        ("2+3?", ["5", "6"], 0.75, None),
    ),
    "auto-j": (
        {"scenario": "math", "label": 2, "prompt": "2+3?", "response 1": "5", "response 2": "five"},
        ("2+3?", ["5", "five"], 0.5, None),
    ),
    "evalbiasbench": (
        {"bias": "length", "instruction": "2+3?", "response1": "6", "response2": "5", "label": 2},
        ("2+3?", ["6", "5"], 0, None),
    ),
    "helpsteer3": (
        {
            "domain": "general", "language": "english", "context": TALK, "response1": "Bye",
            "response2": "Hello", "overall_preference": 2, "individual_preference": [],
        },
        ("Hi", ["Bye", "Hello"], 0, 2),
    ),
    "judged-pairs": (
        {"prompt": "2+3?", "response_a": "6", "response_b": "5", "winner": "b", "by": "Ann"},
        ("2+3?", ["6", "5"], 0, None),
    ),
    "judgebench": (
        {
            "pair_id": "p", "original_id": "o", "source": "s", "question": "2+3?",
            "response_model": "x", "response_A": "6", "response_B": "5", "label": "B>A",
        },
        ("2+3?", ["6", "5"], 0, None),
    ),
    "llmbar": (
        {"input": "2+3?", "output_1": "6", "output_2": "5", "label": 2},
        ("2+3?", ["6", "5"], 0, None),
    ),
    "offsetbias": (
        {"instruction": "2+3?", "output_1": "5", "output_2": "6", "label": 1},
        ("2+3?", ["5", "6"], 1, None),
    ),
    "preference-collection": (
        {
            "orig_instruction": "2+3?", "orig_response_A": "6", "orig_response_B": "5",
            "orig_preference": "B", "orig_criteria": "Right?", "instruction": "Judge: 2+3?",
            "output": "B it is", "input": "",
        },
        ("2+3?", ["6", "5"], 0, None),
    ),
    "rewardmath-pairs": (
        {
            "problem": "2+3?", "answer": "2+3?", "eval_solution_A": ["6."],
            "eval_solution_B": ["Add.", "5."], "chosen_position": "B", "level": 1,
        },
        ("2+3?", ["6.", "Add.\n5."], 0, None),
    ),
    "rmb-pairs": (
        {
            "pair_uid": "u", "conversation_input": TALK, "category_path": "c",
            "chosen": {"answer": "Hello", "llm_name": "x"},
            "reject": {"answer": "Bye", "llm_name": "y"},
        },
        ("Hi", ["Hello", "Bye"], 1, None),
    ),
    "shp": (
        {
            "post_id": "p", "domain": "d", "history": "2+3?", "human_ref_A": "6",
            "human_ref_B": "5", "labels": 0, "score_ratio": 4.0, "score_A": 1, "score_B": 4,
        },
        ("2+3?", ["6", "5"], 0, None),
    ),
    "trl-preference": (  # RewardBench's first edition
        {
            "id": 3, "prompt": "2+3?", "chosen": "5", "chosen_model": "x", "rejected": "6",
            "rejected_model": "y", "subset": "math",
        },
        ("2+3?", ["5", "6"], 1, None),
    ),
    "webgpt": (
        {
            "question": {"dataset": "d", "id": "1", "full_text": "2+3?"}, "answer_0": "6",
            "quotes_0": {"title": ["t"]}, "score_0": -0.5, "answer_1": "5", "score_1": 0.5,
        },
        ("2+3?", ["6", "5"], 0, 1),
    ),
    "rewardbench-2": (
        {
            "id": "0", "prompt": "2+3?", "chosen": ["5", "five"], "rejected": ["6", "7", "8"],
            "num_correct": 2, "subset": "Ties",
        },
        ("2+3?", ["5", "five", "6", "7", "8"], [1, 1, 0, 0, 0]),
    ),
    "rmb-best-of-n": (
        {
            "bon_uid": "u", "conversation_input": TALK,
            "bon_best": {"answer": "Hello", "llm_name": "x"},
            "loser_list": [{"answer": "Bye", "llm_name": "y"}, {"answer": "No", "llm_name": "z"}],
        },
        ("Hi", ["Hello", "Bye", "No"], [1, 0, 0]),
    ),
    "alpaca-eval-outputs": (
        {"dataset": "d", "instruction": "2+3?", "output": "5", "generator": "x"},
        ("2+3?", ["5"], None),
    ),
    "arena-hard-answers": (
        {
            "uid": "u", "ans_id": "a", "model": "x", "tstamp": 1.5,
            "messages": [*TALK, {"role": "assistant", "content": {"answer": "Hello"}}],
        },
        ("Hi", ["Hello"], None),
    ),
    "beavertails": (
        {"prompt": "Hi", "response": "Go", "category": {"abuse": True}, "is_safe": False},
        ("Hi", ["Go"], [0]),
    ),
    "feedback-collection": (
        {
            "orig_instruction": "2+3?", "orig_response": "5", "orig_score": "4",
            "orig_criteria": "Right?", "instruction": "Grade: 2+3?", "output": "4", "input": "",
        },
        ("2+3?", ["5"], [4]),
    ),
    "rewardmath": (
        {
            "problem": "2+3?", "answer": "5", "eval_solution": ["Add.", "6."], "id": 7,
            "solution_reference": "x", "solution_type": "rejected", "problem_id": 0,
        },
        ("2+3?", ["Add.\n6."], [None, 0]),
    ),
}  # fmt: skip


def brief(record: Record) -> tuple[Any, ...]:
    if isinstance(record, StepLabels):
        return record.prompt.text, [record.response.text], list(record.labels)
    assert isinstance(record, Group)
    texts = [each.text for each in record.responses]
    if isinstance(record, Preference):
        return record.prompt.text, texts, record.prefer, record.margin
    return record.prompt.text, texts, list(record.grades) if isinstance(record, Ranking) else None


def of(format: Any, row: dict[str, Any]) -> Any:
    (record,) = format.read(row)
    return record


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_told_by_its_columns_and_read(name: str, tmp_path: Path) -> None:
    row, expected = ROWS[name]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row) + "\n")
    counts = Counts()
    (record,) = read(file, counts=counts)
    assert (counts.formats, brief(record)) == ({name}, expected)


@pytest.mark.parametrize("name", ROWS)
def test_no_column_is_lost(name: str) -> None:
    """Whatever is in the row is somewhere in the record."""
    row, _ = ROWS[name]
    known = json.dumps(of(resolve(name), row).model_dump())
    kept = (
        "subset",
        "category",
        "generator_2",
        "llm_name",
        "score_ratio",
        "quotes_0",
        "orig_criteria",
    )
    for column in row.keys() & {*kept}:
        value = json.dumps(row[column])
        assert value in known, column


@pytest.mark.parametrize(
    "name",
    [
        "helpsteer3",
        "shp",
        "webgpt",
        "auto-j",
        "alpaca-eval",
        "rewardbench-2",
        "beavertails",
        "alpaca-eval-outputs",
    ],
)
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    record = of(resolve(name), ROWS[name][0])
    write([record], tmp_path / "again.jsonl", name)
    assert list(read(tmp_path / "again.jsonl", format=name)) == [record]


@pytest.mark.parametrize(
    ("value", "first"),
    [
        *[(value, 1.0) for value in ("A", "model_a", "model 1", "[[A]]", "A>B", "b<<a", 1)],
        *[(value, 0.0) for value in ("B", "Model_B", "2", "assistant b", "B>>A", "A<B", 2.0)],
        *[(value, 0.5) for value in ("tie", "Tie (bothbad)", "both_bad", "A=B", "[[C]]", 1.5)],
        *[("left", 1.0), ("Right", 0.0), ("first", 1.0), ("response-2", 0.0)],
        *[(["A", "B", "A", "tie"], 0.625), (["left"], 1.0), (Cell('["B", "B"]'), 0.0)],
        (1.25, 0.75),
        ("1.25", 0.75),
    ],
)  # fmt: skip
def test_a_winner_is_the_first_the_second_or_none(value: Any, first: float) -> None:
    assert winners.winner(value, "w") == first


@pytest.mark.parametrize(
    "value",
    [None, 0, "0", True, 3, "C", "", "abc", "A>A", "error", [], "nan", ["A", None], ["A", "?"]],
)
def test_what_names_no_winner_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="'w'"):
        winners.winner(value, "w")


MODELS = ("gpt-4", "llama 3")


@pytest.mark.parametrize(
    ("value", "models", "first"),
    [
        ("gpt-4", MODELS, 1.0),
        (" llama 3 ", MODELS, 0.0),
        (7, ("3", "7"), 0.0),
        (["gpt-4", "model_b", "tie", "gpt-4"], MODELS, 0.625),
        ("a", ("a", "b"), 1.0),  # word and name say the same
    ],
)
def test_a_winner_may_be_called_by_its_own_name(
    value: Any, models: tuple[str, str], first: float
) -> None:
    assert winners.winner(value, "w", models) == first


@pytest.mark.parametrize(
    ("value", "models", "why"),
    [
        ("gpt-5", MODELS, "expected a winner .* name of one of the row's two models"),
        ("GPT-4", MODELS, "expected a winner"),
        ("same", ("same", "same"), "expected a winner"),
        ("None", (None, "x"), "expected a winner"),
        ("a", ("b", "a"), "name of one of the two, and a word for the other"),
        ("tie", ("tie", "x"), "name of one of the two, and a word for"),
        (" ", MODELS, "no verdict"),
    ],
)
def test_a_name_that_does_not_tell_the_two_apart_is_refused(
    value: str, models: tuple[str | None, str], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        winners.winner(value, "w", models)


def test_rows_of_models_name_the_winner_by_its_name() -> None:
    row = {"prompt": "q", "response_a": "1", "response_b": "2", "winner": "y"}
    models = {"model_a": "x", "model_b": "y"}
    assert of(resolve("judged-pairs"), row | models).prefer == 0.0
    with pytest.raises(DataError, match="'winner'"):
        of(resolve("judged-pairs"), row)
    record = of(Arena(), battle(said("Hi", "a"), said("Hi", "b"), winner="y"))
    assert (record.prefer, record.prompt.meta) == (0.0, {})


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("choice", 0, (1.0, None)),
        ("choice", "1", (0.0, None)),
        ("prefer", True, (1.0, None)),
        ("prefer", 0.7, (0.7, None)),
        ("strength", -3, (1.0, 3.0)),
        ("strength", "2", (0.0, 2.0)),
        ("strength", 0, (0.5, 0.0)),
    ],
)
def test_verdicts_named_by_hand(part: str, value: Any, expected: tuple[Any, ...]) -> None:
    format = Columns.of(f"prompt=q,first=a,second=b,{part}=v.x")
    row = {"q": "2+3?", "a": "5", "b": "6", "v": {"x": value}}
    record = of(format, row)
    assert (record.prefer, record.margin) == expected
    flat = Columns.of(f"prompt=q,first=a,second=b,{part}=v")
    assert [of(flat, again) for again in flat.write([record])] == [record]
    with pytest.raises(DataError, match=r"'v.x'"):
        of(format, {**row, "v": {"x": None}})
    with pytest.raises(DataError, match=r"'v.x'"):
        of(format, {**row, "v": {"x": float("nan")}})


def test_two_responses_without_a_verdict_are_a_group() -> None:
    format = Columns.of("prompt=q,first=a,second=b,winner=v?")
    rows = [{"q": "2+3?", "a": "5", "b": "6", "v": vote} for vote in ("tie", None)]
    assert [type(of(format, row)) for row in rows] == [Preference, Group]


@pytest.mark.parametrize("parts", ["first=a", "first=a,second=b,winner=v,choice=w", "right=a"])
def test_columns_that_cannot_make_a_comparison_are_refused(parts: str) -> None:
    with pytest.raises(ConfigError):
        Columns.of(f"prompt=q,{parts}")


def test_entries_of_a_list_are_named_by_a_star() -> None:
    format = Columns.of("prompt=q,responses=c.*.text,ranks=c.*.rank")
    row = {"q": "2+3?", "c": [{"text": "5", "rank": 1, "by": "x"}, {"text": "6", "rank": 2}]}
    record = of(format, row)
    assert (brief(record), record.prompt.meta) == (
        ("2+3?", ["5", "6"], [-1, -2]),
        {"c": [{"by": "x"}, {}]},
    )
    assert not format.matches({"q": "2+3?", "c": [{"text": "5"}, {"rank": 2}]})


def said(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def battle(one: Any, other: Any, **more: Any) -> dict[str, Any]:
    row = {"model_a": "x", "model_b": "y", "winner": "model_a"}
    return {**row, "conversation_a": one, "conversation_b": other, **more}


def test_answers_that_part_early_are_trajectories(tmp_path: Path) -> None:
    one, other = said("Hi", "Hello", "Why?", "Manners."), said("Hi", "No", "Why?", "So.")
    record = of(Arena(), battle(one, other))
    assert record.prompt.text == "Hi"
    assert [each.steps for each in record.responses] == [("Hello", "Manners."), ("No", "So.")]
    assert [each.meta for each in record.responses] == [{"model": "x"}, {"model": "y"}]
    shared = of(Arena(), battle(one, said("Hi", "Hello", "Why?", "So.")))
    assert [turn.content for turn in shared.prompt.messages] == ["Hi", "Hello", "Why?"]
    assert [(each.steps, each.turns) for each in shared.responses] == [
        (("Manners.",), ()),
        (("So.",), ()),
    ]
    write([record, shared], tmp_path / "again.jsonl", "arena")
    assert list(read(tmp_path / "again.jsonl")) == [record, shared]
    assert of(Arena(), battle(json.dumps(one), json.dumps(other))) == record


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (battle(said("Hi", "a", "Why?", "b"), said("Hi", "a", "How?", "c")), "user's turn 2"),
        (battle(said("Hi", "a"), said("Ho", "a")), "user's turn 1"),
        (battle(said("Hi", "a"), said("Hi")), "'conversation_b'.*end with an answer"),
        (battle(said("Hi", "a"), said("Hi", "b"), winner=None), "'winner': null is no verdict"),
        (battle(said("Hi", "a"), said("Hi", "b"), winner="error"), "'winner'.*'error'"),
    ],
)
def test_votes_that_compare_nothing_are_refused(row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        of(Arena(), row)


@pytest.mark.parametrize("votes", [(0, 0, 0), (1, 1, 0), (None, 0, 1)])
def test_a_vote_is_one_of_three(votes: tuple[Any, ...]) -> None:
    names = ("winner_model_a", "winner_model_b", "winner_tie")
    row = {"prompt": '["Hi"]', "response_a": '["a"]', "response_b": '["b"]'}
    with pytest.raises(DataError, match="winner_model_a"):
        of(Arena(), {**row, **dict(zip(names, votes, strict=True))})
    with pytest.raises(DataError, match=r"'response_b': 2 answers to 1"):
        of(Arena(), {**row, **dict.fromkeys(names, 0), "winner_tie": 1, "response_b": '["b", "c"]'})
    with pytest.raises(DataError, match=r"'response_b'"):
        of(Arena(), {**row, **dict.fromkeys(names, 0), "winner_tie": 1, "response_b": "[null]"})


def test_votes_in_a_table_of_text_are_read(tmp_path: Path) -> None:
    names = ["id", "model_a", "prompt", "response_a", "response_b"]
    names += ["winner_model_a", "winner_model_b", "winner_tie"]
    turns = (json.dumps(texts) for texts in (["Hi, you", "Why?"], ["a", "b"], ["c", "\n"]))
    with (tmp_path / "votes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, ["3", "x", *turns, "0", "0", "1"]])
    (record,) = read(tmp_path / "votes.csv")
    assert brief(record) == ("Hi, you", ["ab", "c\n"], 0.5, None)


def test_a_grade_is_an_attribute_or_their_mean() -> None:
    row: dict[str, Any] = {"prompt": "2+3?", "response": "5", "helpfulness": 4, "correctness": 3}
    row |= {"coherence": 2, "complexity": 1, "verbosity": 0.5}
    grades = {"helpfulness": 4, "verbosity": 0.5, "mean": 2.1}
    for grade, expected in grades.items():
        format: Any = Helpsteer(grade=grade)  # type: ignore[arg-type]
        record = of(format, row)
        assert record.grades == (pytest.approx(expected),)
        others = row.keys() - {"prompt", "response", grade}
        assert record.responses[0].meta == {name: row[name] for name in others}
        assert [of(format, again) for again in format.write([record])] == [record]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"preference_strength": None}, "null is no verdict"),
        ({"preference_strength": -100}, "from -3 to 3"),
        ({"prompt": "Hi\n<extra_id_1>Assistant\nHello"}, "alternate"),
    ],
)
def test_strengths_and_turns_are_checked(change: dict[str, Any], complaint: str) -> None:
    row = {"prompt": "Hi", "response_1": "a", "response_2": "b", "preference_strength": -1}
    with pytest.raises(DataError, match=complaint):
        of(Helpsteer(), {**row, **change})


def test_marked_turns_keep_their_white_space() -> None:
    prompt = " Hi \n\n<extra_id_1>Assistant\n Hello\n\n<extra_id_1>User\nBye\n"
    row = {"prompt": prompt, "response_1": "a", "response_2": "", "preference_strength": 0}
    record = of(Helpsteer(), row)
    assert record.prompt.messages == (
        Message(role="user", content=" Hi \n"),
        Message(role="assistant", content=" Hello\n"),
        Message(role="user", content="Bye\n"),
    )
    assert (record.prefer, record.margin, record.responses[1].steps) == (0.5, 0, ())
    assert list(Helpsteer().write([record])) == [row]


def test_the_safer_response_may_be_another_than_the_better_one() -> None:
    row = {"prompt": "Hi", "response_0": "a", "response_1": "b", "better_response_id": 0}
    row = {**row, "safer_response_id": 1}
    judged = [of(PkuSaferlhf(judged_by=by), row).prefer for by in ("better", "safer")]  # type: ignore[arg-type]
    assert judged == [1, 0]
    with pytest.raises(DataError, match="'safer_response_id' is missing"):
        of(PkuSaferlhf(judged_by="safer"), {k: row[k] for k in row if k != "safer_response_id"})


def test_replies_that_nobody_ranked_are_left_out() -> None:
    def node(text: str, role: str, rank: int | None, *replies: Any) -> dict[str, Any]:
        return {"text": text, "role": role, "rank": rank, "replies": [*replies]}

    ranked = [node("a", "assistant", 1), node("b", "assistant", None), node("c", "assistant", 0)]
    row = {"message_tree_id": "t", "prompt": node("Hi", "prompter", None, *ranked)}
    assert brief(of(Oasst(), row)) == ("Hi", ["a", "c"], [-1, 0])
    assert list(Oasst().read({**row, "prompt": node("Hi", "prompter", None, *ranked[:2])})) == []


def test_flat_messages_are_refused_by_name() -> None:
    row = {"message_tree_id": "t", "message_id": "m", "parent_id": None, "role": "prompter"}
    assert Oasst().matches({**row, "text": "Hi", "rank": None})
    with pytest.raises(DataError, match="file of trees"):
        of(Oasst(), {**row, "text": "Hi", "rank": None})


def shown(one: str, other: str) -> str:
    mark = "<|The {} of Assistant {}'s Answer|>"
    answers = [
        f"{mark.format('Start', name)}\n{text}\n{mark.format('End', name)}"
        for name, text in (("A", one), ("B", other))
    ]
    return "<|User Prompt|>\n2+3?\n\n" + "\n\n".join(answers)


@pytest.mark.parametrize(
    ("scores", "prefer", "margin"),
    [
        (("A>B", "B>A"), 1, 1),  # the second game is swapped
        (("A>>B", "B>A"), 1, 2),
        (("A>>B", "A>>B"), 0.5, None),
        (("A=B", "A>>B"), 0.25, 1.5),
        ((None, "A>B"), 0, 1),
        (("B>>A", None), 0, 3),
    ],
)
def test_two_games_in_either_order_are_one_preference(
    scores: tuple[str | None, ...], prefer: float, margin: float | None
) -> None:
    texts = shown("5", "6"), shown("6", "5")
    games = [
        None if score is None else {"score": score, "judgment": "", "user_prompt": text}
        for score, text in zip(scores, texts, strict=True)
    ]
    row = {"question_id": "q", "model": "x", "baseline": "y", "judge": "j", "games": games}
    record = of(JudgeLogs(), row)
    assert brief(record) == ("2+3?", ["5", "6"], prefer, margin)
    assert [each.meta["model"] for each in record.responses] == ["y", "x"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"user_prompt": "2+3?"}, "between MT-Bench's"),
        ({"user_prompt": shown("a [The End of Assistant A's Answer]", "b")}, "cannot be told"),
        ({"user_prompt": shown("a", "b")}, "a grade is of one answer"),
        ({"score": -1}, "has no grade"),
        ({"score": None}, "'score'.*a number"),
    ],
)
def test_judgments_that_say_nothing_are_refused(change: dict[str, Any], complaint: str) -> None:
    one = (
        "[Question]\n2+3?\n\n[The Start of Assistant's Answer]\n5\n[The End of Assistant's Answer]"
    )
    row = {"question_id": 1, "user_prompt": one, "judgment": "[[7]]", "score": 7, "model": "x"}
    assert brief(of(JudgeLogs(), row)) == ("2+3?", ["5"], [7])
    with pytest.raises(DataError, match=complaint):
        of(JudgeLogs(), {**row, **change})
    games = [{"score": None, "user_prompt": shown("a", "b")}]
    with pytest.raises(DataError, match="no game came to a verdict"):
        of(JudgeLogs(), {"games": games, "model": "x", "judge": "j"})


def test_public_pairs_are_read(assay_data: Path) -> None:
    counts = Counts()
    pairs = [*read(assay_data / "judges/llmbar/LLMBar_Natural.json", counts=counts)]
    pairs += read(assay_data / "judges/evalbiasbench/biasbench.json", counts=counts)
    assert (len(pairs), counts.formats) == (100 + 80, {"llmbar", "evalbiasbench"})
    assert {each.prefer for each in pairs if isinstance(each, Preference)} == {0, 1}
