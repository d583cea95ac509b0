"""`assay overopt rl RUN...`: how far a policy may be trained against a proxy before gold is
lost."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from assay.cli.options import Overwrite
from assay.errors import ConfigError

if TYPE_CHECKING:
    from assay.workflows.overoptimization_rl import PolicyComparison

__all__ = ["Policies"]

RESULT = ("gold", "kl", "epsilon", "seed", "out", "overwrite")
"""Settings of the comparison; the others are of a world."""


@dataclass(frozen=True, kw_only=True)
class Policies:
    """Put policies that were trained against a proxy beside each other: where gold peaked, and what
    is left of it.

    Folders are of `assay rl --gold`, which evaluates on held-out prompts while it trains. Runs
    under one name differ in their seed; intervals are then over runs.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME=]FOLDER ...")
    ] = ()
    """Folders of `assay rl`; of several under one name, in the same order of seeds as under the
    others. The first name is what the others are compared with."""
    gold: str | None = None
    """The gold to compare by; none = the first that the runs have."""
    world: Literal["essays"] | None = None
    """Policies trained in an embedded world instead: against a weak proxy alone, with a price on
    KL, and against four."""
    arm: tuple[str, ...] = ("single", "single, KL .1", "uwo of 4")
    """Ways to train in the world, against a proxy of size M that learned from 250 pairs: single,
    "single, KL .02", "single, KL .1", "mean of 4", "worst of 4", "uwo of 4"; and XS, S, M, L, XL:
    alone, against a proxy of that size that learned from 16,000."""
    seeds: int = 3
    """Seeds of the world, for each arm."""
    seed: int = 0
    """First seed of the world, and seed of the bootstrap."""
    steps: int = 140
    """Rounds of training in the world."""
    workers: int = 2
    """Processes that train in the world, of one thread each."""
    kl: tuple[float, ...] = (2.5,)
    """KLs, in nats, to compare arms at."""
    epsilon: float | None = None
    """Gold that may be lost for the sake of training further, in units of gold; none = a twentieth
    of the rise."""
    out: Path | None = None
    """Folder for points.jsonl, arms.json, report.html and run.json, and for a world's runs."""
    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Train where a world is asked for; read, print, write."""
        from assay.workflows.overoptimization_rl import compare_policies

        options = {name: getattr(self, name) for name in RESULT}
        if self.world is None:
            result = compare_policies(self.runs, **options, settings=self)
        else:
            result = self._in_world(options)
        print(result)
        if self.out is not None:
            print(f"wrote points.jsonl, arms.json, report.html and run.json in {self.out}")

    def _in_world(self, options: dict[str, Any]) -> "PolicyComparison":
        from assay.studies.essays.sweeps import essay_policies, kept
        from assay.workflows.overoptimization_rl import compare_policies

        if self.runs:
            raise ConfigError(f"--world {self.world} has runs of its own; leave the folders out")
        how = {name: getattr(self, name) for name in ("seeds", "seed", "steps", "workers")}
        with kept(self.out) as folder:
            runs = essay_policies(folder, self.arm, **how)
            return compare_policies(runs, **options, settings=self)
