"""A cautious scorer: its score less its doubt."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.protocols import Scorer
from assay.types import Group, Score, Unscored

__all__ = ["LowerBound"]


@dataclass(frozen=True)
class LowerBound:
    """value - k * std, where an ensemble's members disagree by std: where they do, the score is not
    to be trusted (arXiv:2310.02743)."""

    scorer: Scorer
    k: float = 1.0
    """How many standard deviations; 0 changes nothing."""

    fingerprint = ByContent()

    @property
    def tokens_read(self) -> int | None:
        """What the scorer has read; None where it does not count."""
        return getattr(self.scorer, "tokens_read", None)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order. Raises `ConfigError` where the scorer does not say how
        sure it is."""
        return [[self._one(score) for score in row] for row in self.scorer.score(groups)]

    def _one(self, score: Score | Unscored) -> Score | Unscored:
        if isinstance(score, Unscored):
            return score
        if score.std is None:
            raise ConfigError(
                f"{type(self.scorer).__name__} does not say how sure it is (Score.std): it has no"
                " lower bound; give an ensemble"
            )
        return score.model_copy(update={"value": score.value - self.k * score.std})
