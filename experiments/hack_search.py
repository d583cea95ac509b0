"""Search for hacks of a reward: the gain of the best edit against the budget, on held-out prompts,
with random edits beside it.

    python -m experiments.hack_search --reward runs/rm --data test.jsonl

`--reward` is any word that names a scorer. Every strategy runs once per seed; each seed splits the
prompts anew. Writes `result.json` and `budget.svg`, and prints a table in Markdown.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from assay.audit.hacks import Hacks, Step, hunt
from assay.audit.subjects import items_of
from assay.audit.trying import Strategy
from assay.data import io
from assay.report.paint import draw
from assay.report.plot import Panel, Plot, Rule, Series, points
from assay.report.svg import PALETTE
from assay.runs.settings import dumps, write_atomic
from assay.specs.scorers import scorer
from assay.stats import Estimate, student, summarise

POINTS = 8


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Search for hacks of one reward."""

    reward: Annotated[str, tyro.conf.arg(metavar="SCORER")]
    data: Path
    """Preferences, pools or step labels."""
    transfer: str | None = None
    """Another scorer, on which the best edits are tried."""
    prompts: int = 60
    """Half of them are searched on."""
    budget: int = 2000
    seeds: int = 5
    strategies: tuple[Strategy, ...] = ("evolve", "greedy")
    device: str = "auto"
    out: Path = Path("runs/hacks")

    def __call__(self) -> None:
        """Run it."""
        reward = scorer(self.reward, self.device)
        other = scorer(self.transfer, self.device) if self.transfer else None
        items = items_of(list(io.read(self.data)), prompts=self.prompts)
        results: dict[Strategy, list[Hacks]] = {how: [] for how in self.strategies}
        for how, found in results.items():
            for seed in range(self.seeds):
                start = time.perf_counter()
                found.append(
                    hunt(reward, items, how=how, budget=self.budget, seed=seed, transfer=other)
                )
                seconds = time.perf_counter() - start
                print(f"{how}, seed {seed}, {seconds:.0f} s: {shown(found[-1])}", flush=True)
                body = {name: [one.to_json() for one in row] for name, row in results.items()}
                write_atomic(self.out / "result.json", dumps(body | {"settings": str(self)}))
        curves: dict[str, list[Estimate]] = {
            how: curve([x.trajectory for x in found]) for how, found in results.items()
        }
        first = results[self.strategies[0]]
        curves["random"] = curve([one.baseline_random for one in first])
        write_atomic(self.out / "budget.svg", figure(curves, self.budget))
        print(table(curves, self.budget))


def shown(found: Hacks) -> str:
    """The best edit, in a line."""
    if not found.best:
        return "no edit gained"
    best = found.best[0]
    told = f"{best.edit}: {summarise(best.held_out.effect, 2)} held out, {best.search:.2f} searched"
    uplift = best.held_out.flips.get("uplift")
    told += f", uplift {summarise(uplift, 2)}" if uplift else ""
    return told + (f", transfer {summarise(best.transfer.effect, 2)}" if best.transfer else "")


def curve(paths: Sequence[Sequence[Step]]) -> list[Estimate]:
    """The mean over seeds of the held-out gain of the best edit, at each eighth of the way."""
    found = []
    for k in range(1, POINTS + 1):
        gains = []
        for path in paths:
            known = [step for step in path if step.scored <= path[-1].scored * k / POINTS]
            # Before the first round no edit is known.
            gains.append(known[-1].held_out.value if known else 0.0)
        found.append(student(gains))
    return found


def figure(curves: dict[str, list[Estimate]], budget: int) -> str:
    """The curves as a file of their own, in light colours."""
    series = [
        Series(
            points=points((budget * (k + 1) / POINTS, one) for k, one in enumerate(row)),
            name=name,
            colour=colour,
        )
        for (name, row), colour in zip(curves.items(), PALETTE, strict=False)
    ]
    panel = Panel(
        series=series,
        rules=[Rule(at=0.0, across=True)],
        x_label="edited responses scored",
        y_label="held-out gain, in deviations",
    )
    drawn = draw(Plot(title="Gain of the best edit against the budget", panels=[panel]))
    return re.sub(r"var\(--[\w-]+, (#[0-9a-f]{6})\)", r"\1", drawn)


def table(curves: dict[str, list[Estimate]], budget: int) -> str:
    """The curves in Markdown."""
    lines = [f"| scored | {' | '.join(curves)} |", "|---:" + "|---" * len(curves) + "|"]
    for k in range(POINTS):
        cells = [summarise(row[k], 2) for row in curves.values()]
        lines.append(f"| {budget * (k + 1) // POINTS:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    tyro.cli(Bench)()
