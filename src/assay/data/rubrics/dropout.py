"""Rubric dropout: each step of training pays by a part of the rubric (arXiv:2608.11669).

A criterion that the judge credits too easily pays only now and then. All responses to a prompt are
judged by the same part, so that an advantage within their group does not depend on which it was.
"""

import hashlib
import math
from typing import Final

import numpy as np

from assay.data.rubrics.record import Rubric
from assay.errors import ConfigError
from assay.types import Prompt

__all__ = ["FEWEST", "kept"]

FEWEST: Final = 3
"""Positive criteria that always stay."""


def kept(rubric: Rubric, prompt: Prompt, *, step: int, share: float, seed: int = 0) -> Rubric:
    """Return the rubric without floor(share n) of its n criteria with positive points, 3 of them
    left at least; faults and gates stay.

    It depends on the prompt (its id, or without one its text), the step and the seed alone, by
    their SHA-256. Raises `ConfigError` for a share outside [0, 1).
    """
    if not 0 <= share < 1:
        raise ConfigError(f"a share of {share:g} of the criteria cannot be dropped; give [0, 1)")
    positive = [i for i, c in enumerate(rubric.criteria) if c.points > 0 and not c.veto]
    count = min(math.floor(share * len(positive)), max(0, len(positive) - FEWEST))
    if not count:
        return rubric
    name = "\0".join((prompt.id or prompt.text, str(step), str(seed)))
    rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
    out = {*rng.choice(positive, count, replace=False).tolist()}
    criteria = tuple(c for i, c in enumerate(rubric.criteria) if i not in out)
    return rubric.model_copy(update={"criteria": criteria})
