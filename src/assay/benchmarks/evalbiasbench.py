"""EvalBiasBench (arXiv:2407.06551): is the right response scored above one that a bias prefers?

80 pairs of six biases: length, concreteness, empty references, continued content, nested
instructions and familiar knowledge. Accuracy over all pairs, and over each bias.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from assay.benchmarks import _chosen as chosen
from assay.data import fields
from assay.stats import Estimate
from assay.types import Ranking, Score, Unscored

__all__ = ["EvalBiasBench"]


@dataclass(frozen=True, kw_only=True)
class EvalBiasBench:
    """Accuracy on the pairs of EvalBiasBench, in all and by bias.

    Equal scores win nothing. Ids are the bias and the row's number.
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
        """`accuracy`, and that of each bias."""
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
    bias = fields.text(row, "bias").replace(" ", "_")
    return chosen.pair(row, ("response1", "response2"), "label", (1, 2), subset=bias)
