"""`assay label HOW DATA`: label the steps of solutions by rollouts, and keep what it cost.

Rollouts are solutions that a policy completes from after a step; a verifier says which are right. Each one is written
to a ledger before it is used: a run that was stopped goes on where it was, and pays nothing twice.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import tyro

from assay import components, config
from assay.cli.policy import Policy
from assay.data import io
from assay.data.splitting import resplit
from assay.errors import ConfigError, DataError
from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.consensus import consensus, truncate
from assay.labelling.ledger import Ledger
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.repair import SelfCorrection
from assay.labelling.rollouts import Cost, Rollouts
from assay.labelling.search import TreeSearch
from assay.protocols import Prefix, Verifier
from assay.types import Group, Prompt, Record, Response, RolloutLabels, StepLabels

__all__ = ["COMMANDS"]

Pairs = Sequence[tuple[Prompt, Response]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rolling:
    """What all labellers share."""

    data: tyro.conf.Positional[str]
    """File, folder or data set of solutions to prompts with reference answers, or of the prompts alone."""

    out: Path
    """Folder for labels.jsonl, report.html, run.json and, unless given, ledger.jsonl."""

    policy: tyro.conf.OmitArgPrefixes[Policy]

    verifier: str = "numeric"
    """Finds and checks answers: numeric, math, or package.module:Class."""

    samples: int = 4
    """Solutions sampled of each prompt, where the data holds prompts alone."""

    ledger: Path | None = None
    """File of rollouts, shared by runs that should not pay for the same ones twice; only one may use it at a time."""

    cut_off: Literal["wrong", "undecided"] = "wrong"
    """What a rollout that reached max_tokens counts as."""

    guard: bool = True
    """Set aside rollouts that say that they correct something before them: they are no evidence that it was right."""

    truncate: bool = False
    """Keep no label after the first wrong step."""

    limit: int | None = None
    """Label so many solutions, or prompts, at most."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    def run(self, label: Callable[[list[Record], Rollouts], list[RolloutLabels]]) -> None:
        """Label, write, and say what it cost."""
        from assay.training.progress import progress

        generator, name = self.policy.open()
        records = self._records()
        with Ledger(self.ledger or self.out / "ledger.jsonl") as ledger, progress("rollouts", None) as show:
            rollouts = Rollouts(
                generator=generator,
                verifier=verifier(self.verifier),
                sampling=self.policy.sampling(),
                name=name,
                ledger=ledger,
                cut_off=self.cut_off,
                guard=SelfCorrection() if self.guard else None,
                show=show,
            )
            labels = label(records, rollouts)
        if self.truncate:
            labels = [truncate(record) for record in labels]
        io.write(labels, self.out / "labels.jsonl")
        said = summary(labels, rollouts.cost)
        config.write_run(self.out, self, [Path(self.data)], cost=rollouts.cost.to_json(), labels=said)
        for key, value in said.items():
            print(f"{key}: {value:,}" if isinstance(value, int) else f"{key}: {value}")
        report(self.out, labels, rollouts.cost, said)

    def solutions(self, records: Sequence[Record], rollouts: Rollouts) -> Pairs:
        """The solutions of the records; those of prompts alone are sampled, and kept for a run that goes on."""
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

    def _records(self) -> list[Record]:
        records: list[Record] = []
        for record in io.read(self.data, format=self.format):
            if len(records) == self.limit:
                break
            records.append(record)
        if not records:
            raise DataError(f"{self.data} holds no record; give prompts, or solutions")
        return records


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelMonteCarlo(Rolling):
    """As many rollouts from after every step (Math-Shepherd, arXiv:2312.08935)."""

    labeller: tyro.conf.OmitArgPrefixes[MonteCarlo] = dataclasses.field(default_factory=MonteCarlo)

    def __call__(self) -> None:
        """Label."""
        self.run(lambda records, rollouts: self.labeller(self.solutions(records, rollouts), rollouts))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelAdaptive(Rolling):
    """Rollouts where the label is undecided, until it is decided: the same truth for a fraction of the cost."""

    labeller: tyro.conf.OmitArgPrefixes[Adaptive] = dataclasses.field(default_factory=Adaptive)

    def __call__(self) -> None:
        """Label."""
        self.run(lambda records, rollouts: self.labeller(self.solutions(records, rollouts), rollouts))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelBinarySearch(Rolling):
    """The first wrong step alone, by binary search (arXiv:2406.06592)."""

    labeller: tyro.conf.OmitArgPrefixes[BinarySearch] = dataclasses.field(default_factory=BinarySearch)

    def __call__(self) -> None:
        """Label."""
        self.run(lambda records, rollouts: self.labeller(self.solutions(records, rollouts), rollouts))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSearch(Rolling):
    """Grow a tree of solutions from each prompt and find first errors in it: OmegaPRM (arXiv:2406.06592)."""

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
    """Keep the solutions of one file whose first wrong step another labeller's file puts in the same place."""

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
            f"{self.out}: {found.agree:,} solutions on which both agree; {found.disagree:,} on which they do not, "
            f"{found.open:,} whose first wrong step one leaves open, {found.alone:,} that {self.second} does not have"
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


def verifier(name: str) -> Verifier:
    """The verifier of a name."""
    if name in ("numeric", "math"):
        from assay.verifiers import Math, Numeric

        return Numeric() if name == "numeric" else Math()
    if ":" not in name:
        raise ConfigError(f"no verifier is called {name!r}; there is numeric, math, or give package.module:Class")
    found = components.load("verifiers", name)()
    if not isinstance(found, Verifier):
        raise ConfigError(f"{name} is no verifier: it needs extract, canonical and verify")
    return found


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
        "rollouts that the verifier could not judge": cost.undecided,
        "rollouts that correct what came before, set aside": cost.guarded,
    }
    return found | {f"prefixes without rollouts ({reason})": n for reason, n in cost.failed.items()}


def report(out: Path, labels: Sequence[StepLabels], cost: Cost, said: dict[str, Any]) -> None:
    """Draw report.html: the solutions step by step, and the numbers."""
    from assay.errors import MissingExtra
    from assay.report import KeyValues, Section, run_section, solutions_section, write_report

    run = json.loads((out / "run.json").read_text())
    try:
        sections = [solutions_section(labels), Section("Cost", [KeyValues(said)]), run_section(run)]
        write_report(out / "report.html", f"Step labels of {out.name}", sections)
    except MissingExtra as error:
        print(f"no report.html: {error}", file=sys.stderr)
        return
    print(f"wrote {out / 'labels.jsonl'}, {out / 'report.html'} and {out / 'run.json'}")
