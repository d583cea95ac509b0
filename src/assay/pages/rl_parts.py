"""The parts of a reward, on the page of a run: what each was worth, how many of its scores came,
and how often gates were open."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from assay.report.html import Block, Paragraph, Section, Table
from assay.runs.evaluations import EvalPoint, Row
from assay.stats import Estimate
from assay.stats.numbers import beside

__all__ = ["parts_section"]

FIGURES: Final = (
    ("coverage", "scored in training\n(mean, least)"),
    ("spread", "spread within\ngroups"),
    ("influence", "influence\n(mean, least)"),
)
MOST: Final = 60
"""Most parts that are shown."""


def parts_section(rows: Sequence[Row], seen: Sequence[EvalPoint], top: int | None) -> list[Section]:
    """The section, or nothing of a reward of one part.

    top: the step of gold's peak, which has a column of its own.
    """
    steps = [row for row in rows if row.get("coverage")]
    if not steps:
        return []
    gates = {*chain.from_iterable(row.get("gates") or () for row in steps)}
    names = [*dict.fromkeys(chain.from_iterable(row["coverage"] for row in steps))]
    at = _points(seen, top)
    figures = [(key, head) for key, head in FIGURES if any(row.get(key) for row in steps)]
    body: list[list[Any]] = []
    for name in names[:MOST]:
        line: list[Any] = [f"{name} (gate)" if name in gates else name]
        line += [_shown(point.parts.get(name)) for point in at.values()]
        line += [_over(steps, key, name) for key, _ in figures]
        body.append(line)
    head = ["part", *(f"{what}\nheld out" for what in at), *(head for _, head in figures)]
    blocks: list[Block] = [Paragraph(" ".join(_said(steps, bool(gates), len(names))))]
    blocks.append(Table(head, body, "With 95 % intervals by prompt"))
    return [Section("Parts of the reward", blocks)]


def _points(seen: Sequence[EvalPoint], top: int | None) -> dict[str, EvalPoint]:
    """Evaluation points that have a column: the first, the peak, the last."""
    if not seen:
        return {}
    by_step = {point.step: point for point in seen}
    steps = {seen[0].step, seen[-1].step, *([] if top is None else [top])}
    return {f"step {step:,}{' (peak)' * (step == top)}": by_step[step] for step in sorted(steps)}


def _shown(estimate: Estimate | None) -> str | None:
    return None if estimate is None else beside(estimate).replace(" ", "\n", 1)


def _over(steps: Sequence[Row], key: str, name: str) -> str | None:
    """A figure of a part over the steps: its mean, and the least of a share or an influence."""
    values = [row[key][name] for row in steps if name in (row.get(key) or {})]
    if not values:
        return None
    mean = sum(values) / len(values)
    return f"{mean:.3g}" if key == "spread" else f"{mean:.3g}, {min(values):.3g}"


def _said(steps: Sequence[Row], gated: bool, parts: int) -> list[str]:
    """What to know about the table."""
    said = [
        "Each part as it was paid, weight and gates included. A part that could not score a"
        " response is missing there, which is never 0."
    ]
    if parts > MOST:
        said.append(f"The first {MOST} of {parts:,} parts are shown.")
    if gated:
        shut = [row["shut_groups"] for row in steps if "shut_groups" in row]
        said.append(
            "A gate is shown by how often it was open. In training"
            f" {sum(shut) / len(shut):.0%} of the groups had every response shut out, and taught"
            " nothing."
        )
    least = [min(row["influence"].values()) for row in steps if row.get("influence")]
    if least and min(least) < 0:
        said.append(
            "Influence is what a unit of a part, as it is paid, adds to the advantage. Where it is"
            " below 0, the policy was paid for less of that part, which goes together with others"
            " that it was whitened with."
        )
    return said
