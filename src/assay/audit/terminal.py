"""A card on a terminal: the four answers first, and what is in the files left there."""

from typing import Final

from assay.audit import told
from assay.audit.card import Card

__all__ = ["terminal"]

SHOWN: Final = 5
"""Faults that are told in full."""


def terminal(card: Card) -> str:
    """Return whether a reward is any good, how it is gamed, what to do next, and how sure that
    is."""
    from rich.table import Table

    from assay.console.tables import text

    rows = Table(box=None, padding=(0, 1))
    for name in told.COLUMNS:
        rows.add_column(name)
    for row in told.grade_rows(card):
        rows.add_row(*row)
    lines = [
        f"Is it any good?   {told.good(card)}.",
        f"How is it gamed?  {told.gamed(card)}.",
        *(f"Note: {one}" for one in [*card.notes, told.hacks(card)] if one),
        "",
        text(rows),
        f"{told.LEGEND}.",
        "",
        *_faults(card),
        *_next(card),
        f"How sure?  {card.sure}.",
        told.cost(card.cost),
    ]
    return "\n".join(lines)


def _faults(card: Card) -> list[str]:
    if not card.failing:
        return []
    shown, rest = card.failing[:SHOWN], card.failing[SHOWN:]
    names = f"  and {len(rest)} more: {', '.join(one.probe for one in rest)}"
    return [
        f"The gravest faults ({told.unit(card.unit)}):",
        *(f"  {told.failure(one)}" for one in shown),
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
