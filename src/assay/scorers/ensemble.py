"""Several scorers as one, and whether they err alike.

    mean           (1/M) Σ_m z_m
    worst          min_m z_m                              WCO (arXiv:2310.02743)
    uncertainty    mean - weight (1/M) Σ_m (z_m - mean)²   UWO (the same; ddof 0)

z_m is member m's score in units of its own mean and standard deviation, for members differ in scale
by their seeds and the worst case would be the one with the largest. An ensemble helps against what
its members disagree about; an error that all of them make survives it (arXiv:2312.09244): see
`agreement`.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from assay.errors import ConfigError, DataError
from assay.fingerprint import ByContent
from assay.protocols import Scorer
from assay.stats import Estimate, summarise
from assay.stats.intervals import percentiles, resample_weights, widened
from assay.types import Group, Score, Unscored

__all__ = ["Agreement", "Ensemble", "Standard", "Standards", "agreement", "standards"]

Array = NDArray[np.float64]
Members = Sequence[Scorer] | Mapping[str, Scorer]

NEAR_ONE: Final = 0.9
"""A mean correlation from which on an ensemble is hardly more than one of its members."""


@dataclass(frozen=True, kw_only=True)
class Standard:
    """What is taken off a member's scores, and what they are then divided by."""

    mean: float = 0.0
    std: float = 1.0
    n: int = 0
    """Responses behind it."""
    step_mean: float | None = None
    """The same of its step scores; None where it has none, and then the ensemble has none."""
    step_std: float | None = None


@dataclass(frozen=True, kw_only=True)
class Standards:
    """One standard a member, and where they are from."""

    of: tuple[Standard, ...]
    source: Literal["reference samples", "training records", "none"]

    @classmethod
    def none(cls, members: int) -> "Standards":
        """Scores stay as they are: of members on one scale, such as probabilities of being
        right."""
        return cls(of=(Standard(step_mean=0.0, step_std=1.0),) * members, source="none")


