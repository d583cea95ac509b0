"""Write scores as the numbers that other stacks' servers give: logits, or what they activate to."""

import base64
import math
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from assay.models.readout import Readout
from assay.scorers.reading import Reading
from assay.server.dialects import About, Asked, Refused, Scores
from assay.types import Score, Unscored

__all__ = ["Activation", "Numbers", "encoded", "flat", "ids", "of_responses", "of_steps", "usage"]

Activation = Literal["none", "sigmoid", "softmax"]


class Numbers(NamedTuple):
    """One row of numbers per response, and what they went through."""

    rows: list[list[float]]
    activation: Activation


def flat(asked: Asked, scores: Scores) -> list[Score]:
    """Return all scores in order. Raises `Refused` where a response is unscored: these stacks have
    no word for it, and 0 would be taken for a score."""
    field = asked.settings.get("items", "responses[{}]")
    found = [score for row in scores for score in row]
    for i, score in enumerate(found):
        if isinstance(score, Unscored):
            raise Refused(field.format(i), f"unscored: {score.reason}", status=422)
    return [score for score in found if isinstance(score, Score)]


def of_responses(
    asked: Asked, scores: Scores, about: About, *, activate: bool, field: str
) -> Numbers:
    """Return the numbers of every response.

    Of a model whose score is one logit's: the logit, or, where activation is asked for, its
    sigmoid, or the pair [1 - p, p] of a model of two outputs. A score that is made of those of
    several steps has no logit and stays as it is. Raises `Refused` naming the field where
    activation is asked of scores that are no logits.
    """
    values = flat(asked, scores)
    readout = about.readout
    if readout is not None and readout.aggregate == "last":
        return _activated([[one.logits[-1]] for one in _readings(about)], readout, activate)
    done: Activation = "none"
    if readout is not None and readout.link == "sigmoid" and readout.aggregate != "log_sum":
        done = "sigmoid"
    if activate and done == "none":
        raise Refused(field, f"the scores of {about.name} are no logits; ask for them as they are")
    return Numbers([[score.value] for score in values], done)


def of_steps(
    asked: Asked, scores: Scores, about: About, *, activate: bool, field: str
) -> tuple[list[list[list[float]]], Activation]:
    """Return the rows of every response's steps, as `of_responses` does for responses."""
    values = flat(asked, scores)
    if about.readout is not None:
        logits = [_steps(one.logits, about.readout) for one in _readings(about)]
        made = [_activated([[x] for x in row], about.readout, activate) for row in logits]
        return [row for row, _ in made], made[0].activation if made else "none"
    for i, score in enumerate(values):
        if not score.steps:
            at = asked.settings.get("items", "responses[{}]").format(i)
            raise Refused(at, f"{about.name} gives no scores of steps", status=422)
    if activate:
        raise Refused(field, f"the scores of {about.name} are no logits; ask for them as they are")
    return [[[step] for step in score.steps] for score in values], "none"


def _readings(about: About) -> list[Reading]:
    found = [reading for row in about.readings for reading in row]
    if not all(math.isfinite(logit) for one in found for logit in one.logits):
        raise Refused("", "the model's output is not finite", status=422)
    return found


def _steps(logits: Sequence[float], readout: Readout) -> list[float]:
    """The logits of which a response's step scores are made."""
    before = [0.0, *logits] if readout.steps == "difference" else [0.0] * len(logits)
    return [logit - less for logit, less in zip(logits, before, strict=False)]


def _activated(rows: list[list[float]], readout: Readout, activate: bool) -> Numbers:
    if not activate:
        return Numbers(rows, "none")
    # Of a link that is the identity, a temperature is of differences of scores.
    temperature = readout.temperature if readout.link == "sigmoid" else 1.0
    shares = [_sigmoid(logit / temperature) for (logit,) in rows]
    if readout.weights == (-1.0, 1.0) and not readout.offset:
        return Numbers([[1.0 - share, share] for share in shares], "softmax")
    return Numbers([[share] for share in shares], "sigmoid")


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def ids(about: About, field: str) -> list[list[int]]:
    """Return the token ids of every response with its prompt. Raises `Refused` where the scorer
    reads no tokens."""
    if about.readout is None:
        raise Refused(field, f"{about.name} is not one model: there are no token ids of it")
    return [list(reading.ids) for row in about.readings for reading in row]


def usage(about: About) -> dict[str, int] | None:
    """Return OpenAI's account of the tokens; None where they are not counted."""
    if about.tokens is None:
        return None
    return {"prompt_tokens": about.tokens, "total_tokens": about.tokens, "completion_tokens": 0}


def encoded(rows: Any, form: str, dtype: str = "float32", endianness: str = "native") -> Any:
    """Return numbers as JSON's, or as the base64 of their bytes, row by row."""
    if form == "float":
        return rows
    order = sys.byteorder if endianness == "native" else endianness
    kind = np.dtype(dtype).newbyteorder("<" if order == "little" else ">")
    return base64.b64encode(np.asarray(rows, dtype=kind).tobytes()).decode()
