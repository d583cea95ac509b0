"""Pools of responses with scores beside them, from files of rows or of records. No command of its
own."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.types import Group, Prompt, Ranking, Response, StepLabels

__all__ = ["GRADES", "Pool", "column", "padded", "read", "silent"]

Array = NDArray[np.float64]

GRADES: Final = "gold"
"""What the grades of rankings, and the last labels of step labels, are called."""
NOT_JSON: Final = "is not a number in JSON"


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Responses as they were read, with what was said of them."""

    groups: Sequence[Group]
    grades: Sequence[Sequence[float]] | None
    """Gold that the records hold; None where they hold none."""
    notes: Sequence[str]


def read(source: str, format: str | None, limit: int | None, *, columns: bool) -> Pool:
    """Groups of a source of rows or of records; raises `DataError` where it is neither."""
    from assay.data import io, sources
    from assay.data.formats.assay import KINDS
    from assay.data.lines import Bad

    first = next(sources.rows(source), None)
    if isinstance(first, Bad):
        first.raw.close()
    is_record = (
        first is not None and not isinstance(first, Bad) and first.value.get("type") in KINDS
    )
    if format is None and not is_record and (columns or _is_row(first)):
        return _rows(source, limit)
    groups: list[Group] = []
    grades: list[list[float]] = []
    graded = True
    by_prompt: dict[str, int] = {}
    for record in io.read(source, format=format):
        match record:
            case Group():
                groups.append(record)
                grades.append(list(record.grades) if isinstance(record, Ranking) else [])
                graded &= isinstance(record, Ranking)
            case StepLabels():
                at = by_prompt.setdefault(record.prompt.text, len(groups))
                if at == len(groups):
                    groups.append(Group(prompt=record.prompt, responses=()))
                    grades.append([])
                groups[at] = groups[at].model_copy(
                    update={"responses": (*groups[at].responses, record.response)}
                )
                label = record.labels[-1] if record.labels else None
                grades[at].append(math.nan if label is None else label)
            case _:
                raise DataError(
                    f"{source}: a {type(record).__name__} is no pool; give groups, rankings or step"
                    " labels"
                )
    return _pool(source, groups[:limit], grades[:limit] if graded else None, [])


def _is_row(first: Any) -> bool:
    """Return whether a source begins with a row {"prompt", "response", ...}, and not with one of a
    known layout."""
    from assay import components
    from assay.data import io
    from assay.data.lines import Row

    if not isinstance(first, Row) or not {"prompt", "response"} <= first.value.keys():
        return False
    return not any(io.resolve(name).matches(first.value) for name in components.names("formats"))


def _rows(source: str, limit: int | None) -> Pool:
    """Rows {"prompt": id or text, "response": text, NAME: number, ...}, one a response."""
    from assay.data import sources
    from assay.data.lines import Bad

    found: dict[str, list[Response]] = {}
    prompts: dict[str, Prompt] = {}
    lax = 0
    for row in sources.rows(source):
        if isinstance(row, Bad):
            with row.raw:
                value, where = _lax(row), row.where
            lax += 1
        else:
            value, where = row.value, row.where
        prompt, text = value.get("prompt"), value.get("response")
        if (
            isinstance(prompt, bool)
            or not isinstance(prompt, (str, int))
            or not isinstance(text, (str, type(None)))
        ):
            raise DataError(
                f'{where}: a row is {{"prompt": an id or a text, "response": a text, NAME: a'
                f" number, ...}}; prompt is {prompt!r:.60}, response {text!r:.60}"
            )
        key = f"{prompt}"
        if key not in prompts:
            if limit is not None and len(prompts) == limit:
                continue
            reference = value.get("reference")
            prompts[key] = Prompt.of(key, reference=None if reference is None else str(reference))
        meta = {
            "": where,
            **{k: v for k, v in value.items() if k not in ("prompt", "response", "reference")},
        }
        found.setdefault(key, []).append(Response(steps=() if text is None else (text,), meta=meta))
    notes = [f"{lax} rows hold NaN, which is no JSON: such scores count as unscored"] if lax else []
    groups = [
        Group(prompt=prompts[key], responses=tuple(responses)) for key, responses in found.items()
    ]
    return _pool(source, groups, None, notes)


def _lax(row: Any) -> dict[str, Any]:
    """A row with NaN in it, as Python writes them."""
    if NOT_JSON not in row.error:
        raise DataError(f"{row.where}: {row.error}")
    try:
        value = json.loads(row.raw.read())
    except ValueError:
        raise DataError(f"{row.where}: {row.error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{row.where}: it is not an object")
    return value


def _pool(
    source: str, groups: Sequence[Group], grades: Sequence[Sequence[float]] | None, notes: list[str]
) -> Pool:
    if not any(group.responses for group in groups):
        raise DataError(f"{source} holds no response")
    kept = [k for k, group in enumerate(groups) if group.responses]
    return Pool(
        groups=[groups[k] for k in kept],
        grades=None if grades is None else [grades[k] for k in kept],
        notes=notes,
    )


def column(pool: Pool, name: str) -> Array:
    """The scores of that name. Raises `DataError` where no response has it, or it is no number."""
    if (
        pool.grades is not None
        and name == GRADES
        and not any(name in r.meta for g in pool.groups for r in g.responses)
    ):
        return padded(pool.grades)
    rows, known = [], set[str]()
    for group in pool.groups:
        rows.append([_number(response, name) for response in group.responses])
        known |= {key for response in group.responses for key in response.meta if key}
    if all(math.isnan(x) for row in rows for x in row) and name not in known:
        there = ", ".join(sorted(known)) or "nothing"
        raise DataError(f"no response has {name!r}; there is {there}")
    return padded(rows)


def _number(response: Response, name: str) -> float:
    value = response.meta.get(name)
    if value is None:
        return math.nan
    if not isinstance(value, (int, float)):
        where = response.meta.get("", "a response's meta")
        raise DataError(
            f"{where}: {name!r} is {value!r:.60}; it must be a number, or null for unscored"
        )
    try:
        return float(value)
    except OverflowError:
        return math.inf


def silent(pool: Pool) -> NDArray[np.bool_]:
    """(P, N), True where a response has no text: nothing can be asked about it."""
    empty = padded(
        [[float(not response.text) for response in group.responses] for group in pool.groups]
    )
    return np.asarray(empty == 1.0)


def padded(rows: Sequence[Sequence[float]]) -> Array:
    """(P, N), NaN behind the shorter rows."""
    from assay.stats import pad_pools

    return pad_pools(rows)
