"""Use a judge of pairs as a scorer of responses, and a scorer as a judge of pairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from assay.errors import ConfigError, DataError
from assay.fingerprint import ByContent
from assay.judges.tournament import How, tournament
from assay.protocols import Judge, Scorer
from assay.questions import Comparison
from assay.types import Group, Score, Unscored

__all__ = ["ScoringJudge", "TournamentScorer", "as_judge", "as_scorer", "pair_temperature"]


@dataclass(frozen=True)
class TournamentScorer:
    """A `Scorer` that lets the responses of each group play a tournament."""

    judge: Judge
    calls: int
    """Most comparisons per group."""
    how: How = "bradley-terry"
    seed: int = 0

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order; see `tournament`."""
        return tournament(self.judge, groups, calls=self.calls, how=self.how, seed=self.seed)


def as_scorer(
    judge: Judge, *, calls: int, how: How = "bradley-terry", seed: int = 0
) -> TournamentScorer:
    """Score responses by at most so many comparisons per group (`tournament`)."""
    if calls < 1:
        raise ConfigError(f"calls is {calls}; it must be at least 1")
    return TournamentScorer(judge, calls, how, seed)


@dataclass(frozen=True)
class ScoringJudge:
    """A `Judge` that compares two responses by their scores."""

    scorer: Scorer
    how: Literal["sigmoid", "strict"] = "sigmoid"
    """P(first is better) = σ(scale (s₁ - s₂)) with no tie, or the higher score with certainty."""
    scale: float = 1.0
    """Log-odds per unit of score, where the sigmoid is taken: 1 of a Bradley-Terry reward."""
    margin: float = 0.0
    """Largest difference of scores that is a tie, where the higher one wins; MT-Bench has 0.1."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        if not (self.scale > 0 and self.margin >= 0):
            raise ConfigError(
                f"scale is {self.scale} and margin {self.margin}; they must be > 0 and >= 0"
            )

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """Compare the two responses of each group, in order, without games: scores have no order.

        `Unscored` where one of them has no score. Raises `DataError` for a group of another size.
        """
        for pair in pairs:
            if len(pair.responses) != 2:
                raise DataError(
                    f"prompt {pair.prompt.id!r} has {len(pair.responses)} responses; a judge of"
                    " pairs compares 2"
                )
        return [self._compared(*scores) for scores in self.scorer.score(pairs)]

    def _compared(self, a: Score | Unscored, b: Score | Unscored) -> Comparison | Unscored:
        if isinstance(a, Unscored):
            return a
        if isinstance(b, Unscored):
            return b
        ahead = a.value - b.value
        if self.how == "sigmoid":
            return Comparison(prefer=0.5 + 0.5 * math.tanh(self.scale * ahead / 2))
        if abs(ahead) <= self.margin:
            return Comparison(prefer=0.5, tie=1.0)
        return Comparison(prefer=float(ahead > 0))


def as_judge(
    scorer: Scorer,
    *,
    how: Literal["sigmoid", "strict"] = "sigmoid",
    scale: float | None = None,
    margin: float = 0.0,
) -> ScoringJudge:
    """Compare pairs by a scorer's scores: by the sigmoid of their difference, or strictly, where
    differences up to the margin are ties.

    scale: log-odds per unit of score; None takes that of a reward model's calibration, or 1.
    """
    if scale is None:
        scale = 1 / pair_temperature(scorer) if how == "sigmoid" else 1.0
    return ScoringJudge(scorer, how, scale, margin)


def pair_temperature(scorer: Scorer) -> float:
    """Return what differences of a scorer's scores are divided by for log-odds: what was fitted for
    a reward model, 1 for any other."""
    model = getattr(scorer, "model", None)
    return float(getattr(model, "pair_temperature", 1.0))
