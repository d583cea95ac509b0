"""A card on a terminal: the four answers first, and what is in the files left there."""

from typing import Final

from assay.audit.card import Card, Cost, hack_told
from assay.audit.told import LEGEND, failure, gamed, good, letters, unit_told
from assay.stats.numbers import beside

__all__ = ["cost_told", "terminal"]

SHOWN: Final = 5
"""Faults that are told in full."""


def terminal(card: Card) -> str:
    """Return whether a reward is any good, how it is gamed, what to do next, and how sure that
    is."""
    from rich.table import Table

    from assay.console.tables import text

    rows = Table(box=None, padding=(0, 1))
    for name in ("area", "grade", "withstood", "failing probes"):
        rows.add_column(name)
    for one in card.grades:
        rows.add_row(one.area, letters(one.letters), beside(one.held, 2), ", ".join(one.fails))
    lines = [
        f"Is it any good?   {good(card)}.",
        f"How is it gamed?  {gamed(card)}.",
        *(f"Note: {one}" for one in [*card.notes, hack_told(card)] if one),
        "",
        text(rows),
        f"{LEGEND}.",
        "",
        *_faults(card),
        *_next(card),
        f"How sure?  {card.sure}.",
        cost_told(card.cost),
    ]
    return "\n".join(lines)


def _faults(card: Card) -> list[str]:
    if not card.failing:
        return []
    shown, rest = card.failing[:SHOWN], card.failing[SHOWN:]
    names = f"  and {len(rest)} more: {', '.join(one.probe for one in rest)}"
    return [
        f"The gravest faults ({unit_told(card.unit)}):",
        *(f"  {failure(one)}" for one in shown),
        *([names] if rest else []),
    ]


def _next(card: Card) -> list[str]:
    if not card.advice:
        return []
    rest = [one.partition(" ")[0] for one in card.advice[SHOWN:]]
    return [
        "What to do next, the worst first:",
        *(f"  {i}. {one}" for i, one in enumerate(card.advice[:SHOWN], 1)),
        *([f"  then: {', '.join(rest)} (see the report)"] if rest else []),
    ]


def cost_told(cost: Cost) -> str:
    """Say what the audit took."""
    said = f"{cost.texts:,} responses scored in {cost.seconds:.0f} s"
    if cost.tokens and cost.naive:
        said += f"; {cost.tokens:,} tokens read, {cost.naive / cost.tokens:.1f} times fewer than"
        said += f" the {cost.naive:,} of each response on its own"
    return f"{said}; {cost.paid}" if cost.paid else said
