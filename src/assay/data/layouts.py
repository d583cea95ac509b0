"""All layouts by name: a module each in `formats`, and a table of those that differ in the names of
their columns."""

from functools import cache
from typing import Final

from assay import components
from assay.data.columns import Columns
from assay.protocols import Format

__all__ = ["BY_HAND", "name_of", "names", "resolve"]

BY_HAND: Final = "columns:"
"""Before columns that are named by hand, where a format is asked for."""

_TABLE: Final = {
    "orca-pairs": "system=system?,prompt=question,chosen=chosen,rejected=rejected",
    "math-problems": "prompt=problem,reference=answer,solution=solution?,id=unique_id?",
}
"""Name -> its columns, as `--columns` takes them."""

_LAYOUTS: Final = {name: Columns.of(text, name) for name, text in _TABLE.items()}


def names() -> list[str]:
    """Return the names of all layouts that rows are recognised as."""
    return sorted({*components.names("formats")} | _LAYOUTS.keys())


def resolve(format: str | Format) -> Format:
    """Return a format from its name, `package.module:Class` or `columns:prompt=question,...`."""
    return _named(format) if isinstance(format, str) else format


@cache
def _named(name: str) -> Format:
    if name.startswith(BY_HAND):
        return Columns.of(name.removeprefix(BY_HAND))
    if name in _LAYOUTS:
        return _LAYOUTS[name]
    if ":" not in name and name not in names():
        raise components.unknown("formats", name, names())
    format: Format = components.load("formats", name)()
    return format


def name_of(format: Format) -> str:
    """Return the name that finds a format again."""
    return (
        format.name
        if isinstance(format, Columns)
        else components.name_of(type(format)).removeprefix("formats/")
    )
