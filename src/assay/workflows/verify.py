"""Let a program check responses: mathematics, numbers, code in a sandbox, rules.

Each verdict is right, wrong or undecided, with the reason. Verdicts are written as they are
reached: a run that was stopped resumes where it was.
"""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from assay.cluster.actors import Actors
from assay.data import io
from assay.data.conversations import transcript
from assay.data.records import prompts_of, single
from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.pages.verdicts import Checked, estimates
from assay.protocols import Verifier
from assay.runs.outputs import check_file
from assay.runs.run import Run
from assay.scorers.rule_checks import Ruled
from assay.scorers.verifier import Verified
from assay.stats import Estimate, summarise
from assay.types import Group, Prompt, Ranking, Record, Response, StepLabels, Verdict
from assay.verifiers import Math, Numeric
from assay.verifiers.code.suites import Suite, suite_of
from assay.verifiers.code.verifier import Code
from assay.verifiers.kept import InOrder, Kept, key_of
from assay.workflows._data import Data, aside_in, named, read
from assay.workflows._executor import spread
from assay.workflows._folder import opened
from assay.workflows._output import described, estimate_json

__all__ = ["Verdicts", "validate", "verify"]

NO_TESTS: Final = Verdict(
    outcome="undecided", reason='the prompt has no tests in meta["tests"]', stage="no tests"
)
NO_REFERENCE: Final = Verdict(
    outcome="undecided", reason="the prompt has no reference answer", stage="no reference"
)
VERDICTS: Final = "verdicts.jsonl"
STAGES: Final = 8
"""Most frequent stages shown of what is not right."""

REASONS: Final = 3
"""Most frequent reasons given where nothing is decided."""

Reached = Callable[[int, Verdict], None]
"""Takes the place of an item and its verdict as soon as there is one."""


PART: Final = 32
"""Items that an actor checks at once."""


class Item(NamedTuple):
    """A response to check."""

    prompt: Prompt
    response: Response
    where: str
    """Prompt and number of the response, for a reader to find it."""
    label: float | None
    """Label of the data, where it has one."""


Check = Callable[[Verifier | Code | Ruled, Sequence[Item], Reached], None]
"""Reaches a verdict on every item."""


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The verdicts on some responses, in the order of the data."""

    items: Sequence[Item] = field(repr=False)
    """What was checked."""
    verdicts: Sequence[Verdict] = field(repr=False)
    """One verdict per item."""
    estimates: Mapping[str, Estimate]
    """Share right of what was decided, and share of labels agreed with, with intervals."""
    name: str = "verdicts"
    """What decided, in words."""
    source: str = "responses"
    """Name of the data."""
    settings: object = field(default=None, repr=False)
    """What `run.json` holds."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""
    written: str = field(default="", repr=False)
    """Files that were written, in words."""

    @property
    def checked(self) -> list[Checked]:
        """Items and verdicts together, for the page."""
        return [
            Checked(item.where, item.prompt.text, transcript(item.response), verdict, item.label)
            for item, verdict in zip(self.items, self.verdicts, strict=True)
        ]

    @property
    def why_undecided(self) -> str:
        """Say why nothing at all was decided, the most frequent reasons first; "" where something
        was."""
        if any(verdict.outcome != "undecided" for verdict in self.verdicts):
            return ""
        reasons = Counter(verdict.reason for verdict in self.verdicts).most_common(REASONS)
        return "; ".join(f"{reason} ({count:,})" for reason, count in reasons)

    def labelled(self) -> list[StepLabels]:
        """The decided responses as outcome labels: 1 for right, 0 for wrong, on the last step."""
        records = []
        for item, verdict in zip(self.items, self.verdicts, strict=True):
            if verdict.outcome == "undecided" or not item.response.steps:
                continue
            before = (None,) * (len(item.response.steps) - 1)
            labels = (*before, float(verdict.outcome == "right"))
            records.append(StepLabels(prompt=item.prompt, response=item.response, labels=labels))
        return records

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "outcomes": dict(Counter(verdict.outcome for verdict in self.verdicts)),
            "estimates": {name: estimate_json(e) for name, e in self.estimates.items()},
        }

    def report(self, out: str | Path, *, overwrite: bool = False) -> "Verdicts":
        """Write `report.html` and `run.json` into a folder."""
        with opened(out, self.settings, "verify", data=self.data, overwrite=overwrite) as run:
            return self.written_in(run)

    def written_in(self, run: Run | None) -> "Verdicts":
        """Write the files of a run; nothing where there is no folder."""
        from assay.pages.evaluation import run_section
        from assay.pages.verdicts import verdict_sections

        if run is None:
            return self
        run.page(
            f"Verdicts on {Path(self.source).name}",
            lambda: [*verdict_sections(self.checked, self.estimates), run_section(run.body)],
            subtitle=self.name,
        )
        # The verdicts are paid for, so they are no file that overwriting removes.
        kept = f"{run.written()}; verdicts are in {run.folder / VERDICTS}"
        return dataclasses.replace(self, written=kept)

    def __str__(self) -> str:
        """Count the outcomes, and why responses are not right."""
        outcomes = Counter(verdict.outcome for verdict in self.verdicts).most_common()
        counts = ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes)
        lines = [f"{len(self.verdicts):,} responses: {counts}"]
        lines += [f"{name}: {summarise(e)}" for name, e in self.estimates.items()]
        other = [verdict for verdict in self.verdicts if verdict.outcome != "right"]
        stages = Counter((verdict.outcome, verdict.stage) for verdict in other)
        for (outcome, stage), count in stages.most_common(STAGES):
            why = " (no answer is stated where `find` looks)" if stage == "extraction" else ""
            lines.append(f"  {outcome}, {stage}: {count:,}{why}")
        if example := next((v.reason for v in other if v.outcome == "undecided"), ""):
            lines.append(f"  undecided such as: {example}")
        return "\n".join(filter(None, [*lines, self.written]))


