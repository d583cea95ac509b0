"""Files of votes: what each layout's rows say, and rows of votes.

A layout is a module with `matches(row)`, `ballots(row)` and `rows(votes)`. What a layout cannot
say (a weight, a measure) is refused when it is written, or left out where the layout has no place
for it, as each says.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

from assay.arena.ballots import Ballot, collected
from assay.arena.layouts import alpaca_eval, arena_hard, judge_arena, lmarena, mt_bench, plain
from assay.arena.votes import Votes
from assay.data import sources
from assay.data.lines import Bad, Row
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
HEAD: Final = 64
"""Rows whose columns are a table's."""


def read(
    source: str | Path,
    layout: str = "",
    *,
    columns: Mapping[str, str] | None = None,
    covariates: tuple[str, ...] = (),
) -> Votes:
    """Return the votes of a file, a folder or a data set (`data.sources.parts`).

    layout: a name of `LAYOUTS`; none tells it from the columns. columns: for a plain table, the
    column of each part (first, second, outcome, cluster, judge, weight). covariates: further
    columns of a plain table, first less second. Raises `DataError` for a row that cannot be read,
    with its place, and `ConfigError` for an unknown layout.
    """
    rows = sources.rows(source)
    head = [_good(row) for row in islice(rows, HEAD)]
    if not head:
        raise DataError(f"{source} has no rows")
    columns_there = dict.fromkeys(chain.from_iterable(row.value for row in head))
    every = chain(head, map(_good, rows))
    if columns or covariates:
        if layout not in ("", "plain"):
            raise ConfigError(f"columns and covariates are a plain table's, not {layout}'s")
        chosen: Any = plain.Table(columns=dict(columns or {}), covariates=covariates)
    else:
        first = head[0]
        chosen = _layout(layout, _whole(first, columns_there), source)

    def ballots() -> Iterator[Ballot]:
        for row in every:
            try:
                yield from chosen.ballots(_whole(row, columns_there))
            except DataError as error:
                raise DataError(f"{row.where}: {error}") from error

    found = collected(ballots())
    if covariates and not len(found):
        raise DataError(f"{source}: no row has a number in each of {', '.join(covariates)}")
    return found


def _good(row: Row | Bad) -> Row:
    """Return a row. Raises `DataError` for one that cannot be read, with its place."""
    if isinstance(row, Bad):
        with row.raw:
            raise DataError(f"{row.where}: {row.error}")
    return row


def _whole(row: Row, columns: Mapping[str, None]) -> Mapping[str, Any]:
    """Return a table's row with null in empty cells, which its reader leaves out: a vote without an
    outcome is no fault of the file. Of JSON, a key that is not there may be another one's."""
    return row.value if row.raw is not None else {**columns, **row.value}


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
