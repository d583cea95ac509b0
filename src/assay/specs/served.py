"""Answerers that a server serves, by word."""

from collections.abc import Sequence

from assay.errors import ConfigError
from assay.protocols import Answerer
from assay.specs.answerers import Asking, answerer_of
from assay.specs.words import parse

__all__ = ["answering"]


def answering(words: Sequence[str], asking: Asking) -> dict[str, Answerer]:
    """Open several answerers, by the names before them (`NAME=WORD`) or by their own.

    Raises `ConfigError` where two have one name.
    """
    found: dict[str, Answerer] = {}
    for text in words:
        word = parse(text)
        if word.called in found:
            raise ConfigError(
                f"two answerers are called {word.called!r}; give one another name: NAME={text}"
            )
        found[word.called] = answerer_of(word, asking)
    return found
