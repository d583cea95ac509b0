"""Where commands write: nothing that is there is lost."""

import json
from pathlib import Path

import pytest

from assay import cli, outputs


def write(path: Path, text: str = "dear") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run_of(command: str, folder: Path) -> Path:
    write(folder / "run.json", json.dumps({"settings": {"component": f"any/assay.cli.{command}:Command"}}))
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
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("out", ["home", "home/sub", "source", "home/thesis.txt", "home/thesis.txt/x"])
def test_an_import_or_average_replaces_nothing(out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("home/thesis.txt", "home/sub/x", "source/config.json", "other/config.json"):
        write(tmp_path / name)
    before = everything(tmp_path)
    refused(capsys, "models", "import", tmp_path / "source", "--out", tmp_path / out)
    members = (tmp_path / "source", tmp_path / "other")
    refused(capsys, "models", "average", *members, "--records", tmp_path / "no.jsonl", "--out", tmp_path / out)
    assert everything(tmp_path) == before


def test_a_new_or_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "new/below"):
        outputs.check_new(tmp_path / name)
        outputs.check_run(tmp_path / name, "train")
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]
