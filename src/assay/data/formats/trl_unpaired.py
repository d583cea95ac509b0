"""TRL's unpaired preference data (KTO): prompt, completion and whether it is good; a label of the
whole answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.errors import DataError
from assay.types import Record, Response, StepLabels

__all__ = ["TrlUnpaired"]


@dataclass(frozen=True, kw_only=True)
class TrlUnpaired:
    """{prompt, completion, label}: strings, or lists of {role, content} messages; label true or
    false."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The three columns."""
        return {"prompt", "completion", "label"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One outcome label."""
        if isinstance(row.get("completion"), list):
            messages = fields.conversation(row["completion"], "completion")
            if len(messages) != 1 or messages[0].role != "assistant":
                raise DataError(
                    f"field 'completion': expected one assistant message, got {len(messages)}"
                )
            text = messages[0].content
        else:
            text = fields.text(row, "completion")
        prompt = fields.prompt(fields.turns(row, "prompt"), row, "prompt", "completion", "label")
        response = fields.make(Response, steps=(text,))
        yield StepLabels.outcome(prompt, response, fields.yes_no(row.get("label"), "label"))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Outcome labels, right or wrong, of unsplit responses."""
        return fields.written(self, records, StepLabels, _row)


def _row(record: StepLabels) -> dict[str, Any]:
    messages, label = record.prompt.messages, record.labels[-1] if record.labels else None
    chat = len(messages) != 1 or messages[0].role != "user"
    text = record.response.text
    return {
        "prompt": [m.model_dump() for m in messages] if chat else messages[0].content,
        "completion": [{"role": "assistant", "content": text}] if chat else text,
        "label": bool(label) if label in (0, 1) else label,
        **fields.columns(record.prompt),
    }
