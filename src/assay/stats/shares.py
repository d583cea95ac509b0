"""Shares: Wilson's interval, on as many independent trials as the clusters are worth."""

from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.estimate import Estimate
from assay.stats.intervals import cluster_ids, student_quantile
from assay.stats.means import spread_by_cluster

__all__ = ["proportion", "score_ends", "trials_worth", "wilson"]

PLENTY: Final = 20
"""Trials from which on the ends beside rare events are Poisson's."""
RARE: Final = 3.5
"""Events up to which they are: one to three."""
UNSEEN: Final = 8.0
"""Of k clusters, how many count as yes-or-no trials where hardly one differs; fewer where many
do."""


def wilson(successes: float, n: int, *, confidence: float = 0.95, unscored: int = 0) -> Estimate:
    """A proportion with Wilson's score interval; `successes` may be soft (ties count one half).

    With p = successes/n and z the normal quantile: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 +
    z²/n). With soft successes the interval is conservative. Where n is 0 the value is NaN and the
    interval [0, 1]. Raises `DataError` unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise DataError(f"{successes} successes in {n} trials; give 0 <= successes <= n")
    if n == 0:
        return Estimate(value=float("nan"), low=0.0, high=1.0, n=0, unscored=unscored)
    p = successes / n
    low, high = score_ends(p, n, confidence)
    return Estimate(value=p, low=low, high=high, n=n, unscored=unscored)


def score_ends(
    value: float, trials: float, confidence: float, df: float = np.inf
) -> tuple[float, float]:
    """Ends of the score interval of a share: (p + q²/2n ± q √(p(1-p)/n + q²/4n²)) / (1 + q²/n), q
    Student's quantile.

    Never of no width: 12 of 12 leave room down to n / (n + q²). From 20 trials on, an end beside
    one to three successes or failures is Poisson's where that is further out (Brown, Cai and
    DasGupta 2001): Wilson's own is passed by a rare event more often than it says, 9 % of the time
    for a share of .99 in 50.
    """
    q = student_quantile(df, confidence)
    q2 = q * q / trials
    half = q * float(np.sqrt(value * (1 - value) / trials + q2 / (4 * trials)))
    low, high = (value + q2 / 2 - half) / (1 + q2), (value + q2 / 2 + half) / (1 + q2)
    if trials >= PLENTY:
        low = min(low, _rarest(value * trials, confidence) / trials)
        high = max(high, 1 - _rarest((1 - value) * trials, confidence) / trials)
    # At 0 and 1 the end of the interval is the value exactly; rounding must not pass it.
    return max(0.0, min(value, low)), min(1.0, max(value, high))


def _rarest(events: float, confidence: float) -> float:
    """The Poisson mean that gives so many events or more 1 - confidence of the time; infinite
    beyond three."""
    return (
        float(scipy.special.gammaincinv(events, 1 - confidence))
        if 0 < events <= RARE
        else float("inf")
    )


def trials_worth(value: float, error: float) -> float:
    """As many independent yes-or-no trials as have this standard error: p (1 - p) / error²;
    infinite for no error."""
    return value * (1 - value) / error**2 if error > 0 else float("inf")


def proportion(
    credit: ArrayLike,
    *,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int = 0,
    weights: ArrayLike | None = None,
) -> Estimate:
    """Mean of credits in [0, 1] with Wilson's interval, by cluster where ids are given; n is the
    number of clusters.

    Rows of 0 and 1 that are their own clusters are counted as they are. Otherwise the interval is
    that of as many trials as the clusters are worth, p (1 - p) / error², with Student's quantile
    for the normal one (Korn and Graubard 1998). error² is that by cluster and 8 / (1 + k min(p, 1 -
    p)) p (1 - p) / k², for what few clusters do not show. Where all clusters agree they count as
    one trial each, soft credits as if they were the share of right ones. One cluster has no
    interval. `resamples` and `seed` are taken so that one set of options serves every estimator;
    nothing is resampled here. weights: of each row, such as 1 / the probability that it
    was selected; the clusters are then worth Kish's effective number.
    """
    x = np.asarray(credit, dtype=np.float64)
    ids, k = cluster_ids(clusters, len(x))
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    if k == 1:
        return Estimate(
            value=float(np.average(x, weights=w)),
            low=float("nan"),
            high=float("nan"),
            n=1,
            unscored=unscored,
        )
    if k == 0 or (w is None and k == len(x) and bool(((x == 0) | (x == 1)).all())):
        return wilson(float(x.sum()), k, confidence=confidence, unscored=unscored)
    spread = spread_by_cluster(x, ids, k, w)
    p, worth = spread.value, float(k) if w is None else spread.df + 1
    if not spread.error > 0:
        low, high = score_ends(p, worth, confidence)
        return Estimate(value=p, low=low, high=high, n=k, unscored=unscored)
    # Few clusters do not show the rare one that is all wrong: some of the variance of yes-or-no
    # trials is mixed in.
    unseen = UNSEEN / (1 + worth * min(p, 1 - p)) * p * (1 - p) / worth**2
    trials = trials_worth(p, float(np.sqrt(spread.error**2 + unseen)))
    low, high = score_ends(p, trials, confidence, spread.df)
    return Estimate(value=p, low=low, high=high, n=k, unscored=unscored)