def verify(
    data: Data,
    verifier: str | Verifier | Code | Ruled = "math",
    *,
    out: str | Path | None = None,
    write: str | Path | None = None,
    limit: int | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    name: str = "",
    executor: str = "local",
    overwrite: bool = False,
    settings: object = None,
) -> Verdicts:
    """Check responses against each prompt's reference, tests or instructions.

    data: pools, graded or not, outcomes or step labels. verifier: a word (math, numeric, code, or
    package.module:Class), a `Verifier`, `Code` (a prompt's tests are in its `meta["tests"]`) or
    `Ruled` (rules, and instructions in `meta["instructions"]`). out: folder for verdicts.jsonl,
    report.html and run.json. write: file for the decided responses, labelled 1 or 0, to train on.
    limit: most responses to check. set_aside: file for malformed rows; True is set_aside.jsonl in
    `out`. name: what decides, in words. executor: as for `score`. settings: what `run.json`
    holds; None is this call.

    What cannot be decided is undecided, with the reason, and never taken for wrong. Raises
    `DataError` where there is no response.
    """
    body = settings or described("verify", **locals())
    judge = judge_of(verifier)
    source = str(data) if isinstance(data, (str, Path)) else "responses"
    if write is not None:
        check_file(Path(write), [source])
    with opened(out, body, "verify", data=named(data), overwrite=overwrite) as run:
        items = items_of(_records(data, format, aside_in(set_aside, out)))[:limit]
        _check_items(items, judge, source)
        where = None if run is None else run.folder / VERDICTS
        with spread(executor, lambda: judge) as actors:
            check = _check if actors is None else partial(_spread, actors)
            verdicts = _kept(judge, items, where, check)
        result = Verdicts(
            items=items,
            verdicts=verdicts,
            estimates={},
            name=name or (verifier if isinstance(verifier, str) else type(verifier).__name__),
            source=source,
            settings=body,
            data=named(data),
        )
        result = dataclasses.replace(result, estimates=estimates(result.checked))
        if write is not None:
            io.write(result.labelled(), Path(write))
        return result.written_in(run)


def _check_items(items: Sequence[Item], judge: Verifier | Code | Ruled, source: str) -> None:
    """Refuse data with nothing to check, or nothing to check by."""
    if not items:
        raise DataError(f"{source} holds no response to check; with --validate, prompts are enough")
    given = not isinstance(judge, Ruled) or judge.rules
    if not given and not any(item.prompt.meta.get("instructions") for item in items):
        raise ConfigError(
            f"no rule is given, and no prompt of {source} has instructions; give a rule, such as"
            " --at-most 100"
        )


def validate(
    data: Data,
    verifier: str | Verifier | Code | Ruled = "math",
    *,
    format: str | None = None,
    set_aside: str | Path | None = None,
) -> dict[str, int]:
    """Check a verifier instead, on this data: gold answers must pass, planted wrong ones must not.

    Returns how many of each were checked. Raises `DataError` where a gold answer fails or a planted
    one passes.
    """
    records = _records(data, format, aside_in(set_aside, None))
    judge: Any = judge_of(verifier)
    prompts = prompts_of(records)
    if isinstance(judge, Ruled):
        judge.validate(prompts)
        return {"rules": len(judge.rules), "prompts": len(prompts)}
    if not isinstance(judge, Code):
        found: dict[str, int] = judge.validate(prompts)
        return found
    pairs: list[tuple[str, Suite]] = []
    for prompt in prompts:
        suite, solution = suite_of(prompt), prompt.meta.get("solution")
        if suite is not None and isinstance(solution, str):
            pairs.append((solution, suite))
    if not pairs:
        raise DataError(f"no prompt of {data} has tests and a reference solution in its meta")
    return judge.validate(pairs)


