"""MR-Ben (arXiv:2406.13975): is a model's solution right, and if it is not, where does it first go
wrong?

MR-Score = .2 max(0, MCC) + .3 accuracy of the first error + .5 accuracy of its explanation, where
MCC is the Matthews correlation of "the solution is right" and the accuracies are over the wrong
solutions. Step scores explain nothing, so what is given here is the rest of it,
`mr_score_without_reason` = .4 max(0, MCC) + .6 accuracy of the first error: it cannot be compared
with published MR-Scores, but its two parts can. Means over subjects are unweighted, as published.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from assay.benchmarks import _baselines as _baselines
from assay.benchmarks import _first_error as first_error
from assay.benchmarks import _records
from assay.benchmarks._pooled import Statistic
from assay.data.formats.mrben import MRBen as Layout
from assay.stats import Estimate
from assay.types import Score, StepLabels, Unscored

__all__ = ["MRBen"]

LOCATED = first_error.ACCURACY["accuracy_wrong"]
WITHOUT_REASON = Statistic(
    formula=lambda c: 0.4 * np.maximum(0.0, first_error.MCC.formula(c)) + 0.6 * LOCATED.formula(c),
    base=first_error.MCC.base,
    parts=first_error.MCC.parts,
)


@dataclass(frozen=True, kw_only=True)
class MRBen:
    """Matthews correlation and first-error accuracy on MR-Ben, by subject.

    Ids are the question's, the solution's model and its place in the file. Nine solutions number no
    step of theirs, or several, as the one with the error: reading the public files needs
    `--unreadable leave_out`.
    """

    data: tuple[str, ...] = ()
    """The subjects' files, or a folder of them; a file's name is its subject."""
    threshold: float = 0.5
    """A step scored below it is called wrong: one half for probabilities, 0 for logits."""
    unscored: first_error.OnUnscored = "leave_out"
    """Treatment of unscored responses: left out, or counted as missed."""
    unreadable: _records.Unreadable = "refuse"
    """What to do with rows that cannot be read: refuse the file, or leave them out with a
    warning."""
    resamples: int = 2000
    """Bootstrap resamples, by question."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "mr_score_without_reason"

    def records(self) -> list[StepLabels]:
        """One a solution, with its subject as the subset."""
        return _records.read(self.data, Layout(), _identify, self.unreadable)

    def metrics(
        self, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """The score without its reason, `mcc`, and the accuracies on wrong and right solutions; by
        subject too."""
        counts = first_error.count(records, scores, self.threshold, self.unscored)
        accuracy = {
            name: first_error.ACCURACY[name] for name in ("accuracy_wrong", "accuracy_right")
        }
        asked = {self.headline: WITHOUT_REASON, "mcc": first_error.MCC, **accuracy}
        return first_error.by_subset(counts, asked, resamples=self.resamples, seed=self.seed)

    def baselines(self, records: Sequence[StepLabels]) -> dict[str, Estimate]:
        """Never an error, always the first step, the commonest place, a random one."""
        own = replace(self, threshold=0.5)
        return _baselines.measured(own.metrics, records, _baselines.places(records, self.seed))

    def validate(self, records: Sequence[StepLabels] | None = None) -> None:
        """Raises `DataError` unless the gold labels score 1 and planted wrong ones less."""
        _baselines.validate(
            self.metrics, self.records() if records is None else records, self.headline
        )


def _identify(record: StepLabels, stem: str, place: str) -> tuple[str, str]:
    return f"{record.prompt.id}/{record.response.meta['model']}/{place}", stem
