"""The layout that rows are in, told from their columns; where none fits, what would help."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from assay.data.columns import Columns
from assay.data.guess import columns_option
from assay.data.layouts import names, resolve
from assay.errors import DataError
from assay.protocols import Format

__all__ = ["sniff"]

NEAREST: Final = 3
"""Layouts shown where none fits."""
HANDMADE: Final = ("plain", "trl-preference")
"""Layouts shown where no column is known."""
SHOWN: Final = 16
"""Columns listed in a refusal."""
WORD: Final = re.compile(r"\w+")
END: Final = re.compile(r"(?<=\})[:.](?= |$)")
NAME: Final = re.compile(r'\W*([\w-]+)"?(\??)')


def sniff(source: str, rows: Sequence[dict[str, Any]]) -> Format | None:
    """Return the layout that most of these rows look like; None where there is no row to look at.

    Raises `DataError` where none or several fit, with what would.
    """
    if not rows:
        return None
    known = {name: resolve(name) for name in names()}
    votes = {name: sum(format.matches(row) for row in rows) for name, format in known.items()}
    best = max(votes.values())
    winners = [name for name, count in votes.items() if count == best]
    if best and len(winners) > 1:
        # The layout that accounts for most of the columns is meant.
        named = {name: len(rows[0].keys() & _named_columns(known[name])) for name in winners}
        winners = [name for name in winners if named[name] == max(named.values())]
    if best and len(winners) == 1:
        return known[winners[0]]
    columns = _list([*map(str, rows[0])])
    if best:
        raise DataError(
            f"{source}: its format is ambiguous from the columns {columns}; name one of"
            f" {', '.join(winners)} as format"
        )
    by_hand = columns_option(rows) or (
        "--columns prompt=NAME,chosen=NAME,rejected=NAME, or prompt=NAME for prompts alone"
    )
    raise DataError(
        f"{source}: its format cannot be told from the columns {columns}; nearest are\n  "
        + "\n  ".join(_nearest(rows[0], known))
        + f"\nname the columns: {by_hand}; or rename them, or give --format NAME"
        " (docs/explain/data.md shows rows of each kind, `assay data check --help` lists all)"
    )


def _nearest(row: Mapping[str, Any], known: Mapping[str, Format]) -> list[str]:
    """The layouts that share most columns with a row: which are there, and which are missing;
    where none shares any, the two in which most is written by hand."""
    close = []
    for name, format in known.items():
        said = _columns(format)
        # Of several forms of a row, the one that comes closest.
        forms = [(needed - row.keys(), named & row.keys()) for needed, named in _forms(said)]
        if isinstance(format, Columns):
            forms = [(format.lacks(row), set(format.columns & row.keys()))]
        missing, there = min(forms, key=lambda form: len(form[0]) - 2 * len(form[1]))
        if there:
            close.append((2 * len(there) - len(missing), name, said, there, missing))
    close.sort(key=lambda entry: (-entry[0], entry[1] not in HANDMADE, len(entry[2])))
    return [
        f"{name} {said}: has {_list(sorted(there))}"
        + (f"; lacks {_list(sorted(missing))}" if missing else "")
        for _, name, said, there, missing in close[:NEAREST]
    ] or [f"{name} {_columns(known[name])}" for name in HANDMADE]


def _forms(said: str) -> Iterator[tuple[set[str], set[str]]]:
    """For each form of a row in a description, the columns needed and those named."""
    depth, word = 0, ""
    needed: set[str] = set()
    named: set[str] = set()
    for character in said:
        depth += (character in "{[(") - (character in "}])")
        if (depth == 1 and character not in ",{") or depth > 1:
            word += character
            continue
        if (found := NAME.match(word)) and character in ",}":
            named.add(found[1])
            if not found[2]:
                needed.add(found[1])
        word = ""
        if depth == 0 and named:
            yield needed, named
            needed, named = set(), set()
    if not said.count("{"):
        yield set(), set()


def _named_columns(format: Format) -> set[str]:
    """The columns that a layout's description names."""
    return set(WORD.findall(_columns(format)))


def _columns(format: Format) -> str:
    """What a layout's description opens with: its columns."""
    if isinstance(format, Columns):
        named = [path + (": [string]" if part == "wrong" else "") for part, path in format.parts]
        return "{" + ", ".join(named) + "}"
    text = " ".join((type(format).__doc__ or "").split())
    return END.split(text)[0]


def _list(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:SHOWN])
    return shown if len(columns) <= SHOWN else f"{shown} and {len(columns) - SHOWN} more"
