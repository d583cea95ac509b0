"""A scorer whose step scores are put together in another way than it does itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.aggregation import Aggregation, aggregate
from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.protocols import Scorer
from assay.types import Group, Score, Unscored

__all__ = ["Aggregated"]


@dataclass(frozen=True)
class Aggregated:
    """The scorer's step scores, aggregated as asked for: whatever uses the score uses this one."""

    scorer: Scorer
    how: Aggregation

    fingerprint = ByContent()

    @property
    def tokens_read(self) -> int | None:
        """What the scorer has read; None where it does not count."""
        return getattr(self.scorer, "tokens_read", None)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order. Raises `ConfigError` where the scorer gives no step
        scores."""
        return [[self._one(score) for score in row] for row in self.scorer.score(groups)]

    def _one(self, score: Score | Unscored) -> Score | Unscored:
        if isinstance(score, Unscored):
            return score
        if not score.steps:
            raise ConfigError(
                f"{type(self.scorer).__name__} gives no step scores, and there is nothing to"
                f" aggregate by {self.how}; leave the aggregation out, or give a process model"
            )
        return score.model_copy(update={"value": aggregate(score.steps, self.how)})