@dataclass(frozen=True)
class Ensemble:
    """Members' scores, standardised and put together; `Score.std` is their disagreement (standard
    deviation, ddof 0).

    Steps are put together likewise where every member scores them. A response that a member could
    not score is `Unscored`, with the member's name: a mean of those that could would be on another
    scale.
    """

    members: Members
    """Two or more scorers, under names if you like."""
    how: Literal["mean", "worst", "uncertainty"] = "mean"
    weight: float = 0.5
    """Weight of the variance, where `how` is "uncertainty": the paper's 0.5 is for best-of-n, 0.1
    for PPO; 0 is the mean."""
    standards: Standards | None = None
    """By `standards(members, groups)` on samples of the policy. None takes the means and standard
    deviations on their training records that reward models of this library carry; the field then
    holds those, and its `source` says so."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        if self.how not in ("mean", "worst", "uncertainty"):
            raise ConfigError(
                f"no ensemble is made by {self.how!r}; there is mean, worst, uncertainty"
            )
        if not (self.weight >= 0 and np.isfinite(self.weight)):
            raise ConfigError(f"weight is {self.weight}; it must be a number from 0 on")
        named = _named(self.members)
        if self.standards is None:
            object.__setattr__(self, "standards", _of_training(named))
        assert self.standards is not None
        if len(self.standards.of) != len(named):
            raise ConfigError(
                f"{len(self.standards.of)} standards for {len(named)} members; give one a member"
            )

    @property
    def tokens_read(self) -> int | None:
        """What the members have read together; None where one does not count."""
        counts = [getattr(member, "tokens_read", None) for member in _named(self.members).values()]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        named = _named(self.members)
        said = [member.score(groups) for member in named.values()]
        return [
            [self._one([*named], scores) for scores in zip(*rows, strict=True)]
            for rows in zip(*said, strict=True)
        ]

    def _one(self, names: Sequence[str], said: Sequence[Score | Unscored]) -> Score | Unscored:
        scores = [score for score in said if isinstance(score, Score)]
        if len(scores) < len(said):
            failed = [
                f"{name}: {s.reason}"
                for name, s in zip(names, said, strict=True)
                if isinstance(s, Unscored)
            ]
            return Unscored(reason="; ".join(failed))
        assert self.standards is not None
        pairs = [*zip(scores, self.standards.of, strict=True)]
        values_M = np.array([(score.value - of.mean) / of.std for score, of in pairs])
        steps: list[float] = []
        if len({len(score.steps) for score in scores}) == 1 and scores[0].steps:
            rows = [
                (np.array(score.steps) - of.step_mean) / of.step_std
                for score, of in pairs
                if of.step_mean is not None and of.step_std is not None
            ]
            steps = self._together(np.array(rows)).tolist() if len(rows) == len(pairs) else []
        return Score(
            value=float(self._together(values_M)), steps=tuple(steps), std=float(values_M.std())
        )

    def _together(self, members_M: Array) -> Array:
        """(M, ...) -> (...)."""
        if self.how == "worst":
            return np.asarray(members_M.min(axis=0))
        mean = members_M.mean(axis=0)
        if self.how == "mean" or self.weight == 0:
            return np.asarray(mean)
        return np.asarray(mean - self.weight * members_M.var(axis=0))


def standards(members: Members, groups: Sequence[Group]) -> Standards:
    """Each member's mean and standard deviation (ddof 0) on the same reference samples, best the
    sampling policy's.

    What a member could not score is left out. Raises `DataError` for a member that scores none of
    them, or all alike.
    """
    return Standards(
        of=tuple(_standard(name, member.score(groups)) for name, member in _named(members).items()),
        source="reference samples",
    )


def _standard(name: str, said: Sequence[Sequence[Score | Unscored]]) -> Standard:
    scores = [score for row in said for score in row if isinstance(score, Score)]
    if not scores:
        raise DataError(f"{name} has no score of any reference sample; it cannot be standardised")
    values, steps = (
        np.array([s.value for s in scores]),
        np.array([x for s in scores for x in s.steps]),
    )
    if _flat(values):
        raise DataError(
            f"{name} scores all {len(values)} reference samples alike; it cannot be standardised"
        )
    found = Standard(mean=float(values.mean()), std=float(values.std()), n=len(values))
    if not all(s.steps for s in scores) or _flat(steps):
        return found
    return Standard(
        **vars(found) | {"step_mean": float(steps.mean()), "step_std": float(steps.std())}
    )


def _flat(values: Array) -> bool:
    return bool(values.std() <= 1e-12 * max(1.0, abs(values.mean())))


def _of_training(named: Mapping[str, Scorer]) -> Standards:
    """What reward models carry of their scores on the training records."""
    found = []
    for name, member in named.items():
        model: Any = getattr(member, "model", None)
        scores = getattr(model, "scores", None)
        if scores is None or not scores.std > 0:
            raise ConfigError(
                f"{name} carries no mean and spread of its training scores; give"
                " standards=standards(members, groups) on samples of the policy, or"
                f" Standards.none({len(named)}) where all members score on one scale (on the"
                " command line, standard=none behind the members)"
            )
        # Where a response's score is not its last step's, nothing is known of the steps' scale.
        last = model.readout.aggregate == "last" and model.readout.steps == "value"
        step = {"step_mean": scores.mean, "step_std": scores.std} if last else {}
        found.append(Standard(mean=scores.mean, std=scores.std, n=scores.n, **step))
    return Standards(of=tuple(found), source="training records")


def _named(members: Members) -> Mapping[str, Scorer]:
    if isinstance(members, Mapping):
        named = dict(members)
    else:
        named = {
            f"member {i} ({type(member).__name__})": member for i, member in enumerate(members)
        }
    if len(named) < 2:
        raise ConfigError(f"an ensemble of {len(named)} cannot disagree; give two or more members")
    return named


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Pairwise correlations within prompts: of the members' errors, or of their scores where there
    is no gold."""

    pairs: Mapping[tuple[str, str], Estimate]
    mean: Estimate
    """Over the pairs."""
    of: Literal["errors", "scores"]

    @property
    def alike(self) -> bool:
        """Whether the members are nearly one."""
        return self.mean.value >= NEAR_ONE

    @property
    def words(self) -> str:
        """What it means."""
        line = f"the members' {self.of} correlate {summarise(self.mean, 2)} on average"
        if not self.alike:
            return line
        if self.of == "errors":
            return (
                f"{line}: they err alike, so an ensemble of them protects hardly better than one of"
                " them"
            )
        return (
            f"{line}: they say the same, right or wrong; an ensemble of them is hardly more than"
            " one of them"
        )


