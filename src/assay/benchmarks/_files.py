"""A benchmark's scores in a file, so that anything that scores can be measured.

`assay.data.score_rows` says what can be read: one {"id", "scores"} per line, as is written here, or
what `assay score` wrote, and more.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.data import conversations
from assay.data import scores as files
from assay.data.records import as_group, prompt_of
from assay.runs.settings import write_atomic
from assay.types import Group, Message, Ranking, Record, Response, Score, StepLabels, Unscored

__all__ = ["read_scores", "with_step", "write_scores"]

RESULTS = ("_outputs.jsonl", "_all.jsonl", ".json")
"""How names of RewardBench's results end."""


def read_scores(path: str | Path, records: Sequence[Record]) -> list[list[Score | Unscored]]:
    """Read the scores of a file, one group per record, in the records' order whatever the file's.

    Raises `DataError`, with file and line, where the file and the records do not fit together.
    """
    # Which responses are right says where those of `scores_chosen` stand.
    groups = [r if isinstance(r, Group) else as_group(r) for r in records]
    return [
        [with_step(score, response) for score, response in zip(row, g.responses, strict=True)]
        for row, g in zip(files.read_scores(path, groups), groups, strict=True)
    ]


def write_scores(
    path: Path, records: Sequence[Record], scores: Sequence[Sequence[Score | Unscored]]
) -> None:
    """Write what `read_scores` reads. The whole file appears, or nothing.

    Names that RewardBench gives to its results have its layouts, for right and wrong responses:
    NAME_outputs.jsonl rows with texts, NAME_all.jsonl {chosen, rejected}, NAME.json the rows as one
    object of columns.
    """
    pools = [record for record in records if isinstance(record, Ranking)]
    if path.name.endswith(RESULTS) and len(pools) == len(records):
        write_atomic(path, _as_rewardbench(path, pools, scores))
        return
    rows: list[dict[str, Any]] = []
    for record, row in zip(records, scores, strict=True):
        said: Any = [score.value if isinstance(score, Score) else None for score in row]
        if isinstance(record, StepLabels):
            said = row[0].steps if isinstance(row[0], Score) else None
        reasons = {score.reason: None for score in row if isinstance(score, Unscored)}
        lost = {"reason": "; ".join(reasons)} if reasons else {}
        rows.append({"id": prompt_of(record).id, "scores": said, **lost})
    write_atomic(path, _lines(rows))


def _lines(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _as_rewardbench(
    path: Path, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
) -> str:
    rows = [_of_sides(record, row) for record, row in zip(records, scores, strict=True)]
    if path.name.endswith("_all.jsonl"):
        sides = ("chosen", "rejected")
        return _lines([{side: row[f"scores_{side}"] for side in sides} for row in rows])
    if path.suffix == ".json":
        return json.dumps({name: [row[name] for row in rows] for name in rows[0]})
    return _lines(rows)


def _of_sides(record: Ranking, scores: Sequence[Score | Unscored]) -> dict[str, Any]:
    """A row of RewardBench's results; lists where a side has several responses, null where one has
    no score."""
    values = [score.value if isinstance(score, Score) else None for score in scores]
    sides = {
        name: [i for i, grade in enumerate(record.grades) if (grade > 0.5) == right]
        for name, right in (("chosen", True), ("rejected", False))
    }
    known = {name: [v for i in at if (v := values[i]) is not None] for name, at in sides.items()}
    lost = None in values
    row: dict[str, Any] = {
        "id": record.prompt.id,
        "subset": record.prompt.meta.get("subset"),
        "prompt": conversations.column(record.prompt.messages),
        "results": None if lost else int(min(known["chosen"]) > max(known["rejected"])),
    }
    for name, at in sides.items():
        texts = [
            conversations.column([*record.prompt.messages, *_turns(record.responses[i])])
            for i in at
        ]
        found = [values[i] for i in at]
        row[f"scores_{name}"] = found if len(at) > 1 else found[0]
        row[f"text_{name}"] = texts if len(at) > 1 else texts[0]
    return row


def _turns(response: Response) -> Sequence[Message]:
    return response.turns or (Message(role="assistant", content=response.text),)


def with_step(score: Score | Unscored, response: Response) -> Score | Unscored:
    """Return the score of a response of one step as that of the step, too."""
    if isinstance(score, Unscored) or score.steps or len(response.steps) != 1:
        return score
    return score.model_copy(update={"steps": (score.value,)})
