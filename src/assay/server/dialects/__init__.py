"""What a dialect is: a request becomes groups, and their scores an answer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from assay.errors import DataError
from assay.http.client import shorten
from assay.models.readout import Readout
from assay.scorers.reading import Reading
from assay.types import Group, Score, Unscored

__all__ = ["About", "Asked", "Dialect", "Refused", "Schema", "Scores", "told_apart"]

Scores = Sequence[Sequence[Score | Unscored]]
"""One row per group, one score per response."""
Schema = Mapping[str, Any]
"""A JSON schema."""


SAID: Final = 1000
"""Most characters of a reason."""


class Refused(DataError):
    """A request that cannot be answered, with the field at fault."""

    def __init__(self, field: str, reason: str, *, status: int = 400) -> None:
        # What was sent may be in both: it is not sent back whole.
        field, reason = (shorten(text, SAID) for text in (field, reason))
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
    readout: Readout | None = None
    """How its logits become scores; None where it is not one model, and has none."""
    readings: Sequence[Sequence[Reading]] = ()
    """What is behind each score, where there is a read-out."""

    @property
    def tokens(self) -> int | None:
        """Tokens of all prompts and responses; None where they are not known."""
        if self.readout is None:
            return None
        return sum(len(reading.ids) for row in self.readings for reading in row)


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
    request: Schema
    """Of a body that `read` takes."""
    answer: Schema
    lists: tuple[str, ...] = ()
    """Fields whose lists have an item per response, also within `groups`."""

    def bounded(self, body: Mapping[str, Any], most: int) -> Mapping[str, Any]:
        """Return a body. Raises `Refused` (413) where a field has more items than a request may
        have responses: before anything is made of them. Numbers are one text's token ids."""
        groups = body.get("groups") if "groups" in self.lists else ()
        rows = [body, *(row for row in _listed(groups) if isinstance(row, Mapping))]
        for name in self.lists:
            items = (one for row in rows for one in _listed(row.get(name)))
            count = sum(type(one) is not int for one in items)
            if count > most:
                raise Refused(name, f"{count} of them, and {most} are allowed", status=413)
        return body


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def told_apart(first: Dialect, second: Dialect, keys: Collection[str]) -> Dialect:
    """Two stacks' dialects on one path: a body that has any of the keys is of the second's."""

    def read(body: Mapping[str, Any]) -> Asked:
        chosen = second if any(key in body for key in keys) else first
        asked = chosen.read(body)
        return replace(asked, settings={**asked.settings, "dialect": chosen})

    def write(asked: Asked, scores: Scores, about: About) -> Any:
        return asked.settings["dialect"].write(asked, scores, about)

    return Dialect(
        first.path,
        f"{first.summary} {second.summary}",
        read,
        write,
        request={"anyOf": [first.request, second.request]},
        answer={"anyOf": [first.answer, second.answer]},
        lists=first.lists + second.lists,
    )