def judge_of(verifier: str | Verifier | Code | Ruled) -> Verifier | Code | Ruled:
    """The verifier of a word; an object is returned as it is."""
    if not isinstance(verifier, str):
        return verifier
    if verifier == "code":
        return Code()
    from assay.specs.verifiers import verifier as verifier_of

    return verifier_of(verifier)


def _records(data: Data, format: str | None, set_aside: Path | None) -> list[Record]:
    """The records of some data. Raises `DataError` where there are none."""
    records = read(data, format, set_aside)
    if not records:
        raise DataError(f"{data} holds no record")
    return records


def _kept(
    judge: Verifier | Code | Ruled, items: Sequence[Item], where: Path | None, check: Check
) -> list[Verdict]:
    """A verdict on every item, those in the file not reached again."""
    from assay.console.progress import progress

    by = fingerprint(judge)
    # Rules read all that was said, the others the answer.
    judged = attrgetter("text" if isinstance(judge, Ruled) else "answer")
    keys = [key_of(by, item.prompt.model_dump_json(), judged(item.response)) for item in items]
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
                check(judge, [*todo.values()], reached)
        except KeyboardInterrupt:
            count = sum(kept.get(key) is not None for key in keys)
            raise KeyboardInterrupt(_interrupted(where, count, len(keys))) from None
    return [found[key] for key in keys]


def _interrupted(where: Path | None, count: int, total: int) -> str:
    if where is None:
        return "nothing is kept without --out"
    return f"{count:,} of {total:,} verdicts are in {where}; the same command does the rest"


def _check(judge: Verifier | Code | Ruled, items: Sequence[Item], reached: Reached) -> None:
    """Reach a verdict on every item."""
    if isinstance(judge, Code):
        suites = [suite_of(item.prompt) for item in items]
        _paired(judge, items, suites, NO_TESTS, reached)
    elif isinstance(judge, Ruled):
        for place, item in enumerate(items):
            group = Group(prompt=item.prompt, responses=(item.response,))
            ((verdict,),) = judge.verdicts([group])
            reached(place, verdict)
    elif isinstance(judge, (Math, Numeric)):
        references = [item.prompt.reference for item in items]
        _paired(judge, items, references, NO_REFERENCE, reached)
    else:
        asked = Verified(judge)
        for place, item in enumerate(items):
            group = Group(prompt=item.prompt, responses=(item.response,))
            ((verdict,),) = asked.verdicts([group])
            reached(place, verdict)


def _spread(
    actors: Actors, _: Verifier | Code | Ruled, items: Sequence[Item], reached: Reached
) -> None:
    """Reach a verdict on every item by actors that each hold the verifier."""
    parts = (items[start : start + PART] for start in range(0, len(items), PART))
    for place, verdicts in actors.each(_verdicts, enumerate(parts)):
        for index, verdict in enumerate(verdicts, place * PART):
            reached(index, verdict)


def _verdicts(judge: Verifier | Code | Ruled, items: Sequence[Item]) -> list[Verdict]:
    found: dict[int, Verdict] = {}
    _check(judge, items, found.__setitem__)
    return [found[place] for place in range(len(items))]


def _paired(
    judge: Any,
    items: Sequence[Item],
    against: Sequence[Any],
    without: Verdict,
    reached: Reached,
) -> None:
    """Check texts against references or tests, many beside each other. without: the verdict on an
    item that has none."""
    pairs: list[tuple[str, Any]] = []
    places: list[int] = []
    for place, (item, gold) in enumerate(zip(items, against, strict=True)):
        if gold is None:
            reached(place, without)
        else:
            pairs.append((item.response.answer, gold))
            places.append(place)
    judge.check_all(pairs, reached=lambda index, verdict: reached(places[index], verdict))


def items_of(records: Sequence[Record]) -> list[Item]:
    """The responses of the records, with their labels: a pool's grades, an outcome's label on the
    last step."""
    items: list[Item] = []
    for number, record in enumerate(records, 1):
        if isinstance(record, StepLabels):
            name = record.prompt.id or f"record {number}"
            label = record.labels[-1] if record.labels else None
            items.append(Item(record.prompt, record.response, name, label))
        elif isinstance(record, Group):
            name = record.prompt.id or f"record {number}"
            without = (None,) * len(record.responses)
            grades = record.grades if isinstance(record, Ranking) else without
            for place, grade in enumerate(grades):
                prompt, response = single(record, place)
                items.append(Item(prompt, response, f"{name}, response {place + 1}", grade))
    return items
