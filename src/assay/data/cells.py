"""Cells of a table of text, such as CSV's: text, until a number or a list is wanted."""

import json
from typing import Any

__all__ = ["Cell", "parsed"]


class Cell(str):
    """A cell of a table of text: it stays text, unless a layout wants a number or a list."""

    __slots__ = ()

    def parsed(self) -> Any:
        """Return what its JSON says, with True and False as Python writes them, too; itself where
        it is no JSON."""
        try:
            return json.loads({"True": "true", "False": "false"}.get(self, self))
        except (ValueError, RecursionError):
            return self


def parsed(value: Any) -> Any:
    """Return a cell of a table of text as its JSON, and anything else as it is."""
    return value.parsed() if isinstance(value, Cell) else value
