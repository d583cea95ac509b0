"""`assay overopt`: how far to optimise against a proxy before gold is lost.

`bon POOL` chooses the best of n out of many responses to each of many prompts. Every n is estimated
at once, without bias, with intervals by prompt; gold against the root of KL is fitted, and a place
to stop recommended. `report` puts several of these side by side. `rl RUN` does the same to policies
that were trained against a proxy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from assay.cli.options import Format, Gates, Overwrite
from assay.cli.overopt_rl import Policies
from assay.errors import ConfigError
from assay.specs.compute import Compute

__all__ = ["COMMANDS"]

Words = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BestOfN(Compute):
    """Sweep best-of-n over a pool of responses, for every proxy against every gold.

    Scores are in the rows already (--proxy-column, --gold-column: fields of a row {"prompt",
    "response", ...}, one response each, or keys of the responses' meta in records; grades of
    rankings are gold), in files of scores that exist (--proxy-scores, --gold-scores), or are
    asked for now (--proxy, --gold).
    """

    pool: tyro.conf.Positional[str] = ""
    """File or folder of rows or records; left out with --world."""
    proxy: Annotated[Words, tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers to choose by: folders of reward models, shortest, longest, random, or
    package.module:name."""
    gold: Annotated[Words, tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers of what a choice is worth: a verifier (math, numeric), a larger reward model."""
    proxy_column: Annotated[Words, tyro.conf.arg(metavar="NAME ...")] = ()
    """Scores in the rows to choose by."""
    gold_column: Annotated[Words, tyro.conf.arg(metavar="NAME ...")] = ()
    """Scores in the rows of what a choice is worth."""
    proxy_scores: Annotated[Words, tyro.conf.arg(metavar="[NAME=]FILE ...")] = ()
    """Files of scores that exist, to choose by: matched by texts, by id or by the pool's order."""
    gold_scores: Annotated[Words, tyro.conf.arg(metavar="[NAME=]FILE ...")] = ()
    """Files of scores that exist, of what a choice is worth."""
    gate: Gates = ()
    world: Literal["gaussian", "essays"] | None = None
    """An embedded world instead of a pool. gaussian: three proxies of a truth that is known, at
    once. essays: policies, proxies of four sizes and three amounts of data, and pools, all from
    scratch, within ten minutes on two cores."""
    seeds: int = 3
    """Policies in the world of essays, each with its own preferences, proxies and pool."""
    workers: int = 2
    """Processes that make a world, of one thread each."""
    ensemble: tuple[Literal["mean", "worst", "uwo"], ...] = ()
    """Proxies made of all the others, each standardised on the pool: their mean, the worst of them,
    the mean less half their variance."""
    size: Annotated[Words, tyro.conf.arg(metavar="NAME=NUMBER ...")] = ()
    """Sizes of proxies, such as parameters or preferences: how the fit goes with them is then
    reported."""
    epsilon: float | None = None
    """Gold that may be lost for the sake of choosing harder, in units of gold; none = a twentieth
    of its standard deviation within prompts."""
    missing_gold: Literal["refuse", "leave_out"] = "refuse"
    """Treatment of responses with a proxy score and without gold."""
    format: Format = None

    limit: int | None = None
    """Most prompts to take."""
    seed: int = 0
    """Seed of the bootstrap, and of a world."""
    out: Path | None = None
    """Folder for points.jsonl, fits.json, report.html and run.json."""
    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Sweep, print, write the files."""
        from assay.workflows.overoptimization import overoptimization

        ours = ("pool", "world", "seeds", "workers")
        options = {name: value for name, value in vars(self).items() if name not in ours}
        result = overoptimization(self._pool(), **options, settings=self)
        _end(result, self.out)

    def _pool(self) -> Any:
        """The pool's name, or the pool of a world."""
        if self.world is None and not self.pool:
            raise ConfigError(
                "give a pool of responses, or --world gaussian to see a picture at once"
            )
        if self.world is None:
            return self.pool
        if self.pool or self.proxy or self.gold or self.proxy_column or self.gold_column:
            raise ConfigError(
                f"--world {self.world} has proxies and gold of its own; leave the pool and scorers"
                " out"
            )
        if self.world == "gaussian":
            from assay.studies.gaussian import gaussian_pool

            return gaussian_pool(self.seed)
        from assay.studies.essays.sweeps import essay_pool

        return essay_pool(self.out, seeds=self.seeds, seed=self.seed, workers=self.workers)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Put the runs of `assay overopt bon` side by side: gold against KL in one picture, and how it
    goes with a size."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""
    size: Annotated[Words, tyro.conf.arg(metavar="NAME=NUMBER ...")] = ()
    """Sizes of proxies, such as parameters or preferences; those that the runs know need not be
    given."""
    out: Path | None = None
    """Folder for points.jsonl, fits.json, report.html and run.json."""
    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Read, print, write."""
        from assay.workflows.overoptimization import combined

        _end(combined(**vars(self), settings=self), self.out)


def _end(result: object, out: Path | None) -> None:
    print(result)
    if out is not None:
        print(f"wrote points.jsonl, fits.json, report.html and run.json in {out}")


COMMANDS: dict[str, Any] = {"bon": BestOfN, "rl": Policies, "report": Report}
