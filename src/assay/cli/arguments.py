"""What stands on a command line before a command reads it: other words for a command, `--from`,
mistyped words. No command of its own.
"""

import dataclasses
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from assay.console.first_word import put_first
from assay.errors import ConfigError

__all__ = [
    "SPELLINGS",
    "check_numbers",
    "check_word",
    "defaults",
    "meant",
    "take_from",
    "words_below",
]

LOSSES: Final = {"rm": "bradley-terry", "orm": "outcome", "prm": "step-bce"}
"""`assay train prm` is `assay train step-bce`: by the kind of model, with its usual loss."""
SPELLINGS: Final = {"bestof": "best-of-n"}
"""Old name of a command -> the one today."""
KINDS: Final = {"train": "losses", "benchmark": "benchmarks", "search": "search"}
"""Commands whose first word is a component, by its kind."""


def meant(name: str, arguments: list[str]) -> tuple[str, list[str]]:
    """The command and arguments that other words stand for: a benchmark to evaluate on, its files
    behind it."""
    name = SPELLINGS.get(name, name)
    first = arguments[0] if arguments else ""
    if name == "search" and first == "compare":
        return "compare", arguments[1:]
    if name == "benchmark" and first == "typed-decisions":
        # It is answered, not scored.
        return "judge", ["decide", *arguments[1:]]
    if name == "eval" and first and not Path(first).exists():
        from assay import components

        if first in components.names("benchmarks"):
            name = "benchmark"
    if name == "benchmark" and not (first.startswith("-") or arguments[1:2] == []):
        # Files belong to the benchmark, whose settings are options.
        named = [] if arguments[1].startswith("-") else ["--data"]
        arguments = [first, *named, *arguments[1:]]
    return name, arguments


def check_word(name: str, arguments: list[str], commands: Mapping[str, Any] | None) -> None:
    """Put the sub-command before the data; refuse a first word that names none."""
    if not arguments or arguments[0].startswith("-"):
        return
    words = set(commands or ())
    if name in KINDS:
        from assay import components

        # What is written package.module:Class comes from outside.
        words = set() if ":" in arguments[0] else {*components.names(KINDS[name])}
        words |= LOSSES.keys() if words and name == "train" else set()
    elif name == "rl":
        from assay.rl.settings import RECIPES

        words = {*RECIPES}
    if words:
        put_first(name, arguments, words)


def check_numbers(command: object) -> None:
    """Raise `ConfigError` for a seed below 0, of a command or of settings in it, which numpy and
    others take for none, and for a limit below 1, which would read all, or all but some."""
    if not dataclasses.is_dataclass(command):
        return
    for one in dataclasses.fields(command):
        value = getattr(command, one.name)
        if one.name == "seed" and isinstance(value, int) and value < 0:
            raise ConfigError(f"seed is {value}; it must be 0 or more")
        if one.name == "limit" and isinstance(value, int) and value < 1:
            raise ConfigError(f"limit is {value}; it must be 1 or more")
        check_numbers(value)


def take_from(arguments: list[str]) -> Path | None:
    """Take `--from RUN` out of the arguments."""
    for at, word in enumerate(arguments):
        if word.startswith("--from="):
            del arguments[at]
            return Path(word.removeprefix("--from="))
        if word == "--from":
            if at + 1 == len(arguments):
                break
            path = Path(arguments[at + 1])
            del arguments[at : at + 2]
            return path
    else:
        return None
    raise ConfigError("--from needs a run's folder or its run.json")


def defaults(
    path: Path, commands: Sequence[type[Any]], like: Callable[[Any], Any] | None = None
) -> Any:
    """The settings of an earlier run of one of the commands, or what `like` makes of those of
    another one. Says which data files have changed since."""
    from assay.runs.settings import changed_data, read_body, read_run

    found: Any = read_run(path, object)
    if like is not None and type(found) not in commands:
        found = like(found)
    if type(found) not in commands:
        raise ConfigError(
            f"{path} holds the settings of {type(found).__module__.removeprefix('assay.cli.')},"
            " not of this command"
        )
    for note in changed_data(read_body(path)):
        print(f"note: {note}", file=sys.stderr)
    # To replace work is asked for anew each time.
    fresh = {"overwrite": False} if hasattr(found, "overwrite") else {}
    return dataclasses.replace(found, **fresh)


def words_below(name: str) -> list[str]:
    """Return what may stand right behind a command: its sub-commands, losses or benchmarks."""
    from assay import components

    module = importlib.import_module(f"assay.cli.{name.replace('-', '_')}")
    below = [*getattr(module, "COMMANDS", ()), *(LOSSES if name == "train" else ())]
    return [*below, *(components.names(KINDS[name]) if name in KINDS else ())]
