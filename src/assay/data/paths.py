"""Paths into rows: a column, `column.key.0` inside one, `column.*.key` in every entry of a list; of
`a|b`, the first that a row has. What is JSON is a constant, and `?` behind a path lets rows lack
it."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from assay.data import fields
from assay.errors import ConfigError

__all__ = [
    "ABSENT",
    "constant",
    "first",
    "found",
    "keys",
    "named",
    "put",
    "split",
    "starred",
    "without",
]

ABSENT: Final = object()
"""What is found where a path breaks off."""


@cache
def constant(path: str) -> Any:
    """The value of a path that is JSON; `ABSENT` for the name of a column."""
    try:
        return json.loads(path)
    except ValueError:
        return ABSENT


def first(path: str) -> str:
    """The path that is written: of alternatives the first."""
    return path.removesuffix("?").partition("|")[0]


@cache
def _alternatives(path: str) -> list[list[str]]:
    return [name.split(".") for name in path.split("|")]


def keys(row: Mapping[str, Any], path: str) -> list[str]:
    """The keys down a path: a column of just that name comes first, and of alternatives one that
    says something."""
    if constant(path) is not ABSENT:
        return []
    if path in row:
        return [path]
    absent = None
    for down in _alternatives(path):
        # A column's name may hold points itself: the longest that is there is meant.
        heads = ((".".join(down[:n]), n) for n in range(len(down), 0, -1))
        column, n = next(((head, n) for head, n in heads if head in row), (down[0], 1))
        down = [column, *down[n:]]
        value = _at(row, down)
        if value is not ABSENT and value is not None:
            return down
        if value is None and absent is None:
            absent = down
    return absent or _alternatives(path)[0]


def found(row: Mapping[str, Any], path: str) -> Any:
    """What is at the end of a path; `ABSENT` where it breaks off."""
    path = path.removesuffix("?")
    if (said := constant(path)) is not ABSENT:
        return said
    return row[path] if path in row else _at(row, keys(row, path))


def starred(row: Mapping[str, Any], path: str) -> str | None:
    """The path with a star for the list on the way, where it leads somewhere so."""
    value: Any = row
    down: list[str] = []
    for key in first(path).split("."):
        value = fields.parsed(value)
        while isinstance(value, list) and value and not (key.isdecimal() or key == "*"):
            down.append("*")
            value = fields.parsed(value[0])
        down.append(key)
        value = _at(value, [key if key != "*" else "0"])
    return (
        ".".join(down)
        if down.count("*") == 1 and found(row, ".".join(down)) is not ABSENT
        else None
    )


def _at(value: Any, keys: Sequence[str]) -> Any:
    """What is down these keys; of every entry of a list where a key is *."""
    for i, key in enumerate(keys):
        value = fields.parsed(value)
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key == "*":
            every = [_at(each, keys[i + 1 :]) for each in value]
            return ABSENT if any(each is ABSENT for each in every) else every
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value


def without(value: Any, keys: Sequence[str]) -> Any:
    """A row without what is at the end of a path; places in lists stay."""
    if isinstance(value, list) and keys[:1] == ["*"]:
        every = [without(each, keys[1:]) for each in value]
        return every if keys[1:] and any(every) else []
    if not keys or not isinstance(value, dict) or keys[0] not in value:
        return value
    key, *more = keys
    rest = {name: each for name, each in value.items() if name != key}
    inner = without(value[key], more) if more else {}
    return {**rest, key: inner} if inner and more else rest


def put(row: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """A row with a value at the end of a path."""
    key, *more = keys
    inner = row.get(key)
    return {
        **row,
        key: put(inner if isinstance(inner, dict) else {}, more, value) if more else value,
    }


def named(text: str) -> list[tuple[str, str]]:
    """Read `PART=COLUMN,PART=COLUMN`. A comma or an equals sign in a name has a backslash."""
    parts = []
    for piece in split(text, ","):
        part, *path = split(piece, "=")
        if not (part.strip() and path and path[0].strip()):
            raise ConfigError(f"{piece!r} is no PART=COLUMN, e.g. prompt=question or first=model_a")
        parts.append((part.strip(), "=".join(path).strip()))
    return parts


def split(text: str, at: str) -> list[str]:
    """Pieces between separators; a backslash takes the meaning off the one behind it, and what
    stands in double quotes is one piece."""
    pieces, quoted, i = [""], False, 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text) and text[i + 1] in ",=\\":
            pieces[-1] += text[i + 1] if at == "=" else text[i : i + 2]
            i += 2
            continue
        quoted ^= text[i] == '"'
        if text[i] == at and not quoted:
            pieces.append("")
        else:
            pieces[-1] += text[i]
        i += 1
    return pieces
