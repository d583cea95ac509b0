"""How far to train a policy against a proxy before gold is lost: runs of RL side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from assay.errors import ConfigError, DataError
from assay.overopt.runs import Arm, arm, read_run, run_points, write_arms
from assay.overopt.sweep import Point, write_points
from assay.runs.run import Run
from assay.stats import Estimate
from assay.workflows._folder import opened, write_into
from assay.workflows._output import described

__all__ = ["PolicyComparison", "compare_policies", "folders_of"]


@dataclass(frozen=True, kw_only=True)
class PolicyComparison:
    """Ways of training against a proxy: where gold peaked, and what is left of it."""

    arms: tuple[Arm, ...]
    """Variants, each over its runs; the first is what the others are compared with."""
    kls: tuple[float, ...]
    """KLs, in nats, that variants are compared at."""
    settings: Any = field(default=None, repr=False)
    """Settings for `run.json`."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""

    @property
    def verdict(self) -> str:
        """What to do, in words, a line per variant."""
        return "\n".join(one.verdict for one in self.arms)

    @property
    def points(self) -> tuple[Point, ...]:
        """Evaluation points of all runs."""
        return tuple(chain.from_iterable(map(run_points, self.arms)))

    def report(self, out: str | Path) -> list[Path]:
        """Write `points.jsonl`, `arms.json`, `report.html` and `run.json` into a folder; return the
        files."""
        return write_into(out, self.write, self.settings, "overopt_rl", data=self.data)

    def write(self, run: Run) -> None:
        """Write the points, the variants and the page into an open folder."""
        from assay.pages.overopt_rl import policies_report

        write_points(run.path("points.jsonl"), self.points)
        write_arms(run.path("arms.json"), self.arms)
        run.page(
            "How far to train against the proxy",
            lambda: policies_report(self.arms, kls=self.kls, run=run.body),
        )

    def __str__(self) -> str:
        """Return a table of the variants, their verdicts and fits for a terminal."""
        lines = _table(self.arms, self.kls)
        for one in self.arms:
            lines += ["", one.verdict]
            if one.fits is not None:
                lines += [one.fits.rl.line, one.fits.best_of_n.line]
            if one.stop is not None:
                lines.append(one.stop.words)
            lines += one.notes
        return "\n".join(lines)


def compare_policies(
    runs: Mapping[str, Sequence[str | Path]] | Sequence[str | Path],
    *,
    gold: str | None = None,
    kl: Sequence[float] = (2.5,),
    epsilon: float | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    settings: object = None,
) -> PolicyComparison:
    """Compare policies that were trained against a proxy while a gold scorer looked on.

    runs: folders of `assay.rl`, by name of the way to train, or `[NAME=]FOLDER`; runs under one
    name differ in their seed, and intervals are over runs. gold: name of the gold to compare by;
    None = the first that the runs have. kl: nats to compare at. epsilon: gold that may be lost, in
    its units; None = a twentieth of the rise. seed: of the bootstrap. out: folder to write the
    result into. settings: what `run.json` holds; None is this call.

    Raises `DataError` where the runs have no gold in common.
    """
    call = described("compare_policies", **locals())
    if bad := [nats for nats in kl if not 0 < nats < math.inf]:
        raise ConfigError(f"--kl is {bad[0]:g}; it must be a number of nats above 0")
    if isinstance(runs, Mapping):
        folders = {name: [Path(folder) for folder in of] for name, of in runs.items()}
    else:
        folders = folders_of(runs)
    read = {name: [read_run(path, gold) for path in of] for name, of in folders.items()}
    if len(golds := {run.gold for of in read.values() for run in of}) > 1:
        raise DataError(
            f"the runs have different golds, {', '.join(sorted(golds))}; name one with --gold"
        )
    result = PolicyComparison(
        arms=tuple(arm(name, of, epsilon=epsilon, seed=seed) for name, of in read.items()),
        kls=tuple(kl),
        settings=settings or call,
        data=[path / "metrics.jsonl" for path in chain.from_iterable(folders.values())],
    )
    with opened(out, result.settings, "overopt_rl", data=result.data, overwrite=overwrite) as run:
        if run is not None:
            result.write(run)
    return result


def folders_of(words: Sequence[str | Path]) -> dict[str, list[Path]]:
    """Read `[NAME=]FOLDER` words; a folder without a name is called by its own.

    Raises `ConfigError` for a folder that is given twice under one name.
    """
    found: dict[str, list[Path]] = {}
    for word in map(str, words):
        name, equals, path = word.partition("=")
        folder = Path(path if equals else word)
        of = found.setdefault(name if equals else folder.name, [])
        if folder.resolve() in [other.resolve() for other in of]:
            raise ConfigError(
                f"{folder} is given twice; runs of one name must be different runs, such as of"
                " seeds"
            )
        of.append(folder)
    if not found:
        raise ConfigError("give folders of `assay rl`, or --world essays to see policies go wrong")
    return found


def _table(arms: Sequence[Arm], kls: Sequence[float]) -> list[str]:
    from rich.table import Table

    from assay.console.tables import text

    first = arms[0]
    columns = ["", "runs", "gold, peak", "gold, end", "KL, peak", "KL, end"]
    columns += [f"rise at KL {kl:g}" for kl in kls]
    if len(arms) > 1:
        columns.append(f"end less {first.name}")
    table = Table(*columns, box=None, padding=(0, 1))
    for one in arms:
        cells = [one.peak, one.end, one.kl_at_peak, one.kl_at_end, *map(one.at_kl, kls)]
        row = [one.name, str(len(one.runs)), *map(_shown, cells)]
        if len(arms) > 1:
            row.append("" if one is first else _shown(one.ends_less(first)))
        table.add_row(*row)
    return text(table).splitlines()


def _shown(estimate: Estimate) -> str:
    from assay.stats.numbers import beside

    if not estimate.n:
        return "never there"
    return beside(estimate, 2) + (f" of {estimate.n}" if estimate.unscored else "")
