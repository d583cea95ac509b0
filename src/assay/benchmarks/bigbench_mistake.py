"""BIG-Bench Mistake (arXiv:2311.08516): where is the first mistake of a chain of thought, if there
is one?

Accuracy is the share of chains whose first mistake, or lack of one, is found exactly. Most chains
of four of the five tasks have a mistake, so the accuracies on chains with and without one stand
beside it, and their harmonic mean, which no constant answer wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from assay.benchmarks import _baselines as _baselines
from assay.benchmarks import _first_error as first_error
from assay.benchmarks import _records
from assay.data.formats.bigbench_mistake import BIGBenchMistake as Layout
from assay.stats import Estimate
from assay.types import Score, StepLabels, Unscored

__all__ = ["BIGBenchMistake"]


@dataclass(frozen=True, kw_only=True)
class BIGBenchMistake:
    """Mistake-finding accuracy on BIG-Bench Mistake, by task.

    Ids are the task and the row's place in its file, from 0, such as word_sorting-12.
    """

    data: tuple[str, ...] = ()
    """The tasks' files, or a folder of them; a file's name is its task."""
    threshold: float = 0.5
    """A step scored below it is called wrong: one half for probabilities, 0 for logits."""
    unscored: first_error.OnUnscored = "leave_out"
    """Treatment of unscored responses: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by question."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "accuracy"

    def records(self) -> list[StepLabels]:
        """One a chain, with its task as the subset."""
        return _records.read(self.data, Layout(), _identify)

    def metrics(
        self, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`accuracy`, on chains with and without a mistake too, and `f1`, their harmonic mean; by
        task too."""
        counts = first_error.count(records, scores, self.threshold, self.unscored)
        asked = {**first_error.ACCURACY, "f1": first_error.F1}
        return first_error.by_subset(counts, asked, resamples=self.resamples, seed=self.seed)

    def baselines(self, records: Sequence[StepLabels]) -> dict[str, Estimate]:
        """Never a mistake, always the first step, the commonest place, a random one."""
        own = replace(self, threshold=0.5)
        return _baselines.measured(own.metrics, records, _baselines.places(records, self.seed))

    def validate(self, records: Sequence[StepLabels] | None = None) -> None:
        """Raises `DataError` unless the gold labels score 1 and planted wrong ones less."""
        _baselines.validate(
            self.metrics, self.records() if records is None else records, self.headline
        )


def _identify(record: StepLabels, stem: str, place: str) -> tuple[str, str]:
    return f"{stem}-{place}", stem
