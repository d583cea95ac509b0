r"""The grammar that all words share: `[NAME=]WHAT[,KEY=VALUE...]`.

WHAT is a name or a path; `HOW:` before it says what it is (`column:score`,
`package.module:name`), and an ensemble's members stand between plus signs, in parentheses where
they have settings of their own: `mean:runs/a+(runs/b,template=plain)`.

A backslash takes the meaning off the separator behind it: `runs/a\,b`, `runs/lr\=1e-3`. What
exists as a file or folder is taken whole, separators and all. `docs/explain/words.md` is the page
for users.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_origin, get_type_hints

from assay.components import did_you_mean
from assay.errors import ConfigError

__all__ = [
    "UnknownKey",
    "Word",
    "built",
    "cut",
    "members",
    "parse",
    "plain",
    "quoted",
    "refuse_address",
]

SEPARATORS: Final = r",+:=()\\"
_NAMED: Final = re.compile(r"([^\\,+:=()/]+)=")
"""A name and its equals sign at the beginning of a word; a path's are behind a slash or quoted."""


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word, taken apart."""

    text: str
    """The word as it was given."""
    name: str = ""
    """NAME in `NAME=WHAT`; empty where none is given."""
    what: str
    """WHAT, separators in it still quoted."""
    settings: tuple[tuple[str, str | None], ...] = ()
    """Keys and values behind it, in order; the value of a key that stands alone is None."""

    @property
    def plain(self) -> str:
        """WHAT without quotes: a path, a name of the hub, a component's name."""
        return plain(self.what)

    @property
    def called(self) -> str:
        """The name given, or else the last part of the path or name."""
        return self.name or Path(self.plain).name or self.plain

    @property
    def values(self) -> dict[str, str]:
        """The settings by key. Raises `ConfigError` for a key that is given twice or alone."""
        found: dict[str, str] = {}
        for key, value in self.settings:
            if key in found:
                raise ConfigError(f"{self.text!r}: {key} is given twice; give it once")
            if value is None:
                raise ConfigError(f"{self.text!r}: {key!r} is no setting; write key=value")
            found[key] = value
        return found

    def without(self, keys: Iterable[str]) -> "Word":
        """The word without the settings of these keys."""
        left = tuple((key, value) for key, value in self.settings if key not in keys)
        return dataclasses.replace(self, settings=left)


def parse(text: str) -> Word:
    """Return a word taken apart. Raises `ConfigError` for an empty one."""
    if not text.strip():
        raise ConfigError("a word is empty; give a name or a path")
    if Path(text).exists():
        return Word(text=text, what=quoted(text))
    name = ""
    if found := _NAMED.match(text):
        name, rest = found[1], text[found.end() :]
        if Path(rest).exists():
            return Word(text=text, name=name, what=quoted(rest))
    else:
        rest = text
    what, *settings = _split(rest, ",")
    if not what:
        raise ConfigError(f"{text!r} begins with a separator; give a name or a path before it")
    read = tuple(map(_setting, filter(None, settings)))
    return Word(text=text, name=name, what=what, settings=read)


def _setting(part: str) -> tuple[str, str | None]:
    key, equals, value = part.partition("=")
    # A value goes on to the next comma, so only commas need a backslash there.
    return key, value.replace(r"\,", ",") if equals else None


def members(what: str) -> list[Word]:
    """Return the words between plus signs; those in parentheses may have settings."""
    found = []
    for part in _split(what, "+"):
        inner = part[1:-1] if part.startswith("(") and part.endswith(")") else part
        found.append(parse(inner))
    return found


def cut(what: str, at: str) -> tuple[str, str]:
    """Return what stands before and behind the first separator that is not quoted.

    The second is empty, and the first the whole, where there is none.
    """
    first, *rest = _split(what, at, most=1)
    return first, rest[0] if rest else ""


def plain(text: str) -> str:
    """Return a text without the backslashes before separators."""
    return re.sub(rf"\\([{SEPARATORS}])", r"\1", text)


def quoted(text: str) -> str:
    """Return a text with a backslash before every separator: a path as a word."""
    return re.sub(rf"([{SEPARATORS}])", r"\\\1", text)


def _split(text: str, at: str, most: int = -1) -> list[str]:
    """Split at a separator that is neither quoted nor between a member's parentheses."""
    places = [place for place in _bare(text) if text[place] == at]
    kept = places if most < 0 else places[:most]
    ends = [*kept, len(text)]
    starts = [0, *(place + 1 for place in kept)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _bare(text: str) -> Iterator[int]:
    """Places of characters that may separate: not quoted, and outside of members' parentheses."""
    depth, place, head = 0, 0, True
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 2
            continue
        before = text[place - 1] if place else "+"
        # Parentheses hold members before the first comma only: later ones are of a regex.
        if character == "(" and head and (depth or before in "+:"):
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif not depth:
            head = head and character != ","
            yield place
        place += 1


def built(cls: type[Any], name: str, settings: Sequence[tuple[str, str | None]]) -> Any:
    """Return an object of a class, with settings in words.

    A field that holds several values takes its key several times. Raises `ConfigError` for a
    setting that the class does not have or cannot take, and where it cannot be made.
    """
    known = _hints(cls)
    values: dict[str, Any] = {}
    for key, value in settings:
        if key not in known:
            raise UnknownKey(name, key, known)
        if value is None:
            raise ConfigError(f"{name!r}: {key!r} is no setting; write key=value")
        if get_origin(known[key]) is tuple:
            values.setdefault(key, []).append(value)
        elif key in values:
            raise ConfigError(f"{name}: {key} is given twice; give it once")
        else:
            values[key] = value
    taken = {key: _taken(known[key], name, key, value) for key, value in values.items()}
    try:
        return cls(**taken)
    except ConfigError:
        raise
    except Exception as error:
        how = f"with {', '.join(taken)}" if taken else "without arguments"
        raise ConfigError(
            f"{name} cannot be made {how}: {type(error).__name__}: {error}"
        ) from error


def _hints(cls: type[Any]) -> Mapping[str, Any]:
    if not dataclasses.is_dataclass(cls):
        return {}
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _taken(hint: Any, name: str, key: str, value: object) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise ConfigError(f"{name}: {key} cannot be {value!r} ({problem})") from error


class UnknownKey(ConfigError):
    """A setting that there is none of."""

    def __init__(self, word: str, key: str, known: Iterable[str]) -> None:
        self.key, self.known = key, tuple(known)
        hint = did_you_mean(key, self.known)
        there = ", ".join(self.known) or "none"
        super().__init__(f"{word!r}: {key!r} is no key{hint}; there is {there}")


def refuse_address(word: str, what: str, instead: str) -> None:
    """Raise `ConfigError` where a word is a server's address: such words are reserved."""
    if word.startswith(("http://", "https://")):
        raise ConfigError(
            f"{word} is a server's address, and no {what} is asked at one yet; {instead}"
        )
