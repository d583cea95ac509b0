"""`assay label HOW DATA`: label the steps of solutions by rollouts, and keep what it cost.

Rollouts are solutions that a policy completes from after a step; a verifier says which are right.
Each one is written to a ledger before it is used: a run that was stopped goes on where it was, and
pays nothing twice.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import tyro

from assay.data import io
from assay.data.splitting import resplit
from assay.errors import BackendError, ConfigError, DataError
from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.consensus import consensus, truncate
from assay.labelling.ledger import Ledger
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.outcomes import outcomes, problems, shares
from assay.labelling.predictive import PriorCheck, prior_check
from assay.labelling.repair import SelfCorrection
from assay.labelling.rollouts import Cost, Rollouts, has_reference
from assay.labelling.search import TreeSearch
from assay.protocols import Prefix
from assay.runs.settings import write_run
from assay.specs.generators import Policy
from assay.specs.verifiers import verifier
from assay.types import Group, Prompt, Record, Response, RolloutLabels, StepLabels

__all__ = ["COMMANDS"]

Pairs = Sequence[tuple[Prompt, Response]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rolling:
    """What all labellers share."""

    data: tyro.conf.Positional[str]
    """File, folder or data set of solutions to prompts with reference answers, or of the prompts
    alone."""

    out: Path
    """Folder for labels.jsonl, report.html, run.json and, unless given, ledger.jsonl."""

    policy: tyro.conf.OmitArgPrefixes[Policy]

    verifier: str = "numeric"
    """Finds and checks answers: numeric, math, or package.module:Class."""

    samples: int = 4
    """Solutions sampled of each prompt, where the data holds prompts alone."""

    ledger: Path | None = None
    """File of rollouts, shared by runs that should not pay for the same ones twice; only one may
    use it at a time."""

    cut_off: Literal["wrong", "undecided"] = "wrong"
    """What a rollout that reached max_tokens counts as."""

    guard: bool = True
    """Set aside rollouts that say that they correct something before them: they are no evidence
    that it was right."""

    truncate: bool = False
    """Keep no label after the first wrong step."""

    limit: int | None = None
    """Label so many solutions, or prompts, at most."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    set_aside: Path | None = None
    """New file for malformed rows and for records without a reference answer, instead of
    stopping."""

    def run(
        self,
        label: Callable[[list[Record], Rollouts], list[RolloutLabels]],
        check: Callable[[Pairs, Rollouts], PriorCheck | None] = lambda labelled, rollouts: None,
    ) -> None:
        """Label, write, and say what the rollouts came to and what they cost. check: of the
        labeller's prior."""
        from assay.console.progress import progress

        if self.samples < 1 or (self.limit is not None and self.limit < 0):
            raise ConfigError(
                f"samples is {self.samples} and limit {self.limit}; the least are 1 and 0"
            )
        checker = verifier(self.verifier)
        records = self._records()
        generator, name = self.policy.open()
        with (
            Ledger(self.ledger or self.out / "ledger.jsonl") as ledger,
            progress("rollouts", None) as show,
        ):
            rollouts = Rollouts(
                generator=generator,
                verifier=checker,
                sampling=self.policy.sampling(),
                name=name,
                ledger=ledger,
                cut_off=self.cut_off,
                guard=SelfCorrection() if self.guard else None,
                show=show,
            )
            labels = label(records, rollouts)
        found = outcomes(labels, rollouts)
        if not labels or not found.rollouts:
            _nothing_had(labels, rollouts)
        prior = check([(record.prompt, record.response) for record in labels], rollouts)
        first = problems(found, self.policy.max_tokens)
        first += [prior.sentence()] if prior and prior.fails else []
        first += shares(found)
        first += [prior.sentence()] if prior and not prior.fails else []
        if empty := self._empty(records, rollouts):
            first.append(f"{empty:,} sampled solutions were empty, and are left out")
        if self.truncate:
            labels = [truncate(record) for record in labels]
        io.write(labels, self.out / "labels.jsonl")
        said = summary(labels, rollouts.cost)
        write_run(
            self.out,
            self,
            [Path(self.data)],
            cost=rollouts.cost.to_json(),
            labels=said,
            outcomes=dataclasses.asdict(found),
            prior=prior and dataclasses.asdict(prior) | {"fails": prior.fails},
        )
        for line in first:
            print(line)
        for key, value in said.items():
            print(f"{key}: {value:,}" if isinstance(value, int) else f"{key}: {value}")
        report(self.out, labels, rollouts.cost, said, first)

    def solutions(self, records: Sequence[Record], rollouts: Rollouts) -> Pairs:
        """The solutions of the records; those of prompts alone are sampled, and kept for a run that
        goes on."""
        split = self.policy.splitter()
        found: list[tuple[Prompt, Response]] = []
        for record in records:
            if isinstance(record, StepLabels):
                found.append((record.prompt, record.response))
            elif isinstance(record, Group):
                found += [(record.prompt, response) for response in record.responses]
        found = [(prompt, resplit(r, split) if len(r.steps) == 1 else r) for prompt, r in found]
        prompts = [record for record in records if isinstance(record, Prompt)]
        return found + self._sampled(prompts, rollouts)

    def _sampled(self, prompts: list[Prompt], rollouts: Rollouts) -> list[tuple[Prompt, Response]]:
        # They are rollouts of the prompt, and as such in the ledger.
        asks = [(Prefix(prompt), self.samples) for prompt in prompts]
        rollouts.want(asks)
        return [
            (prefix.prompt, Response(steps=rollout.steps, finished=rollout.finished))
            for prefix, count in asks
            for rollout in rollouts.of(prefix, count)
            if rollout.steps
        ]

    def _empty(self, records: Sequence[Record], rollouts: Rollouts) -> int:
        """Solutions sampled of prompts that have no text."""
        samples = [
            sample
            for record in records
            if isinstance(record, Prompt)
            for sample in rollouts.of(Prefix(record), self.samples)
        ]
        return sum(not sample.steps for sample in samples)

    def _records(self) -> list[Record]:
        """The records to label; those without a reference answer are refused before anything is
        paid, or set aside."""
        records: list[Record] = []
        bare: list[tuple[int, Record]] = []
        source = io.read(self.data, format=self.format, set_aside=self.set_aside)
        for number, record in enumerate(source, 1):
            if len(records) == self.limit:
                break
            prompt = record if isinstance(record, Prompt) else record.prompt  # type: ignore[attr-defined]
            if has_reference(prompt):
                records.append(record)
            else:
                bare.append((number, record))
        if bare and (self.set_aside is None or not records):
            number, record = bare[0]
            prompt = record if isinstance(record, Prompt) else record.prompt  # type: ignore[attr-defined]
            raise DataError(
                f"{self.data}: {len(bare):,} of {len(bare) + len(records):,} records have no"
                " reference answer, and rollouts cannot be checked without; the first is record"
                f" {number}, {prompt.text[:60]!r}. Give each prompt a reference"
                + (
                    ""
                    if self.set_aside
                    else ", or go on without those records: --set-aside FILE"
                    if records
                    else ""
                )
            )
        if bare:
            self._aside(bare)
        if not records:
            raise DataError(f"{self.data} holds no record; give prompts, or solutions")
        return records

    def _aside(self, bare: Sequence[tuple[int, Record]]) -> None:
        assert self.set_aside is not None
        self.set_aside.parent.mkdir(parents=True, exist_ok=True)
        with self.set_aside.open("a", encoding="ascii") as file:
            for number, record in bare:
                row = {"where": f"{self.data}, record {number}", "error": "no reference answer"}
                file.write(json.dumps(row | {"raw": record.model_dump_json()}) + "\n")
        print(
            f"{len(bare):,} records without a reference answer are set aside in {self.set_aside}",
            file=sys.stderr,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelMonteCarlo(Rolling):
    """As many rollouts from after every step (Math-Shepherd, arXiv:2312.08935)."""

    labeller: tyro.conf.OmitArgPrefixes[MonteCarlo] = dataclasses.field(default_factory=MonteCarlo)

    def __call__(self) -> None:
        """Label."""
        self.run(
            lambda records, rollouts: self.labeller(self.solutions(records, rollouts), rollouts)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelAdaptive(Rolling):
    """Rollouts where the label is undecided, until it is decided: the same truth for a fraction of
    the cost."""

    labeller: tyro.conf.OmitArgPrefixes[Adaptive] = dataclasses.field(default_factory=Adaptive)

    def __call__(self) -> None:
        """Label, and check the prior against the first rollouts."""
        self.run(
            lambda records, rollouts: self.labeller(self.solutions(records, rollouts), rollouts),
            lambda labelled, rollouts: prior_check(self.labeller, labelled, rollouts),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelBinarySearch(Rolling):
    """The first wrong step alone, by binary search (arXiv:2406.06592)."""

    labeller: tyro.conf.OmitArgPrefixes[BinarySearch] = dataclasses.field(
        default_factory=BinarySearch
    )

    def __call__(self) -> None:
        """Label."""
        self.run(
            lambda records, rollouts: self.labeller(self.solutions(records, rollouts), rollouts)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSearch(Rolling):
    """Grow a tree of solutions from each prompt and find first errors in it: OmegaPRM
    (arXiv:2406.06592)."""

    labeller: tyro.conf.OmitArgPrefixes[TreeSearch] = dataclasses.field(default_factory=TreeSearch)

    def __call__(self) -> None:
        """Label."""
        self.run(self._label)

    def _label(self, records: list[Record], rollouts: Rollouts) -> list[RolloutLabels]:
        prompts: dict[str, Prompt] = {}
        for record in records:
            prompt = record if isinstance(record, Prompt) else record.prompt  # type: ignore[attr-defined]
            prompts.setdefault(prompt.text, prompt)
        trees = self.labeller([*prompts.values()], rollouts)
        return [labels for tree in trees for labels in tree.records(self.labeller.label)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Consensus:
    """Keep the solutions of one file whose first wrong step another labeller's file puts in the
    same place."""

    first: tyro.conf.Positional[str]
    """Labelled solutions, of which some are kept."""

    second: tyro.conf.Positional[str]
    """The same solutions, labelled by somebody else: a judge, people, or other rollouts."""

    out: tyro.conf.Positional[Path]
    """Where to: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""

    def __call__(self) -> None:
        """Write what is kept, and say how much."""
        kept, found = consensus(labelled(self.first), labelled(self.second))
        io.write(kept, self.out)
        print(
            f"{self.out}: {found.agree:,} solutions on which both agree; {found.disagree:,} on"
            f" which they do not, {found.open:,} whose first wrong step one leaves open,"
            f" {found.alone:,} that {self.second} does not have"
        )


COMMANDS = {
    "montecarlo": LabelMonteCarlo,
    "adaptive": LabelAdaptive,
    "binary-search": LabelBinarySearch,
    "search": LabelSearch,
    "consensus": Consensus,
}


def labelled(source: str) -> list[StepLabels]:
    """The file's records, all of them step labels."""
    records = []
    for record in io.read(source):
        if not isinstance(record, StepLabels):
            raise DataError(f"{source} holds a {type(record).__name__}; give labelled steps")
        records.append(record)
    return records


def _nothing_had(labels: Sequence[StepLabels], rollouts: Rollouts) -> None:
    """Raise where there is nothing to write because nothing was had from the policy; what was paid
    is in the ledger."""
    cost = rollouts.cost
    used = cost.rollouts + cost.known
    if failed := cost.failed:
        reason, count = failed.most_common(1)[0]
        had = (
            f"the {used:,} rollouts that were had make no label"
            if used
            else "no rollout was had from the policy"
        )
        again = (
            ": those that were had are in the ledger, and are not paid for again" if used else ""
        )
        raise BackendError(
            f"{had}: {sum(failed.values()):,} prefixes got none, {count:,} of them: {reason}. No"
            f" label was written; see to it, then run this again{again}"
        )
    if not labels:
        raise DataError(
            f"there is no solution to label: of {used:,} rollouts from the prompts on,"
            f" {cost.cut_off:,} were cut off at {rollouts.sampling.max_tokens:,} tokens and"
            f" {cost.undecided:,} could not be judged; the others are empty, or are right or wrong"
            " throughout, and a tree search needs prompts that are neither. Nothing was written"
        )


def summary(labels: Sequence[StepLabels], cost: Cost) -> dict[str, Any]:
    """What was labelled, and what it cost, in words and numbers."""
    every = [y for record in labels for y in record.labels]
    there = [y for y in every if y is not None]
    whole = sum(all(y is not None and y > 0.5 for y in record.labels) for record in labels)
    found: dict[str, Any] = {
        "solutions": len(labels),
        "steps": len(every),
        "steps with a label": len(there),
        "mean label": f"{sum(there) / len(there):.3f}" if there else "none",
        "solutions with every step right": whole,
        "solutions of one step": sum(len(record.labels) == 1 for record in labels),
        "prefixes": cost.prefixes,
        "rollouts made": cost.rollouts,
        "rollouts known before": cost.known,
        "tokens": cost.tokens,
        "seconds": round(cost.seconds),
        "rollouts that were cut off": cost.cut_off,
        "rollouts without any text": cost.empty,
        "rollouts that the verifier could not judge": cost.undecided,
        "rollouts that correct what came before, set aside": cost.guarded,
    }
    return found | {f"prefixes without rollouts ({reason})": n for reason, n in cost.failed.items()}


def report(
    out: Path,
    labels: Sequence[StepLabels],
    cost: Cost,
    said: dict[str, Any],
    first: Sequence[str] = (),
) -> None:
    """Draw report.html: what the rollouts came to, the solutions step by step, and the numbers."""
    from assay.errors import MissingExtra
    from assay.pages.evaluation import run_section
    from assay.pages.solutions import solutions_section
    from assay.report import Bullets, KeyValues, Section, write_report

    run = json.loads((out / "run.json").read_text())
    try:
        known = Section(
            "What the rollouts came to", [Bullets([line[0].upper() + line[1:] for line in first])]
        )
        sections = [
            known,
            solutions_section(labels),
            Section("Cost", [KeyValues(said)]),
            run_section(run),
        ]
        write_report(out / "report.html", f"Step labels of {out.name}", sections)
    except MissingExtra as error:
        print(f"no report.html: {error}", file=sys.stderr)
        return
    print(f"wrote {out / 'labels.jsonl'}, {out / 'report.html'} and {out / 'run.json'}")
