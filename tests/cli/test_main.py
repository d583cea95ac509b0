"""The front door: fast help, one-line errors, exit codes."""

import subprocess
import sys

import pytest

from assay import cli
from assay.errors import DataError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_commands_help_needs_no_torch(name: str) -> None:
    code = (
        "import sys\nfrom assay import cli\n"
        f"try:\n    cli.main([{name!r}, '--help'])\n"
        "except SystemExit as stop:\n    assert stop.code in (0, None), stop.code\n"
        "sys.exit(3 if 'torch' in sys.modules or 'transformers' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 200


def test_an_unknown_command_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["nonsense"])
    assert stop.value.code == 2
    assert "no command is called 'nonsense'" in capsys.readouterr().err


def test_an_error_on_purpose_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise DataError("data.jsonl:3: label is NaN; give a number from 0 to 1")

    monkeypatch.setattr(cli, "_run", fail)
    with pytest.raises(SystemExit) as stop:
        cli.main(["data"])
    assert stop.value.code == 2
    assert (
        capsys.readouterr().err
        == "assay data: data.jsonl:3: label is NaN; give a number from 0 to 1\n"
    )


def test_from_without_a_file_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "--from"])
    assert stop.value.code == 2
    assert "--from needs" in capsys.readouterr().err
