"""`assay label HOW DATA`: label the steps of solutions by rollouts, and keep what it cost.

Rollouts are solutions that a policy completes from after a step; a verifier says which are right.
Each one is written to a ledger before it is used: a run that was stopped resumes and pays nothing
twice.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from assay.cli.options import Aside, Data, Executor, Format, Overwrite
from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.search import TreeSearch
from assay.specs.generators import Policy

__all__ = ["COMMANDS"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rolling:
    """Settings that all labellers share."""

    data: Data
    """Solutions to prompts with reference answers, or the prompts alone: file, folder or data
    set."""
    out: Path
    """Folder of the run, for labels.jsonl, report.html, run.json and, unless given, the ledger."""
    policy: tyro.conf.OmitArgPrefixes[Policy]

    verifier: Annotated[str, tyro.conf.arg(metavar="VERIFIER")] = "numeric"
    """Verifier that finds and checks answers: numeric, math, or package.module:Class."""
    samples: int = 4
    """Solutions sampled per prompt, where the data holds prompts alone."""
    ledger: Path | None = None
    """File of rollouts, shared by runs that should not pay for the same ones twice; only one may
    use it at a time."""
    cut_off: Literal["wrong", "undecided"] = "wrong"
    """Verdict on a rollout that reached max_tokens."""
    guard: bool = True
    """Exclusion of rollouts that correct something before them: they are no evidence that it was
    right."""
    truncate: bool = False
    """Removal of the labels after the first wrong step."""
    limit: int | None = None
    """Most solutions to label, or prompts where the data is prompts, or a tree grows from each."""
    format: Format = None
    set_aside: Aside = None
    """New file for malformed rows and for records without a reference answer, instead of
    stopping."""
    executor: Executor = "local"
    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Label, write, and report what it cost."""
        from assay.workflows.label import label

        given = dict(vars(self))
        print(label(**given | {"how": given.pop("labeller")}, settings=self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelMonteCarlo(Rolling):
    """As many rollouts from after every step (Math-Shepherd, arXiv:2312.08935)."""

    labeller: tyro.conf.OmitArgPrefixes[MonteCarlo] = dataclasses.field(default_factory=MonteCarlo)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelAdaptive(Rolling):
    """Rollouts where the label is undecided, until it is decided: the same truth for a fraction of
    the cost."""

    labeller: tyro.conf.OmitArgPrefixes[Adaptive] = dataclasses.field(default_factory=Adaptive)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelBinarySearch(Rolling):
    """The first wrong step alone, by binary search (arXiv:2406.06592)."""

    labeller: tyro.conf.OmitArgPrefixes[BinarySearch] = dataclasses.field(
        default_factory=BinarySearch
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSearch(Rolling):
    """Grow a tree of solutions from each prompt and find first errors in it: OmegaPRM
    (arXiv:2406.06592)."""

    labeller: tyro.conf.OmitArgPrefixes[TreeSearch] = dataclasses.field(default_factory=TreeSearch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Consensus:
    """Keep the solutions of one file whose first wrong step another labeller's file puts in the
    same place."""

    first: Data
    """Labelled solutions, of which some are kept."""
    second: Data
    """The same solutions, labelled by somebody else: a judge, people, or other rollouts; or
    steps:ANSWERER, a critic that labels them now."""
    out: tyro.conf.Positional[Path]
    """File to write: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""

    def __call__(self) -> None:
        """Write what is kept, and report how much."""
        from assay.workflows.label import agreed

        print(agreed(self.first, self.second, self.out))


COMMANDS: dict[str, Any] = {
    "montecarlo": LabelMonteCarlo,
    "adaptive": LabelAdaptive,
    "binary-search": LabelBinarySearch,
    "search": LabelSearch,
    "consensus": Consensus,
}
