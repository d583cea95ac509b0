"""Read the log of experiments: the tables of its pages, and the question that each one answers."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

DOCS: Final = Path(__file__).parent
LOG: Final = DOCS / "log"
TABLE: Final = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
ASKED: Final = re.compile(r"^\*\*([^*]+\?)\*\* (.+?)\n\n", re.MULTILINE | re.DOTALL)
NUMBER: Final = r"([+-]?[\d,]*\.?\d+)"
VALUE: Final = re.compile(rf"{NUMBER}(?:[^\[]*\[{NUMBER}, {NUMBER}\])?")


class Value(NamedTuple):
    """A number, and its 95 % interval where it has one (nan, nan where not)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Table:
    """A table of the log; a row is named by as few of its first cells as tell all rows apart."""

    where: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]
    width: int
    """How many first cells name a row."""

    def cell(self, row: str, column: str) -> str:
        """Return a cell as it is written. Raises `LookupError` where there is no such one."""
        if row not in self.rows:
            raise LookupError(f"{self.where} has no row {row!r}; it has {', '.join(self.rows)}")
        if column not in self.columns:
            columns = ", ".join(self.columns)
            raise LookupError(f"{self.where} has no column {column!r}; it has {columns}")
        return self.rows[row][self.columns.index(column)]

    def value(self, row: str, column: str) -> Value:
        """Return a cell's first number and its interval. Raises `LookupError` without one."""
        cell = self.cell(row, column)
        found = VALUE.match(cell.replace("*", "").replace("−", "-"))
        if found is None:
            raise LookupError(f"{self.where}: {cell!r} begins with no number")
        return Value(*(float((one or "nan").replace(",", "")) for one in found.groups()))


def table(page: str, at: int) -> Table:
    """Return the table of a page (such as "log/2026-11-23-rollouts.md"), counted from 1.

    Raises `LookupError` where there is no such page or table.
    """
    path = DOCS / page
    if not path.exists():
        raise LookupError(f"there is no page {page}")
    blocks = TABLE.findall(path.read_text())
    if not 1 <= at <= len(blocks):
        raise LookupError(f"{page} has {len(blocks)} tables, and no table {at}")
    return _read(f"{page}, table {at}", blocks[at - 1])


def _read(where: str, block: str) -> Table:
    grid = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in block.splitlines()]
    columns, _, *rows = grid
    firsts: list[list[str]] = []
    for row in rows:
        # An empty first cell says what the one above it says.
        first = row[0] or (firsts[-1][0] if firsts else "")
        firsts.append([first, *row[1:]])
    for width in range(1, len(columns) + 1):
        names = [" / ".join(row[:width]).replace("*", "").strip(" /") for row in firsts]
        if len(set(names)) == len(names):
            break
    else:
        raise LookupError(f"{where} has two rows that are alike")
    return Table(where, tuple(columns), dict(zip(names, map(tuple, firsts), strict=True)), width)


def asked(page: Path) -> tuple[str, str]:
    """Return the question that a page of the log begins with, and its answer in a sentence."""
    found = ASKED.search(page.read_text())
    if found is None:
        raise LookupError(f"{page.name} begins with no **question?** and its answer")
    return " ".join(found[1].split()), " ".join(found[2].split())


def titled(page: Path) -> str:
    """Return a page's title."""
    return page.read_text().partition("\n")[0].removeprefix("# ")