def agreement(
    members: Members,
    groups: Sequence[Group],
    gold: Scorer | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Agreement:
    """How alike members err, with 95 % intervals bootstrapped by prompt; warns where it is nearly 1
    (arXiv:2312.09244).

    A member's error is what is left of its score after regression, within prompts, on gold, so that
    the correlation is the partial one given gold. Without gold it is that of the scores, which
    cannot tell a shared error from shared truth. Responses that one of them did not score are left
    out, and prompts with fewer than two others.
    """
    named = _named(members)
    scorers = [*named.values(), *([gold] if gold is not None else [])]
    products, unscored = [], 0
    for rows in zip(*(scorer.score(groups) for scorer in scorers), strict=True):
        columns = [
            [s.value for s in column if isinstance(s, Score)]
            for column in zip(*rows, strict=True)
            if all(isinstance(s, Score) for s in column)
        ]
        unscored += len(rows[0]) - len(columns)
        if len(columns) > 1:
            x_N_K = np.array(columns)
            x_N_K = x_N_K - x_N_K.mean(axis=0)
            products.append(x_N_K.T @ x_N_K)
    if not products:
        raise DataError(
            "no prompt has two responses that all members and gold have scored; give larger groups"
        )
    products_P = np.array(products)
    who = [*named, *(["gold"] if gold is not None else [])]
    for i, total in enumerate(np.diagonal(products_P.sum(axis=0))):
        if total <= 0:
            raise DataError(
                f"{who[i]} scores the responses to each prompt alike; nothing correlates with it"
            )
    names = [(a, b) for i, a in enumerate(named) for b in [*named][i + 1 :]]
    values = _correlations(products_P.sum(axis=0)[None], len(named))[0]
    draws = np.concatenate(
        [
            _correlations(np.tensordot(weights, products_P, 1), len(named))
            for weights in resample_weights(len(products_P), resamples, seed)
        ]
    )

    def told(value: Any, drawn_R: Array) -> Estimate:
        # Fisher's scale keeps the ends inside -1 and 1; one prompt alone has no interval.
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.tanh(widened(np.arctanh(drawn_R), np.arctanh(value), len(products_P), 0.95))
        low, high = percentiles(spread, 0.95)
        return Estimate(
            value=float(value),
            low=float(low),
            high=float(high),
            n=len(products_P),
            unscored=unscored,
        )

    found = Agreement(
        pairs={pair: told(values[k], draws[:, k]) for k, pair in enumerate(names)},
        mean=told(values.mean(), draws.mean(axis=1)),
        of="scores" if gold is None else "errors",
    )
    if found.alike:
        warnings.warn(found.words, stacklevel=2)
    return found


def _correlations(products_R_K_K: Array, members: int) -> Array:
    """(R, pairs): correlations of the members, given a last column that is gold's where there is
    one."""
    left = products_R_K_K[:, :members, :members]
    if products_R_K_K.shape[1] > members:
        with_gold = products_R_K_K[:, :members, -1]
        of_gold = products_R_K_K[:, -1, -1]
        with np.errstate(divide="ignore", invalid="ignore"):
            left = left - with_gold[:, :, None] * with_gold[:, None, :] / of_gold[:, None, None]
    own = np.diagonal(left, axis1=1, axis2=2)
    # What is left of a member that is a multiple of gold is rounding, and has no correlation.
    own = np.where(
        own > 1e-12 * np.diagonal(products_R_K_K, axis1=1, axis2=2)[:, :members], own, np.nan
    )
    first, second = np.triu_indices(members, 1)
    return np.asarray(left[:, first, second] / np.sqrt(own[:, first] * own[:, second]))
