"""OpenAssistant's trees of messages (arXiv:2304.07327): the replies to a prompt, ranked by people.

Every turn of a user with at least two ranked replies is a record, and what was said before it the
beginning of its prompt. Replies that nobody ranked are no part of it. Flat messages are refused:
the ranked replies to a prompt are in several rows of such a file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Message, Ranking, Record

__all__ = ["Oasst"]

ROLES: Final = {"prompter": "user", "assistant": "assistant"}
OWN: Final = ("text", "role", "replies", "rank")


@dataclass(frozen=True, kw_only=True)
class Oasst:
    """{message_tree_id, prompt: {message_id, text, role, replies: [{text, role, rank,
    replies}]}}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A tree under its prompt, or one of its messages."""
        prompt = row.get("prompt")
        tree = isinstance(prompt, dict) and "replies" in prompt
        return "message_tree_id" in row and (tree or {"parent_id", "role", "text"} <= row.keys())

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A ranking per prompt, from the root on; rank 0 is the best."""
        if "prompt" not in row:
            raise DataError(
                "a flat message holds no replies; give the file of trees, such as"
                " 2023-04-12_oasst_ready.trees.jsonl.gz"
            )
        meta = fields.rest(row, "prompt")
        root: tuple[tuple[Message, ...], dict[str, Any]] = (), fields.mapping(row, "prompt")
        pending = [root]
        while pending:
            before, node = pending.pop()
            role = fields.text(node, "role")
            if role not in ROLES:
                raise fields.wrong("role", " or ".join(ROLES), role)
            said = fields.make(Message, role=ROLES[role], content=fields.text(node, "text"))
            turns = (*before, said)
            replies = fields.mappings(node, "replies") if node.get("replies") else []
            pending.extend((turns, each) for each in reversed(replies))
            ranked = [each for each in replies if each.get("rank") is not None]
            if role == "prompter" and len(ranked) > 1:
                known = {"id": node["message_id"]} if "message_id" in node else {}
                more = fields.rest(node, *OWN, "message_id")
                yield _ranking(turns, ranked, {**meta, **more, **known})

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _ranking(
    turns: tuple[Message, ...], replies: list[dict[str, Any]], about: Mapping[str, Any]
) -> Ranking:
    if any(each.get("role") != "assistant" for each in replies):
        raise DataError("field 'replies': a ranked reply is not the assistant's")
    return fields.make(
        Ranking,
        prompt=fields.prompt(turns, about),
        responses=tuple(
            conversations.reply(
                fields.text(each, "text"), turns, "text", meta=fields.rest(each, *OWN)
            )
            for each in replies
        ),
        grades=tuple(-fields.number(each["rank"], "replies.rank") for each in replies),
    )
