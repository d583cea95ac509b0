"""Rows with a fault put in: refused, or read without a change to any text.

    # 100,000 rows of all layouts, some minutes
    python -m experiments.fuzz_rows 100000
    python -m experiments.fuzz_rows 1000 --seed 7

The rows are those of `tests/golden`. A fault is a mark within a text, another value, a column that
is not there, or one too many; each row is read by its own layout and by the one that it is
recognised as. Three things may happen that must not: an exception that is no `DataError` (for
pydantic's, `read` makes them one), a mark that comes out as another text, and a mark that is
nowhere in the records. The last is counted for layouts that leave columns out (`LEAVES_OUT`).
"""

import argparse
import json
import random
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from assay.data import layouts, sources
from assay.data.lines import Row
from assay.data.sniff import sniff
from assay.errors import DataError
from assay.protocols import Format

GOLDEN: Final = Path(__file__).resolve().parent.parent / "tests" / "golden"
MARK: Final = "  ☃  "
JUNK: Final[tuple[Any, ...]] = (
    None, 0, -1, 1.5, 1e308, 10**30, True, "", "x", "\x00", [], {}, [None], [[]], [{}], [1, "a"],
    {"role": "user"}, {"x": {"y": []}}, [{"role": "user", "content": None}],
)  # fmt: skip
LEAVES_OUT: Final = frozenset(
    "arena bigbench-mistake fine-grained-rlhf gsm8k-solutions inspect-sample math-aps"
    " math-aps-tree mrben oasst prm800k prmbench stepverify versaprm zeroeval".split()
)
"""Layouts of public data that leave out columns which say nothing of prompts and responses."""

Way = tuple[str | int, ...]


def golden() -> dict[str, list[dict[str, Any]]]:
    """The rows of each layout."""
    found = {}
    for path in sorted(GOLDEN.iterdir()):
        rows = [row.value for row in sources.rows(path) if isinstance(row, Row)]
        found[path.stem.replace("_", "-")] = rows
    return found


def fault(row: dict[str, Any], draws: random.Random) -> tuple[str, dict[str, Any]]:
    """A kind of fault, and the row with it."""
    way, value = draws.choice(list(_ways(row)))
    kind = draws.choice(("mark", "junk", "drop", "add"))
    if kind == "junk":
        return kind, _put(row, way, draws.choice(JUNK))
    if kind == "drop":
        return kind, {key: each for key, each in row.items() if key != way[0]}
    text = value if isinstance(value, str) else ""
    inside = [i for i in range(1, len(text)) if text[i - 1 : i + 1].isalnum()]
    if kind == "mark" and inside:
        at = draws.choice(inside)
        return kind, _put(row, way, text[:at] + MARK + text[at:])
    return "add", {**row, "another column": MARK}


def outcome(name: str, row: dict[str, Any], *, by_name: bool) -> str:
    """Return what becomes of a row with a mark in it: "refused", "kept", "changed", "lost" or the
    exception that is none of ours."""
    try:
        reader: Format | None = layouts.resolve(name) if by_name else sniff("row", [row])
        assert reader is not None
        records = tuple(reader.read(row))
    except (DataError, ValidationError):
        return "refused"
    except Exception as error:  # noqa: BLE001
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
    said = json.dumps([record.model_dump(mode="json") for record in records], ensure_ascii=False)
    marked = MARK.strip() in json.dumps(row, ensure_ascii=False)
    if not records or not marked or MARK in said:
        return "kept"
    return "changed" if MARK.strip() in said else "lost"


def run(count: int, seed: int) -> Counter[tuple[str, str, str]]:
    """What became of so many rows: (layout, fault, outcome)."""
    draws = random.Random(seed)
    every = golden()
    found: Counter[tuple[str, str, str]] = Counter()
    for _ in range(count):
        name = draws.choice(list(every))
        kind, row = fault(draws.choice(every[name]), draws)
        for by_name in (True, False):
            found[name, kind, outcome(name, row, by_name=by_name)] += 1
    return found


def forbidden(found: Counter[tuple[str, str, str]]) -> dict[tuple[str, str, str], int]:
    """Those outcomes that must not be."""
    return {
        key: count
        for key, count in sorted(found.items())
        if key[2] not in ("refused", "kept") and (key[2] != "lost" or key[0] not in LEAVES_OUT)
    }


def _ways(value: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """All values inside of a row, each with the keys that lead to it."""
    if way:
        yield way, value
    pairs: Any = value.items() if isinstance(value, dict) else ()
    for key, each in enumerate(value) if isinstance(value, list) else pairs:
        yield from _ways(each, (*way, key))


def _put(value: Any, way: Way, new: Any) -> Any:
    """A copy with another value at the end of a way."""
    if not way:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = _put(value[way[0]], way[1:], new)
    return copy


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    results = run(options.count, options.seed)
    for outcomes, count in sorted(Counter(key[2] for key in results.elements()).items()):
        print(f"{count:7} {outcomes}")
    for key, count in forbidden(results).items():
        print(f"FORBIDDEN {count:5} {key}")
