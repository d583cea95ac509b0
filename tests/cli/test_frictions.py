"""What a newcomer stumbles over: each ends in a line that says what would work, and with 2."""

import dataclasses
import errno
import importlib
import os
import subprocess
import sys
import typing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from pathlib import Path

import pytest

from assay import cli, components
from assay.errors import EXTRA_OF
from assay.runs.settings import write_run

Said = Callable[..., str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command that is refused; the one line it says."""

    def run(*words: object, code: int = 2) -> str:
        with pytest.raises(SystemExit) as stop:
            cli.main([str(word) for word in words])
        assert stop.value.code == code
        err = capsys.readouterr().err
        assert err.strip().count("\n") == 0, err
        return err

    return run


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_run", fail)


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["serch"], "search"),
        (["data", "chek"], "check"),
        (["search", "bem"], "beam"),
        (["train", "rmm"], "rm"),
        (["train", "bradley-tery"], "bradley-terry"),
        (["label", "adaptiv"], "adaptive"),
        (["benchmark", "procesbench"], "processbench"),
        (["verify", "rule"], "rules"),
    ],
)
def test_a_mistyped_word_gets_a_suggestion(words: list[str], guess: str, said: Said) -> None:
    assert f"did you mean {guess}?" in said(*words)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "give another place"),
        (errno.EISDIR, "give another place"),
        (errno.ENOTDIR, "give another place"),
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
    ],
)
def test_a_place_that_cannot_be_written_is_no_bug(
    number: int, advice: str, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, OSError(number, os.strerror(number), "out/run.json"))
    line = said("data")
    assert "out/run.json: " in line
    assert advice in line


def test_a_file_that_was_named_is_missing_and_any_other_is_a_bug(
    said: Said, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "x.jsonl"))
    assert "x.jsonl: No such file" in said("data", "check", "x.jsonl")
    with pytest.raises(SystemExit) as stop:
        cli.main(["data", "check", "y.jsonl"])
    assert stop.value.code == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "assay doctor" in err.splitlines()[-1]


class SafetensorError(Exception):
    """As the package's own is called."""


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (RuntimeError("Found no NVIDIA driver on your system.\nPlease check"), "--device auto"),
        (AssertionError("Torch not compiled with CUDA enabled"), "--device auto"),
        (RuntimeError("Expected one of cpu, cuda, ipu at start of string: gpu"), "--device auto"),
        (SafetensorError("InvalidHeader"), "save it again"),
        (MemoryError(), "out of memory"),
        (OSError("org/name is not a local folder\nand more"), "org/name is not a local folder\n"),
    ],
)
def test_what_libraries_raise_is_one_line(
    error: Exception, advice: str, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, error)
    assert advice in said("score")


