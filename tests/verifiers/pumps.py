"""Texts that make a regular expression slow if anything does: a part of it repeated, behind what
comes before it.

The parts are read from the parse trees of the library's own patterns, so that a pattern that is
added is attacked too.
"""

import importlib
import pkgutil
import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

__all__ = ["attacks", "of_pattern", "pumps"]

Pump = tuple[str, str]
"""What stands before, and what is repeated."""

_REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_OF_CLASS: Final = {op.CATEGORY_DIGIT: "1", op.CATEGORY_SPACE: " ", op.CATEGORY_WORD: "a"}
_PROBES: Final = "a1 ,.({$-\n#%"


def pumps(package: ModuleType) -> list[Pump]:
    """Every repeated part of every pattern in a package's modules."""
    return sorted({pump for pattern in _patterns(package) for pump in of_pattern(pattern)})


def of_pattern(pattern: re.Pattern[str]) -> list[Pump]:
    """Every repeated part of a pattern."""
    found: set[Pump] = set()
    _walk(parser.parse(pattern.pattern, pattern.flags), "", found)
    return sorted((before, part) for before, part in found if part)


def attacks(pump: Pump, size: int) -> list[str]:
    """Texts of about `size` characters: the part, the part behind what comes before it, and both
    over and over."""
    before, part = pump
    both = before + part
    return [
        part * (size // len(part)),
        before + part * (size // len(part)) + "!",
        both * (size // len(both)),
    ]


def _patterns(package: ModuleType) -> Iterator[re.Pattern[str]]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "sandbox" not in module.name and "worker" not in module.name:
            for value in vars(importlib.import_module(module.name)).values():
                yield from _inside(value)


def _inside(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, (dict, tuple, list)):
        for part in list(value.values()) if isinstance(value, dict) else value:
            yield from _inside(part)


def _walk(tree: Any, before: str, found: set[Pump]) -> None:
    """Collect the repeated parts; `before` is a text that the pattern so far matches."""
    for kind, value in tree:
        if kind in _REPEATS:
            _, most, inner = value
            if most > 1:
                found.update((before, part) for part in _parts(inner))
            _walk(inner, before, found)
        elif kind == op.SUBPATTERN:
            _walk(value[3], before, found)
        elif kind == op.ATOMIC_GROUP:
            _walk(value, before, found)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            _walk(value[1], before, found)
        elif kind == op.BRANCH:
            for branch in value[1]:
                _walk(branch, before, found)
        before += _sample([(kind, value)])


def _parts(inner: Any) -> list[str]:
    """What a repetition may repeat: each character of a class, each branch, or the whole."""
    kind, value = inner[0] if len(inner) == 1 else (None, None)
    if kind == op.SUBPATTERN:
        return _parts(value[3])
    if kind == op.BRANCH:
        return [_sample(branch) for branch in value[1]]
    return _of_class(value) if kind == op.IN else [_sample(inner)]


def _sample(tree: Any) -> str:
    """A text that the tree matches, or nearly."""
    text = ""
    for kind, value in tree:
        if kind == op.LITERAL:
            text += chr(value)
        elif kind in (op.ANY, op.NOT_LITERAL):
            text += "a"
        elif kind == op.IN:
            text += _of_class(value)[0]
        elif kind in _REPEATS:
            text += _sample(value[2]) * max(1, min(value[0], 20))
        elif kind == op.SUBPATTERN:
            text += _sample(value[3])
        elif kind == op.ATOMIC_GROUP:
            text += _sample(value)
        elif kind == op.BRANCH:
            text += _sample(value[1][0])
    return text


def _of_class(items: Any) -> list[str]:
    """Characters of a class, or for one that excludes some any that it has."""
    if items[0][0] == op.NEGATE:
        excluded = "".join(_of_class(items[1:]))
        return [next((probe for probe in _PROBES if probe not in excluded), "\x00")]
    found = []
    for kind, value in items:
        if kind == op.LITERAL:
            found.append(chr(value))
        elif kind == op.RANGE:
            found.append(chr(value[0]))
        elif kind == op.CATEGORY:
            found.append(_OF_CLASS.get(value, "a"))
    return found
