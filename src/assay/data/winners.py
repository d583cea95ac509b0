"""Verdicts on two responses as layouts state them: a winner's place or own name, its number, a
probability, a signed strength or two scores."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from assay.data import fields
from assay.errors import DataError

__all__ = [
    "VERDICTS",
    "TwoMeanings",
    "number_of",
    "said",
    "signed",
    "undecided",
    "verdict",
    "winner",
]

VERDICTS: Final = ("winner", "choice", "prefer", "strength", "first_score")
"""Parts of a row that say which of two responses is better; a row has at most one of them."""
SIDE: Final = re.compile(
    r"(?:(?:model|response|answer|output|assistant|option|completion|text)[ _-]?)?([ab12])"
)
PLACES: Final = {"left": 1.0, "first": 1.0, "right": 0.0, "second": 0.0}
"""Which of two is better by where it stood, as pages for labelling say it."""
ORDER: Final = re.compile(r"a(=|>+|<+)b|b(=|>+|<+)a")
TIES: Final = frozenset(("both_bad", "both bad", "bothbad", "both_good", "both good", "draw"))
KNOWN: Final = (
    "model_a, model_b, left, right or tie, A>B, the name of one of the row's two models, or 1 for"
    " the first and 2 for the second"
)
Names = tuple[object, object]
"""What the two who are compared are called in the row, None where it does not say."""


class TwoMeanings(DataError):
    """A word for a winner that says one thing as a name, and another as a place."""


def verdict(said: Mapping[str, Any], names: Mapping[str, str]) -> tuple[float, float | None] | None:
    """Return the probability that the first is better and the margin; None where nothing is said.

    said: the parts of a row; names: the column of each part, for errors. Raises `DataError` where
    nobody decided.
    """
    part = next((each for each in VERDICTS if each in said), None)
    if part is None:
        return None
    value, name = said[part], names[part]
    if value is None:
        raise undecided(name)
    if part == "strength":
        return signed(fields.amount(value, name))
    if part == "first_score":
        other = fields.amount(said["second_score"], names["second_score"])
        return signed(other - fields.amount(value, name))
    margin = said.get("margin")
    if part == "winner":
        prefer = winner(value, name, (said.get("first_model"), said.get("second_model")))
    else:
        prefer = {"choice": number_of, "prefer": fields.amount}[part](value, name)
    return prefer, None if margin is None else fields.amount(margin, names["margin"])


def winner(value: object, field: str, models: Names = (None, None)) -> float:
    """Return the probability that the first is better from a word such as model_a, left, B>A or
    tie, from the name of one of the two models, or from a number between 1, the first, and 2, the
    second; of several votes, their share."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise undecided(field)
    if isinstance(votes := fields.parsed(value), list) and votes:
        return math.fsum(winner(vote, field, models) for vote in votes) / len(votes)
    own = _by_name(value, models)
    try:
        prefer = _by_place(value, field)
    except DataError:
        if own is None:
            raise
        return own
    if own not in (None, prefer):
        raise TwoMeanings(
            f"field {field!r}: {value!r} is the name of one of the two, and a word for the other or"
            " for a tie; write model_a or model_b for the first or the second"
        )
    return prefer


def _by_name(value: object, models: Names) -> float | None:
    """Return 1 for the first model's name and 0 for the second's; None for any other, and for one
    that both have."""
    one, other = (None if name is None else str(name).strip() for name in models)
    said = str(value).strip()
    return None if one == other or said not in (one, other) else float(said == one)


def _by_place(value: object, field: str) -> float:
    """Return what a word or number for a place says, whatever stands there."""
    if isinstance(value, str):
        said = " ".join(value.casefold().split()).removeprefix("[[").removesuffix("]]")
        if said in PLACES:
            return PLACES[said]
        if side := SIDE.fullmatch(said):
            return float(side[1] in "a1")
        if order := ORDER.fullmatch(said):
            sign = (order[1] or order[2])[0]
            return 0.5 if sign == "=" else float((sign == ">") == said.startswith("a"))
        if said in TIES or re.match(r"tie\b", said) or value.strip() == "[[C]]":
            return 0.5
    try:
        number = 0.0 if isinstance(value, bool) else fields.amount(value, field)
    except DataError:
        number = 0.0
    if 1 <= number <= 2:
        return 2 - number
    raise fields.wrong(field, f"a winner ({KNOWN})", value)


def number_of(value: object, field: str) -> float:
    """Return the probability that the first is better from its number, 0 or 1; 2 is a tie."""
    if value is None:
        raise undecided(field)
    known = {0.0: 1.0, 1.0: 0.0, 2.0: 0.5}
    if (number := fields.amount(value, field)) not in known:
        raise fields.wrong(field, "0 for the first, 1 for the second or 2 for a tie", value)
    return known[number]


def signed(strength: float) -> tuple[float, float]:
    """Return probability and margin from a strength that is negative where the first is better."""
    return 0.5 if strength == 0 else float(strength < 0), abs(strength)


def said(prefer: float, margin: float | None) -> dict[str, Any]:
    """Write a verdict as each part has it; a strength or scores only where a margin is stated."""
    parts: dict[str, Any] = {"prefer": prefer, "winner": 2 - prefer}
    if prefer in (0.0, 0.5, 1.0):
        parts["choice"] = {1.0: 0, 0.0: 1, 0.5: 2}[prefer]
        parts["winner"] = {1.0: "model_a", 0.0: "model_b", 0.5: "tie"}[prefer]
    if margin is not None:
        strength = -margin if prefer > 0.5 else margin
        parts |= {"strength": strength, "first_score": 0.0 - strength, "second_score": 0.0}
    return parts


def undecided(field: str) -> DataError:
    """Return the error of a comparison that nobody decided, which is no tie."""
    return DataError(
        f"field {field!r}: null is no verdict, and no tie either; leave the row out, or set it"
        " aside with --set-aside FILE"
    )
