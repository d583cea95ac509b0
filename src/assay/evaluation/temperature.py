"""What one temperature changes: log loss, Brier score and calibration error on prompts that it was
not fitted on."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from assay import stats
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array

__all__ = ["Rescaled", "rescaled"]


@dataclass(frozen=True, kw_only=True)
class Rescaled:
    """A temperature with what it changes."""

    temperature: Estimate
    """Fitted on all rows."""
    rows: int
    before: dict[str, Estimate]
    """nll, brier and ece of softmax(logits)."""
    after: dict[str, Estimate]
    """The same of softmax(logits / T), each row's T fitted on the other folds' prompts."""
    gain: dict[str, Estimate]
    """nll and brier before less after, of the same rows: above 0 where the temperature helps."""


def rescaled(
    logits: Array, gold: Array, *, clusters: Sequence[Hashable], unscored: int = 0, bins: int = 10
) -> Rescaled:
    """Fit a temperature to logits (n, options), -inf where a row lacks an option, for gold (n,
    options), and measure it on held-out prompts.

    The calibration error is that of the likeliest option's probability against gold's, in bins of
    equal width; the Brier score of two options is that of one of them. Raises `DataError` where no
    temperature fits.
    """
    how: dict[str, Any] = {"clusters": clusters, "unscored": unscored}
    found = stats.temperature(logits, gold, **how)
    inverse = stats.cross_fitted(logits, gold, clusters=clusters)
    if not (np.isfinite(found.value) and np.isfinite(inverse).all()):
        raise DataError(
            f"no temperature fits {len(logits)} rows of {found.n} prompts: the probabilities are"
            " no better than chance, right of every row, or of too few prompts; give more labelled"
            " prompts"
        )
    before, after = _losses(logits, gold), _losses(logits * inverse[:, None], gold)

    def measured(losses: dict[str, Array]) -> dict[str, Estimate]:
        return {
            "nll": stats.mean(losses["nll"], within=(0.0, np.inf), **how),
            "brier": stats.mean(losses["brier"], within=(0.0, 2.0), **how),
            "ece": stats.ece(
                losses["top"], losses["gold"], bins=bins, binning="equal-width", **how
            ),
        }

    return Rescaled(
        temperature=found,
        rows=len(logits),
        before=measured(before),
        after=measured(after),
        gain={key: stats.mean(before[key] - after[key], **how) for key in ("nll", "brier")},
    )


def _losses(logits: Array, gold: Array) -> dict[str, Array]:
    """Log loss and Brier score of each row, its highest probability, and gold's of that option."""
    logs = scipy.special.log_softmax(logits, axis=1)
    p = np.exp(logs)
    top = p.max(axis=1)
    tied = p == top[:, None]
    squares = ((p - gold) ** 2).sum(axis=1)
    return {
        "nll": -np.where(gold > 0, gold * np.where(gold > 0, logs, 0.0), 0.0).sum(axis=1),
        "brier": squares / 2 if p.shape[1] == 2 else squares,
        "top": np.minimum(top, 1.0),
        # Of options that are equally likely none is first.
        "gold": (gold * tied).sum(axis=1) / tied.sum(axis=1),
    }
