"""TRL's unpaired preference data (KTO): prompt, completion and whether it is good; a label of the
whole answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.types import Record, StepLabels

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
        messages, row = conversations.asked(row, "prompt")
        response = conversations.reply(fields.value(row, "completion"), messages, "completion")
        prompt = fields.prompt(messages, row, "prompt", "completion", "label")
        yield StepLabels.outcome(prompt, response, fields.yes_no(row.get("label"), "label"))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Outcome labels, right or wrong, of unsplit responses."""
        return fields.written(self, records, StepLabels, _row)


def _row(record: StepLabels) -> dict[str, Any]:
    label = record.labels[-1] if record.labels else None
    prompt = conversations.column(record.prompt.messages)
    return {
        "prompt": prompt,
        "completion": conversations.said(record.response, chat=not isinstance(prompt, str)),
        "label": bool(label) if label in (0, 1) else label,
        **fields.columns(record.prompt),
    }
