"""What a dialect of typed questions is: a request becomes questions about a state, and their
distributions an answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from assay.answerers.answered import Answered
from assay.answerers.dialects.table import DIALECTS
from assay.data.fields import explain
from assay.questions import Confidence, Distribution, Option, Question, confidence
from assay.server.dialects import About, Refused, Schema
from assay.server.dialects import schemas as s
from assay.types import Prompt

__all__ = [
    "CONFIDENCE", "OWN", "SAID", "Inquiry", "TypedDialect", "made", "own", "score", "some", "sure",
    "tokens", "written",
]  # fmt: skip

CONFIDENCE: Final[Confidence] = "excess"
"""Formula of the confidences of every dialect, as `x_confidence` says: TypeSafe's."""
QUESTIONS: Final = DIALECTS["openai"].most_questions or 0
OPTIONS: Final = DIALECTS["openai"].most_options or 0


SAID: Final[Mapping[str, Schema]] = {
    "model": s.TEXT,
    "usage": s.OBJECT,
    **dict.fromkeys(("x_usage", "x_confidence", "x_fingerprint", "x_id"), s.TEXT),
}
"""What every dialect's answer says beside the answers."""
OWN: Final[Mapping[str, Schema]] = {
    "confidence": s.NUMBER,
    "score": s.NUMBER,
    "x_label_mass": s.NUMBER,
    "x_bounds": s.many(s.NUMBERS),
    **dict.fromkeys(("x_verdicts", "x_missing"), s.COUNT),
}
"""What every dialect has of a question's answer."""


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """A request of questions about one state, read."""

    state: Prompt
    questions: tuple[Question, ...]
    """The name of each is what the request calls it."""
    model: str = ""
    """Name of the model; empty where the request names none, which is then the only one."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the answer depends on besides."""


@dataclass(frozen=True)
class TypedDialect:
    """One path of one kind of decision server, as pure functions.

    `read` raises `Refused` naming the field; `write` too, where the dialect has no word for what is
    `Unscored`. `refused` says what a refused request is answered, and with which status.
    """

    path: str
    summary: str
    read: Callable[[Mapping[str, Any]], Inquiry]
    write: Callable[[Inquiry, Sequence[Answered], About], Any]
    refused: Callable[[Refused], tuple[Any, int]]
    request: Schema
    answer: Schema
    error: Schema
    """Of what a refused request is answered."""
    alias: str = ""
    """Name of a model that stands for the only one."""


def made(kind: str, text: str, options: Sequence[Option], name: str, field: str) -> Question:
    """Return a question. Raises `Refused` where its options are too many, too few, or alike."""
    if not 2 <= len(options) <= OPTIONS:
        raise Refused(field, f"{len(options)} of them, and 2 to {OPTIONS} are taken")
    given: dict[str, Any] = {"kind": kind, "text": text, "options": tuple(options), "name": name}
    try:
        return Question(**given)
    except ValidationError as error:
        raise Refused(field, explain(error)) from error


def some(count: int, field: str) -> None:
    """Raise `Refused` unless there are as many questions as a request may have."""
    if not 1 <= count <= QUESTIONS:
        raise Refused(field, f"{count} questions, and 1 to {QUESTIONS} are taken")


def written(value: Any, field: str) -> str:
    """Return a text as it is, and an object or a list as JSON. Raises `Refused` for others."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    raise Refused(field, f"must be a text, an object or a list, got {type(value).__name__}")


def own(answer: Distribution) -> dict[str, Any]:
    """Return what an answer says beyond the dialect: the labels' mass, and how many verdicts the
    probabilities are the shares of."""
    found: dict[str, Any] = {}
    if answer.mass is not None:
        found["x_label_mass"] = answer.mass
    if answer.bounds:
        found["x_bounds"] = [list(bound) for bound in answer.bounds]
    if answer.verdicts is not None:
        found |= {"x_verdicts": answer.verdicts, "x_missing": answer.missing}
    return found


def sure(answer: Distribution, question: Question) -> float:
    """Return the confidence of an answer, within [0, 1] but for rounding."""
    return min(1.0, max(0.0, confidence(answer, question, CONFIDENCE)))


def score(answer: Distribution) -> float:
    """Return Σ i p over the places of the levels from 0, whatever numbers they stand for."""
    return sum(i * p for i, p in enumerate(answer.probabilities))


def tokens(answers: Sequence[Answered]) -> int | None:
    """Return the tokens that were read, the state's once per question; None where unknown."""
    known = [one.tokens for one in answers if one.tokens is not None]
    return sum(known) if len(known) == len(answers) else None
