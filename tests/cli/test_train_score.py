"""`assay train` and `assay score` from files to files."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from assay import cli
from assay.cli.train import Command
from assay.data import io
from assay.losses.bradley_terry import BradleyTerry
from assay.models.checkpoint import load, read_manifest
from assay.runs.settings import read_run
from assay.scorers.local import LocalScorer
from assay.types import Group, Preference, Prompt, Record, Response, Score
from assay.workflows.train import sides_for
from tests.models import tiny
from tests.training import planted

SMALL = [
    "--learning-rate",
    "5e-3",
    "--batch-size",
    "16",
    "--max-length",
    "64",
    "--threads",
    "1",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny causal language model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("backbone")
    tiny.network(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `assay train bradley-terry`, with its data beside it."""
    folder = tmp_path_factory.mktemp("trained")
    data = write(folder / "pairs.jsonl", planted.preferences(300))
    assay(
        "train",
        "bradley-terry",
        "--data",
        data,
        "--backbone",
        backbone,
        "--out",
        folder / "rm",
        *SMALL,
    )
    return folder


def assay(*arguments: object) -> None:
    cli.main([str(a) for a in arguments])


def write(path: Path, records: Sequence[Record]) -> Path:
    io.write(records, path)
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_train_writes_a_model_its_settings_and_its_metrics(trained: Path) -> None:
    out = trained / "rm"
    rows = lines(out / "metrics.jsonl")
    assert rows[0]["held_out_records"] == 300 - int(str(rows[0]["records"]))
    assert 0 < int(str(rows[0]["held_out_records"])) < 60
    assert any("eval_loss" in row for row in rows)
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["loss"]["component"] == "losses/bradley-terry"
    assert run["settings"]["settings"]["learning_rate"] == 5e-3
    assert list(run["data"]) == [str(trained / "pairs.jsonl")]
    found = read_run(out, Command)
    assert found.loss == BradleyTerry()
    assert found.out == out
    group = Group(prompt=Prompt.of("q ab"), responses=(Response.of("ab yes"), Response.of("ab no")))
    ((yes, no),) = LocalScorer(load(out)).score([group])
    assert isinstance(yes, Score)
    assert isinstance(no, Score)
    assert yes.value > no.value


def test_no_prompt_is_on_both_sides(tmp_path: Path) -> None:
    pairs = [pair for pair in planted.preferences(40) for _ in range(3)]
    data = write(tmp_path / "pairs.jsonl", pairs)
    found = sides_for(BradleyTerry(), data, 0.3, seed=0, format=None, aside=None)
    assert len(found.train) + len(found.held) == 120
    sides = [
        {r.prompt.text for r in side if isinstance(r, Preference)}
        for side in (found.train, found.held)
    ]
    assert not sides[0] & sides[1]
    assert all(sides)


