"""Where commands write: nothing that is there is lost."""

import errno
import json
from pathlib import Path

import pytest

from assay import cli
from assay.runs import outputs
from assay.runs.run import Run


def write(path: Path, text: str = "dear") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run_of(command: str, folder: Path) -> Path:
    write(
        folder / "run.json",
        json.dumps({"settings": {"component": f"any/assay.cli.{command}:Command"}}),
    )
    return folder


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What is said on exit with 2, in one line."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def everything(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.mark.parametrize(
    "out", ["home", "home/sub", "source", "home/thesis.txt", "home/thesis.txt/x"]
)
def test_an_import_or_average_replaces_nothing(
    out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("home/thesis.txt", "home/sub/x", "source/config.json", "other/config.json"):
        write(tmp_path / name)
    before = everything(tmp_path)
    refused(capsys, "models", "import", tmp_path / "source", "--out", tmp_path / out)
    members = (tmp_path / "source", tmp_path / "other")
    refused(
        capsys,
        "models",
        "average",
        *members,
        "--records",
        tmp_path / "no.jsonl",
        "--out",
        tmp_path / out,
    )
    assert everything(tmp_path) == before


def test_a_new_or_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "new/below"):
        outputs.check_new(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


TRAININGS = {
    "train": ["train", "rm", "DATA", "--backbone", "START", "--set-aside", "ASIDE"],
    "sft": ["sft", "DATA", "--policy", "START", "--set-aside", "ASIDE"],
    "rl": ["rl", "grpo", "DATA", "--policy", "START", "--reward", "longest"],
}
SUMMARY = {command: name for name, command in outputs.SUMMARIES.items()}


@pytest.mark.parametrize("command", [*TRAININGS])
def test_a_training_leaves_other_runs_and_models_alone(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, data = write(tmp_path / "start" / "config.json", "{}").parent, tmp_path / "no.jsonl"
    for other in TRAININGS.keys() - {command}:
        run_of(other, tmp_path / f"cli-{other}")
        write(tmp_path / f"library-{other}" / SUMMARY[other], "{}")
    run_of("eval", tmp_path / "eval")
    write(tmp_path / "theirs" / "run.json", "[]")
    for name in ("model", "policy", "peak", "checkpoint"):
        write(tmp_path / f"with-{name}" / name / "weights")
    write(tmp_path / "file")
    folders = [p.name for p in tmp_path.iterdir()]
    before = everything(tmp_path)
    # Of its own kind, but it holds what to start from.
    inside = write(run_of(command, tmp_path / "own") / "policy" / "config.json").parent
    before |= everything(tmp_path)
    starts = {"own": inside}
    for name in [*folders, "file/below", "own"]:
        aside = tmp_path / name / "aside.jsonl"
        at = {"DATA": data, "START": starts.get(name, start), "ASIDE": aside}
        words = [str(at.get(word, word)) for word in TRAININGS[command]]
        for resume in ([], ["--no-resume"]):
            said = refused(capsys, *words, "--out", tmp_path / name, *resume)
            assert str(tmp_path / name.partition("/")[0]) in said
            assert "no.jsonl" not in said
    assert everything(tmp_path) == before


@pytest.mark.parametrize("command", [*TRAININGS])
def test_a_run_of_ones_own_is_gone_on_with(command: str, tmp_path: Path) -> None:
    own = run_of(command, tmp_path / "cli"), write(tmp_path / "lib" / SUMMARY[command], "{}").parent
    theirs = write(tmp_path / "notes" / "notes.txt")
    for folder in (*own, theirs.parent):
        for restart in (False, True):
            Run.open(folder, {}, command=command, restart=restart).close()
    assert theirs.read_text() == "dear"


def test_rows_are_not_set_aside_into_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(run_of("train", tmp_path / "run") / "set_aside.jsonl", '{"prompt": "a"}\n')
    words = [
        "train",
        "rm",
        data,
        "--backbone",
        "nowhere/at/all",
        "--out",
        data.parent,
        "--set-aside",
        data,
    ]
    assert "would replace what is read" in refused(capsys, *words)
    assert data.read_text() == '{"prompt": "a"}\n'


def test_scores_and_evaluations_replace_no_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = '{"prompt": "a", "chosen": "b", "rejected": "cc"}\n'
    data, model = (
        write(tmp_path / "in" / "d.jsonl", pair),
        write(tmp_path / "rm" / "weights").parent,
    )
    aside = write(tmp_path / "scores.set_aside", pair)
    (tmp_path / "link.jsonl").symlink_to(data)
    (tmp_path / "hard.jsonl").hardlink_to(data)
    before = everything(tmp_path)
    for source, out in (
        (data, data),
        (data, tmp_path / "in" / ".." / "in" / "d.jsonl"),
        (data, tmp_path / "link.jsonl"),
        (data, tmp_path / "hard.jsonl"),
        (data.parent, data),
        (data, model / "weights"),
        (aside, tmp_path / "scores"),
        (data, data / "x"),
    ):
        words = ("--scorer", model, "--out", out, "--set-aside", f"{out}.set_aside")
        said = refused(capsys, "score", source, *words)
        assert "no folder of a reward model" not in said
    run_of("train", model)
    before = everything(tmp_path)
    for out in (data, data / "x", model):
        refused(capsys, "eval", data, "--scorer", "longest", "--out", out)
        refused(capsys, "bestof", data, "--scorer", "longest", "--out", out)
    assert everything(tmp_path) == before


def test_a_full_disk_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("assay.workflows.score.write_atomic", full)
    data = write(tmp_path / "d.jsonl", '{"prompt": "a", "chosen": "b", "rejected": "cc"}\n')
    assert "No space left" in refused(
        capsys, "score", data, "--scorer", "longest", "--out", tmp_path / "scores"
    )
