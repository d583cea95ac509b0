"""Conversations that stand in one text: the dialogs of HH-RLHF, and texts that a chat template
made."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

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
BEGIN: Final = r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>)?\s*"
"""What may stand before the mark of a turn."""
REST: Final = re.compile(r"\s*(?:</s>|<eos>|<\|endoftext\|>|<\|end_of_text\|>)?\s*")
"""What may stand behind the mark of a turn's end."""


@dataclass(frozen=True)
class _Marks:
    """How turns begin (the group is the role) and, where anything says so, end."""

    turn: re.Pattern[str]
    end: re.Pattern[str] | None = None
    start: re.Pattern[str] | None = None
    """Stands for an empty line at the very beginning."""
    trim: bool = False
    """White space around a turn is the template's."""

    @classmethod
    def of(cls, turn: str, end: str, *, trim: bool = False) -> Self:
        """The marks of a chat template."""
        return cls(re.compile(BEGIN + turn), re.compile(end), trim=trim)


_TEMPLATES: Final = (
    # HH-RLHF; "Human:" at the very beginning is a mark only where an assistant's follows.
    _Marks(
        # Of two literals, for a search of them is quick.
        re.compile(r"(?:\n|\r\n)\r?\n(Human|Assistant):"),
        start=re.compile(r"\s*(?=Human:.*\n\r?\nAssistant:)", re.DOTALL),
        trim=True,
    ),
    # ChatML
    _Marks.of(r"<\|im_start\|>(\w+)\n", r"<\|im_end\|>"),
    # Llama 3 and 4
    _Marks.of(
        r"<\|(?:start_header_id|header_start)\|>(\w+)<\|(?:end_header_id|header_end)\|>\n\n",
        r"<\|(?:eot_id|eom_id|eot)\|>",
    ),
    # Gemma
    _Marks.of(r"<start_of_turn>(\w+)\n", "<end_of_turn>"),
    # Llama 2 and Mistral
    _Marks.of(r"\[(/?INST)\]", "</s>", trim=True),
    # DeepSeek
    _Marks.of("<｜(User|Assistant)｜>", "<｜end▁of▁sentence｜>"),
    # Zephyr, Tulu, Phi
    _Marks(
        re.compile(r"(?:\A\s*|\n)<\|(system|user|assistant)\|>\n"),
        re.compile(r"</s>|<\|end\|>|<\|endoftext\|>"),
    ),
)


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
    return said if mark and REST.fullmatch(after) else text


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
        if not REST.fullmatch(after) or name not in ("system", "user", "assistant", "tool"):
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
