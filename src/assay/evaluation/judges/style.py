"""Whether a judge prefers a response for its length, lists, markdown or author, more than people
do.

One regression has all of them at once: the judge's preference on the label's and on what the
responses differ in. With a single feature that is there or not, its coefficient is the
equal-opportunity gap P(judge: has it | label: has it) - P(judge: has not | label: has not) of
Wataoka et al. (arXiv:2410.21819).
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assay import stats
from assay.evaluation.judges.features import MEANINGS
from assay.evaluation.judges.findings import Bias, bias
from assay.evaluation.judges.pairs import Pairs
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.stats.regression import least_squares

__all__ = ["metrics", "rows"]

DOUBLING: Final = "length/per_doubling"
CLEAR: Final = 0.1
"""Least difference of length, in doublings, that makes one response the longer."""


def rows(pairs: Pairs, smallest: float, label_accuracy: float = 1.0) -> list[Bias]:
    """Return the biases for features, over the pairs that have a label.

    prefer - 1/2 = g (label - 1/2) + Σ b x + error, errors by prompt, no intercept: the order in a
    record is arbitrary. x is log2 of the lengths' ratio, or 1/2 for the side that has a feature and
    -1/2 for the other; so is the place of a pair that was judged in one order only.

    label_accuracy: how often a label of 0 or 1 is right. Where quality goes with a feature, what a
    noisy label misses of it would count as bias for the feature: (label - 1/2) / (2a - 1) is right
    on average, and what its error adds to the moments is taken out.
    """
    labelled = ~np.isnan(pairs.label)
    if not labelled.any():
        return []
    named = {name: x if name == DOUBLING else x / 2 for name, x in pairs.features.items()}
    once = np.isnan(pairs.sides).sum(axis=1) == 1
    slot = np.where(np.isnan(pairs.sides[:, 1]), 0.5, -0.5)
    named["position/first_slot_by_label"] = np.where(once, slot, 0.0)
    columns = {name: x[labelled] for name, x in named.items() if x[labelled].any()}
    label = (pairs.label[labelled] - 0.5) / (2 * label_accuracy - 1)
    noise = np.zeros((len(label), 1 + len(columns)))
    decided = np.isin(pairs.label[labelled], (0.0, 1.0))
    noise[decided, 0] = ((2 * label_accuracy - 1) ** -2 - 1) / 4
    found = least_squares(
        pairs.prefer[labelled] - 0.5,
        np.column_stack([label, *columns.values()]),
        clusters=pairs.clusters[labelled],
        noise=noise,
        step=1.0,
        unscored=pairs.unscored + int((~labelled).sum()),
    )
    return [
        # One response's share moves half as far as the gap between the two.
        bias(
            name, f"shift of preference {MEANINGS[name]}", one, smallest / (1 + (name == DOUBLING))
        )
        for name, one in zip(columns, found[1:], strict=True)
    ]


def metrics(pairs: Pairs) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Return how often the side with a feature is preferred, among pairs in which one side has
    more of it, and the same of the labels."""
    found: dict[str, Estimate] = {}
    labels: dict[str, Estimate] = {}
    for name, x in pairs.features.items():
        there = np.abs(x) > (CLEAR if name == DOUBLING else 0)
        key = f"prefers/{'longer' if name == DOUBLING else name.rpartition('/')[2]}"
        if there.any():
            found[key] = _share(pairs.prefer, x, there, pairs)
        known = there & ~np.isnan(pairs.label)
        if known.any():
            labels[key] = replace(_share(pairs.label, x, known, pairs), unscored=0)
    return found, labels


def _share(prefer: Array, x: Array, there: NDArray[np.bool_], pairs: Pairs) -> Estimate:
    won = np.where(x > 0, prefer, 1 - prefer)[there]
    return stats.proportion(won, clusters=pairs.clusters[there], unscored=pairs.unscored)
