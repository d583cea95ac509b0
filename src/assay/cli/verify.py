"""`assay verify HOW DATA`: let a program check responses: mathematics, numbers, code in a sandbox,
rules.

Each verdict is right, wrong or undecided, with the reason and with what was judged; undecided ones
are counted, never taken for wrong. They are written as they are reached: a run that was stopped
goes on where it was.
"""

import dataclasses
import functools
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import tyro

from assay.data import io
from assay.errors import BackendError, DataError
from assay.fingerprint import fingerprint
from assay.runs.settings import write_run
from assay.sandbox import Sandbox
from assay.sandbox.launch import open_python
from assay.sandbox.levels import LEVELS, Level, describe
from assay.scorers.rule_checks import Ruled
from assay.specs.verifiers import Rules
from assay.types import Group, Prompt, Ranking, Record, Response, StepLabels, Verdict
from assay.verifiers import Math, Numeric
from assay.verifiers.code.suites import Suite, suite_of
from assay.verifiers.code.verifier import Code
from assay.verifiers.kept import InOrder, Kept, key_of

if TYPE_CHECKING:
    from assay.pages.verdicts import Checked

__all__ = ["COMMANDS"]

NO_TESTS = Verdict(
    outcome="undecided", reason='the prompt has no tests in meta["tests"]', stage="no tests"
)
NO_REFERENCE = Verdict(
    outcome="undecided", reason="the prompt has no reference answer", stage="no reference"
)

Reached = Callable[[int, Verdict], None]
"""Told the place of an item and its verdict as soon as there is one."""


