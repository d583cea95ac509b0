"""`assay verify HOW DATA`: let a program check responses: mathematics, numbers, code in a sandbox,
rules.

Each verdict is right, wrong or undecided, with the reason and with what was judged; undecided ones
are counted, never taken for wrong. They are written as they are reached: a run that was stopped
resumes where it was.
"""

import dataclasses
import functools
import json
import logging
from pathlib import Path
from typing import Any, ClassVar, Literal

import tyro

from assay.cli.options import Aside, Data, Format
from assay.errors import BackendError, ConfigError
from assay.sandbox import Sandbox
from assay.sandbox.launch import open_python
from assay.sandbox.levels import LEVELS, Level, describe
from assay.scorers.rule_checks import Rule, Ruled
from assay.verifiers import Math, Numeric
from assay.verifiers.code.verifier import Code
from assay.verifiers.rules import checks as rules

__all__ = ["COMMANDS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verifying:
    """Settings that all verifiers share."""

    data: Data
    """Responses: pools, graded or not, outcomes, or step labels; file, folder or Hugging Face data
    set."""

    out: Path | None = None
    """Folder of the run, for verdicts.jsonl, report.html and run.json."""

    write: Path | None = None
    """File for the decided responses, labelled 1 or 0 by the verdicts, to train on."""

    limit: int | None = None
    """Most responses to check."""

    format: Format = None
    set_aside: Aside = None

    validate: bool = False
    """Check of the verifier instead, on this data: its gold answers must pass, and planted wrong
    ones must not."""

    name: ClassVar[str]

    @property
    def judge(self) -> Any:
        """Verifier that decides; its verdicts are kept under its fingerprint."""
        return self.verifier  # type: ignore[attr-defined]

    def __call__(self) -> None:
        """Check, print, and write the files."""
        from assay.workflows.verify import validate, verify

        read: Any = {"format": self.format, "set_aside": self.set_aside}
        if self.validate:
            for what, count in validate(self.data, self.judge, **read).items():
                print(f"{what}: {count:,}")
            return
        written: Any = {"out": self.out, "write": self.write, "limit": self.limit}
        print(verify(self.data, self.judge, **written, **read, name=self.name, settings=self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyCode(Verifying):
    """Programs, run against the tests in each prompt's `meta["tests"]`, in a sandbox."""

    verifier: tyro.conf.OmitArgPrefixes[Code] = dataclasses.field(default_factory=Code)

    name: ClassVar[str] = "programs, run against tests in a sandbox"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyMath(Verifying):
    """Final answers that are mathematics, against each prompt's reference."""

    verifier: tyro.conf.OmitArgPrefixes[Math] = dataclasses.field(default_factory=Math)

    name: ClassVar[str] = "final answers that are mathematics"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyNumeric(Verifying):
    """Final answers that are numbers, against each prompt's reference, exactly."""

    verifier: tyro.conf.OmitArgPrefixes[Numeric] = dataclasses.field(default_factory=Numeric)

    name: ClassVar[str] = "final answers that are numbers"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyRules(Verifying):
    """Rules given here, and the instructions in each prompt's `meta["instructions"]`, as IFEval has
    them."""

    r1: bool = False
    """DeepSeek-R1's format: <think>...</think> and <answer>...</answer>, each once and in order,
    nothing outside."""

    at_least: int | None = None
    """Least length, in units."""

    at_most: int | None = None
    """Greatest length, in units."""

    unit: Literal["words", "characters", "lines", "sentences"] = "words"
    """Unit of length."""

    language: str | None = None
    """ISO 639-1 code of the language to write in, such as en."""

    pattern: tuple[str, ...] = ()
    """Regular expressions that have to match somewhere."""

    without: tuple[str, ...] = ()
    """Regular expressions that must not match anywhere."""

    json_schema: Path | None = None
    """File of the JSON schema that the last fenced block of JSON, or else the whole text, has to
    satisfy."""

    credit: Literal["all", "share"] = "all"
    """Score of a response: all = right only where every rule holds; share = a wrong one's score is
    the share of rules that hold."""

    mode: Literal["strict", "loose"] = "strict"
    """Reading of instructions; loose = a first or last line and stars may be left out (IFEval's
    second way to count)."""

    outside: tuple[str, ...] = ()
    """Instructions of others that prompts may give, each as package.module:Class."""

    name: ClassVar[str] = "rules and instructions"

    @functools.cached_property
    def judge(self) -> Ruled:
        """The rules, with the schema's content and the code of others' instructions."""
        given: list[Rule] = []
        if self.r1:
            given.append(rules.Format())
        if self.at_least is not None or self.at_most is not None:
            given.append(rules.Length(unit=self.unit, min=self.at_least, max=self.at_most))
        if self.language is not None:
            given.append(rules.Language(language=self.language))
        given += [rules.Pattern(pattern=pattern) for pattern in self.pattern]
        given += [rules.Pattern(pattern=pattern, wanted=False) for pattern in self.without]
        if self.json_schema is not None:
            given.append(rules.JsonSchema(schema=schema_of(self.json_schema)))
        return Ruled(rules=tuple(given), credit=self.credit, mode=self.mode, outside=self.outside)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Levels:
    """The levels of isolation for `assay verify code --level`: what each is made of and stops, and
    whether it works here."""

    python: Path | None = None
    """Another Python to run programs with; None is the one that runs this."""

    def __call__(self) -> None:
        """Try each level and report."""
        logging.getLogger("assay.sandbox").setLevel(logging.ERROR)  # each is described below anyway
        for level in LEVELS:
            print(f"{describe(level)}\n    {self._here(level)}\n")

    def _here(self, level: Level) -> str:
        why = _refused(level, self.python)
        if why is None:
            return "to be had here"
        other = None if self.python is not None else open_python()
        if other is not None and _refused(level, other) is None:
            return f"to be had here with --python {other}; with this Python not: {why}"
        return f"not here: {why}"


def _refused(level: Level, python: Path | None) -> str | None:
    """Why a level is not to be had; None where it is."""
    try:
        Sandbox(level, workers=1, python=python).close()
    except BackendError as error:
        return str(error)
    return None


def schema_of(path: Path) -> dict[str, Any]:
    """The JSON schema in a file."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} holds no JSON schema: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON schema but {type(found).__name__}; give an object")
    return found


COMMANDS: dict[str, Any] = {
    "math": VerifyMath,
    "numeric": VerifyNumeric,
    "code": VerifyCode,
    "rules": VerifyRules,
    "levels": Levels,
}
