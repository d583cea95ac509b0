"""The front door: fast help, one-line errors, exit codes."""

import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import tyro

from assay import cli
from assay.cli.examples import EXAMPLES
from assay.errors import DataError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)


HELP_OF_ALL = """
import contextlib, io, sys
from assay import cli

HEAVY = {"torch", "transformers", "pandas", "matplotlib", "sqlalchemy", "fastapi", "uvicorn", "ray"}
HEAVY |= {"scipy.special", "scipy.stats", "scipy.optimize", "sympy", "datasets", "pyarrow"}
for name in cli.COMMANDS:
    for words in ([name], *([name, below] for below in cli.words_below(name))):
        shown = io.StringIO()
        try:
            with contextlib.redirect_stdout(shown):
                cli.main([*words, "--help"])
        except SystemExit as stop:
            assert stop.code in (0, None), (words, stop.code)
        assert len(shown.getvalue()) > 200, words
        assert not HEAVY & {*sys.modules}, (words, HEAVY & {*sys.modules})
"""


def test_help_of_every_command_and_of_what_is_below_it_imports_nothing_heavy() -> None:
    command = [sys.executable, "-c", HELP_OF_ALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_shows_an_example_that_it_takes(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    line = f"assay {name} {EXAMPLES[name]}".strip()
    assert f"Example: {line} " in " ".join(capsys.readouterr().out.split())
    # Read to the end, and not done.
    taken: list[object] = []
    real = tyro.cli

    def read(*args: Any, **given: Any) -> Any:
        taken.append(real(*args, **given))
        return lambda: None

    monkeypatch.setattr(tyro, "cli", read)
    monkeypatch.setattr(
        tyro.extras,
        "subcommand_cli_from_dict",
        lambda *args, **given: pytest.fail("the example has no word of the command"),
    )
    cli.main(shlex.split(line)[1:])
    assert len(taken) == 1


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


def test_what_torchrun_starts_several_times_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(SystemExit) as ended:
        cli.main(["eval", "pairs.jsonl", "--scorer", "longest", "--out", "eval"])
    assert ended.value.code == 2
    assert "assay eval runs in one process, and torchrun started 2" in capsys.readouterr().err


@pytest.fixture
def warned_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let `assay doctor` warn, as if from a file, and nothing else."""

    def warn(text: str, file: str, category: type[Warning] = UserWarning) -> None:
        def run(name: str, arguments: list[str]) -> None:
            warnings.warn_explicit(text, category, file, 7)

        monkeypatch.setattr(cli, "_run", run)
        cli.main(["doctor"])

    return warn


@pytest.mark.filterwarnings("always")
def test_a_warning_of_ours_is_a_line_and_others_keep_their_place(
    warned_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def show(message: Any, category: Any, file: str, line: int, *rest: Any) -> None:
        shown.append(warnings.formatwarning(message, category, file, line, ""))

    monkeypatch.setattr(warnings, "showwarning", show)
    before = warnings.formatwarning
    warned_of("half of it\nis unread", cli.__file__)
    warned_of("of the user's", "/home/me/mine.py")
    warned_of("old", cli.__file__, DeprecationWarning)
    assert shown == [
        "assay doctor: warning: half of it is unread\n",
        "/home/me/mine.py:7: UserWarning: of the user's\n",
        f"{cli.__file__}:7: DeprecationWarning: old\n",
    ]
    assert warnings.formatwarning is before


@pytest.mark.filterwarnings("error")
def test_a_warning_made_an_error_ends_as_errors_do(
    warned_of: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        warned_of("half of it is unread", cli.__file__)
    assert capsys.readouterr().err == "assay doctor: half of it is unread\n"


@pytest.mark.parametrize(
    "command",
    [
        "eval pairs.jsonl --scorer longest --out o",
        "best-of-n pool.jsonl --scorer longest --gold numeric",
        "search best-of-n p.jsonl --policy lm --scorer longest --out o",
        "overopt bon pool.jsonl --proxy a=longest --gold b=numeric --out o",
        "data split pairs.jsonl --test 0.1 --out o",
    ],
)
def test_a_seed_below_0_is_refused_before_any_work(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command.split(), "--seed", "-1"])
    assert "seed is -1; it must be 0 or more\n" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_below_1_is_refused(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """-1 would leave out the last record."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(["annotate", "pool.jsonl", "--limit", limit])
    assert f"limit is {limit}; it must be 1 or more\n" in capsys.readouterr().err
