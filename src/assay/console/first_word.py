"""The first word of a command, which chooses among its kinds: put before the data, or refused with
the one that it resembles."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from assay.errors import ConfigError

__all__ = ["nearest", "put_first"]

FIRST: Final = {"train": ("loss", "rm"), "rl": ("recipe", "grpo"), "search": ("strategy", "beam")}
"""What the first word of a command is, and a usual one."""


def put_first(command: str, arguments: list[str], words: Collection[str]) -> None:
    """Put the word that chooses before the data, in place.

    Raises `ConfigError` where it is missing or none of the words.
    """
    if not arguments or arguments[0] in words:
        return
    if arguments[1:2] and arguments[1] in words:
        # Data comes first in other commands: what is meant is plain.
        arguments[:2] = arguments[1::-1]
        return
    if not Path(arguments[0]).exists():
        raise ConfigError(f"no {command} command is called {nearest(arguments[0], words)}")
    what, usual = FIRST.get(command, ("command", min(words)))
    raise ConfigError(
        f"the {what} comes first: assay {command} {usual} {arguments[0]}; there is"
        f" {', '.join(sorted(words))}"
    )


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the word, quoted, and what there is instead, the most similar one first."""
    there = list(words) if isinstance(words, Mapping) else sorted(words)
    close = difflib.get_close_matches(word, there, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{word!r}; {guess}there is {', '.join(there)}"