@dataclasses.dataclass(frozen=True)
class Item:
    """A response to check."""

    prompt: Prompt
    response: Response
    where: str
    label: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verifying:
    """What all verifiers share."""

    data: tyro.conf.Positional[str]
    """File, folder or Hugging Face data set of responses: pools, graded or not, outcomes, or step
    labels."""

    out: Path | None = None
    """Folder for verdicts.jsonl, report.html and run.json."""

    limit: int | None = None
    """Check so many responses at most."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    set_aside: Path | None = None
    """Put malformed rows here instead of stopping at the first."""

    validate: bool = False
    """Check the verifier instead, on this data: its gold answers must pass, and planted wrong ones
    must not."""

    name: ClassVar[str]

    @property
    def judge(self) -> object:
        """What decides: a verdict is kept under its fingerprint."""
        raise NotImplementedError

    def check(self, items: Sequence[Item], reached: Reached) -> None:
        """Reach a verdict on every item."""
        raise NotImplementedError

    def prove(self, records: Sequence[Record]) -> dict[str, int]:
        """What `--validate` does. Raises `DataError` where a gold answer fails or a planted one
        passes."""
        raise NotImplementedError

    def __call__(self) -> None:
        """Check, print, and write the files."""
        records = self._records()
        if self.validate:
            for what, count in self.prove(records).items():
                print(f"{what}: {count:,}")
            return
        items = items_of(records)[: self.limit]
        if not items:
            raise DataError(
                f"{self.data} holds no response to check; with --validate, prompts are enough"
            )
        verdicts = self._verdicts(items)
        checked = checked_of(items, verdicts)
        self._say(checked)
        if self.out is not None:
            self._write(self.out, checked)

    def _verdicts(self, items: Sequence[Item]) -> list[Verdict]:
        from assay.console.progress import progress

        where = None if self.out is None else self.out / "verdicts.jsonl"
        by = fingerprint(self.judge)
        keys = [key_of(by, item.prompt.model_dump_json(), item.response.text) for item in items]
        with Kept(where) as kept, progress("check", len(set(keys))) as bar:
            found = {key: verdict for key in keys if (verdict := kept.get(key)) is not None}
            if found:
                known = sum(key in found for key in keys)
                print(f"{known:,} of {len(items):,} verdicts were there already", file=sys.stderr)
            todo = {key: item for key, item in zip(keys, items, strict=True) if key not in found}
            new = list(todo)

            def keep(place: int, verdict: Verdict) -> None:
                key = new[place]
                kept.add(key, verdict, {"response": todo[key].where})
                found[key] = verdict
                bar(len(found), "")

            try:
                with InOrder(keep) as reached:
                    self.check([*todo.values()], reached)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    self._kept(sum(kept.get(key) is not None for key in keys), len(keys))
                ) from None
        return [found[key] for key in keys]

    def _kept(self, count: int, total: int) -> str:
        if self.out is None:
            return "nothing is kept without --out"
        return (
            f"{count:,} of {total:,} verdicts are in {self.out / 'verdicts.jsonl'}; the same"
            " command does the rest"
        )

    def _records(self) -> list[Record]:
        records = list(io.read(self.data, format=self.format, set_aside=self.set_aside))
        if not records:
            raise DataError(f"{self.data} holds no record")
        return records

    def _say(self, checked: "Sequence[Checked]") -> None:
        from collections import Counter

        from assay.pages.verdicts import estimates
        from assay.stats import summarise

        outcomes = Counter(item.verdict.outcome for item in checked)
        print(
            f"{len(checked):,} responses: "
            + ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
        )
        for name, estimate in estimates(checked).items():
            print(f"{name}: {summarise(estimate)}")
        stages = Counter(
            (i.verdict.outcome, i.verdict.stage) for i in checked if i.verdict.outcome != "right"
        )
        for (outcome, stage), count in stages.most_common(8):
            print(f"  {outcome}, {stage}: {count:,}")
        if example := next(
            (i.verdict.reason for i in checked if i.verdict.outcome == "undecided"), ""
        ):
            print(f"  undecided such as: {example}")

    def _write(self, out: Path, checked: "Sequence[Checked]") -> None:
        from assay.errors import MissingExtra
        from assay.pages.evaluation import run_section
        from assay.pages.verdicts import estimates, verdict_sections
        from assay.report import write_report

        found = estimates(checked)
        run = json.loads(write_run(out, self, [Path(self.data)]).read_text())
        try:
            sections = [*verdict_sections(checked, found), run_section(run)]
            write_report(
                out / "report.html",
                f"Verdicts on {Path(self.data).name}",
                sections,
                subtitle=self.name,
            )
        except MissingExtra as error:
            print(f"no report.html: {error}", file=sys.stderr)
            return
        print(f"wrote {out / 'verdicts.jsonl'}, {out / 'report.html'} and {out / 'run.json'}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyCode(Verifying):
    """Programs, run against the tests in each prompt's `meta["tests"]`, in a sandbox."""

    verifier: tyro.conf.OmitArgPrefixes[Code] = dataclasses.field(default_factory=Code)

    name: ClassVar[str] = "programs, run against tests in a sandbox"

    @property
    def judge(self) -> Code:
        """The verifier."""
        return self.verifier

    def check(self, items: Sequence[Item], reached: Reached) -> None:
        """Undecided is an item whose prompt has no tests."""
        pairs: list[tuple[str, Suite]] = []
        places: list[int] = []
        for place, item in enumerate(items):
            if (suite := suite_of(item.prompt)) is None:
                reached(place, NO_TESTS)
            else:
                pairs.append((item.response.text, suite))
                places.append(place)
        self.verifier.check_all(
            pairs, reached=lambda index, verdict: reached(places[index], verdict)
        )

    def prove(self, records: Sequence[Record]) -> dict[str, int]:
        """The reference solutions, in each prompt's `meta["solution"]`, pass; planted bugs do
        not."""
        pairs: list[tuple[str, Suite]] = []
        for prompt in prompts_of(records):
            suite, solution = suite_of(prompt), prompt.meta.get("solution")
            if suite is not None and isinstance(solution, str):
                pairs.append((solution, suite))
        if not pairs:
            raise DataError(
                f"no prompt of {self.data} has tests and a reference solution in its meta"
            )
        return self.verifier.validate(pairs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answers(Verifying):
    """Final answers, against each prompt's reference."""

    verifier: Any

    @property
    def judge(self) -> object:
        """The verifier."""
        return self.verifier

    def check(self, items: Sequence[Item], reached: Reached) -> None:
        """Undecided is an item whose prompt has no reference."""
        pairs: list[tuple[str, str]] = []
        places: list[int] = []
        for place, item in enumerate(items):
            if item.prompt.reference is None:
                reached(place, NO_REFERENCE)
            else:
                pairs.append((item.response.text, item.prompt.reference))
                places.append(place)
        self.verifier.check_all(
            pairs, reached=lambda index, verdict: reached(places[index], verdict)
        )

    def prove(self, records: Sequence[Record]) -> dict[str, int]:
        """Each reference is right against itself; planted wrong answers are not."""
        found: dict[str, int] = self.verifier.validate(prompts_of(records))
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyMath(_Answers):
    """Final answers that are mathematics, against each prompt's reference."""

    verifier: tyro.conf.OmitArgPrefixes[Math] = dataclasses.field(default_factory=Math)

    name: ClassVar[str] = "final answers that are mathematics"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyNumeric(_Answers):
    """Final answers that are numbers, against each prompt's reference, exactly."""

    verifier: tyro.conf.OmitArgPrefixes[Numeric] = dataclasses.field(default_factory=Numeric)

    name: ClassVar[str] = "final answers that are numbers"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyRules(Verifying, Rules):
    """Rules given here, and the instructions in each prompt's `meta["instructions"]`, as IFEval has
    them."""

    name: ClassVar[str] = "rules and instructions"

    @property
    def judge(self) -> Ruled:
        """The rules, with the schema's content and the code of others' instructions."""
        return self._ruled

    def check(self, items: Sequence[Item], reached: Reached) -> None:
        """A verdict on each item, of all its rules together."""
        groups = [Group(prompt=item.prompt, responses=(item.response,)) for item in items]
        for place, group in enumerate(groups):
            ((verdict,),) = self._ruled.verdicts([group])
            reached(place, verdict)

    def prove(self, records: Sequence[Record]) -> dict[str, int]:
        """Each rule and each instruction accepts the example that it writes itself, and refuses the
        counterexample."""
        prompts = prompts_of(records)
        self._ruled.validate(prompts)
        return {"rules": len(self._ruled.rules), "prompts": len(prompts)}

    @functools.cached_property
    def _ruled(self) -> Ruled:
        return self.ruled()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Levels:
    """The levels of isolation for `assay verify code --level`: made of what, stopping what, and to
    be had here or not."""

    python: Path | None = None
    """Another Python to run programs with; None is the one that runs this."""

    def __call__(self) -> None:
        """Try each and tell."""
        logging.getLogger("assay.sandbox").setLevel(logging.ERROR)  # each is described below anyway
        for level in LEVELS:
            print(f"{describe(level)}\n    {self._here(level)}\n")

    def _here(self, level: Level) -> str:
        why = _refused(level, self.python)
        if why is None:
            return "to be had here"
        if (
            self.python is None
            and (other := open_python()) is not None
            and _refused(level, other) is None
        ):
            return f"to be had here with --python {other}; with this Python not: {why}"
        return f"not here: {why}"


def _refused(level: Level, python: Path | None) -> str | None:
    """Why a level is not to be had; None where it is."""
    try:
        Sandbox(level, workers=1, python=python).close()
    except BackendError as error:
        return str(error)
    return None


def items_of(records: Sequence[Record]) -> list[Item]:
    """The responses of the records, with their labels: a pool's grades, an outcome's label on the
    last step."""
    items: list[Item] = []
    for number, record in enumerate(records, 1):
        if isinstance(record, StepLabels):
            name = record.prompt.id or f"record {number}"
            items.append(
                Item(
                    record.prompt,
                    record.response,
                    name,
                    record.labels[-1] if record.labels else None,
                )
            )
        elif isinstance(record, Group):
            name = record.prompt.id or f"record {number}"
            grades = (
                record.grades if isinstance(record, Ranking) else (None,) * len(record.responses)
            )
            for place, (response, grade) in enumerate(
                zip(record.responses, grades, strict=True), 1
            ):
                items.append(Item(record.prompt, response, f"{name}, response {place}", grade))
    return items


def prompts_of(records: Sequence[Record]) -> list[Prompt]:
    """The prompts of the records, each once."""
    found: dict[str, Prompt] = {}
    for record in records:
        prompt = record if isinstance(record, Prompt) else getattr(record, "prompt", None)
        if prompt is not None:
            found.setdefault(prompt.model_dump_json(), prompt)
    return [*found.values()]


def checked_of(items: Sequence[Item], verdicts: Sequence[Verdict]) -> "list[Checked]":
    """Items and verdicts together, for the report."""
    from assay.pages.verdicts import Checked

    return [
        Checked(item.where, item.prompt.text, item.response.text, verdict, item.label)
        for item, verdict in zip(items, verdicts, strict=True)
    ]


COMMANDS: dict[str, Any] = {
    "math": VerifyMath,
    "numeric": VerifyNumeric,
    "code": VerifyCode,
    "rules": VerifyRules,
    "levels": Levels,
}
