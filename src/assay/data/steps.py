"""Steps and their labels: what the step-labelled formats share."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

from assay.errors import DataError

__all__ = ["SIGNS", "Neutral", "cut", "first_error", "joined", "marked", "parted", "rating"]

Neutral = Literal["positive", "negative", "ignore", "half"]
"""What becomes of a neutral rating (right, but no progress): 1, 0, not supervised, or 1/2: a class
of its own to the loss `step-ordinal`."""


SIGNS: Final = {"+": 1.0, "-": 0.0}
"""Marks of a step, and their labels."""


def marked(value: object) -> bool:
    """Turns that are labels of steps: every assistant's, of which there is one, is + or -."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return False
    said = [
        turn.get("content", turn.get("value"))
        for turn in value
        if turn.get("role", turn.get("from")) in ("assistant", "gpt")
    ]
    return bool(said) and all(isinstance(text, str) and text.strip() in SIGNS for text in said)


def joined(texts: Sequence[str], separator: str = "\n") -> tuple[str, ...]:
    """Texts that stand alone as steps whose concatenation is a text: all but the last end in the
    separator."""
    if not texts:
        raise DataError("the row has no steps")
    return (*(text + separator for text in texts[:-1]), *texts[-1:])


def parted(steps: Sequence[str], separator: str = "\n") -> list[str]:
    """The inverse of `joined`."""
    return [*(step.removesuffix(separator) for step in steps[:-1]), *steps[-1:]]


def cut(text: str, steps: Sequence[str]) -> tuple[str, ...] | None:
    """Return a text as these steps, each with the white space behind it; None where it is not made
    of them."""
    starts, end = [0], 0
    for step in steps:
        start = text.find(step, end)
        if start < 0 or text[end:start].strip():
            return None
        starts, end = [*starts, start], start + len(step)
    if not steps or text[end:].strip():
        return None
    # The first step has what is before it, too.
    bounds = [0, *starts[2:], len(text)]
    return tuple(text[a:b] for a, b in pairwise(bounds))


def first_error(steps: int, at: int | None, field: str) -> tuple[float | None, ...]:
    """Labels known from the place of the first error (0-indexed; None: there is none).

    1 before it, 0 at it, None after it: nobody looked there.
    """
    if at is None:
        return (1.0,) * steps
    if not 0 <= at < steps:
        raise DataError(f"field {field!r}: there is no step {at} (counted from 0) among {steps}")
    return (*(1.0,) * at, 0.0, *(None,) * (steps - at - 1))


def rating(value: object, field: str, neutral: Neutral) -> float | None:
    """A rating of PRM800K as a label: 1, 0 or -1, or None where nobody rated."""
    if value is None:
        return None
    if isinstance(value, bool) or value not in (-1, 0, 1):
        raise DataError(f"field {field!r}: a rating is -1, 0, 1 or null, got {value!r}")
    if value == 0:
        return {"positive": 1.0, "negative": 0.0, "ignore": None, "half": 0.5}[neutral]
    return 1.0 if value == 1 else 0.0
