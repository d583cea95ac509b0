"""Strategies side by side: accuracy against what it cost.

At equal n, strategies do not cost the same. They are compared at equal budgets of generation (as in
arXiv:2408.03314), here in generated tokens; where a generator does not count those, samples are the
next best, and the page says so.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from assay.pages.curves import beside_baselines
from assay.pages.evaluation import run_section
from assay.report.html import (
    Block,
    Bullets,
    Estimates,
    Figure,
    Headline,
    Paragraph,
    Section,
    Table,
)
from assay.report.paint import draw
from assay.report.plot import Panel, Plot, Point, points
from assay.stats import Estimate
from assay.stats.numbers import beside

__all__ = ["CostPoint", "compare_report", "cost_curves"]

TILES: Final = 4
"""Most strategies shown large."""

Baselines = Mapping[str, Estimate | Sequence["CostPoint"]]


@dataclass(frozen=True)
class CostPoint:
    """A strategy at one size: how good its choices are, and what a prompt cost on average."""

    n: int
    """Its size, such as the responses of best-of-n."""
    tokens: float | None
    """Tokens generated; None where they were not counted."""
    estimate: Estimate
    samples: float | None = None
    """Continuations written, responses or steps; None = n."""
    scored_tokens: float | None = None
    """Tokens through the scorer; None where they were not counted."""

    @property
    def written(self) -> float:
        """Samples: n where nothing else is said."""
        return self.n if self.samples is None else self.samples


def cost_curves(
    curves: Mapping[str, Sequence[CostPoint]],
    baselines: Baselines | None = None,
    *,
    ylabel: str = "accuracy",
) -> str:
    """Curves over the tokens generated for a prompt, on a log axis, with 95 % bands, beside
    baselines as broken lines.

    A baseline is one estimate (a level line) or a curve. Points without a value are left out. Where
    a point's tokens are not known, all are drawn over samples. Raises `DataError` when there is
    nothing to draw.
    """
    baselines = baselines or {}
    counted = _counts_tokens(curves, baselines)
    shown = {name: _points(curve, counted) for name, curve in curves.items()}
    lines = {
        name: baseline if isinstance(baseline, Estimate) else _points(baseline, counted)
        for name, baseline in baselines.items()
    }
    what = "tokens generated" if counted else "samples"
    panel = Panel(
        series=beside_baselines(shown, lines),
        scale="log",
        x_label=f"{what} per prompt, on average",
        y_label=ylabel,
    )
    title = f"{ylabel} against cost: {', '.join(curves)}; baselines: {', '.join(baselines)}"
    return draw(Plot(title=title, panels=[panel]))


def compare_report(
    curves: Mapping[str, Sequence[CostPoint]],
    *,
    equal: Mapping[str, Mapping[int, Estimate]] | None = None,
    baselines: Baselines | None = None,
    run: Mapping[str, Any] | None = None,
    gold: str = "accuracy",
    notes: Sequence[str] = (),
) -> list[Section]:
    """The sections of a comparison: the curves, what strategies get for equally many generated
    tokens, every point.

    equal: each strategy's accuracy at each budget of generated tokens. gold: what the estimates are
    of.
    """
    baselines = baselines or {}
    tiles = _tiles(curves, equal or {})
    blocks: list[Block] = [Headline(tiles)] if tiles else []
    counted = _counts_tokens(curves, baselines)
    if any(_points(curve, counted) for curve in curves.values()):
        caption = "Bands are 95 % intervals by prompt."
        if baselines:
            caption += " Broken lines are baselines."
        blocks.append(Figure(cost_curves(curves, baselines, ylabel=gold), caption))
    else:
        blocks.append(Paragraph("No strategy has a value."))
    if not counted:
        blocks.append(
            Paragraph(
                "Generated tokens were not counted for every point, so the curves are drawn over"
                " samples: one strategy's sample may be a whole response, and another's a step of"
                " one."
            )
        )
    if notes:
        blocks.append(Bullets(notes))
    sections = [Section("What strategies get for what they cost", blocks)]
    if equal and any(equal.values()):
        sections.append(Section("At equal generated tokens", _equal(equal, gold)))
    inner: list[Block] = [_every_point(curves, baselines, gold)]
    if level := {
        name: baseline for name, baseline in baselines.items() if isinstance(baseline, Estimate)
    }:
        inner.append(Estimates(level, caption="Baselines"))
    sections.append(Section("Every point", inner))
    return sections if run is None else [*sections, run_section(run)]


def _tiles(
    curves: Mapping[str, Sequence[CostPoint]], equal: Mapping[str, Mapping[int, Estimate]]
) -> dict[str, Estimate]:
    """Strategies at the largest budget that most of them reach; without budgets, where each
    ends."""
    reached = Counter(budget for row in equal.values() for budget in row)
    if reached:
        budget = max(reached, key=lambda b: (reached[b], b))
        at = {
            f"{name}, {budget:,} tokens": row[budget]
            for name, row in equal.items()
            if budget in row
        }
    else:
        at = {
            f"{name}, n = {line[-1].n:,}": line[-1].estimate
            for name, line in curves.items()
            if line
        }
    known = [(name, e) for name, e in at.items() if math.isfinite(e.value)]
    return dict(sorted(known, key=lambda pair: -pair[1].value)[:TILES])


def _equal(equal: Mapping[str, Mapping[int, Estimate]], gold: str) -> list[Block]:
    """A row a strategy, a column a budget; and for each budget, which is highest and which are not
    told from it."""
    budgets = sorted({budget for row in equal.values() for budget in row})
    body = [
        [name, *(_two_lines(row.get(budget)) for budget in budgets)] for name, row in equal.items()
    ]
    prompts = _prompts(chain.from_iterable(row.values() for row in equal.values()))
    caption = f"{gold} with its 95 % interval, by tokens generated for a prompt; {prompts}"
    said = []
    for budget in budgets:
        row_ = {
            n: row[budget]
            for n, row in equal.items()
            if budget in row and math.isfinite(row[budget].value)
        }
        if len(row_) > 1:
            said.append(f"At {budget:,} tokens, {_highest(row_)}.")
    found: list[Block] = [
        Table(["strategy", *(f"{budget:,}" for budget in budgets)], body, caption)
    ]
    return [Bullets(said), *found] if said else found


def _highest(row: Mapping[str, Estimate]) -> str:
    """The highest, and those whose intervals touch its own: stricter than a paired test, and no
    test of a pick."""
    top = max(row, key=lambda name: row[name].value)
    near = [
        name for name, estimate in row.items() if name != top and not estimate.high < row[top].low
    ]
    apart = f"not told apart from {', '.join(near)}" if near else "its interval above all others"
    return f"{top} is highest with {_line(row[top])}, {apart}"


def _every_point(
    curves: Mapping[str, Sequence[CostPoint]], baselines: Baselines, gold: str
) -> Table:
    head = (
        "strategy",
        "n",
        "samples",
        "generated\ntokens",
        "scored\ntokens",
        gold,
        "95 % interval",
        "unscored",
    )
    lines = dict(curves) | {
        name: baseline for name, baseline in baselines.items() if not isinstance(baseline, Estimate)
    }
    rows = []
    for name, line in lines.items():
        for p in line:
            value, _, interval = _line(p.estimate).partition(" ")
            rows.append(
                (
                    name,
                    p.n,
                    p.written,
                    p.tokens,
                    p.scored_tokens,
                    value,
                    interval,
                    p.estimate.unscored,
                )
            )
    prompts = _prompts(p.estimate for line in lines.values() for p in line)
    return Table(
        head,
        rows,
        f"Costs are means over prompts, and – stands where they were not counted; {prompts}",
    )


def _prompts(estimates: Iterable[Estimate]) -> str:
    """How many are behind several estimates."""
    ns = sorted({estimate.n for estimate in estimates}) or [0]
    return f"{ns[0]:,} prompts" if len(ns) == 1 else f"{ns[0]:,} to {ns[-1]:,} prompts"


def _line(estimate: Estimate) -> str:
    return beside(estimate)


def _two_lines(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    left_out = f"\n{estimate.unscored:,} unscored" if estimate.unscored else ""
    return _line(estimate).replace(" ", "\n", 1) + left_out


def _counts_tokens(curves: Mapping[str, Sequence[CostPoint]], baselines: Baselines) -> bool:
    lines = [
        *curves.values(),
        *(baseline for baseline in baselines.values() if not isinstance(baseline, Estimate)),
    ]
    return all(p.tokens is not None for line in lines for p in line)


def _points(curve: Sequence[CostPoint], counted: bool) -> list[Point]:
    """Points by cost; what cost nothing has no place on a log axis."""
    places = [((p.tokens or 0.0) if counted else p.written, p.estimate) for p in curve]
    return points(sorted((pair for pair in places if pair[0] > 0), key=lambda pair: pair[0]))
