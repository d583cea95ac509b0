"""Orders of right and wrong responses that a probe turned round."""

from collections.abc import Sequence

import numpy as np

from assay import stats
from assay.audit.asking import Answer, Asked
from assay.stats import Estimate
from assay.types import Score

__all__ = ["flips"]


def flips(asked: Asked, answers: Sequence[Answer]) -> dict[str, Estimate]:
    """Return the shares of changed orders between right and wrong responses, where labels say so.

    uplift: the changed wrong response is no longer below a right one that was above it; damage: the
    changed right one no longer above a wrong one. Of responses whose control is another text, none.
    """
    found: dict[str, list[tuple[float, str]]] = {"uplift": [], "damage": []}
    for one in answers:
        if one.variant.against is not None or one.variant.prompt is not None:
            continue
        right, key = one.subject.right, asked.items[one.item].key
        assert isinstance(one.after, Score)
        assert isinstance(one.before, Score)
        for other, score in asked.scored(one.item):
            if right is None or other.right is not (not right):
                continue
            sign = 1.0 if right else -1.0
            if sign * (one.before.value - score.value) > 0:
                ahead = np.sign(sign * (one.after.value - score.value))
                name = "damage" if right else "uplift"
                found[name].append((float(1 - ahead) / 2, key))
    return {
        name: stats.proportion([x for x, _ in rows], clusters=[key for _, key in rows])
        for name, rows in found.items()
        if rows
    }
