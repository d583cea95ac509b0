"""What a dialect is: a request becomes groups, and their scores an answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.errors import DataError
from assay.types import Group, Score, Unscored

__all__ = ["About", "Asked", "Dialect", "Refused", "Scores"]

Scores = Sequence[Sequence[Score | Unscored]]
"""One row per group, one score per response."""


class Refused(DataError):
    """A request that cannot be answered, with the field at fault."""

    def __init__(self, field: str, reason: str, *, status: int = 400) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field, self.reason, self.status = field, reason, status


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, read."""

    groups: tuple[Group, ...]
    model: str = ""
    """Name of the model; empty where the request names none, which is then the only one."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the answer depends on besides."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What an answer may say of the model that was asked."""

    name: str
    fingerprint: str
    id: str
    """Of the request."""
    created: int
    """Seconds since 1970."""
    probabilities: bool = False
    """Whether its scores are probabilities, rather than logits."""
    tokens: int | None = None
    """Tokens read for the request, where they are counted."""


@dataclass(frozen=True)
class Dialect:
    """One path of one stack's servers, as two pure functions.

    `read` raises `Refused` naming the field; `write` too, where the dialect has no word for what is
    `Unscored`.
    """

    path: str
    summary: str
    read: Callable[[Mapping[str, Any]], Asked]
    write: Callable[[Asked, Scores, About], Any]
