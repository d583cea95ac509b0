"""The world's tokens: one a word."""

from typing import Any

from assay.worlds.essays.task import TOPICS, WORDS
from assay.worlds.words import SPECIAL, word_tokenizer

__all__ = ["BOS", "COLON", "EOS", "ESSAY", "PAD", "TOPIC", "VOCABULARY", "WORD", "make_tokenizer"]

WORD = 0
"""Id of word v is WORD + v."""
TOPIC = WORD + len(WORDS)
"""Id of topic k is TOPIC + k."""
ESSAY, COLON = range(TOPIC + len(TOPICS), TOPIC + len(TOPICS) + 2)
PAD, BOS, EOS = range(COLON + 2, COLON + 5)
"""After the unknown token. They are no words, so that no text is ever read as one of them."""

KNOWN = (*(f" {word}" for word in WORDS), *(f" {topic}" for topic in TOPICS), "Essay on", ":")
VOCABULARY = (*KNOWN, *SPECIAL)


def make_tokenizer() -> Any:
    """A word-level `PreTrainedTokenizerFast`. Texts and tokens of the world correspond one to one;
    anything else is unknown."""
    return word_tokenizer(KNOWN, r"Essay on|:| [a-z]+")
