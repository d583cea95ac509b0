r"""Anthropic's HH-RLHF (arXiv:2204.05862): whole dialogs under `chosen` and `rejected`, turns
marked in the text.

"\n\nHuman: ...\n\nAssistant: ..." is cut into messages (white space around a turn is dropped). The
prompt is what both dialogs begin with, up to the last human turn; the response is the rest. In a
few rows the dialogs part earlier, and the response then holds further turns, as text. Texts can be
offensive.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.data.transcripts import marked, messages
from assay.errors import DataError
from assay.types import Preference, Record, Response

__all__ = ["HhRlhf"]

SPEAKERS = {"user": "Human", "assistant": "Assistant"}


@dataclass(frozen=True, kw_only=True)
class HhRlhf:
    r"""{chosen, rejected}: dialogs of "\n\nHuman: ..." and "\n\nAssistant: ..."."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A dialog under `chosen`, and no prompt."""
        return (
            {"chosen", "rejected"} <= row.keys()
            and "prompt" not in row
            and str(row["chosen"]).lstrip().startswith("Human:")
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference for the chosen response."""
        chosen, rejected = (_turns(fields.text(row, name), name) for name in ("chosen", "rejected"))
        shared = chosen[: fields.shared(chosen[:-1], rejected[:-1])]
        while shared and shared[-1][0] != "user":
            shared = shared[:-1]
        if not shared:
            raise DataError("fields 'chosen' and 'rejected' share no first human turn")
        replies = []
        for name, dialog in (("chosen", chosen), ("rejected", rejected)):
            (role, said), *more = dialog[len(shared) :]
            if role != "assistant":
                raise DataError(
                    f"field {name!r}: a human turn follows another where the dialogs part"
                )
            replies.append(said + "".join(f"\n\n{SPEAKERS[r]}: {s}" for r, s in more))
        prompt = fields.prompt(messages(shared), row, "chosen", "rejected")
        yield fields.make(
            Preference, prompt=prompt, responses=tuple(map(Response.of, replies)), prefer=1.0
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Decided preferences between unsplit responses."""
        return fields.written(self, fields.oriented(records), Preference, _row)


def _turns(dialog: str, field: str) -> list[tuple[str, str]]:
    turns = marked(dialog)
    if turns is None or not {role for role, _ in turns} <= SPEAKERS.keys():
        raise DataError(
            f"field {field!r}: expected a dialog that begins with '\\n\\nHuman:', got"
            f" {dialog[:40]!r}"
        )
    return turns


def _row(record: Preference) -> dict[str, Any]:
    if record.prefer != 1:
        raise DataError(
            f"hh-rlhf has no column for a preference of {record.prefer}; leave ties and votes out"
        )
    if foreign := {m.role for m in record.prompt.messages} - SPEAKERS.keys():
        raise DataError(f"hh-rlhf has no {' or '.join(sorted(foreign))} turn")
    prompt = "".join(f"\n\n{SPEAKERS[m.role]}: {m.content}" for m in record.prompt.messages)
    chosen, rejected = (f"{prompt}\n\nAssistant: {response.text}" for response in record.responses)
    return {"chosen": chosen, "rejected": rejected, **fields.columns(record.prompt)}
