"""Files of votes: what each layout's rows say, and rows of votes.

A layout is a module with `matches(row)`, `ballots(row)` and `rows(votes)`. What a layout cannot
say (a weight, a measure) is refused when it is written, or left out where the layout has no place
for it, as each says.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

from assay.arena.ballots import Ballot, collected
from assay.arena.layouts import alpaca_eval, arena_hard, judge_arena, lmarena, mt_bench, plain
from assay.arena.votes import Votes
from assay.data import sources
from assay.data.lines import Bad
from assay.errors import ConfigError, DataError
from assay.files import write_atomic

__all__ = ["LAYOUTS", "read", "write"]

LAYOUTS: Final = MappingProxyType(
    {
        "alpaca-eval": alpaca_eval,
        "arena-hard": arena_hard,
        "judge-arena": judge_arena,
        "mt-bench": mt_bench,
        "lmarena": lmarena,
        "plain": plain,
    }
)
"""Layouts by name, in the order in which they are tried."""


def read(
    source: str | Path,
    layout: str = "",
    *,
    columns: Mapping[str, str] | None = None,
    covariates: tuple[str, ...] = (),
) -> Votes:
    """Return the votes of a file, a folder or a data set (`data.sources.parts`).

    layout: a name of `LAYOUTS`; none tells it from the first row. columns: for a plain table, the
    column of each part (first, second, outcome, cluster, judge, weight). covariates: further
    columns of a plain table, first less second. Raises `DataError` for a row that cannot be read,
    with its place, and `ConfigError` for an unknown layout.
    """
    rows = sources.rows(source)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source} has no rows")
    every = chain([first], rows)
    if isinstance(first, Bad):
        with first.raw:
            raise DataError(f"{first.where}: {first.error}")
    if columns or covariates:
        if layout not in ("", "plain"):
            raise ConfigError(f"columns and covariates are a plain table's, not {layout}'s")
        chosen: Any = plain.Table(columns=dict(columns or {}), covariates=covariates)
    else:
        chosen = _layout(layout, first.value, source)

    def ballots() -> Iterator[Ballot]:
        for row in every:
            if isinstance(row, Bad):
                with row.raw:
                    raise DataError(f"{row.where}: {row.error}")
            try:
                yield from chosen.ballots(row.value)
            except DataError as error:
                raise DataError(f"{row.where}: {error}") from error

    found = collected(ballots())
    if covariates and not len(found):
        raise DataError(f"{source}: no row has a number in each of {', '.join(covariates)}")
    return found


def _layout(name: str, row: Mapping[str, Any], source: str | Path) -> ModuleType:
    if name:
        if name not in LAYOUTS:
            raise ConfigError(
                f"no layout of votes is called {name!r}; there is {', '.join(LAYOUTS)}"
            )
        return LAYOUTS[name]
    for layout in LAYOUTS.values():
        if layout.matches(row):
            return layout
    raise DataError(
        f"{source}: the columns {', '.join(map(str, row)) or '(none)'} are no layout of votes"
        f" ({', '.join(LAYOUTS)}); name the columns of a plain table, such as"
        " --columns first=model_1 second=model_2 outcome=who_won (from Python, a dictionary)"
    )


def write(votes: Votes, path: Path, layout: str = "plain") -> int:
    """Write votes as rows of a layout, to .csv, .json or .jsonl; return how many rows.

    The whole file appears, or nothing. Raises `DataError` for votes that the layout cannot say.
    """
    rows = list(_layout(layout, {}, path).rows(votes))
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(chain.from_iterable(rows))))
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
        write_atomic(path, text.getvalue())
    elif path.suffix in (".json", ".jsonl"):
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
        whole = "[\n" + ",\n".join(lines) + "\n]\n"
        write_atomic(path, whole if path.suffix == ".json" else "".join(f"{x}\n" for x in lines))
    else:
        raise ConfigError(f"{path} cannot be written; give .csv, .json or .jsonl")
    return len(rows)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list)) else value
