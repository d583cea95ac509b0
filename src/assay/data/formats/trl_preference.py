"""TRL's preference data: `chosen` and `rejected`, with or without a `prompt`, as text or as
conversations.

Without a prompt, it is what both begin with: whole turns of a conversation, which may stand in one
text. A `margin` column is the preference's margin, and `system` a message before the prompt.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields
from assay.data.pairs import pair, unread
from assay.data.styles import Style, styled
from assay.errors import DataError
from assay.types import Preference, Record

__all__ = ["TrlPreference"]


@dataclass(frozen=True, kw_only=True)
class TrlPreference:
    """{prompt?, chosen, rejected, margin?}: strings, or lists of {role, content} messages."""

    implicit: bool = False
    """Texts without a prompt are cut as TRL does: the prompt is their common beginning, up to the
    last white space before which something is left for either."""
    style: Style = ""
    """Style of the rows written: text, chat, or by default text where a record is no more than
    that; files are made of one."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Both columns, and neither the dialogs of HH-RLHF, lists of texts nor the steps before an
        answer of Step-DPO."""
        dialog = "prompt" not in row and str(row.get("chosen")).lstrip().startswith("Human:")
        others = row.get("rejected")
        many = isinstance(others, list) and any(isinstance(each, str) for each in others)
        both = {"chosen", "rejected"} <= row.keys()
        return both and not (dialog or many or row.get("initial_reason_steps"))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference for the chosen response."""
        used = ["prompt", "chosen", "rejected", "margin"]
        said = _cut(row) if self.implicit else row
        others = fields.rest(row, *used)
        messages, responses = pair(said, others)
        unread(said, others)
        if name := conversations.system(row):
            used.append(name)
            messages = conversations.instructed(messages, row[name])
        margin = None if row.get("margin") is None else fields.number(row["margin"], "margin")
        prompt = fields.prompt(messages, row, *used)
        yield fields.make(Preference, prompt=prompt, responses=responses, prefer=1.0, margin=margin)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Decided preferences between unsplit responses; with an explicit prompt.

        The arguments of calls become objects.
        """
        return styled(self, fields.oriented(records), Preference, _row, self.style)


def _cut(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with a prompt that two texts begin with; as it is, where it has one."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if "prompt" in row or not (isinstance(chosen, str) and isinstance(rejected, str)):
        return row
    common = chosen[: fields.shared(chosen, rejected)]
    if len(common) == min(len(chosen), len(rejected)):
        common = common.rstrip()  # something has to be left of the shorter one
    boundary = re.match(r"(.*\S)(?=\s)", common, re.DOTALL)
    if boundary is None:
        raise DataError(
            "fields 'chosen' and 'rejected' share no beginning to be the prompt; add a 'prompt'"
            " column"
        )
    prompt = boundary[1]
    asked = [{"role": "user", "content": prompt}]
    return {"prompt": asked, "chosen": chosen[len(prompt) :], "rejected": rejected[len(prompt) :]}


def _row(record: Preference, chat: bool) -> dict[str, Any]:
    if record.prefer != 1:
        raise DataError(
            f"trl-preference has no column for a preference of {record.prefer}; leave ties and"
            " votes out"
        )
    messages = record.prompt.messages
    prompt = [openai(m, arguments="parsed") for m in messages] if chat else record.prompt.text
    chosen, rejected = (
        conversations.said(each, chat=chat, arguments="parsed") for each in record.responses
    )
    margin = {} if record.margin is None else {"margin": record.margin}
    return {
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        **margin,
        **fields.columns(record.prompt),
    }
