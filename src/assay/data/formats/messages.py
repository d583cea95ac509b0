"""Conversations in OpenAI's form, as fine-tuning data and logs of agents have them: the answer is
what follows the last question, or, where tools are called, all from the first answer on.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from assay.chat import openai
from assay.data import conversations, fields, trajectories
from assay.data.records import prompt_of
from assay.types import Message, Prompt, Record, StepLabels

__all__ = ["Messages"]

OTHERS: Final = frozenset(
    "type prompt chosen rejected rejected_messages rejected_response completion completions"
    " responses input scores".split()
)
"""Columns that are other layouts' marks beside messages."""
LABELS: Final = frozenset(("label", "labels", "reward", "rewards"))
JUDGED: Final = frozenset(("correct", "is_correct"))
"""Columns that may be the label of messages that have none."""
ANSWERS: Final = frozenset(("answer", "output", "response"))
"""Columns that may be the answer to messages that have none."""


@dataclass(frozen=True, kw_only=True)
class Messages:
    """{messages, tools?, reward?, label?, rewards?, labels?, finish_reason?, truncated?, meta?}:
    OpenAI's messages, with a reward or a label of the whole, and rewards or labels of every
    assistant's turn.

    meta is the prompt's; other columns are the response's, or the prompt's where there is none.
    """

    answer: Literal["auto", "last", "all"] = "auto"
    """Where the answer begins. last: after the last user's message. all: at the first assistant's.
    auto: all where tools are called or turns are rated, else last."""
    reward: trajectories.Means = "auto"
    """What a reward says: the chance of success, or a grade; auto tells by [0, 1]."""
    arguments: Literal["raw", "parsed"] = "raw"
    """Form in which arguments of calls are written: OpenAI's text, or TRL's objects."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A list of messages, and no mark of another layout; a prompt may repeat one of them."""
        messages = row.get("messages")
        if isinstance(messages, str) and not conversations.PYTHON.match(messages):
            messages = conversations.unpacked(messages, "messages")
        if not isinstance(messages, list):
            return False
        if '"rubrics"' in str(row.get("ground_truth")):  # open-instruct's, read as rubrics
            return False
        if LABELS.isdisjoint(row) and not JUDGED.isdisjoint(row):
            return False
        turns = [each for each in messages if isinstance(each, dict)]
        if turns and turns[-1].get("role") == "user" and not ANSWERS.isdisjoint(row):
            return False
        said = [turn.get("content") for turn in turns]
        repeated = {"prompt"} if row.get("prompt", "") in said else set()
        return OTHERS.isdisjoint(row.keys() - repeated)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: a label, a ranking of one, a group of one, or a prompt without an answer."""
        row = {**row, "messages": conversations.unpacked(fields.value(row, "messages"), "messages")}
        row = _instructed(row)
        messages = conversations.turns(row, "messages")
        begin = self._begin(messages, row)
        if begin == len(messages):
            yield fields.prompt(messages, row, "messages")
            return
        stop = trajectories.text_of(row, "finish_reason")
        meta, means = row.get("meta"), self.reward
        if "label" in row and "reward" not in row:  # written as a reward
            row, means = fields.rest(row, "label") | {"reward": row["label"]}, "success"
        record = trajectories.record(
            messages,
            begin,
            known={key: row[key] for key in ("id", "reference", "tools") if key in row},
            meta=meta if isinstance(meta, dict) else {},
            reward=trajectories.reward_of(row, "reward"),
            means=means,
            labels=trajectories.rewards_of(row, "labels") or None,
            rewards=trajectories.rewards_of(row, "rewards"),
            stop=stop,
            finished=not (row.get("truncated") is True or trajectories.is_cut(stop)),
        )
        yield trajectories.attached(self, record, row, self._default(record))

    def _begin(self, messages: tuple[Message, ...], row: Mapping[str, Any]) -> int:
        """The place where the answer begins."""
        rated = row.get("rewards") or row.get("labels")
        if self.answer == "all" or (self.answer == "auto" and rated):
            return trajectories.first_answer(messages)
        if self.answer == "auto":
            return trajectories.begin(messages)
        asked = [i for i, message in enumerate(messages) if message.role == "user"]
        return asked[-1] + 1 if asked else trajectories.first_answer(messages)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Prompts, and labels, rankings and groups of one answer."""
        return trajectories.rows(self, records, self._default)

    def _default(self, record: Record) -> dict[str, Any]:
        """The row of a record but for its response's `meta`."""
        messages, response, reward = trajectories.parts_of(record)
        prompt = prompt_of(record)
        said = [openai(message, arguments=self.arguments) for message in messages]
        if isinstance(record, Prompt):
            return {"messages": said, **fields.columns(prompt)}
        labels = record.labels if isinstance(record, StepLabels) else ()
        rated = any(label is not None for label in labels[:-1])
        return {
            "messages": said,
            "id": prompt.id or None,
            "reference": prompt.reference,
            "tools": [dict(tool) for tool in prompt.tools] or None,
            "meta": dict(prompt.meta) or None,
            "reward": None if rated else reward,
            "labels": list(labels) if rated else None,
            "rewards": list(response.rewards) or None,
            "finish_reason": response.stop,
            "truncated": trajectories.is_unsaid(response) or None,
        }


def _instructed(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with a system message of its own column among the others."""
    given = conversations.unpacked(row.get("messages"), "messages")
    name = conversations.system(row)
    if name is None or not isinstance(given, list):
        return row
    messages = conversations.conversation(given, "messages")
    added = len(conversations.instructed(messages, row[name])) - len(messages)
    system = [{"role": "system", "content": row[name]}] * added
    return {**fields.rest(row, name), "messages": [*system, *given]}
