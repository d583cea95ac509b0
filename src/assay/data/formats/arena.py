"""Votes of Chatbot Arena and its kin (arXiv:2403.04132): two models' conversations and who won.

It reads what was published of 33,000, 55,000, 100,000 and 140,000 votes, and MT-Bench's human
judgments (arXiv:2306.05685), where `turn` says which of the user's turns was judged: what comes
after its answer is left out. The prompt is what both conversations begin with. Where they part
before their last turn, each answer is a trajectory with the user's later turns in it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assay.chat import openai
from assay.data import conversations, fields, winners
from assay.data.battles import compared, up_to_turn
from assay.errors import DataError
from assay.types import Message, Preference, Record

__all__ = ["Arena"]

VOTES: Final = {"winner_model_a": 1.0, "winner_model_b": 0.0, "winner_tie": 0.5}
WINNERS: Final = {1.0: "model_a", 0.0: "model_b", 0.5: "tie"}
TALKS: Final = ("conversation_a", "conversation_b")
TEXTS: Final = ("response_a", "response_b")


@dataclass(frozen=True, kw_only=True)
class Arena:
    """{model_a, model_b, winner, conversation_a, conversation_b, turn?}, or {model_a, model_b,
    prompt, response_a, response_b, winner_model_a, winner_model_b, winner_tie} with JSON lists of
    turns."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Conversations of two models and a winner, or lists of turns and votes."""
        talks = {"conversation_a", "conversation_b", "winner"} <= row.keys()
        return talks or {"prompt", *TEXTS, *VOTES} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One preference, a tie at 1/2; another word for a tie than that stays in `meta`."""
        players = row.get("model_a"), row.get("model_b")
        if "conversation_a" in row:
            names, used = TALKS, ["winner"]
            talks = [up_to_turn(_talk(row, name), fields.parsed(row.get("turn"))) for name in names]
            prefer = winners.winner(fields.value(row, "winner"), "winner", players)
        else:
            names, used = TEXTS, ["prompt", *VOTES]
            talks = [_turns(row, name) for name in names]
            prefer = _vote(row)
        messages, pair = compared(talks[0], talks[1], names)
        more = fields.rest(row, *names, *used, "model_a", "model_b")
        if row.get("winner", "tie") not in (*WINNERS.values(), *players):
            more["winner"] = row["winner"]
        yield fields.make(
            Preference,
            prompt=fields.prompt(messages, more),
            responses=tuple(
                each.model_copy(update={"meta": {"model": row[model]} if model in row else {}})
                for each, model in zip(pair, ("model_a", "model_b"), strict=True)
            ),
            prefer=prefer,
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Preferences without a margin, as conversations."""
        return fields.written(self, records, Preference, _row)


def _talk(row: Mapping[str, Any], name: str) -> Sequence[Message]:
    """A conversation, which tables of texts have as JSON."""
    return conversations.conversation(conversations.unpacked(fields.value(row, name), name), name)


def _turns(row: Mapping[str, Any], name: str) -> list[Message]:
    """A conversation of the user's turns and a model's."""
    asked, said = _list(row, "prompt"), _list(row, name)
    if len(asked) != len(said):
        raise DataError(f"field {name!r}: {len(said)} answers to {len(asked)} turns of the user")
    return [
        fields.make(Message, role=role, content=text)
        for turns in zip(asked, said, strict=True)
        for role, text in zip(("user", "assistant"), turns, strict=True)
    ]


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    """A JSON list in a text."""
    text = fields.text(row, name)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise DataError(f"field {name!r} is no JSON list of turns: {error}") from error
    return fields.texts({name: found}, name)


def _vote(row: Mapping[str, Any]) -> float:
    """The one vote of three that is 1."""
    cast = [
        prefer
        for name, prefer in VOTES.items()
        if fields.amount(fields.value(row, name), name) == 1
    ]
    if len(cast) != 1:
        raise DataError(f"fields {', '.join(map(repr, VOTES))}: {len(cast)} of them are 1, not one")
    return cast[0]


def _row(record: Preference) -> dict[str, Any]:
    one, other = record.responses
    row = {"winner": WINNERS.get(record.prefer), **fields.columns(record.prompt)}
    for side, response in (("a", one), ("b", other)):
        if "model" in response.meta:
            row[f"model_{side}"] = response.meta["model"]
        said: Sequence[Message] = response.turns or (
            Message(role="assistant", content=response.text),
        )
        row[f"conversation_{side}"] = [openai(each) for each in (*record.prompt.messages, *said)]
    return row
