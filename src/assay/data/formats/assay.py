"""Assay's own layout: one record a row, as JSON, with its kind under "type"; it can hold every
record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from assay.data import fields
from assay.errors import DataError
from assay.types import Group, Preference, Prompt, Ranking, Record, RolloutLabels, StepLabels

__all__ = ["Assay"]

KINDS: Final[Mapping[str, type[Record]]] = {
    "preference": Preference,
    "ranking": Ranking,
    "steps": StepLabels,
    "rollouts": RolloutLabels,
    "group": Group,
    "prompt": Prompt,
}
NAMES: Final = {cls: name for name, cls in KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Assay:
    """{"type": "preference" | "ranking" | "steps" | "rollouts" | "group" | "prompt", ...}: its
    fields, without defaults."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A known type, and the fields of a prompt or of something answered."""
        kind = row.get("type")
        return isinstance(kind, str) and kind in KINDS and ("prompt" in row or "messages" in row)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record. Strict: a string that looks like a number is refused."""
        kind = fields.text(row, "type")
        if kind not in KINDS:
            raise DataError(
                f"field 'type': no record is called {kind!r}; there is {', '.join(KINDS)}"
            )
        try:
            yield KINDS[kind].model_validate_json(
                to_json(fields.rest(row, "type"), inf_nan_mode="constants"), strict=True
            )
        except ValidationError as error:
            raise DataError(fields.explain(error)) from error
        except PydanticSerializationError as error:
            raise DataError(f"the row holds a value that is not JSON: {error}") from error

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """One row a record."""
        for record in records:
            if type(record) not in NAMES:
                raise DataError(
                    f"a {type(record).__name__} is not data; there is {', '.join(KINDS)}"
                )
            yield {"type": NAMES[type(record)], **record.model_dump(exclude_defaults=True)}
