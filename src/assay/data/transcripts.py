"""Conversations that stand in one text: the dialogs of HH-RLHF, and texts that a chat template
made."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from assay.types import Message

__all__ = ["closed", "marked", "messages", "transcript"]

ROLES: Final = {
    "human": "user",
    "model": "assistant",
    "inst": "user",
    "/inst": "assistant",
    "ipython": "tool",
}
"""Templates' words for a role."""
SYSTEM: Final = re.compile(r"\s*<<SYS>>\n?(.*?)\n?<</SYS>>\s*", re.DOTALL)


@dataclass(frozen=True)
class _Marks:
    """How turns begin (the group is the role) and, where anything says so, end."""

    turn: re.Pattern[str]
    end: re.Pattern[str] | None = None
    start: re.Pattern[str] | None = None
    """Stands for an empty line at the very beginning."""
    trim: bool = False
    """White space around a turn is the template's."""


# "Human:" at the very beginning is a mark only where an assistant's follows.
_HH = _Marks(
    # Of two literals, for a search of them is quick.
    re.compile(r"(?:\n|\r\n)\r?\n(Human|Assistant):"),
    start=re.compile(r"\s*(?=Human:.*\n\r?\nAssistant:)", re.DOTALL),
    trim=True,
)
_TEMPLATES: Final = (
    _HH,
    _Marks(re.compile(r"\s*<\|im_start\|>(\w+)\n"), re.compile(r"<\|im_end\|>")),
    _Marks(
        re.compile(
            r"\s*(?:<\|begin_of_text\|>)?\s*<\|start_header_id\|>(\w+)<\|end_header_id\|>\n\n"
        ),
        re.compile(r"<\|eot_id\|>|<\|eom_id\|>"),
    ),
    _Marks(re.compile(r"\s*(?:<bos>)?\s*<start_of_turn>(\w+)\n"), re.compile("<end_of_turn>")),
    _Marks(re.compile(r"\s*(?:<s>)?\s*\[(/?INST)\]"), re.compile("</s>"), trim=True),
    _Marks(
        re.compile(r"(?:\A\s*|\n)<\|(system|user|assistant)\|>\n"),
        re.compile(r"</s>|<\|end\|>|<\|endoftext\|>"),
    ),
)
"""Of HH-RLHF, ChatML, Llama 3, Gemma, Llama 2 and Mistral, Zephyr and its like."""


def marked(text: str) -> list[tuple[str, str]] | None:
    """Return role and content of the turns of a text that is nothing but a conversation, or None.

    An assistant's empty turn at the end is one that is yet to be said.
    """
    return next((turns for m in _TEMPLATES if (turns := _turns(text, m)) is not None), None)


def transcript(text: str) -> tuple[Message, ...] | None:
    """Return the turns of `marked` as messages."""
    turns = marked(text)
    return None if turns is None else messages(turns)


def messages(turns: Iterable[tuple[str, str]]) -> tuple[Message, ...]:
    """Return turns as messages."""
    return tuple(Message.model_validate({"role": role, "content": said}) for role, said in turns)


def closed(text: str, prompt: str) -> str:
    """Return an answer to a prompt that is a transcript, without the mark of its turn's end."""
    marks = next((m for m in _TEMPLATES if m.end and _turns(prompt, m) is not None), None)
    if marks is None or marks.end is None:
        return text
    said, mark, after = _parted(text, marks.end)
    return said if mark and not after.strip() else text


def _turns(text: str, marks: _Marks) -> list[tuple[str, str]] | None:
    if marks.start and (begun := marks.start.match(text)):
        text = f"\n\n{text[begun.end() :]}"
    if marks.turn.match(text) is None:
        return None
    _, *parts = marks.turn.split(text)
    found: list[tuple[str, str]] = []
    for role, inside in zip(parts[::2], parts[1::2], strict=True):
        said, _, after = _parted(inside, marks.end)
        name = ROLES.get(role.lower(), role.lower())
        if after.strip() or name not in ("system", "user", "assistant", "tool"):
            return None
        said = said.strip() if marks.trim else said
        if name == "user" and (instructions := SYSTEM.match(said)):
            # Llama 2 has them in the first turn.
            found.append(("system", instructions[1]))
            said = said[instructions.end() :]
        found.append((name, said))
    return found


def _parted(text: str, end: re.Pattern[str] | None) -> tuple[str, str, str]:
    found = end.search(text) if end else None
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")
