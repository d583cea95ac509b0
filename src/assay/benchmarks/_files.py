"""Step scores in a file: one {"id", "scores"} a line, so that anything that scores steps can be
measured.

`scores` has one number per step, in order; null says that the response could not be scored, with a
`reason` if there is one. What `assay score` wrote is read too.

Nothing is guessed: a row too few, too many, twice, or of the wrong length
is refused, with its line.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.data import fields, sources
from assay.data.lines import Bad
from assay.errors import DataError
from assay.runs.settings import write_atomic
from assay.types import Score, StepLabels, Unscored

__all__ = ["read_scores", "write_scores"]


def read_scores(path: str | Path, records: Sequence[StepLabels]) -> list[list[Score | Unscored]]:
    """The scores of a file, one group a record, in the records' order whatever the file's.

    Raises `DataError`, with file and line, unless the file has one row for each record, as long as
    its steps.
    """
    steps = {record.prompt.id: len(record.labels) for record in records}
    if len(steps) != len(records):
        raise DataError(
            f"{len(records)} records share {len(steps)} ids; give each an id of its own to match"
            " scores by"
        )
    found: dict[str, Score | Unscored] = {}
    lines: dict[str, str] = {}
    for row in sources.rows(path):
        if isinstance(row, Bad):
            raise DataError(f"{row.where}: {row.error}")
        try:
            id, score = _row(row.value, steps)
        except DataError as error:
            raise DataError(f"{row.where}: {error}") from error
        if id in found:
            raise DataError(
                f"{row.where}: id {id!r} was scored before, at {lines[id]}; give one row a response"
            )
        found[id], lines[id] = score, row.where
    if missing := [id for id in steps if id not in found]:
        raise DataError(
            f"{path}: {len(found)} rows for {len(steps)} responses, none for {missing[0]!r}; give"
            " every response a row, with null scores where it could not be scored"
        )
    return [[found[id]] for id in steps]


def write_scores(
    path: Path, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
) -> None:
    """Write what `read_scores` reads. The whole file appears, or nothing."""
    rows: list[dict[str, Any]] = []
    for record, (score,) in zip(records, scores, strict=True):
        row = (
            {"scores": score.steps}
            if isinstance(score, Score)
            else {"scores": None, "reason": score.reason}
        )
        rows.append({"id": record.prompt.id, **row})
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _row(row: dict[str, Any], steps: dict[str, int]) -> tuple[str, Score | Unscored]:
    row = _listed(row)
    id, scores = fields.text(row, "id"), fields.value(row, "scores")
    if id not in steps:
        raise DataError(
            f"no response of the benchmark has the id {id!r}; ids look like"
            f" {next(iter(steps), '')!r}"
        )
    if scores is None:
        return id, Unscored(reason=str(row.get("reason") or "no scores in the file"))
    if not isinstance(scores, list):
        raise DataError(f"field 'scores': expected a list of numbers or null, got {scores!r}")
    values = tuple(fields.number(score, "scores") for score in scores)
    if len(values) != steps[id]:
        raise DataError(
            f"{len(values)} scores for the {steps[id]} steps of {id!r}; give one a step, in order"
        )
    return id, fields.make(Score, value=min(values, default=0.0), steps=values)


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    """A row that `assay score` wrote, with `scores`; others are returned as they are."""
    if "scores" in row or not {"value", "unscored"} & row.keys():
        return row
    if "unscored" in row:
        return {**row, "scores": None, "reason": row["unscored"]}
    # A response of one step has no list of steps.
    return {**row, "scores": row.get("steps", [row["value"]])}
