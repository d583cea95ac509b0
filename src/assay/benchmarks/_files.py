"""A benchmark's scores in a file, so that anything that scores can be measured.

`assay.data.score_rows` says what can be read: one {"id", "scores"} per line, as is written here, or
what `assay score` wrote, and more.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.data import scores as files
from assay.data.records import as_groups, prompt_of
from assay.runs.settings import write_atomic
from assay.types import Record, Response, Score, StepLabels, Unscored

__all__ = ["read_scores", "with_step", "write_scores"]


def read_scores(path: str | Path, records: Sequence[Record]) -> list[list[Score | Unscored]]:
    """Read the scores of a file, one group per record, in the records' order whatever the file's.

    Raises `DataError`, with file and line, where the file and the records do not fit together.
    """
    groups = as_groups(records)
    return [
        [with_step(score, response) for score, response in zip(row, g.responses, strict=True)]
        for row, g in zip(files.read_scores(path, groups), groups, strict=True)
    ]


def write_scores(
    path: Path, records: Sequence[Record], scores: Sequence[Sequence[Score | Unscored]]
) -> None:
    """Write what `read_scores` reads. The whole file appears, or nothing."""
    rows: list[dict[str, Any]] = []
    for record, row in zip(records, scores, strict=True):
        said: Any = [score.value if isinstance(score, Score) else None for score in row]
        if isinstance(record, StepLabels):
            said = row[0].steps if isinstance(row[0], Score) else None
        reasons = {score.reason: None for score in row if isinstance(score, Unscored)}
        lost = {"reason": "; ".join(reasons)} if reasons else {}
        rows.append({"id": prompt_of(record).id, "scores": said, **lost})
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def with_step(score: Score | Unscored, response: Response) -> Score | Unscored:
    """Return the score of a response of one step as that of the step, too."""
    if isinstance(score, Unscored) or score.steps or len(response.steps) != 1:
        return score
    return score.model_copy(update={"steps": (score.value,)})
