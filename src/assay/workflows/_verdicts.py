"""Rows of verdicts.jsonl: what was said, or why nothing was, beside the label."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from assay.data.decisions import Decisions
from assay.data.records import as_group
from assay.questions import Comparison, Distribution
from assay.types import Group, Preference, Prompt, Ranking, Record, Score, StepLabels, Unscored

__all__ = ["Row", "decision_row", "pair_row", "point_row"]

Row = Mapping[str, Any]

LONGEST: Final = 200
"""Characters of a prompt."""


def _of(prompt: Prompt) -> dict[str, str]:
    """The prompt's id, or a hash of what is asked where it has none, and how its text begins."""
    shown = "\0".join([*(m.content for m in prompt.messages), prompt.shown[1]])
    name = hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    text = " ".join(prompt.text.split())
    return {"id": prompt.id or name, "prompt": text[:LONGEST] + "…" * (len(text) > LONGEST)}


def pair_row(number: int, pair: Group, said: Comparison | Unscored) -> Row:
    """Return the row of a pair."""
    row: dict[str, Any] = {**_of(pair.prompt), "pair": number}
    if isinstance(pair, Preference):
        row["label"] = pair.prefer
    if isinstance(said, Unscored):
        return row | {"unscored": said.reason}
    return row | said.model_dump(mode="json")


def point_row(record: Record, number: int, j: int, score: Score | Unscored) -> Row:
    """Return the row of a response."""
    group = as_group(record)
    row: dict[str, Any] = {**_of(group.prompt), "group": number, "response": j}
    if isinstance(record, Ranking):
        row["label"] = record.grades[j]
    elif isinstance(record, Preference):
        row["label"] = (record.prefer, 1 - record.prefer)[j]
    elif isinstance(record, StepLabels):
        row["label"] = list(record.labels)
    if isinstance(score, Unscored):
        return row | {"unscored": score.reason}
    kept: dict[str, Any] = {"value": score.value, "std": score.std, "parts": dict(score.parts)}
    kept["critique"] = score.critique
    steps = {"steps": score.steps} if score.steps not in ((), (score.value,)) else {}
    return row | {key: value for key, value in kept.items() if value not in (None, {})} | steps


def decision_row(record: Decisions, number: int, j: int, answer: Distribution | Unscored) -> Row:
    """Return the row of a question."""
    question, gold = record.questions[j], record.gold[j]
    row: dict[str, Any] = {**_of(record.prompt), "state": number}
    row["question"] = question.name
    row["options"] = [option.name for option in question.options]
    if gold is not None:
        row["gold"] = gold.probabilities
    if isinstance(answer, Unscored):
        return row | {"unscored": answer.reason}
    return row | answer.model_dump(mode="json")
