"""Rows of verdicts.jsonl: what was said, or why nothing was, beside the label."""

from collections.abc import Mapping
from typing import Any

from assay.data.decisions import Decisions
from assay.data.records import as_group
from assay.questions import Comparison, Distribution
from assay.types import Group, Preference, Ranking, Record, Score, StepLabels, Unscored

__all__ = ["Row", "decision_row", "pair_row", "point_row"]

Row = Mapping[str, Any]


def pair_row(number: int, pair: Group, said: Comparison | Unscored) -> Row:
    """Return the row of a pair."""
    row: dict[str, Any] = {"id": pair.prompt.id, "pair": number}
    if isinstance(pair, Preference):
        row["label"] = pair.prefer
    if isinstance(said, Unscored):
        return row | {"unscored": said.reason}
    return row | said.model_dump(mode="json")


def point_row(record: Record, number: int, j: int, score: Score | Unscored) -> Row:
    """Return the row of a response."""
    group = as_group(record)
    row: dict[str, Any] = {"id": group.prompt.id, "group": number, "response": j}
    if isinstance(record, Ranking):
        row["label"] = record.grades[j]
    elif isinstance(record, StepLabels):
        row["label"] = list(record.labels)
    if isinstance(score, Unscored):
        return row | {"unscored": score.reason}
    kept = {"value": score.value, "std": score.std, "parts": dict(score.parts)}
    steps = {"steps": score.steps} if score.steps not in ((), (score.value,)) else {}
    return row | {key: value for key, value in kept.items() if value not in (None, {})} | steps


def decision_row(record: Decisions, number: int, j: int, answer: Distribution | Unscored) -> Row:
    """Return the row of a question."""
    question, gold = record.questions[j], record.gold[j]
    row: dict[str, Any] = {"id": record.prompt.id, "state": number, "question": question.name}
    row["options"] = [option.name for option in question.options]
    if gold is not None:
        row["gold"] = gold.probabilities
    if isinstance(answer, Unscored):
        return row | {"unscored": answer.reason}
    return row | answer.model_dump(mode="json")
