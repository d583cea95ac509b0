"""TRL's unpaired preference data (KTO): prompt, completion and whether it is good; a label of the
whole answer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields
from assay.data.pairs import prompted
from assay.data.styles import Style, styled
from assay.data.transcripts import closed
from assay.types import Record, StepLabels

__all__ = ["TrlUnpaired"]


@dataclass(frozen=True, kw_only=True)
class TrlUnpaired:
    """{prompt, completion, label}: strings, or lists of {role, content} messages; label true or
    false."""

    style: Style = ""
    """Style of the rows written: text, chat, or by default text where a record is no more than
    that; files are made of one."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The three columns."""
        return {"prompt", "completion", "label"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One outcome label."""
        asked, said = fields.value(row, "prompt"), fields.value(row, "completion")
        messages, row = conversations.asked(row, "prompt", prompted(asked, "prompt"))
        if isinstance(asked, str) and isinstance(said, str):
            said = closed(said, asked)
        response = conversations.reply(said, messages, "completion")
        prompt = fields.prompt(messages, row, "prompt", "completion", "label")
        yield StepLabels.outcome(prompt, response, fields.yes_no(row.get("label"), "label"))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Outcome labels, right or wrong, of unsplit responses."""
        return styled(self, records, StepLabels, _row, self.style)


def _row(record: StepLabels, chat: bool) -> dict[str, Any]:
    label = record.labels[-1] if record.labels else None
    messages = record.prompt.messages
    return {
        "prompt": [openai(m, arguments="parsed") for m in messages] if chat else record.prompt.text,
        "completion": conversations.said(record.response, chat=chat, arguments="parsed"),
        "label": bool(label) if label in (0, 1) else label,
        **fields.columns(record.prompt),
    }
