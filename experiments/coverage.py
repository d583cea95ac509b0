"""How often intervals that are called 95 % hold the truth, for every estimator and n = 5 to 500.

    # a table of all of them, some minutes on one core
    python -m experiments.coverage
    python -m experiments.coverage --only fit --reps 200 # those whose name holds "fit"
    python -m experiments.coverage --out coverage.md

A cell is coverage in per cent, and behind it the median width as a multiple of the ideal one: 2 ·
1.96 standard deviations of the estimate over the repetitions. "absent" is the share of samples for
which no interval was given, where that happens; coverage is over the others. The binomial error of
1,000 repetitions is 0.7 points.
"""

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from experiments.coverage_worlds import WORLDS, Seen, World

SIZES = (5, 10, 20, 50, 100, 500)


@dataclass(frozen=True)
class Cell:
    """One estimator at one n."""

    given: int
    """Samples for which an interval was given."""
    covered: int
    absent: float
    """Share of samples with a value and no interval."""
    width: float
    """Median width over the ideal one."""

    @property
    def coverage(self) -> float:
        return self.covered / self.given if self.given else math.nan

    @property
    def text(self) -> str:
        if not self.given:
            return "absent"
        width = "inf" if math.isinf(self.width) else f"{self.width:.2f}"
        told = f"{100 * self.coverage:.1f} ({width})"
        return told + (f", absent {100 * self.absent:.0f} %" if self.absent > 0.005 else "")


def measure(world: World, n: int, reps: int, *, resamples: int, seed: int) -> dict[str, Cell]:
    """Every estimator of a world on `reps` samples of n units."""
    seen: dict[str, list[Seen]] = defaultdict(list)
    rng = np.random.default_rng([seed, n])
    for _ in range(reps):
        for one in world(rng, n, resamples):
            seen[one.name].append(one)
    return {name: _cell(found) for name, found in seen.items()}


def _cell(found: Sequence[Seen]) -> Cell:
    valued = [one for one in found if not math.isnan(one.estimate.value)]
    given = [
        one for one in valued if not (math.isnan(one.estimate.low) or math.isnan(one.estimate.high))
    ]
    slack = 1e-9
    covered = sum(
        one.estimate.low - slack <= one.truth <= one.estimate.high + slack for one in given
    )
    widths = [one.estimate.high - one.estimate.low for one in given]
    spread = float(np.std([one.estimate.value for one in valued])) if valued else math.nan
    width = float(np.median(widths)) / (3.92 * spread) if widths and spread > 0 else math.nan
    return Cell(len(given), covered, 1 - len(given) / len(valued) if valued else 1.0, width)


def table(rows: dict[str, dict[int, Cell]], sizes: Sequence[int]) -> str:
    """Markdown."""
    lines = [
        "| estimator | " + " | ".join(f"n = {n}" for n in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for name, cells in rows.items():
        lines.append(
            f"| {name} | " + " | ".join(cells[n].text if n in cells else "" for n in sizes) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="part of the name of a world's function")
    parser.add_argument("--reps", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows: dict[str, dict[int, Cell]] = defaultdict(dict)
    for world, unit in WORLDS:
        if args.only not in world.__name__:
            continue
        start = time.perf_counter()
        for n in args.sizes:
            reps = args.reps if n <= 100 else max(1, args.reps // 2)
            for name, cell in measure(
                world, n, reps, resamples=args.resamples, seed=args.seed
            ).items():
                rows[name][n] = cell
        print(f"{world.__name__} ({unit}): {time.perf_counter() - start:.0f} s", flush=True)
        if args.out:
            args.out.write_text(table(rows, args.sizes) + "\n", encoding="utf-8")
    print(table(rows, args.sizes))


if __name__ == "__main__":
    main()
