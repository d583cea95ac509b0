"""IFEval (arXiv:2311.07911): a prompt, the ids of the instructions in it, and the arguments of
each.

A record is the prompt, with `meta["instructions"]` a list of {id, kwargs}. Arguments that are null,
as a table of them all has them, are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Prompt, Record

__all__ = ["Ifeval"]


@dataclass(frozen=True, kw_only=True)
class Ifeval:
    """{key, prompt, instruction_id_list: [id], kwargs: [{argument: value}]}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The columns of instructions."""
        named = {"prompt", "instruction_id_list", "kwargs"} <= row.keys()
        return named and "responses_create_params" not in row  # a rollout of NeMo Gym

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt."""
        ids, kwargs = fields.texts(row, "instruction_id_list"), fields.mappings(row, "kwargs")
        if len(ids) != len(kwargs):
            raise DataError(
                f"field 'kwargs': {len(kwargs)} objects for {len(ids)} ids; give one an id"
            )
        key = fields.value(row, "key")
        if not isinstance(key, (int, str)) or isinstance(key, bool):
            raise DataError(f"field 'key': expected a number or a string, got {key!r}")
        listed = [
            {
                "id": id,
                "kwargs": {name: value for name, value in given.items() if value is not None},
            }
            for id, given in zip(ids, kwargs, strict=True)
        ]
        more = fields.rest(row, "key", "prompt", "instruction_id_list", "kwargs")
        if "instructions" in more:
            raise DataError(
                "field 'instructions': there are ids and kwargs for that; give it another name"
            )
        meta = {**more, "instructions": listed}
        yield fields.make(
            Prompt, messages=conversations.turns(row, "prompt"), id=str(key), meta=meta
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts of one user message with instructions."""
        return fields.written(self, records, Prompt, _row)


def _row(record: Prompt) -> dict[str, Any]:
    more = dict(record.meta)
    listed = more.pop("instructions", None)
    if not isinstance(listed, (list, tuple)) or not all(
        isinstance(one, dict) and "id" in one for one in listed
    ):
        raise DataError("ifeval holds prompts with meta.instructions, a list of {id, kwargs}")
    number = record.id.isascii() and record.id.isdigit() and str(int(record.id[:18])) == record.id
    return {
        "key": int(record.id) if number else record.id,
        "prompt": record.text,
        "instruction_id_list": [one["id"] for one in listed],
        "kwargs": [dict(one.get("kwargs") or {}) for one in listed],
        **more,
    }
