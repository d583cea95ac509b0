"""Several scores as one: mean, worst case, uncertainty-weighted; and whether their errors are
alike.

    mean     (1/M) sum_m r_m
    worst    min_m r_m                                    WCO (arXiv:2310.02743)
    uwo      mean - weight * (1/M) sum_m (r_m - mean)^2   UWO (the same; ddof 0)

Members differ in scale by their seeds, so `standardise` each on samples of the sampling policy
first: without that the worst case is the member with the largest scale. An ensemble helps against
what its members disagree about; an error that all of them make survives it (arXiv:2312.09244),
which `error_correlation` measures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from assay.errors import ConfigError, DataError
from assay.stats.draws import estimate
from assay.stats.estimate import Estimate
from assay.stats.intervals import Array, resample_weights

__all__ = [
    "ALIKE",
    "HOW",
    "Against",
    "ErrorCorrelation",
    "How",
    "Pair",
    "combine",
    "disagreement",
    "error_correlation",
    "how_of",
    "mean",
    "standardise",
    "together",
    "uncertainty_weighted",
    "worst_case",
]

How = Literal["mean", "worst", "uwo"]
HOW: Final[tuple[How, ...]] = ("mean", "worst", "uwo")
OLD_NAMES: Final[Mapping[str, How]] = {"uncertainty": "uwo"}
Against = Literal["gold", "members", "nothing"]

ALIKE: Final = 0.9
"""Mean correlation from which on an ensemble is hardly more than one of its members."""


def mean(members_M: ArrayLike) -> Array:
    """(M, ...) -> (...): the average member; NaN where a member did not score."""
    return np.asarray(_members(members_M).mean(axis=0))


def worst_case(members_M: ArrayLike) -> Array:
    """(M, ...) -> (...): the lowest member, WCO (arXiv:2310.02743); NaN where a member did not
    score."""
    return np.asarray(_members(members_M).min(axis=0))


def uncertainty_weighted(members_M: ArrayLike, weight: float) -> Array:
    """(M, ...) -> (...): mean - weight * variance over the members (ddof 0), UWO
    (arXiv:2310.02743).

    weight: in inverse units of the scores; the paper has 0.5 for best-of-n and 0.1 for PPO, and 0
    is the mean exactly.
    """
    if not (weight >= 0 and np.isfinite(weight)):
        raise ConfigError(f"weight is {weight}; it must be a number from 0 on")
    members = _members(members_M)
    average = members.mean(axis=0)
    return np.asarray(average if weight == 0 else average - weight * members.var(axis=0))


def together(scores_M: Sequence[ArrayLike], how: How, weight: float = 0.5) -> Array:
    """(M, ...) -> (...): members' scores of one pool, each standardised on it, combined; weight:
    that of "uwo"."""
    raw = np.stack([np.asarray(scores, dtype=np.float64) for scores in scores_M])
    return combine(standardise(raw, raw), how, weight)


def combine(members_M: ArrayLike, how: How, weight: float = 0.5) -> Array:
    """(M, ...) -> (...): members' scores on one scale, combined; weight: that of "uwo"."""
    if how == "uwo":
        return uncertainty_weighted(members_M, weight)
    return mean(members_M) if how == "mean" else worst_case(members_M)


def how_of(word: str) -> How:
    """Read the name of a combination, today's or an earlier one; `ConfigError` for another."""
    name = OLD_NAMES.get(word, word)
    for how in HOW:
        if name == how:
            return how
    raise ConfigError(f"no ensemble is made by {word!r}; there is {', '.join(HOW)}")


def disagreement(members_M: ArrayLike) -> Array:
    """(M, ...) -> (...): standard deviation over the members (ddof 0), in units of the scores."""
    return np.asarray(_members(members_M).std(axis=0))


def standardise(members_M: ArrayLike, reference_M_R: ArrayLike) -> Array:
    """Each member in units of its own mean and standard deviation (ddof 0) on R reference samples
    of the policy.

    reference_M_R: (M, ...), every member's scores of the same samples; NaN are left out. Raises
    `DataError` for a member that scores all of them alike.
    """
    members = _members(members_M)
    reference = np.asarray(reference_M_R, dtype=np.float64)
    if reference.ndim < 2 or len(reference) != len(members):
        raise DataError(
            f"reference {reference.shape} must hold the {len(members)} members' scores, (members,"
            " samples)"
        )
    flat = reference.reshape(len(reference), -1)
    shape = (len(members),) + (1,) * (members.ndim - 1)
    if np.isnan(flat).all(axis=1).any():
        raise DataError("a member has no score of any reference sample")
    centre, scale = np.nanmean(flat, axis=1), np.nanstd(flat, axis=1)
    flat_members = [m for m in range(len(members)) if scale[m] <= 1e-12 * max(1.0, abs(centre[m]))]
    if flat_members:
        raise DataError(
            f"member {flat_members[0]} scores all reference samples alike; it cannot be"
            " standardised"
        )
    return np.asarray((members - centre.reshape(shape)) / scale.reshape(shape))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Correlation of the errors of two members."""

    first: int
    second: int
    correlation: Estimate


@dataclass(frozen=True, kw_only=True)
class ErrorCorrelation:
    """Pairwise correlations of the members' errors."""

    pairs: tuple[Pair, ...]
    mean: Estimate
    """Mean over the pairs."""
    against: Against
    """Reference of the errors; "nothing" for correlations of the scores themselves."""

    @property
    def shared(self) -> bool:
        """True where the members are nearly one."""
        return self.mean.value >= ALIKE

    @property
    def words(self) -> str:
        """The result in plain words."""
        what = "scores" if self.against == "nothing" else "errors"
        line = f"the members' {what} correlate {self.mean:.2f} on average"
        if self.shared and what == "errors":
            return (
                f"{line}: they err alike, so an ensemble of them protects hardly better than one of"
                " them"
            )
        if self.shared:
            return (
                f"{line}: they say the same, right or wrong; an ensemble of them is hardly more"
                " than one of them"
            )
        return line if what == "scores" else f"{line}: an ensemble can tell what they do not share"