def test_the_same_command_again_loads_the_run_and_another_is_refused(
    trained: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp = (trained / "rm" / "model.safetensors").stat().st_mtime_ns
    same = [
        "train",
        "bradley-terry",
        "--data",
        trained / "pairs.jsonl",
        "--backbone",
        backbone,
        "--out",
        trained / "rm",
    ]
    assay(*same, *SMALL)
    assert (trained / "rm" / "model.safetensors").stat().st_mtime_ns == stamp
    before = (trained / "rm" / "run.json").read_bytes()
    with pytest.raises(SystemExit) as stop:
        assay(*same, *SMALL, "--seed", 1)
    assert stop.value.code == 2
    assert "of train that differs in settings" in capsys.readouterr().err
    assert (trained / "rm" / "run.json").read_bytes() == before


def test_from_a_run_json_with_one_change(trained: Path, tmp_path: Path) -> None:
    assay("train", "--from", trained / "rm", "--out", tmp_path / "rm", "--batch-size", "64")
    found = json.loads((tmp_path / "rm" / "run.json").read_text())["settings"]
    assert found["settings"]["batch_size"] == 64
    assert found["settings"]["learning_rate"] == 5e-3
    assert (
        found["backbone"]
        == json.loads((trained / "rm" / "run.json").read_text())["settings"]["backbone"]
    )
    assert len(lines(tmp_path / "rm" / "metrics.jsonl")) < len(
        lines(trained / "rm" / "metrics.jsonl")
    )


def test_records_of_another_kind_say_what_would_work(
    trained: Path, backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        assay(
            "train",
            "step-bce",
            "--data",
            trained / "pairs.jsonl",
            "--backbone",
            backbone,
            "--out",
            tmp_path / "rm",
        )
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "StepBCE learns from StepLabels records, and the data holds Preference records" in error
    assert "bradley-terry" in error


def test_rankings_train_bradley_terry_by_their_pairs(backbone: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "rankings.jsonl", planted.rankings(30))
    held = write(tmp_path / "held.jsonl", planted.rankings(10, seed=1))
    assay(
        *("train", "bradley-terry", "--data", data, "--held-out", held, "--backbone", backbone),
        *("--out", tmp_path / "rm", *SMALL),
    )
    pairs = sum(a > b for r in planted.rankings(30) for a in r.grades for b in r.grades)
    assert lines(tmp_path / "rm" / "metrics.jsonl")[0]["records"] == pairs


def test_malformed_rows_are_set_aside_and_counted(
    trained: Path, backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "pairs.jsonl"
    data.write_text((trained / "pairs.jsonl").read_text() + '{"type": "preference", "prompt"\n')
    command = [
        "train",
        "bradley-terry",
        "--data",
        data,
        "--backbone",
        backbone,
        "--out",
        tmp_path / "rm",
        *SMALL,
    ]
    with pytest.raises(SystemExit):
        assay(*command)
    assert "pairs.jsonl:301" in capsys.readouterr().err
    assay(*command, "--set-aside")
    assert "1 of 301 rows are malformed and set aside" in capsys.readouterr().err
    assert len(lines(tmp_path / "rm" / "set_aside.jsonl")) == 1


def test_an_implicit_model_is_trained_saved_and_scores_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    language_model = tmp_path / "lm"
    tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(language_model)
    tiny.tokenizer().save_pretrained(language_model)
    outcomes = planted.outcomes(300)
    # One prompt would be on one side.
    records = [
        r.model_copy(update={"prompt": Prompt.of(f"go {i}")}) for i, r in enumerate(outcomes)
    ]
    data, out = write(tmp_path / "outcomes.jsonl", records), tmp_path / "rm"
    start = ["--data", data, "--backbone", language_model, "--implicit-beta", "0.2"]
    for loss in (["step-bce"], ["outcome", "--every-token"]):
        with pytest.raises(SystemExit) as stop:
            assay("train", *loss, *start, "--out", out, *SMALL)
        assert stop.value.code == 2
        assert "an implicit model learns from its end alone; use outcome" in capsys.readouterr().err
    assert not out.exists()
    assay("train", "outcome", *start, "--out", out, *SMALL, "--epochs", 3)
    assert "held out (10 records): loss" in capsys.readouterr().out
    manifest = read_manifest(out)
    assert (manifest.implicit_beta, manifest.readout.steps, manifest.readout.link) == (
        0.2,
        "difference",
        "sigmoid",
    )
    assert json.loads((out / "run.json").read_text())["settings"]["implicit_beta"] == 0.2
    assay("score", out, data, "--out", tmp_path / "scores.jsonl")
    rows = lines(tmp_path / "scores.jsonl")
    assert [len(row["steps"]) for row in rows] == [len(r.response.steps) for r in outcomes]  # type: ignore[arg-type]
    values = [float(str(row["value"])) for row in rows]
    assert sum(values[::2]) / 150 > sum(values[1::2]) / 150 + 0.3
    assay("models", "check", out)
    assert "parity" in capsys.readouterr().out


def test_score_writes_a_line_a_response(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = planted.preferences(20, seed=5)
    long = data[0].model_copy(update={"responses": (Response.of("x" * 100), Response.of("ab yes"))})
    file = write(tmp_path / "data.jsonl", [*data, long])
    assay("score", trained / "rm", file, "--out", tmp_path / "scores.jsonl", "--chunk", 4)
    found = lines(tmp_path / "scores.jsonl")
    assert [(row["group"], row["response"]) for row in found] == [
        (i, j) for i in range(21) for j in range(2)
    ]
    assert "tokens > max_length 64" in str(found[40]["unscored"])
    assert "value" not in found[40]
    for row, score in zip(
        found, [s for g in LocalScorer(trained / "rm").score(data) for s in g], strict=False
    ):
        assert isinstance(score, Score)
        assert row["value"] == pytest.approx(score.value, abs=1e-5)
    assert "41 responses scored, 1 unscored" in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {"data.jsonl", "scores.jsonl"}


def test_score_goes_on_where_it_was(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "data.jsonl", planted.preferences(20, seed=5))
    command = ["score", trained / "rm", file, "--out", tmp_path / "scores.jsonl", "--chunk", 4]
    assay(*command)
    whole = (tmp_path / "scores.jsonl").read_text()
    (tmp_path / "scores.jsonl").unlink()
    score, calls = LocalScorer.score, []

    def stops(self: LocalScorer, groups: Sequence[Group]) -> object:
        calls.append(len(groups))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(self, groups)

    monkeypatch.setattr(LocalScorer, "score", stops)
    with pytest.raises(SystemExit) as stop:
        assay(*command)
    assert stop.value.code == 130
    assert not (tmp_path / "scores.jsonl").exists()
    with (tmp_path / ".scores.jsonl.part").open("a") as part:
        part.write('{"id": "cut sho')
    assay(*command)
    assert (tmp_path / "scores.jsonl").read_text() == whole
    assert calls == [4, 4, 4, 4, 4, 4], (
        "two chunks before the stop, the one it hit, and the three left"
    )


def test_score_does_not_mix_two_models(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "data.jsonl", planted.preferences(8, seed=5))
    shutil.copytree(trained / "rm", tmp_path / "copy")
    shutil.copytree(trained / "rm", tmp_path / "other")
    layout = json.loads((tmp_path / "other" / "reward_model.json").read_text())
    layout["layout"]["max_length"] += 1
    (tmp_path / "other" / "reward_model.json").write_text(json.dumps(layout))

    def stops(self: LocalScorer, groups: Sequence[Group]) -> object:
        monkeypatch.undo()
        raise KeyboardInterrupt

    score = LocalScorer.score
    calls: list[int] = []

    def second(self: LocalScorer, groups: Sequence[Group]) -> object:
        calls.append(1)
        return score(self, groups) if len(calls) == 1 else stops(self, groups)

    monkeypatch.setattr(LocalScorer, "score", second)
    with pytest.raises(SystemExit):
        assay("score", trained / "rm", file, "--out", tmp_path / "scores.jsonl", "--chunk", 4)
    with pytest.raises(SystemExit) as stop:
        assay("score", tmp_path / "other", file, "--out", tmp_path / "scores.jsonl", "--chunk", 4)
    assert stop.value.code == 2
    # The same files in another place are the same model.
    assay("score", tmp_path / "copy", file, "--out", tmp_path / "scores.jsonl", "--chunk", 4)


def by_rollouts(tmp_path: Path, meaning: str = "monte_carlo") -> Path:
    return write(
        tmp_path / "steps.jsonl",
        [r.model_copy(update={"meaning": meaning}) for r in planted.steps(40)],
    )


@pytest.mark.parametrize(
    ("meaning", "aggregate"), [("correctness", "product"), ("monte_carlo", "last")]
)
def test_labels_by_rollouts_are_aggregated_as_values(
    meaning: str, aggregate: str, backbone: Path, tmp_path: Path
) -> None:
    data = by_rollouts(tmp_path, meaning)
    assay("train", "prm", "--data", data, "--backbone", backbone, "--out", tmp_path / "prm", *SMALL)
    manifest = read_manifest(tmp_path / "prm")
    assert manifest.readout.aggregate == aggregate
    assert manifest.scores is not None
    assert manifest.scores.labels == meaning


@pytest.mark.filterwarnings("ignore:min of scores")
def test_the_weakest_of_values_is_warned_of(
    backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = [
        "--data",
        by_rollouts(tmp_path),
        "--backbone",
        backbone,
        *SMALL,
        "--held-out",
        0,
        "--aggregate",
        "min",
    ]
    assay("train", "prm", "--out", tmp_path / "prm", *shared)
    assert "note: min of scores learned from Monte-Carlo labels" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="Aggregate by last"):
        LocalScorer(tmp_path / "prm")
    with pytest.raises(SystemExit):
        assay("train", "orm", "--out", tmp_path / "orm", *shared)
    assert "aggregate is of step scores" in capsys.readouterr().err


def test_training_writes_a_card_beside_the_weights(trained: Path) -> None:
    text = (trained / "rm" / "README.md").read_text()
    body = json.loads((trained / "rm" / "run.json").read_text())
    (data_hash,) = body["data"].values()
    assert data_hash in text
    assert "| accuracy | " in text
    assert f"vllm serve {trained / 'rm'}" in text
    assert "README.md" in body["files"]
