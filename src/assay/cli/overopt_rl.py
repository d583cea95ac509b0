"""`assay overopt rl RUN...`: how far a policy may be trained against a proxy before gold is
lost."""

import dataclasses
import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from assay.console.tables import show
from assay.errors import ConfigError, DataError, MissingExtra
from assay.runs.settings import write_run

if TYPE_CHECKING:
    from assay.overopt.runs import Arm

__all__ = ["Policies", "kept"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policies:
    """Put policies that were trained against a proxy beside each other: where gold peaked, and what
    is left of it.

    Folders are of `assay rl --gold`, which looks at held-out prompts while it trains. Runs under
    one name differ in their seed; intervals are then over runs.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME=]FOLDER ...")
    ] = ()
    """Folders of `assay rl`; of several under one name, in the same order of seeds as under the
    others. The first name is what the others are compared with."""

    gold: str | None = None
    """The gold to compare by; none = the first that the runs have."""

    world: Literal["essays"] | None = None
    """Train policies in an embedded world instead: against a weak proxy alone, with a price on KL,
    and against four."""

    arm: tuple[str, ...] = ("single", "single, KL .1", "uwo of 4")
    """Ways to train in the world, against a proxy of size M that learned from 250 pairs: single,
    "single, KL .02", "single, KL .1", "mean of 4", "worst of 4", "uwo of 4"; and XS, S, M, L, XL:
    alone, against a proxy of that size that learned from 16,000."""

    seeds: int = 3
    """Of the world, for each arm."""

    seed: int = 0
    """The first of them, and that of the bootstrap."""

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

    def __call__(self) -> None:
        """Train where a world is asked for; read, print, write."""
        from assay.overopt.runs import arm, read_run, run_points
        from assay.overopt.sweep import write_points

        if bad := [kl for kl in self.kl if not 0 < kl < math.inf]:
            raise ConfigError(f"--kl is {bad[0]:g}; it must be a number of nats above 0")
        with kept(self.out) as folder:
            folders = self._folders(folder)
            runs = {
                name: [read_run(path, self.gold) for path in paths]
                for name, paths in folders.items()
            }
        if len(golds := {run.gold for of in runs.values() for run in of}) > 1:
            raise DataError(
                f"the runs have different golds, {', '.join(sorted(golds))}; name one with --gold"
            )
        made = [arm(name, of, epsilon=self.epsilon, seed=self.seed) for name, of in runs.items()]
        self._show(made)
        if self.out is not None:
            write_points(
                self.out / "points.jsonl", [point for one in made for point in run_points(one)]
            )
            self._write(self.out, made, [path for of in folders.values() for path in of])

    def _folders(self, folder: Path) -> dict[str, list[Path]]:
        """Of each arm."""
        if self.world is not None:
            if self.runs:
                raise ConfigError(
                    f"--world {self.world} has runs of its own; leave the folders out"
                )
            return self._pressed(folder)
        if not self.runs:
            raise ConfigError(
                "give folders of `assay rl`, or --world essays to see policies go wrong"
            )
        found: dict[str, list[Path]] = {}
        for word in self.runs:
            name, equals, path = word.partition("=")
            folder = Path(path if equals else word)
            of = found.setdefault(name if equals else folder.name, [])
            if folder.resolve() in [other.resolve() for other in of]:
                raise ConfigError(
                    f"{folder} is given twice; runs of one name must be different runs, such as of"
                    " seeds"
                )
            of.append(folder)
        return found

    def _pressed(self, folder: Path) -> dict[str, list[Path]]:
        """The runs of the world, made where they are missing."""
        from assay.console.progress import progress
        from assay.studies.essays.laboratory import ARMS, Laboratory

        if unknown := [name for name in self.arm if name not in ARMS]:
            raise ConfigError(f"no arm is called {unknown[0]!r}; there is {'; '.join(ARMS)}")
        if self.seeds < 1 or not self.arm:
            raise ConfigError("give --seeds 1 or more, and an arm")
        lab, seeds = Laboratory(out=folder), [self.seed + k for k in range(self.seeds)]
        jobs = [
            (seed, ARMS[name], self.steps) for name in dict.fromkeys(self.arm) for seed in seeds
        ]
        with lab.workers(self.workers) as over, progress("essays", len(seeds) + len(jobs)) as bar:
            for done, _ in enumerate(
                over(lab.ready, seeds, [[ARMS[name] for name in self.arm]] * len(seeds)), start=1
            ):
                bar(done, "policies and proxies")
            for done, _ in enumerate(
                over(lab.optimise, *zip(*jobs, strict=True)), start=1 + len(seeds)
            ):
                bar(done, "runs")
        return {
            name: [lab.run(seed, ARMS[name]) for seed in seeds] for name in dict.fromkeys(self.arm)
        }

    def _show(self, arms: "Sequence[Arm]") -> None:
        from rich.table import Table

        from assay.report.numbers import beside
        from assay.stats import Estimate

        def told(e: Estimate) -> str:
            if not e.n:
                return "never there"
            return beside(e, 2) + (f" of {e.n}" if e.unscored else "")

        columns = [
            "",
            "runs",
            "gold, peak",
            "gold, end",
            "KL, peak",
            "KL, end",
            *(f"rise at KL {kl:g}" for kl in self.kl),
        ]
        table = Table(
            *columns,
            *([f"end less {arms[0].name}"] if len(arms) > 1 else []),
            box=None,
            padding=(0, 1),
        )
        for one in arms:
            cells = [told(e) for e in (one.peak, one.end, one.kl_at_peak, one.kl_at_end)]
            cells += [told(one.at_kl(kl)) for kl in self.kl]
            if len(arms) > 1:
                cells.append("" if one is arms[0] else told(one.ends_less(arms[0])))
            table.add_row(one.name, str(len(one.runs)), *cells)
        show(table)
        for one in arms:
            print(f"\n{one.verdict}")
            for fit in () if one.fits is None else (one.fits.rl, one.fits.best_of_n):
                print(fit.line)
            for said in (*([] if one.stop is None else [one.stop.words]), *one.notes):
                print(said)

    def _write(self, out: Path, arms: "Sequence[Arm]", folders: Sequence[Path]) -> None:
        from assay.overopt.runs import write_arms
        from assay.pages.overopt_rl import policies_report
        from assay.report import write_report

        write_arms(out / "arms.json", arms)
        run = json.loads(
            write_run(out, self, [path / "metrics.jsonl" for path in folders]).read_text()
        )
        try:
            sections = policies_report(arms, kls=self.kl, run=run)
            write_report(out / "report.html", "How far may the policy go?", sections)
        except MissingExtra as error:
            print(f"no report.html: {error}", file=sys.stderr)
            return
        names = ("points.jsonl", "arms.json", "report.html", "run.json")
        print(f"wrote {', '.join(str(out / name) for name in names)}")


@contextmanager
def kept(out: Path | None) -> Iterator[Path]:
    """Where a world is made: in the run's folder, so that a run that is stopped goes on; otherwise
    for this once."""
    if out is not None:
        yield out / "world"
        return
    with TemporaryDirectory(prefix="assay-") as folder:
        yield Path(folder)
