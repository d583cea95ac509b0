"""JudgeBench (arXiv:2410.12784): is the right response to a hard question scored above the wrong
one?

Accuracy over all pairs, and over each of four kinds of question. A scorer of single responses says
the same of both orders of a pair, and one that scores them equal is right of none, as in the
benchmark's own code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from assay.benchmarks import _chosen as chosen
from assay.data import fields
from assay.stats import Estimate
from assay.types import Ranking, Score, Unscored

__all__ = ["JudgeBench"]

KINDS: Final = {
    "mmlu-pro": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "mathematics",
    "livecodebench": "coding",
}
"""Kinds of question, by how the names of their sources begin."""


@dataclass(frozen=True, kw_only=True)
class JudgeBench:
    """Accuracy on the pairs of JudgeBench, in all and by kind of question.

    Equal scores win nothing. Ids are the kind and the pair's own.
    """

    data: tuple[str, ...] = ()
    """The benchmark's files, one for each model that wrote the responses, or a folder of them."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of pairs with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by question."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "accuracy"

    def records(self) -> list[Ranking]:
        """One a pair."""
        return chosen.read(self.data, "question", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`accuracy`, and that of each kind."""
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
    source = fields.text(row, "source")
    return chosen.pair(
        row,
        ("response_A", "response_B"),
        "label",
        ("A>B", "B>A"),
        subset=next((kind for start, kind in KINDS.items() if source.startswith(start)), source),
        id=fields.text(row, "pair_id"),
    )
