"""Tables as wide as they need to be."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show", "text"]

WIDEST: Final = 250


def show(table: "Table") -> None:
    """Print a table unfolded, also where the terminal is narrower or there is none."""
    from rich.console import Console

    console = Console()
    Console(width=max(Console(width=WIDEST).measure(table).maximum, console.width)).print(table)


def text(table: "Table") -> str:
    """Return a table as plain lines, unfolded."""
    from io import StringIO

    from rich.console import Console

    width = Console(width=WIDEST).measure(table).maximum
    lines = StringIO()
    Console(file=lines, width=width, force_terminal=False, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())
