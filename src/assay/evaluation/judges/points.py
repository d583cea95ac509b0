"""Judges that give one response a score: whether the scores of one prompt's responses follow their
length and style more than their labels do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import stats
from assay.data.records import cluster_key, responses_of
from assay.errors import DataError
from assay.evaluation.judges import features
from assay.evaluation.judges.features import MEANINGS
from assay.evaluation.judges.findings import Bias, bias
from assay.stats import Estimate
from assay.stats.draws import ROUNDING
from assay.stats.intervals import Array, cluster_ids
from assay.stats.regression import least_squares
from assay.types import Preference, Ranking, Record, Score, StepLabels, Unscored

__all__ = ["Points", "metrics", "points_of", "rows"]


@dataclass(frozen=True, kw_only=True)
class Points:
    """The m responses that have a score."""

    score: Array
    label: Array
    """(m,) NaN where there is none."""
    features: Mapping[str, Array]
    clusters: NDArray[np.intp]
    """(m,) The prompt, numbered."""
    unscored: int

    @property
    def spread(self) -> float:
        """Standard deviation of scores within a prompt, over those with two or more; NaN for
        none."""
        off = demeaned(self.score, self.clusters)
        rows = len(off) - len(np.unique(self.clusters))
        return float(np.sqrt((off**2).sum() / rows)) if rows else float("nan")


def demeaned(x: Array, ids: NDArray[np.intp]) -> Array:
    """Return values less their cluster's mean; equal values give 0, whatever rounding makes of
    their mean."""
    counts = np.maximum(np.bincount(ids), 1)
    off = x - (np.bincount(ids, weights=x) / counts)[ids]
    return np.where(np.abs(off) <= ROUNDING * np.abs(x), 0.0, off)


def points_of(
    records: Sequence[Record],
    scores: Sequence[Sequence[Score | Unscored]],
    own: Collection[str] = (),
) -> Points:
    """Return what was scored as arrays; records of one prompt are one cluster.

    Raises `DataError` where there is nothing, or shapes disagree.
    """
    if len(records) != len(scores) or not records:
        raise DataError(
            f"{len(scores)} groups of scores for {len(records)} records; give one of each, and some"
        )
    kept, unscored = [], 0
    for i, (record, group) in enumerate(zip(records, scores, strict=True)):
        responses = responses_of(record)
        if len(responses) != len(group):
            raise DataError(f"record {i}: {len(group)} scores for {len(responses)} responses")
        key = cluster_key(record)
        for response, label, score in zip(responses, _labels(record), group, strict=True):
            if isinstance(score, Score):
                kept.append((key, response, label, score.value))
            else:
                unscored += 1
    ids, _ = cluster_ids([key for key, *_ in kept], len(kept))
    return Points(
        score=np.array([value for *_, value in kept], dtype=np.float64),
        label=np.array([label for _, _, label, _ in kept], dtype=np.float64),
        features=features.columns([response for _, response, *_ in kept], own),
        clusters=ids,
        unscored=unscored,
    )


def _labels(record: Record) -> list[float]:
    """A label per response; NaN where the record has none."""
    if isinstance(record, Preference):
        return [record.prefer, 1 - record.prefer]
    if isinstance(record, Ranking):
        return list(record.grades)
    if isinstance(record, StepLabels):
        last = record.labels[-1] if record.labels else None
        return [float("nan") if last is None else last]
    return [float("nan")] * len(responses_of(record))


def rows(points: Points, smallest: float) -> list[Bias]:
    """Return the biases for features, over the responses that have a label, within prompts.

    (score - its prompt's mean) / σ = g (label) + Σ b x + error, each x less its prompt's mean and σ
    the spread of scores within prompts: a pooled correlation would mix in which prompts are hard.
    """
    labelled = ~np.isnan(points.label)
    ids, sigma = points.clusters[labelled], points.spread
    if not labelled.any() or not sigma > 0:
        return []
    x = {name: demeaned(values[labelled], ids) for name, values in points.features.items()}
    x = {name: values for name, values in x.items() if np.abs(values).max(initial=0) > 1e-12}
    label = demeaned(points.label[labelled], ids)
    found = least_squares(
        demeaned(points.score[labelled], ids) / sigma,
        np.column_stack([label, *x.values()]),
        clusters=ids,
        step=1.0,
        unscored=points.unscored + int((~labelled).sum()),
    )
    return [
        bias(name, f"standard deviations of score {MEANINGS[name]}", one, smallest)
        for name, one in zip(x, found[1:], strict=True)
    ]


def metrics(points: Points) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Return agreement with labels over a prompt's pairs of responses, how many of these have equal
    scores, and what always choosing the longer gets."""
    first, second = _pairs(points.clusters)
    sampling: dict[str, Any] = {"unscored": points.unscored}
    found: dict[str, Estimate] = {}
    if not len(first):
        return found, {}
    won = np.sign(points.score[first] - points.score[second])
    ids = points.clusters[first]
    found["ties"] = stats.proportion(won == 0, clusters=ids, **sampling)
    better = np.sign(points.label[first] - points.label[second])
    decided = ~np.isnan(better) & (better != 0)
    if not decided.any():
        return found, {}
    of = {**sampling, "clusters": ids[decided]}
    length = points.features["length/per_doubling"]
    longer = np.sign(length[first] - length[second])
    found["agreement"] = stats.proportion(_credit(won, better)[decided], **of)
    return found, {"agreement": stats.proportion(_credit(longer, better)[decided], **of)}


def _credit(said: Array, better: Array) -> Array:
    """1 where both say the same, one half where `said` is 0."""
    return np.asarray((said * better + 1) / 2)


def _pairs(ids: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the two responses of every pair within a cluster."""
    order = np.argsort(ids, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if len(ids) else []
    each = [np.stack(np.triu_indices(len(m), 1)) for m in members]
    both = [m[pair] for m, pair in zip(members, each, strict=True)]
    joined = np.concatenate([np.zeros((2, 0), dtype=np.intp), *both], axis=1)
    return joined[0], joined[1]
