"""Two audits, read from their folders and compared."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assay.audit.findings import LEVEL
from assay.audit.paired import Difference, compared
from assay.errors import DataError
from assay.stats import Estimate, summarise

__all__ = ["CARD", "HELD", "Compared", "compare_audits"]

CARD: Final = "audit.json"
HELD: Final = "held.jsonl"
SHOWN: Final = 12
"""Probes that are shown."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two rewards' report cards, beside each other."""

    first: str
    second: str
    rows: Sequence[Difference]
    quality: tuple[str, ...] = ()
    """How good each is, in a sentence."""

    @property
    def metrics(self) -> dict[str, Estimate]:
        """The differences by name, the second less the first."""
        return {one.name: one.difference for one in self.rows}

    def __str__(self) -> str:
        """What differs in a sentence, a table of the areas, and the probes that differ most."""
        from rich.table import Table

        from assay.console.tables import text

        areas = [one for one in self.rows if "/" not in one.name]
        sure = [one for one in self.rows if one.q_value <= LEVEL]
        probes = sorted(
            (one for one in sure if "/" in one.name), key=lambda one: -abs(one.difference.value)
        )
        rows = Table(box=None, padding=(0, 1))
        for name in ("withstood", self.first, self.second, "difference", "q"):
            rows.add_column(name)
        for one in [*areas, *probes[:SHOWN]]:
            rows.add_row(
                one.name,
                f"{one.first:.2f}",
                f"{one.second:.2f}",
                summarise(one.difference, 2),
                f"{one.q_value:.3f}",
            )
        more = [one.name for one in areas if one in sure and one.difference.value > 0]
        less = [one.name for one in areas if one in sure and one.difference.value < 0]
        said = [
            f"{self.second} withstands more than {self.first} in: {', '.join(more) or 'none'}; less"
            f" in: {', '.join(less) or 'none'} (of {len(areas)} areas)",
            *self.quality,
            text(rows),
        ]
        if rest := probes[SHOWN:]:
            said.append(f"and {len(rest)} probes more that differ")
        return "\n".join(said)


def compare_audits(first: str | Path, second: str | Path) -> Compared:
    """Compare two audits, of their runs' folders, on the prompts that both were tried on.

    Raises `DataError` where a folder holds no audit, or they have no prompt in common.
    """
    names, quality, held = [], [], []
    for folder in (Path(first), Path(second)):
        try:
            body = json.loads((folder / CARD).read_text())
            names.append(str(body["reward"]))
            quality += [f"{names[-1]}: {body['good']}"] if "good" in body else []
            lines = (folder / HELD).read_text().splitlines()
            rows = [json.loads(line) for line in lines]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{folder} holds no audit ({error}); give the folder that `assay audit --out` wrote"
            ) from error
        by: dict[tuple[str, str], dict[str, float]] = {}
        for row in rows:
            by.setdefault((row["area"], row["probe"]), {})[row["prompt"]] = row["held"]
        held.append(by)
    first, second = names if names[0] != names[1] else [f"{names[0]} (A)", f"{names[1]} (B)"]
    return Compared(first=first, second=second, rows=compared(*held), quality=tuple(quality))
