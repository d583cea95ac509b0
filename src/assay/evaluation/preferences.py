"""Pairs: how often the preferred response scores higher, by how much, and whether the margin means
what it says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from assay import stats
from assay.data.records import cluster_key
from assay.evaluation.calibration import Calibrated, further
from assay.evaluation.report import Options, Report, histograms
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Preference, Score, Unscored

__all__ = ["evaluate"]

NOTES = (
    "equal scores count one half",
    (
        "a preference score is a logit known only up to a constant for each prompt: compare scores"
        " within a prompt, never across prompts"
    ),
    (
        "calibration is of sigmoid(score difference), folded so that the higher score comes first;"
        " its slope has no intercept, for the order in a pair is arbitrary"
    ),
)


def evaluate(
    records: Sequence[Preference], scores: Sequence[Sequence[Score | Unscored]], options: Options
) -> Report:
    """Accuracy, margin and calibration over the pairs with a preferred side whose two responses are
    both scored.

    With Δ = s(preferred) - s(other), accuracy is the mean of 1[Δ > 0] + 1[Δ = 0]/2 and the
    calibration that of σ(Δ/T) against the stated preference (Bradley-Terry, T = 1). Where values
    are probabilities, s is their logit.
    """
    decided = [i for i, record in enumerate(records) if record.prefer != 0.5]
    kept = [i for i in decided if all(isinstance(score, Score) for score in scores[i])]
    pairs, preferred = _oriented(
        [records[i] for i in kept], [scores[i] for i in kept], options.probabilities
    )
    margin = pairs[:, 0] - pairs[:, 1]
    lengths = np.array(
        [[len(r.text) for r in records[i].responses] for i in kept], dtype=np.float64
    ).reshape(-1, 2)
    first = np.array([records[i].prefer > 0.5 for i in kept], dtype=bool)
    longer = np.where(first, lengths[:, 0] - lengths[:, 1], lengths[:, 1] - lengths[:, 0])
    sampling: dict[str, Any] = {
        "clusters": [cluster_key(records[i]) for i in kept],
        "unscored": len(decided) - len(kept),
        "resamples": options.resamples,
        "seed": options.seed,
    }
    right, by_length = _credit(margin), _credit(longer)
    baselines = {
        "accuracy/random": Estimate(
            value=0.5, low=0.5, high=0.5, n=len(kept), unscored=sampling["unscored"]
        ),
        "accuracy/longer": stats.proportion(by_length, **sampling),
        "accuracy/shorter": stats.proportion(1 - by_length, **sampling),
    }
    baseline = "longer" if by_length.sum() * 2 >= len(kept) else "shorter"
    baseline_right = by_length if baseline == "longer" else 1 - by_length
    metrics = {
        "accuracy": stats.proportion(right, **sampling),
        f"accuracy_over_{baseline}": stats.paired_difference(
            right, baseline_right, within=(-1.0, 1.0), **sampling
        ),
        "mean_margin": stats.mean(
            margin, clusters=sampling["clusters"], unscored=sampling["unscored"]
        ),
    }
    log_odds = margin / options.temperature
    found = _calibration(log_odds, preferred, right, sampling, options)
    metrics |= found.metrics
    baselines |= found.baselines
    return Report(
        kind="preference",
        metrics=metrics,
        baselines=baselines,
        tests={f"accuracy/{baseline}": stats.mcnemar(right, baseline_right)},
        reliability=found.reliability,
        selective=found.selective,
        histograms=histograms({"chosen": pairs[:, 0], "rejected": pairs[:, 1], "margin": margin}),
        notes=[
            (
                f"{len(records) - len(decided)} of {len(records)} pairs prefer neither side and"
                " were left out"
            ),
            f"{int((margin == 0).sum())} of {len(kept)} scored pairs have equal scores",
            *NOTES,
            *found.notes,
            *(
                [f"score differences are divided by the calibration's temperature, {t:.3g}"]
                if (t := options.temperature) != 1
                else []
            ),
        ],
    )


def _calibration(
    log_odds: Array, preferred: Array, right: Array, sampling: dict[str, Any], options: Options
) -> Calibrated:
    """How well log-odds (pairs,) of the preferred response say how far it is preferred."""
    # The higher score first: its probability of being preferred, and how far it was.
    confidence = np.asarray(scipy.special.expit(np.abs(log_odds)), dtype=np.float64)
    agreed = np.where(log_odds > 0, preferred, np.where(log_odds < 0, 1 - preferred, 0.5))
    clustering = {key: sampling[key] for key in ("clusters", "unscored")}
    slope = stats.calibration_slope(log_odds, preferred, intercept=False, **clustering).slope
    more = further(
        log_odds, preferred, confidence, agreed, credit=right, options=options, **clustering
    )
    metrics = {
        "brier": stats.brier(scipy.special.expit(log_odds), preferred, **sampling),
        "ece": stats.ece(confidence, agreed, bins=options.bins, **sampling),
        "calibration_slope": slope,
    }
    baselines = {
        "brier/random": stats.brier(np.full(len(right), 0.5), preferred, **sampling),
        "ece/calibrated": stats.ece_if_calibrated(confidence, bins=options.bins, seed=options.seed),
    }
    return replace(
        more,
        metrics=metrics | more.metrics,
        baselines=baselines | more.baselines,
        reliability=stats.reliability(confidence, agreed, options.bins),
    )


def _oriented(
    records: Sequence[Preference], scores: Sequence[Sequence[Score | Unscored]], probabilities: bool
) -> tuple[Array, Array]:
    """Scores (pairs, 2) with the preferred response first, and how far it is preferred (pairs,),
    above one half."""
    values = np.array(
        [[s.value for s in pair if isinstance(s, Score)] for pair in scores], dtype=np.float64
    )
    values = values.reshape(-1, 2)
    if probabilities:
        values = stats.to_logits(values)
    prefer = np.array([record.prefer for record in records], dtype=np.float64)
    oriented = np.where(prefer[:, None] > 0.5, values, values[:, ::-1])
    return oriented, np.maximum(prefer, 1 - prefer)


def _credit(difference: Array) -> Array:
    """1 where positive, one half where 0."""
    return np.asarray((np.sign(difference) + 1) / 2, dtype=np.float64)
