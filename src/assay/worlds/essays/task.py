"""The task's texts: topics as prompts, words as numbers. No model, no torch."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.types import Prompt

__all__ = [
    "KEYWORDS_K_V",
    "MAX_WORDS",
    "NONE",
    "TOPICS",
    "WORDS",
    "Ints",
    "all_prompts",
    "prompt_of",
    "read",
    "text_of",
    "topic_of",
]

Ints = NDArray[np.int64]

WORDS: Final = (
    "wave", "salt", "wind", "stone", "root", "leaf", "street", "light",
    "night", "bread", "song", "road", "river", "star", "glass", "fire",
)  # fmt: skip
"""What essays are made of, V = 16."""

TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "sea": ("wave", "salt", "wind", "star"),
    "forest": ("root", "leaf", "wind", "river"),
    "city": ("street", "light", "glass", "night"),
    "kitchen": ("bread", "salt", "fire", "glass"),
    "mountain": ("stone", "wind", "star", "river"),
    "feast": ("song", "bread", "fire", "night"),
    "travel": ("road", "street", "river", "star"),
    "winter": ("fire", "night", "song", "stone"),
}
"""K = 8 topics with four keywords each."""

MAX_WORDS: Final = 24
"""Longest essay."""
NONE: Final = -1
"""Where an essay has ended."""

KEYWORDS_K_V: Final = np.array([[word in own for word in WORDS] for own in TOPICS.values()])
"""Whether a word is a keyword of a topic."""

_NAMES: Final = tuple(TOPICS)
_INDEX: Final = {f"Essay on {name}:": k for k, name in enumerate(_NAMES)}
_WORD: Final = {word: v for v, word in enumerate(WORDS)}


def prompt_of(topic: int) -> Prompt:
    """The prompt of one topic."""
    return Prompt.of(f"Essay on {_NAMES[topic]}:", id=_NAMES[topic])


def all_prompts() -> list[Prompt]:
    """One prompt a topic."""
    return [prompt_of(k) for k in range(len(TOPICS))]


def topic_of(prompt: Prompt) -> int:
    """The topic of a prompt. Raises `DataError` where it is not one of this world's."""
    if prompt.text not in _INDEX:
        raise DataError(f"{prompt.text!r} is no prompt of this world; one reads 'Essay on sea:'")
    return _INDEX[prompt.text]


def text_of(words: Sequence[int]) -> str:
    """The text of an essay, a space before every word; it ends at the first `NONE`."""
    found = list(words)
    return "".join(f" {WORDS[v]}" for v in (found[: found.index(NONE)] if NONE in found else found))


def read(texts: Sequence[str]) -> tuple[Ints, NDArray[np.bool_]]:
    """Words (N, MAX_WORDS), `NONE` after the last, and whether each text is an essay at all (N,);
    others are empty."""
    ids_N_T = np.full((len(texts), MAX_WORDS), NONE, dtype=np.int64)
    rows = [[_WORD.get(word, NONE) for word in text.split(" ")[1:]] for text in texts]
    lengths_N = np.array([len(row) for row in rows], dtype=np.int64)
    valid_N = (lengths_N <= MAX_WORDS) & np.array(
        [
            (text[:1] == " " or not text) and NONE not in row
            for text, row in zip(texts, rows, strict=True)
        ],
        dtype=bool,
    )
    lengths_N = np.where(valid_N, lengths_N, 0)
    flat = [v for row, valid in zip(rows, valid_N, strict=True) if valid for v in row]
    ids_N_T[np.arange(MAX_WORDS) < lengths_N[:, None]] = flat
    return ids_N_T, valid_N
