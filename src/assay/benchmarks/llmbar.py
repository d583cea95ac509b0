"""LLMBar (arXiv:2310.07641): is the response that follows the instruction scored above one that
does not, even where the other is the more polished?

`score` is the mean of the accuracies on Natural and on the four adversarial sets, `adversarial`
that of the four. Where none of these is there (as for the case studies), `score` is the mean of the
sets that are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from assay.benchmarks import _chosen as chosen
from assay.stats import Estimate
from assay.types import Ranking, Score, Unscored

__all__ = ["LLMBar"]

NATURAL: Final = "Natural"
ADVERSARIAL: Final = ("Neighbor", "GPTInst", "GPTOut", "Manual")


@dataclass(frozen=True, kw_only=True)
class LLMBar:
    """Accuracy on the instances of LLMBar, by set.

    Equal scores win nothing; the benchmark's own programs, which ask in both orders, count a rating
    that ties as wrong in one of them. A set is the file, named as here (Natural.json,
    LLMBar_Adversarial_Manual.json) or after its folder, as published
    (Adversarial/Manual/dataset.json). Ids are the set and the row's number.
    """

    data: tuple[str, ...] = ()
    """The benchmark's files, one for each set."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of pairs with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "score"

    def records(self) -> list[Ranking]:
        """One a pair, in the order of its row."""
        return chosen.read(self.data, "input", _judged, named=_set_of)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`score`, `adversarial`, and each set's accuracy."""
        there = list(dict.fromkeys(str(record.prompt.meta["subset"]) for record in records))
        hard = [name for name in ADVERSARIAL if name in there]
        easy = [NATURAL] if NATURAL in there else []
        return chosen.accuracies(
            records,
            scores,
            self.unscored,
            counted=lambda record: chosen.by_subset(record)[1:],
            over={
                self.headline: [*easy, *hard] or there,
                **({"adversarial": hard} if hard else {}),
            },
            resamples=self.resamples,
            seed=self.seed,
        )

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the right responses score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    return chosen.pair(row, ("output_1", "output_2"), "label", (1, 2))


def _set_of(path: str) -> str:
    stem = Path(path).name.split(".")[0]
    stem = Path(path).parent.name if stem == "dataset" else stem
    return next((name for name in (NATURAL, *ADVERSARIAL) if stem.endswith(name)), stem)
