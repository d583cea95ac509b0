"""RLHFlow's data for process reward models: a conversation in which a user's turn is a step and the
assistant's answer is its label, + or -.

The first turn holds the question, too, up to "Step 1:". The public sets were labelled by
completions decoded from each step.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.chat import openai
from assay.data import conversations, fields
from assay.data.steps import SIGNS, joined, marked, parted
from assay.errors import DataError
from assay.types import LabelMeaning, Message, Record, Response, StepLabels

__all__ = ["RlhflowPrm"]


@dataclass(frozen=True, kw_only=True)
class RlhflowPrm:
    """{conversations: [{role: user, content: "question Step 1: ..."}, {role: assistant, content: +
    or -}, ...]}."""

    marker: str = "Step 1:"
    """Text that the first step begins with, in the turn that begins with the question."""
    separator: str = "\n"
    """Text between two steps."""
    meaning: LabelMeaning = "monte_carlo"
    """What the labels were made from."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A conversation whose every answer is + or -."""
        return marked(fields.parsed(row.get("conversations")))

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record; 1 for +, 0 for -."""
        said = fields.parsed(fields.value(row, "conversations"))
        turns = conversations.conversation(said, "conversations")
        system = turns[:1] if turns and turns[0].role == "system" else ()
        asked, answered = _alternating(turns[len(system) :])
        texts = [turn.content for turn in asked]
        start = texts[0].rfind(self.marker)
        if start < 0:
            raise DataError(
                f"field 'conversations': the first turn has no {self.marker!r}, where its question"
                " would end; say how the first step begins by --format rlhflow-prm --set"
                " marker=..."
            )
        question = fields.make(Message, role="user", content=texts[0][:start].removesuffix(" "))
        steps = [texts[0][start:], *texts[1:]]
        yield fields.make(
            StepLabels,
            prompt=fields.prompt((*system, question), row, "conversations"),
            response=fields.make(Response, steps=joined(steps, self.separator)),
            labels=tuple(_label(turn.content, i) for i, turn in enumerate(answered)),
            meaning=self.meaning,
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Fully labelled steps, each right or wrong, the first beginning with the marker."""
        return fields.written(self, records, StepLabels, self._row)

    def _row(self, record: StepLabels) -> dict[str, Any]:
        if not (record.prompt.messages and record.response.steps):
            raise DataError("rlhflow-prm needs a question and a step")
        if not record.prompt.messages or not record.response.steps:
            raise DataError("rlhflow-prm holds no record without a question or without steps")
        *before, question = record.prompt.messages
        first, *steps = parted(record.response.steps, self.separator)
        turns = [openai(each) for each in before]
        for text, label in zip([f"{question.content} {first}", *steps], record.labels, strict=True):
            sign = "+" if label == 1 else "-"
            turns += [
                {"role": "user", "content": text},
                {"role": "assistant", "content": sign},
            ]
        return {"conversations": turns, **fields.columns(record.prompt)}


def _alternating(turns: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """The users' turns and the assistant's, which take turns and hold nothing but text."""
    asked, answered = turns[::2], turns[1::2]
    plain = all(turn == Message(role=turn.role, content=turn.content) for turn in turns)
    roles = [{turn.role for turn in each} for each in (asked, answered)]
    if len(asked) != len(answered) or roles != [{"user"}, {"assistant"}] or not plain:
        raise DataError(
            "field 'conversations': expected a user's turn with a step, then the assistant's label"
            " of it, and so on"
        )
    return asked, answered


def _label(sign: str, index: int) -> float:
    if sign.strip() not in SIGNS:
        raise fields.wrong(f"conversations, label {index + 1}", "+ or -", sign)
    return SIGNS[sign.strip()]
