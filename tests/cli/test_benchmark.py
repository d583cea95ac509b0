"""`assay benchmark`: from a model or a file of step scores to a report."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from assay import cli
from assay.models.checkpoint import save
from assay.scorers.baselines import Longest
from assay.types import Group, Score, Unscored
from tests.training import planted

DATA = Path(__file__).resolve().parent.parent / "golden" / "processbench.jsonl"


def ids_and_steps() -> list[tuple[str, int, int]]:
    """Id, number of steps and label of each row."""
    rows = [json.loads(line) for line in DATA.read_text().splitlines()]
    return [(row["id"], len(row["steps"]), row["label"]) for row in rows]


def benchmark(*arguments: object) -> None:
    cli.main(["benchmark", *map(str, arguments)])


def test_gold_scores_are_perfect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = tmp_path / "scores.jsonl"
    rows = [
        {"id": id, "scores": [0.1 if i == label else 0.9 for i in range(n)]}
        for id, n, label in ids_and_steps()
    ]
    scores.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark("processbench", "--data", DATA, "--scores", scores, "--out", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert found["metrics"]["gsm8k_f1"]["value"] == 1
    assert found["metrics"]["math_accuracy_wrong"]["value"] == 1
    assert "f1" in capsys.readouterr().out
    assert "processbench" in (tmp_path / "out" / "report.html").read_text()
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["settings"]["benchmark"]["component"] == "benchmarks/processbench"


def test_a_models_scores_are_saved_and_read_back(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    save(planted.model("process", max_length=256), tmp_path / "rm")
    common = ["processbench", "--data", DATA]
    benchmark(
        *common,
        "--scorer",
        tmp_path / "rm",
        "--save",
        tmp_path / "s.jsonl",
        "--out",
        tmp_path / "a",
    )
    assert [json.loads(line)["id"] for line in (tmp_path / "s.jsonl").read_text().splitlines()] == [
        id for id, _, _ in ids_and_steps()
    ]
    benchmark(*common, "--scores", tmp_path / "s.jsonl", "--out", tmp_path / "b")
    first, second = (json.loads((tmp_path / x / "benchmark.json").read_text()) for x in "ab")
    assert first["metrics"] == second["metrics"]


def test_one_of_model_and_scores_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        benchmark("processbench", "--data", DATA)
    assert stop.value.code == 2
    assert "--scorer WORD) or a file of scores (--scores FILE" in capsys.readouterr().err


def test_published_predictions_are_scores_wherever_they_are(tmp_path: Path) -> None:
    """ProcessBench's own programs write the rows again with a `prediction`: from a file, as the
    data and the scores at once, or as a column of scores of steps."""
    predictions = {"gsm8k-0": 1, "gsm8k-1": 0, "math-0": None}
    rows = [json.loads(line) for line in DATA.read_text().splitlines()]
    for row in rows:
        at = predictions[row["id"]]
        row |= {"prediction": at, "match": at == row["label"]}
        row["p"] = None if at is None else [float(i != at) for i in range(len(row["steps"]))]
    results = tmp_path / "results"
    results.mkdir()
    for name, chosen in (("gsm8k_correct", rows[1:2]), ("gsm8k_error", [rows[0], *rows[2:]])):
        text = "".join(json.dumps(row) + "\n" for row in chosen)
        (results / f"{name}.jsonl").write_text(text)
    for words, out in (
        ((DATA, "--scores", results), "a"),
        ((results, "--scores", results), "b"),
        ((results, "--scorer", "column:p"), "c"),
    ):
        benchmark("processbench", *words, "--out", tmp_path / out)
        found = json.loads((tmp_path / out / "benchmark.json").read_text())["metrics"]
        assert found["gsm8k_accuracy_wrong"]["value"] == 1
        assert found["gsm8k_accuracy_right"]["value"] == 0
        assert found["math_accuracy_wrong"]["unscored"] == 1


def test_a_benchmark_of_chosen_responses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {
            "id": str(i), "prompt": f"Which is {i}?", "subset": "Math", "chosen": ["the third"],
            "rejected": ["one", "two", "four" + "!" * i],
        }
        for i in range(8)
    ]  # fmt: skip
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    saved = tmp_path / "scores.jsonl"
    longest = ["--scorer", "longest", "--save", saved, "--out", tmp_path / "a"]
    benchmark("rewardbench2", data, *longest, "--fail-on", "Math<0.5")
    assert "Math/oracle" in capsys.readouterr().out.replace("  oracle", "Math/oracle")
    html = (tmp_path / "a" / "report.html").read_text()
    assert "Math / longest" in html
    assert "four!!!!!!!" in html
    benchmark("rewardbench2", data, "--scores", saved, "--out", tmp_path / "b")
    first, second = (json.loads((tmp_path / x / "benchmark.json").read_text()) for x in "ab")
    assert first == second
    # The longest is right until the last response has nine characters as well, which is shared.
    assert first["metrics"]["Math"]["value"] == pytest.approx((5 + 0.5) / 8)
    assert first["baselines"]["Math/longest"] == first["metrics"]["Math"]


def test_where_nothing_is_scored_nothing_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        benchmark("processbench", DATA, "--scorer", "column:nope", "--out", tmp_path / "out")
    assert stop.value.code == 2
    assert "all responses are unscored: no column 'nope'; there is" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command", [("benchmark", "processbench", "--data", str(DATA)), ("eval", str(DATA))]
)
def test_a_scorer_without_step_scores_is_refused_after_the_first_group(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []
    scores = Longest.score

    def counted(self: Longest, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        asked.append(len(groups))
        return scores(self, groups)

    monkeypatch.setattr(Longest, "score", counted)
    with pytest.raises(SystemExit) as stop:
        cli.main([*command, "--scorer", "longest"])
    assert stop.value.code == 2
    assert "0 step scores for" in (said := capsys.readouterr().err)
    assert "such as a process model or steps:ANSWERER" in said
    assert asked == [1]
