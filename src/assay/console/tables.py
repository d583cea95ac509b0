"""Tables as wide as they need to be. No command of its own."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show"]

WIDEST: Final = 250


def show(table: "Table") -> None:
    """Print a table unfolded, also where the terminal is narrower or there is none."""
    from rich.console import Console

    console = Console()
    Console(width=max(Console(width=WIDEST).measure(table).maximum, console.width)).print(table)
