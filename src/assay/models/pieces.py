"""Text in pieces as tokens, with the place of every character among them.

What stands in a text and spells out a special token is a piece of its own, tokenised as text: no
model and no tool can forge a turn.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

from assay.errors import ConfigError
from assay.types import Message

__all__ = [
    "NOTHING",
    "Hidden",
    "Piece",
    "Tokens",
    "anchor",
    "cut",
    "hide",
    "pattern",
    "single_token",
    "tokenise",
]

ANCHOR: Final = "☺"
"""Stands before a piece that continues a text, so that no tokenizer takes it for a text's start."""
_PLACEHOLDER: Final = "textofatoken"


def pattern(texts: Sequence[str]) -> re.Pattern[str]:
    """Return what finds any of the texts, the longest first; of none it finds nothing."""
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


class Hidden(NamedTuple):
    """Messages in which placeholders stand for the special tokens that they spell out."""

    messages: tuple[Message, ...]
    name: str
    """What every placeholder begins with; no message holds it otherwise."""
    texts: tuple[str, ...]
    """What the placeholders stand for, by their number."""


NOTHING: Final = Hidden((), _PLACEHOLDER, ())
"""Nothing is hidden."""


def hide(messages: Sequence[Message], special: re.Pattern[str]) -> Hidden:
    """Put placeholders where messages spell out special tokens, in whatever they hold.

    Arguments that are JSON are looked at as what they are parsed to, which templates write.
    """
    rows = [_row(message) for message in messages]
    name, everything = _PLACEHOLDER, json.dumps(rows, ensure_ascii=False)
    while name in everything:
        name += "x"
    texts: list[str] = []

    def placeholder(found: re.Match[str]) -> str:
        texts.append(found.group())
        return f"{name}{len(texts) - 1}."

    def within(value: Any) -> Any:
        if isinstance(value, str):
            return special.sub(placeholder, value)
        if isinstance(value, Mapping):
            return {within(key): within(each) for key, each in value.items()}
        return [within(each) for each in value] if isinstance(value, list | tuple) else value

    made = [within(row) for row in rows]
    if not texts:
        return Hidden(tuple(messages), name, ())
    for row in made:
        for call in row.get("tool_calls", ()):
            if not isinstance(call["arguments"], str):
                call["arguments"] = json.dumps(call["arguments"], ensure_ascii=False)
    return Hidden(tuple(Message.model_validate(row) for row in made), name, tuple(texts))


def _row(message: Message) -> dict[str, Any]:
    row = message.model_dump()
    for call in row.get("tool_calls", ()):
        with suppress(ValueError):
            call["arguments"] = json.loads(call["arguments"])
    return row


class Piece(NamedTuple):
    """What is tokenised at once."""

    text: str
    start: int
    """Place of its first character in the whole text."""
    end: int
    special: bool
    """True where special tokens in it are tokens."""


def cut(text: str, at: Sequence[int], hidden: Hidden) -> list[Piece]:
    """A text in pieces, cut at the places and around placeholders, which become what they stand
    for."""
    holders = [*re.finditer(rf"{hidden.name}(\d+)\.", text)] if hidden.texts else []
    stands = {found.start(): hidden.texts[int(found[1])] for found in holders}
    edges = {0, len(text), *at, *(place for found in holders for place in found.span())}
    return [
        Piece(stands.get(a, text[a:b]), a, b, a not in stands) for a, b in pairwise(sorted(edges))
    ]


@dataclass(frozen=True)
class Tokens:
    """Ids of a text's tokens, with the places of their characters."""

    ids: list[int]
    starts: list[int]
    ends: list[int]

    def first(self, place: int) -> int:
        """Index of the first token that holds anything from a place on."""
        return bisect_right(self.ends, place)

    def before(self, place: int) -> int:
        """Count of the tokens that hold anything before a place."""
        return bisect_left(self.starts, place)


def tokenise(tokenizer: Any, pieces: Sequence[Piece], before: tuple[str, int]) -> Tokens:
    """Tokens of the pieces, one after the other.

    before: text put before all but the first piece, and how many tokens it makes. Where the
    tokenizer does not give the places of its tokens, each has those of its piece.
    """
    found = Tokens([], [], [])
    for i, piece in enumerate(pieces):
        lead, count = before if i else ("", 0)
        exact = tokenizer.is_fast and piece.end - piece.start == len(piece.text)
        made = tokenizer(
            lead + piece.text,
            add_special_tokens=False,
            split_special_tokens=not piece.special,
            return_attention_mask=False,
            return_offsets_mapping=exact,
        )
        ids = made["input_ids"][count:]
        places = [(piece.start, piece.end)] * len(ids)
        if exact:
            shift = piece.start - len(lead)
            places = [(a + shift, b + shift) for a, b in made["offset_mapping"][count:]]
        found.ids.extend(ids)
        found.starts.extend(a for a, _ in places)
        found.ends.extend(b for _, b in places)
    return found


def anchor(tokenizer: Any) -> tuple[str, int]:
    """Text to put before a piece that continues a text, and how many tokens it makes.

    SentencePiece tokenizers begin every text with a "▁" that is not in it; a piece in mid-text must
    not have one.
    """
    probe = tokenizer.convert_ids_to_tokens(tokenizer("a", add_special_tokens=False)["input_ids"])
    if not probe or not probe[0].startswith("▁"):
        return "", 0
    ids = tokenizer(ANCHOR, add_special_tokens=False)["input_ids"]
    for piece in ("a", " a", "\n"):
        if tokenizer(ANCHOR + piece, add_special_tokens=False)["input_ids"][: len(ids)] != ids:
            raise ConfigError(
                "this tokenizer joins words to what stands before them; its steps cannot be told"
                " apart"
            )
    return ANCHOR, len(ids)


def single_token(tokenizer: Any, text: str) -> int:
    """The one token of a text that stands alone. Raises `ConfigError` where the tokenizer makes
    more of it."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    # SentencePiece tokenizers put a bare "▁" before a text; the token itself is what follows.
    if len(ids) > 1 and tokenizer.convert_ids_to_tokens(ids[0]) == "▁":
        ids = ids[1:]
    if len(ids) != 1:
        raise ConfigError(
            f"{text!r} is {len(ids)} tokens here; choose a text that is a single token"
        )
    return int(ids[0])
