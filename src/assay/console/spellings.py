"""Other spellings of the command line: old ones, which keep working with a note on standard error,
and `--columns`, which is a format written out."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from assay.errors import ConfigError

__all__ = ["today"]

RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "benchmark": {"--model": "--scorer"},
    "eval": {"--model": "--scorer"},
    "score": {"--model": "--scorer"},
    **{name: {"--lr": "--learning-rate"} for name in ("train", "sft", "rl")},
}
"""Command -> old or usual option -> the one today."""
DATA: Final = {"train": "--data", "sft": "--data", "rl": "--prompts"}
"""Command -> option that named its data, which comes first today."""
SWITCHED: Final = frozenset({"train", "sft", "score", "rl"})
"""Commands whose --set-aside was a switch."""


def today(command: str, arguments: Sequence[str]) -> list[str]:
    """Return the arguments as they are spelled today, noting what was spelled otherwise."""
    words = list(arguments)
    for rewrite in (_columns, _options, _scorer_first, _data_option, _switch):
        words = rewrite(command, words)
    return words


def _columns(command: str, words: list[str]) -> list[str]:
    """`--columns PART=COLUMN,...`: a format, as Python takes it."""
    at = _place("--columns", words)
    if at is None or (command == "arena" and words[:1] in (["rate"], ["next"])):
        # The columns of votes are an option of their own there.
        return words
    if _place("--format", words) is not None:
        raise ConfigError("--columns is a --format of its own; give one of them")
    given = _value("--columns", words)
    if given is None or given.startswith("-"):
        raise ConfigError("--columns needs PART=COLUMN,..., e.g. prompt=question,reference=answer")
    end = at + 1 if "=" in words[at] else at + 2
    return [*words[:at], "--format", f"columns:{given}", *words[end:]]


def _options(command: str, words: list[str]) -> list[str]:
    """Options that have another name."""
    names = RENAMED.get(command, {})
    found = []
    for word in words:
        option, equals, value = word.partition("=")
        if option in names:
            _note(f"{option} is {names[option]} here")
            word = f"{names[option]}{equals}{value}"
        found.append(word)
    return found


def _scorer_first(command: str, words: list[str]) -> list[str]:
    """`score SCORER DATA` and `eval SCORER DATA`: the data comes first, the scorer is an option."""
    leading = words[:2]
    given = any(word.partition("=")[0] == "--scorer" for word in words)
    if command not in ("score", "eval") or given or len(leading) < 2 or _option_in(leading):
        return words
    scorer, data = leading
    _note(f"assay {command} {scorer} {data} is assay {command} {data} --scorer {scorer} now")
    return [data, "--scorer", scorer, *words[2:]]


def _data_option(command: str, words: list[str]) -> list[str]:
    """`train LOSS --data FILE`, `sft --data FILE`, `rl RECIPE --prompts FILE`: the data is no
    option."""
    at = _place(DATA[command], words) if command in DATA else None
    if at is None:
        return words
    option, equals, data = words[at].partition("=")
    end = at + 1 if equals else at + 2
    data = data if equals else "".join(words[at + 1 : at + 2])
    _note(f"{option} {data} is {data} now, without the option")
    rest = words[:at] + words[end:]
    first = len(rest[:1]) - _option_in(rest[:1])
    return [*rest[:first], data, *rest[first:]]


def _switch(command: str, words: list[str]) -> list[str]:
    """--set-aside without a file: the file has a place in the run's folder."""
    at = _place("--set-aside", words)
    if at is None or command not in SWITCHED or "=" in words[at]:
        return words
    if words[at + 1 : at + 2] and not words[at + 1].startswith("-"):
        return words
    out = _value("--out", words)
    if out is None:
        return words
    beside = Path(out).suffix == ".jsonl"
    file = f"{out}.set_aside" if beside else str(Path(out) / "set_aside.jsonl")
    _note(f"--set-aside takes a file now: --set-aside {file}")
    return [*words[: at + 1], file, *words[at + 1 :]]


def _place(option: str, words: Sequence[str]) -> int | None:
    """Where an option stands."""
    places: Callable[[str], bool] = lambda word: word.partition("=")[0] == option  # noqa: E731
    return next((at for at, word in enumerate(words) if places(word)), None)


def _value(option: str, words: Sequence[str]) -> str | None:
    at = _place(option, words)
    if at is None:
        return None
    _, equals, value = words[at].partition("=")
    return value if equals else "".join(words[at + 1 : at + 2]) or None


def _option_in(words: Sequence[str]) -> bool:
    return any(word.startswith("-") for word in words)


def _note(what: str) -> None:
    print(f"note: {what}", file=sys.stderr)