def test_an_absent_package_names_its_extra(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert "pip install 'assay[train]'" in said("score")


def test_every_optional_package_has_an_extra() -> None:
    import re
    import tomllib

    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    packages = {
        extra: {re.split(r"[><=;\[]", name)[0].replace("-", "_") for name in names}
        for extra, names in project["optional-dependencies"].items()
    }
    named = {"huggingface_hub": None, "mlflow": "mlflow_skinny", "yaml": "pyyaml"}
    for module, extra in EXTRA_OF.items():
        package = named.get(module, module)
        assert package is None or package in packages[extra], module
    known = {named.get(module, module) for module in EXTRA_OF}
    assert set().union(*(v for k, v in packages.items() if k != "all")) <= known


def test_an_interrupt_while_a_checkpoint_is_written_ends_cleanly(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
    error.__context__ = KeyboardInterrupt()
    raising(monkeypatch, error)
    assert "interrupted; run the same command again" in said("train", code=130)


def run_plain(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "assay", *words],
        capture_output=True,
        text=True,
        check=False,
        encoding="latin-1",
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_help_is_printed_whatever_the_terminal_can_show(encoding: str) -> None:
    done = run_plain("data", "check", "--help", PYTHONIOENCODING=encoding, COLUMNS="40")
    assert done.returncode == 0, done.stderr
    assert "--fail-on" in done.stdout


def test_help_of_a_command_by_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["help"])
    first = capsys.readouterr().out
    cli.main(["--help"])
    assert capsys.readouterr().out == first
    with pytest.raises(SystemExit):
        cli.main(["help", "worlds"])
    assert "usage: assay worlds" in capsys.readouterr().out


def test_completion_knows_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--print-completion", "bash"])
    script = capsys.readouterr().out
    done = subprocess.run(
        [
            "bash",
            "-c",
            script + "\nCOMP_WORDS=(assay tr); COMP_CWORD=1; _assay; echo ${COMPREPLY[*]};"
            "COMP_WORDS=(assay data c); COMP_CWORD=2; _assay; echo ${COMPREPLY[*]}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["train", "check convert"]


def test_doctor_tells_what_is_absent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: None if name == "gymnasium" else find(name, *a)
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cli.main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("extra worlds"))
    assert "absent" in lines[at]
    assert "pip install 'assay[worlds]'" in lines[at + 1]
    assert any(line.startswith("hub") and "HF_HUB_OFFLINE" in line for line in lines)


def commands() -> Iterator[tuple[str, str, type]]:
    """Every command and sub-command with its class."""
    for name in cli.COMMANDS:
        module = importlib.import_module(f"assay.cli.{name.replace('-', '_')}")
        if hasattr(module, "Command"):
            yield name, "", module.Command
        for word, cls in getattr(module, "COMMANDS", {}).items():
            yield name, word, cls


def filled(cls: type) -> object:
    """An instance with something in every field that must be given."""
    hints = typing.get_type_hints(cls)
    values: dict[str, object] = {}
    for field in dataclasses.fields(cls):
        if field.default is not MISSING or field.default_factory is not MISSING:
            continue
        hint = str(hints[field.name])
        if dataclasses.is_dataclass(hints[field.name]):
            values[field.name] = filled(hints[field.name])
            continue
        kind = {"loss": "losses", "benchmark": "benchmarks", "strategy": "search"}.get(field.name)
        if kind is not None:
            values[field.name] = components.load(kind, components.names(kind)[0])()
        else:
            one: object = Path("x") if "Path" in hint else "x"
            values[field.name] = (one, one) if "tuple" in hint else one
    return cls(**values)


@pytest.mark.parametrize(("name", "word", "cls"), [*commands()])
def test_every_command_takes_its_settings_from_a_run(
    name: str, word: str, cls: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = filled(cls)
    write_run(tmp_path, settings)
    started: list[object] = []
    monkeypatch.setattr(cls, "__call__", lambda self: started.append(self))
    cli.main([name, *([word] if word else []), "--from", str(tmp_path)])
    cli.main([name, f"--from={tmp_path}"])
    assert started == [settings, settings]


def test_the_help_of_a_command_says_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["worlds", "play", "--help"])
    assert "--from RUN" in capsys.readouterr().out


def test_settings_of_another_command_are_refused(tmp_path: Path, said: Said) -> None:
    write_run(tmp_path, importlib.import_module("assay.cli.worlds").Play(name="Tomato"))
    assert "holds the settings of worlds" in said("data", "--from", tmp_path)


def test_changed_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    check = importlib.import_module("assay.cli.data").Check(files=(str(data),))
    write_run(tmp_path, check, [data])
    data.write_text('{"prompt": "a", "chosen": "b", "rejected": "d"}\n')
    cli.main(["data", "--from", str(tmp_path)])
    assert "d.jsonl has changed since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("train rm x.jsonl --backbone y --out z", "train"),
        ("sft x.jsonl --policy y --out z", "train"),
        ("rl grpo x.jsonl --policy y --reward longest --out z", "train"),
        ("models list", "train"),
        ("worlds list", "worlds"),
    ],
)
def test_a_core_install_names_the_extra(words: str, extra: str, tmp_path: Path) -> None:
    absent = {"torch", "transformers", "safetensors", "huggingface_hub", "peft", "gymnasium"}
    script = f"""if True:
        import sys
        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {absent}:
                    raise ModuleNotFoundError(name, name=name)
        sys.meta_path.insert(0, Absent())
        from assay.cli import main
        main()
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *words.split()],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert f"pip install 'assay[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_deprecations_of_libraries_are_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(_: object) -> None:
        warnings.warn("use_cache will go", FutureWarning, stacklevel=1)

    monkeypatch.setattr(importlib.import_module("assay.cli.doctor").Command, "__call__", warn)
    cli.main(["doctor"])
    assert "use_cache" not in capsys.readouterr().err
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"


@pytest.mark.parametrize(
    ("words", "name"), [(["rm"], "rm"), (["prm"], "prm"), (["step-bce"], "step-bce")]
)
def test_a_training_calls_itself_by_the_word_that_was_typed(
    words: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", *words, "--help"])
    assert f"usage: assay train {name} " in capsys.readouterr().out


def test_the_help_of_a_search_says_what_its_lengths_are_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main(["search", "beam", "--help"])
    assert "of a search by steps (beam, dvts, mcts ...)" in " ".join(
        capsys.readouterr().out.split()
    )


def test_advice_names_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = '{"original_question": "q", "modified_question": "q", "original_process": ["a"],'
    row += ' "modified_process": ["a"], "error_steps": [2], "idx": "x"}'
    (tmp_path / "p.jsonl").write_text(row + "\n")
    with pytest.raises(SystemExit):
        cli.main(["data", "check", str(tmp_path / "p.jsonl")])
    err = capsys.readouterr().err
    assert "--set out_of_range=ignore" in err
    assert "--set-aside FILE" in err
