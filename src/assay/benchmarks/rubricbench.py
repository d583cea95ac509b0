"""RubricBench: is the response that experts prefer, by a rubric of theirs for the question, scored
above the other?

Accuracy over all pairs, and over each domain. A judge of rubrics finds the experts' criteria in the
prompt, one point each; other scorers do not see them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from assay.benchmarks import _chosen as chosen
from assay.data import fields
from assay.data.rubrics.layouts import KEY
from assay.stats import Estimate
from assay.types import Ranking, Score, Unscored

__all__ = ["RubricBench"]


@dataclass(frozen=True, kw_only=True)
class RubricBench:
    """Accuracy on the pairs of RubricBench, in all and by domain.

    Equal scores win nothing. Ids are the domain and the case's own.
    """

    data: tuple[str, ...] = ()
    """The benchmark's file."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of pairs with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "accuracy"

    def records(self) -> list[Ranking]:
        """One a pair, in the order of its row."""
        return chosen.read(self.data, "instruction", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`accuracy`, and that of each domain."""
        return chosen.accuracies(
            records, scores, self.unscored, resamples=self.resamples, seed=self.seed
        )

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the right responses score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    lines = [line.strip() for line in fields.text(row, "rubrics").splitlines()]
    rubric = [{"criterion": line, "points": 1} for line in lines if line]
    return chosen.pair(
        row,
        ("response_a", "response_b"),
        "label",
        (0, 1),
        subset=fields.text(row, "domain"),
        id=str(fields.value(row, "case_id")),
        more={KEY: rubric} if rubric else {},
    )
