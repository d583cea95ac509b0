"""Verdicts of a rule: what was found, in words, and where."""

from typing import Annotated, Literal

from pydantic import Field

from assay.types import Verdict

__all__ = ["Count", "Relation", "compared", "judged", "plural", "shown"]

Relation = Literal["less than", "at least"]
"""The two ways in which IFEval bounds a count."""

Count = Annotated[int, Field(ge=1)]


def judged(stage: str, holds: bool, reason: str, span: tuple[int, int] | None = None) -> Verdict:
    """Right or wrong; the place is kept where it is wrong."""
    return Verdict(
        outcome="right" if holds else "wrong",
        reason=reason,
        stage=stage,
        span=None if holds else span,
    )


def compared(
    stage: str, count: int, relation: Relation, bound: int, noun: str, more: str = ""
) -> Verdict:
    """Return whether a count is on the right side of a bound: "less than" leaves the bound out, "at
    least" takes it in."""
    holds = count < bound if relation == "less than" else count >= bound
    return judged(stage, holds, f"{plural(count, noun)}{more}; {relation} {bound} asked for")


def plural(count: int, noun: str) -> str:
    """The count and the noun: 1 word, 2 words."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def shown(text: str, most: int = 60) -> str:
    """A text quoted in a reason, cut."""
    return (
        repr(text) if len(text) <= most else f"{text[: most - 10]!r}... ({len(text):,} characters)"
    )
