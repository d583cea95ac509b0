"""Several scorers as one, and whether they err alike.

The combinations (mean, worst, uwo) are those of `assay.stats.ensembles`, of scores in units of each
member's own mean and standard deviation: members differ in scale by their seeds, and the worst case
would be the one with the largest. An ensemble helps against what
its members disagree about; an error that all of them make survives it (arXiv:2312.09244): see
`agreement`.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.errors import ConfigError, DataError
from assay.fingerprint import ByContent
from assay.protocols import Scorer
from assay.stats import Estimate, ensembles
from assay.types import Group, Score, Unscored

__all__ = ["Agreement", "Ensemble", "Standard", "Standards", "agreement", "standards"]

Array = NDArray[np.float64]
Members = Sequence[Scorer] | Mapping[str, Scorer]


@dataclass(frozen=True, kw_only=True)
class Standard:
    """Mean and standard deviation that a member's scores are standardised by."""

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
    how: Literal["mean", "worst", "uwo", "uncertainty"] = "mean"
    """Combination of the members' scores; "uncertainty" is the earlier name of "uwo"."""
    weight: float = 0.5
    """Weight of the variance, where `how` is "uwo": the paper's 0.5 is for best-of-n, 0.1
    for PPO; 0 is the mean."""
    standards: Standards | None = None
    """By `standards(members, groups)` on samples of the policy. None takes the means and standard
    deviations on their training records that reward models of this library carry; the field then
    holds those, and its `source` says so."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        ensembles.how_of(self.how)
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
        """Tokens that the members have read together; None where one does not count."""
        counts = [getattr(member, "tokens_read", None) for member in _named(self.members).values()]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score per response, in order."""
        named = _named(self.members)
        scored = [member.score(groups) for member in named.values()]
        return [
            [self._one([*named], scores) for scores in zip(*rows, strict=True)]
            for rows in zip(*scored, strict=True)
        ]

    def _one(self, names: Sequence[str], given: Sequence[Score | Unscored]) -> Score | Unscored:
        scores = [score for score in given if isinstance(score, Score)]
        if len(scores) < len(given):
            failed = [
                f"{name}: {s.reason}"
                for name, s in zip(names, given, strict=True)
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
        return ensembles.combine(members_M, ensembles.how_of(self.how), self.weight)


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


def _standard(name: str, rows: Sequence[Sequence[Score | Unscored]]) -> Standard:
    scores = [score for score in chain.from_iterable(rows) if isinstance(score, Score)]
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
    """Standards from the training scores that reward models carry."""
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
    """Mean over the pairs."""
    of: Literal["errors", "scores"]

    @property
    def alike(self) -> bool:
        """True where the members are nearly one."""
        return self.mean.value >= ensembles.ALIKE

    words: str
    """The result in plain words."""


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
    rows = [scorer.score(groups) for scorer in scorers]
    longest = max(len(group.responses) for group in groups)
    scores_K_P_N = np.full((len(scorers), len(groups), longest), np.nan)
    for k, scored in enumerate(rows):
        for p, row in enumerate(scored):
            values = [s.value if isinstance(s, Score) else np.nan for s in row]
            scores_K_P_N[k, p, : len(row)] = values
    there_P_N = ~np.isnan(scores_K_P_N).any(axis=0)
    result = ensembles.error_correlation(
        scores_K_P_N[: len(named)],
        None if gold is None else scores_K_P_N[-1],
        against="nothing" if gold is None else "gold",
        names=[*named],
        resamples=resamples,
        seed=seed,
        # Groups differ in size: what is beyond one's end was not left out.
        unscored=sum(len(group.responses) for group in groups) - int(there_P_N.sum()),
    )
    if result.shared:
        warnings.warn(result.words, stacklevel=2)
    names = [*named]
    return Agreement(
        pairs={(names[p.first], names[p.second]): p.correlation for p in result.pairs},
        mean=result.mean,
        of="scores" if gold is None else "errors",
        words=result.words,
    )
