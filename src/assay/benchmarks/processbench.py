"""ProcessBench (arXiv:2412.06559): is the first wrong step of a maths solution found, and are right
ones left alone?

A subset's F1 is the harmonic mean of two accuracies, 2ab/(a + b): a, the share of the wrong
solutions whose first wrong step is found exactly, and b, the share of the right ones in which no
step is called wrong. It is not the F1 of precision and recall, which is far higher. `f1` is the
unweighted mean over the subsets.

A scorer finds the first step that it scores below a threshold. Where the threshold comes from is
part of the result: models trained on labelled steps use their own decision; the paper gives models
of scalar scores the threshold that maximises F1 on the GSM8K subset, and so the F1 of that subset
is then a fit, not a test.

Left out: majority votes over several critiques, which are a scorer's affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from assay.benchmarks import _baselines as _baselines
from assay.benchmarks import _first_error as first_error
from assay.benchmarks import _records
from assay.benchmarks._pooled import harmonic, over
from assay.data.formats.processbench import ProcessBench as Layout
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Score, StepLabels, Unscored

__all__ = ["ProcessBench"]


@dataclass(frozen=True, kw_only=True)
class ProcessBench:
    """First-error F1 on ProcessBench: the mean over subsets, and each subset's with its two
    accuracies.

    Ids are the files' own, such as gsm8k-12, and name the subset.
    """

    data: tuple[str, ...] = ()
    """The benchmark's files (gsm8k.json and the others), a folder of them, or its splits on the
    hub."""
    policy: Literal["own", "tuned"] = "own"
    """The threshold as given, or the one with the best F1 on `tune_on`, reused on the other
    subsets."""
    threshold: float = 0.5
    """A step scored below it is called wrong (policy own): one half for probabilities, 0 for
    logits."""
    tune_on: str = "gsm8k"
    """Subset that the threshold is tuned on (policy tuned)."""
    unscored: first_error.OnUnscored = "leave_out"
    """Treatment of unscored responses: left out, or counted as missed, as the paper does with
    critiques that do not parse."""
    resamples: int = 2000
    """Bootstrap resamples, by problem."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "f1"

    def records(self) -> list[StepLabels]:
        """One a row, with its subset."""
        return _records.read(self.data, Layout(), _identify)

    def metrics(
        self, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`f1`, `accuracy_wrong` and `accuracy_right`, their subsets', and the threshold.

        With a tuned threshold the intervals are those at that threshold: they do not hold the
        tuning's own noise.
        """
        if self.policy == "own":
            t = Estimate(value=self.threshold, low=self.threshold, high=self.threshold, n=0)
        else:
            t = self._tuned(records, scores)
        counts = first_error.count(records, scores, t.value, self.unscored)
        accuracy = {
            name: first_error.ACCURACY[name] for name in ("accuracy_wrong", "accuracy_right")
        }
        found = first_error.by_subset(
            counts, {"f1": first_error.F1, **accuracy}, resamples=self.resamples, seed=self.seed
        )
        return {**found, "threshold": t}

    def baselines(self, records: Sequence[StepLabels]) -> dict[str, Estimate]:
        """Never an error, always the first step, the commonest place, a random one; a constant
        answer has F1 0."""
        own = replace(self, policy="own", threshold=0.5)
        found = _baselines.measured(own.metrics, records, _baselines.places(records, self.seed))
        return {
            name: estimate for name, estimate in found.items() if not name.startswith("threshold/")
        }

    def validate(self, records: Sequence[StepLabels] | None = None) -> None:
        """Raises `DataError` unless the gold labels score 1 and planted wrong ones less."""
        _baselines.validate(
            self.metrics, self.records() if records is None else records, self.headline
        )

    def _tuned(
        self, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
    ) -> Estimate:
        """The threshold of the best F1 on one subset, the lowest of several.

        Without an interval: the place of a maximum moves in steps, and its bootstrap holds the
        truth 86 % of the time.
        """
        values = _records.step_values(records, scores)
        mine = [
            i
            for i, record in enumerate(records)
            if record.prompt.meta.get("subset") == self.tune_on
        ]
        known = [(records[i], steps) for i in mine if (steps := values[i]) is not None]
        if not known:
            there = ", ".join(sorted({str(record.prompt.meta.get("subset")) for record in records}))
            raise DataError(
                f"no scored response of the subset {self.tune_on!r} to tune on; there is {there}"
            )
        places = _candidates([steps for _, steps in known])
        hit = first_error.hits(
            [record for record, _ in known], [steps for _, steps in known], places
        )
        wrong = np.array([_records.error_place(record) != _records.NEVER for record, _ in known])
        if wrong.all() or not wrong.any():
            raise DataError(
                f"the subset {self.tune_on!r} has not both right and wrong solutions; F1 needs both"
                " to tune"
            )
        a = over(hit[wrong].sum(axis=0), wrong.sum())
        b = over(hit[~wrong].sum(axis=0), (~wrong).sum())
        value = float(places[np.argmax(np.nan_to_num(harmonic(a, b)))])
        prompts = {cluster_key(record) for record, _ in known}
        return Estimate(
            value=value, low=np.nan, high=np.nan, n=len(prompts), unscored=len(mine) - len(known)
        )


def _identify(record: StepLabels, stem: str, place: str) -> tuple[str, str]:
    id = record.prompt.id
    return id, id.rpartition("-")[0] or stem


def _candidates(values: Sequence[Array]) -> Array:
    """Thresholds that differ in what they find: halfway between the running minima, and beyond both
    ends."""
    x = np.unique(np.concatenate([np.minimum.accumulate(steps) for steps in values]))
    return np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, [np.nextafter(x[-1], np.inf)]])
