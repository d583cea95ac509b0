"""`assay eval` where some of it, or nothing, can be scored."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from assay import cli
from assay.data import io
from assay.errors import DataError
from assay.types import Group, Preference, Prompt, Ranking, Response, Score, StepLabels, Unscored
from assay.workflows.best_of_n import best_of_n
from assay.workflows.evaluate import evaluate
from assay.workflows.score import score

PROMPTS = [Prompt.of(f"q{i}") for i in range(4)]
TWO = (Response.of("a"), Response.of("bb"))
KINDS = {
    "preference": [Preference(prompt=p, responses=TWO, prefer=1.0) for p in PROMPTS],
    "ranking": [Ranking(prompt=p, responses=TWO, grades=(0.0, 1.0)) for p in PROMPTS],
    "outcome": [
        StepLabels(prompt=p, response=TWO[i % 2], labels=(float(i % 2),))
        for i, p in enumerate(PROMPTS)
    ],
    "process": [
        StepLabels(prompt=p, response=Response(steps=("a", "b")), labels=(1.0, float(i % 2)))
        for i, p in enumerate(PROMPTS)
    ],
}


class Nothing:
    """Scores nothing at all."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[Unscored(reason="too long for it") for _ in group.responses] for group in groups]


class Some:
    """Scores all prompts but the first."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [
            [
                Unscored(reason="too long for it")
                if group.prompt.text == "q0"
                else Score(
                    value=0.5 + len(r.text) / 9, steps=[0.5 + len(r.text) / 9] * len(r.steps)
                )
                for r in group.responses
            ]
            for group in groups
        ]


@pytest.mark.parametrize("kind", [*KINDS])
def test_nothing_scored_is_refused_with_the_reason(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    io.write(KINDS[kind], data)
    with pytest.raises(SystemExit) as stop:
        cli.main(["eval", f"{__name__}:Nothing", str(data), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert "nothing can be measured on 4 records" in said.err
    assert "responses unscored: too long for it" in said.err
    assert "0.500" not in said.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [*KINDS])
def test_reasons_are_told_of_what_is_unscored(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.jsonl"
    io.write(KINDS[kind], data)
    cli.main(["eval", f"{__name__}:Some", str(data)])
    assert "responses unscored: too long for it" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [*KINDS])
def test_a_file_of_scores_says_what_the_scorer_says(kind: str, tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    score(KINDS[kind], Some(), out=scores)
    one, other = evaluate(KINDS[kind], Some()), evaluate(KINDS[kind], scores=scores)
    assert one.to_json() == other.to_json()
    assert other.name == "Evaluation of scores.jsonl"


def test_probabilities_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of scores within [0, 1], a step below 0.5 is wrong where they are probabilities."""
    data, scores = tmp_path / "data.jsonl", tmp_path / "scores.jsonl"
    io.write(KINDS["process"][::2], data)
    scores.write_text('{"scores": [0.9, 0.1]}\n' * 2)
    for words, right, said in (([], "0.500", True), (["--probabilities"], "1.000", False)):
        cli.main(["eval", str(data), "--scores", str(scores), *words])
        out = capsys.readouterr().out
        assert ("give --probabilities where" in out) is said
        assert (
            next(line for line in out.splitlines() if "step_accuracy" in line).split()[1] == right
        )


def test_scores_of_a_pool_stay_with_their_responses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"prompt": f"{n}+1?", "responses": [str(n), str(n + 1), "3?"], "reference": str(n + 1)}
        | {"rm": [n, n + 10, None], "tests": ["a", "b", "c"]}
        for n in range(3, 6)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cli.main(
        ["verify", "numeric", str(tmp_path / "pool.jsonl"), "--write", str(tmp_path / "l.jsonl")]
    )
    written = [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()]
    assert [row["response"]["meta"] for row in written[:3]] == [{"rm": x} for x in (3, 13, None)]
    assert all(row["prompt"]["meta"] == {"tests": ["a", "b", "c"]} for row in written)
    capsys.readouterr()
    cli.main(["eval", str(tmp_path / "l.jsonl"), "--scorer", "column:rm"])
    said = capsys.readouterr().out
    assert "3 responses unscored: column 'rm' is null" in said
    assert " ".join(said.split()).count("best_of_2 1.000") == 1


def test_what_has_no_label_is_refused_before_it_is_scored(tmp_path: Path) -> None:
    scorer = Nothing()
    groups = [Group(prompt=Prompt.of("1+1?", reference="2"), responses=TWO)]
    with pytest.raises(DataError, match=r"assay verify numeric the data --write labelled\.jsonl"):
        evaluate(groups, scorer)
    with pytest.raises(DataError, match="1 of 2 records have no label; give preferences"):
        evaluate([Group(prompt=PROMPTS[0], responses=TWO), KINDS["ranking"][0]], scorer)


def test_a_column_that_was_read_as_gold_is_named(tmp_path: Path) -> None:
    row = {"prompt": "1+1?", "responses": ["2", "3"], "scores": [0.5, 1], "reference": "2"}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(row) + "\n")
    for measure in (evaluate, best_of_n):
        with pytest.raises(DataError, match=r"'scores' was read as the gold grades of .*a\.jsonl"):
            measure(file, scorer="column:scores")
    said = "the gold of 1 prompts is the grades in the data; their references are not used"
    said += " (--gold VERIFIER uses them)"
    assert said in best_of_n(file, scorer="longest").notes
    file.write_text(json.dumps({**row, "reward": [1, 0]}) + "\n")
    assert "1 responses unscored" not in str(evaluate(file, "column:reward"))
