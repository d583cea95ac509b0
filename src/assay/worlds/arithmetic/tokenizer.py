"""The world's tokens: two a step, so that a step's last token is its result."""

from typing import Any

from assay.worlds.arithmetic.task import ANSWER
from assay.worlds.words import SPECIAL, word_tokenizer

__all__ = [
    "BOS",
    "COLON",
    "DIGIT",
    "EOS",
    "OP",
    "PAD",
    "RESULT",
    "SUM",
    "VOCABULARY",
    "make_tokenizer",
]

SUM, COLON = 0, 1
DIGIT = COLON
"""Id of the problem's digit d is DIGIT + d, for d from 1 to 9."""
OP = DIGIT + 10
"""Id of operation o is OP + o: 0 to 9 add a digit, `ANSWER` answers."""
RESULT = OP + ANSWER + 1
"""Id of result r is RESULT + r."""
PAD, BOS, EOS = range(RESULT + 11, RESULT + 14)
"""After the unknown token. They are no words, so that no text is ever read as one of them."""

WORDS = (
    "Sum",
    ":",
    *(f" {d}" for d in range(1, 10)),
    *(f" +{d}" for d in range(10)),
    " ans",
    *(f"={d}" for d in range(10)),
)
VOCABULARY = (*WORDS, *SPECIAL)


def make_tokenizer() -> Any:
    """A word-level `PreTrainedTokenizerFast`. Texts and tokens of the world correspond one to one;
    anything else is unknown. Steps tokenised apart give the tokens of the whole."""
    return word_tokenizer(WORDS, r"Sum|:| ans| \+[0-9]| [1-9]|=[0-9]")