def error_correlation(
    members_M_P_N: ArrayLike,
    gold_P_N: ArrayLike | None = None,
    *,
    against: Against | None = None,
    names: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    unscored: int | None = None,
) -> ErrorCorrelation:
    """Correlations of members' errors within prompts, with intervals bootstrapped by prompt.

    A member's error is what is left of its score after regression, within prompts, on gold; the
    correlation of two members' errors is thus their partial correlation given gold. Without gold it
    is given the mean of the other standardised members (three or more), which cannot tell an error
    that all members share from what they rightly agree on, and is not 0 without shared errors:
    members that all correlate r have r / (1 + (M - 2) r). Prefer gold. arXiv:2312.09244.

    Responses that any of them did not score are left out. against: "nothing" = correlations of the
    scores themselves; None = gold, or the other members without it. names: of the members, for
    errors. unscored: count for the estimates; None = responses left out.
    """
    x = _members(members_M_P_N)
    if x.ndim != 3 or len(x) < 2:
        raise DataError(
            f"members {x.shape} must be (members, prompts, responses) with two or more members"
        )
    if against is None:
        against = "members" if gold_P_N is None else "gold"
    columns = x
    if gold_P_N is not None:
        gold = np.asarray(gold_P_N, dtype=np.float64)
        if gold.shape != x.shape[1:]:
            raise DataError(f"gold {gold.shape} must be {x.shape[1:]}, as the members' scores are")
        columns = np.concatenate([x, gold[None]])
    elif against == "members" and len(x) < 3:
        raise DataError(
            "two members without gold have nothing to measure an error from; give gold or a third"
        )
    products_P, left_out = _products(columns, names, len(x))
    pairs = [(i, j) for i in range(len(x)) for j in range(i + 1, len(x))]
    value = _partial(products_P.sum(axis=0)[None], pairs, len(x), against)[0]
    flat = products_P.reshape(len(products_P), -1)
    weights = np.concatenate(list(resample_weights(len(products_P), resamples, seed)))
    drawn = (weights @ flat).reshape(-1, *products_P.shape[1:])
    draws = _partial(drawn, pairs, len(x), against)

    def estimated(v: float, d: Array) -> Estimate:
        return estimate(
            v,
            d,
            n=len(products_P),
            confidence=confidence,
            unscored=left_out if unscored is None else unscored,
            scale="correlation",
        )

    return ErrorCorrelation(
        pairs=tuple(
            Pair(first=i, second=j, correlation=estimated(value[k], draws[:, k]))
            for k, (i, j) in enumerate(pairs)
        ),
        mean=estimated(_defined_mean(value[None])[0], _defined_mean(draws)),
        against=against,
    )


def _products(columns: Array, names: Sequence[str] | None, members: int) -> tuple[Array, int]:
    """(P, K, K) sums of products within prompts, of columns of variance 1 in all; and the number of
    responses left out."""
    there = np.asarray(~np.isnan(columns).any(axis=0))
    kept = there.sum(axis=1) >= 2
    if not kept.any():
        raise DataError(
            "no prompt has two responses that all members and gold have scored; give larger groups"
        )
    columns, there = columns[:, kept], there[kept]
    centred = np.where(there, columns, 0.0)
    centred = np.where(there, centred - (centred.sum(axis=2) / there.sum(axis=1))[..., None], 0.0)
    products_P = np.einsum("apn,bpn->pab", centred, centred)
    variances = np.diagonal(products_P.sum(axis=0))
    if variances.min() <= 0:
        which = int(np.argmin(variances))
        who = [f"member {m}" for m in range(members)] if names is None else [*names]
        raise DataError(
            f"{[*who, 'gold'][which]} scores the responses to each prompt alike; nothing correlates"
            " with it"
        )
    scale = np.sqrt(variances)
    return products_P / np.outer(scale, scale), int((~there).sum())


def _partial(
    products_R: Array, pairs: list[tuple[int, int]], members: int, against: Against
) -> Array:
    """(R, pairs): correlation of i and j given gold (the last column), the mean of the others, or
    nothing."""
    width = products_R.shape[1]
    correlations = np.empty((len(products_R), len(pairs)))
    for k, (i, j) in enumerate(pairs):
        shared, own_i, own_j = (products_R[:, a, b] for a, b in ((i, j), (i, i), (j, j)))
        if against != "nothing":
            given = np.zeros(width)
            others = [m for m in range(members) if m not in (i, j)]
            given[[-1] if against == "gold" else others] = 1.0
            with_given = products_R @ given
            of_given = with_given @ given
            x, y = with_given[:, i], with_given[:, j]
            shared = shared - x * y / of_given
            own_i, own_j = own_i - x * x / of_given, own_j - y * y / of_given
        own = own_i * own_j
        # What is left of a member that is a multiple of gold is rounding, not error.
        correlations[:, k] = np.where(own > 1e-20, shared / np.sqrt(np.maximum(own, 1e-20)), np.nan)
    return correlations


def _defined_mean(pairs_R: Array) -> Array:
    """(R,): over the pairs that have a correlation; a member without error has none."""
    there = ~np.isnan(pairs_R)
    count = there.sum(axis=1)
    return np.where(
        count > 0, np.where(there, pairs_R, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan
    )


def _members(members_M: ArrayLike) -> Array:
    x = np.asarray(members_M, dtype=np.float64)
    if x.ndim < 1 or not len(x):
        raise DataError("there is no member; give (members, ...)")
    return x
