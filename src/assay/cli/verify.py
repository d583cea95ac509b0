"""`assay verify HOW DATA`: let a program check responses: mathematics, numbers, code in a sandbox,
rules.

Each verdict is right, wrong or undecided, with the reason and with what was judged; undecided ones
are counted, never taken for wrong. They are written as they are reached: a run that was stopped
resumes where it was.
"""

import dataclasses
import functools
import logging
from pathlib import Path
from typing import Any, ClassVar

import tyro

from assay.cli.options import Aside, Data, Executor, Format, Overwrite
from assay.errors import DataError
from assay.sandbox import availability
from assay.sandbox.levels import LEVELS, describe
from assay.scorers.rule_checks import Ruled
from assay.specs.verifiers import Rules
from assay.verifiers import Math, Numeric
from assay.verifiers.code.verifier import Code

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
    executor: Executor = "local"

    overwrite: Overwrite = False

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
        written: Any = {
            "out": self.out,
            "write": self.write,
            "limit": self.limit,
            "executor": self.executor,
            "overwrite": self.overwrite,
        }
        found = verify(self.data, self.judge, **written, **read, name=self.name, settings=self)
        print(found)
        if why := found.why_undecided:
            raise DataError(f"no response of {self.data} could be decided: {why}")


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
class VerifyRules(Verifying, Rules):
    """Rules given here, and the instructions in each prompt's `meta["instructions"]`, as IFEval has
    them."""

    name: ClassVar[str] = "rules and instructions"

    @functools.cached_property
    def judge(self) -> Ruled:
        """The rules, with the schema's content and the code of others' instructions."""
        return self.ruled()


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
            print(f"{describe(level)}\n    {availability(level, self.python)}\n")


COMMANDS: dict[str, Any] = {
    "math": VerifyMath,
    "numeric": VerifyNumeric,
    "code": VerifyCode,
    "rules": VerifyRules,
    "levels": Levels,
}
