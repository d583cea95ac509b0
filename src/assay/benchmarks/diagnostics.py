"""What step scores look like, on any step-labelled records: four questions that one accuracy hides.

* Does the lowest score fall on the last step? A process model that has degenerated to an outcome
  model puts it there in half of the responses, one that judges steps in a tenth (arXiv:2501.07301).
* Do the probabilities mean what they say?
* At which steps is it right, and of how many of both kinds? Late steps are judged worse, and where
  most steps are right, accuracy is high for who never sees an error: macro-F1 and AUROC are not.
* Does it see a wrong process behind a right answer, where an outcome model sees nothing?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay import stats
from assay.benchmarks import _baselines as _baselines
from assay.benchmarks import _records
from assay.benchmarks import _two_classes as two
from assay.benchmarks._pooled import estimates
from assay.benchmarks._records import NEVER
from assay.data import io
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array, cluster_ids
from assay.types import Score, StepLabels, Unscored

__all__ = ["Diagnostics"]


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Minimum at the last step, calibration, accuracy by position, and wrong processes with right
    answers.

    Ids are the file's name and the row's place in it, from 0, such as math-12; subsets are the
    files, or what a column `subset` says. The records of another benchmark, with its ids, can be
    measured too.
    """

    data: tuple[str, ...] = ()
    """Files, folders or data sets of the hub that hold step labels."""
    format: str | None = None
    """Format of the data, where its columns do not say it."""
    threshold: float = 0.5
    """A step scored below it is called wrong: one half for probabilities, 0 for logits."""
    probabilities: bool = True
    """Whether scores are probabilities; calibration is left out otherwise."""
    positions: int = 8
    """Steps up to this one have an accuracy each, the last one's with all after it."""
    bins: int = 10
    """Bins of the expected calibration error."""
    resamples: int = 2000
    """Bootstrap resamples, by question."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "step_accuracy"

    def records(self) -> list[StepLabels]:
        """The step labels of the data."""
        layout = None if self.format is None else io.resolve(self.format)
        return _records.read(
            self.data,
            layout,
            lambda record, stem, place: (
                f"{stem}-{place}",
                str(record.prompt.meta.get("subset") or stem),
            ),
        )

    def metrics(
        self, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """The answers to the four questions; unscored counts responses, not steps."""
        values = _records.step_values(records, scores)
        found = {
            **self._accuracy(records, values),
            **self._by_subset(records, values),
            **self._minimum(records, values),
            **self._wrong(records, values),
        }
        return {**found, **self._calibration(records, values)} if self.probabilities else found

    def baselines(self, records: Sequence[StepLabels]) -> dict[str, Estimate]:
        """Never an error, always the first step, the commonest place, a random one; and the base
        rate's Brier score.

        `minimum_at_last/always_right` is the share by chance, for its steps are all tied.
        """
        baselines = _baselines.places(records, self.seed)
        own = Diagnostics(
            probabilities=False, positions=self.positions, resamples=self.resamples, seed=self.seed
        )
        found = _baselines.measured(own.metrics, records, baselines)
        if self.probabilities:
            rows = [np.zeros(len(record.labels)) for record in records]
            _, y, where = _labelled(records, rows)
            base = np.full(len(y), y.mean() if len(y) else 0.5)
            found["step_brier/base_rate"] = stats.brier(
                base, y, clusters=where, **self._sampling(0)
            )
        return found

    def validate(self, records: Sequence[StepLabels] | None = None) -> None:
        """Raises `DataError` unless the gold labels score 1 and planted wrong ones less."""
        _baselines.validate(
            self.metrics, self.records() if records is None else records, self.headline
        )

    def _accuracy(
        self, records: Sequence[StepLabels], values: Sequence[Array | None]
    ) -> dict[str, Estimate]:
        """Accuracy on the labelled steps, in all and by place; a label of exactly one half says
        nothing."""
        x, y, where = _labelled(records, values)
        position = _positions(records, values)
        agrees = ((x >= self.threshold) == (y > 0.5)).astype(np.float64)
        sampling = self._sampling(sum(steps is None for steps in values))
        found = {"step_accuracy": stats.proportion(agrees, clusters=where, **sampling)}
        for k in range(self.positions):
            last = k == self.positions - 1
            here = position >= k if last else position == k
            name = f"step_accuracy_{k + 1}{'_on' if last else ''}"
            found[name] = stats.proportion(agrees[here], clusters=where[here], **sampling)
        return found

    def _by_subset(
        self, records: Sequence[StepLabels], values: Sequence[Array | None]
    ) -> dict[str, Estimate]:
        """Macro-F1 and AUROC of steps and of solutions, in all and, where there are several files,
        of each."""
        subsets = [str(record.prompt.meta.get("subset", "all")) for record in records]
        found = self._classes(records, values)
        for subset in dict.fromkeys(subsets) if len(set(subsets)) > 1 else ():
            here = [i for i, name in enumerate(subsets) if name == subset]
            part = self._classes([records[i] for i in here], [values[i] for i in here])
            found |= {f"{subset}_{name}": estimate for name, estimate in part.items()}
        return found

    def _classes(
        self, records: Sequence[StepLabels], values: Sequence[Array | None]
    ) -> dict[str, Estimate]:
        """A solution is right where no step is wrong, and scores as its lowest step does."""
        decided = [i for i, r in enumerate(records) if _records.known_error(r) is not None]
        right = {i: _records.known_error(records[i]) == NEVER for i in decided}
        lowest = {i: float(v.min()) for i in decided if (v := values[i]) is not None}
        steps, whole = [], []
        for i, record in enumerate(records):
            judged, v = _judged(record), values[i]
            valid = np.array([(record.labels[j] or 0.0) > 0.5 for j in judged], dtype=bool)
            steps.append(two.count(valid, valid if v is None else v[judged] >= self.threshold))
            accepted = i in lowest and lowest[i] >= self.threshold
            whole.append(two.count([right[i]], [accepted]) if i in right else two.count([], []))
        x, y, where = _labelled(records, values)
        unscored = np.array([v is None for v in values])
        clusters = [cluster_key(record) for record in records]

        def macro(counts: list[list[float]]) -> Estimate:
            (found,) = estimates(
                np.array(counts), {"": two.MACRO_F1}, clusters=clusters,
                counted=~unscored, unscored=unscored, resamples=self.resamples, seed=self.seed,
            ).values()  # fmt: skip
            return found

        return {
            "step_macro_f1": macro(steps),
            "step_auroc": stats.auroc(x, y > 0.5, clusters=where, unscored=int(unscored.sum())),
            "solution_macro_f1": macro(whole),
            "solution_auroc": stats.auroc(
                list(lowest.values()),
                [right[i] for i in lowest],
                clusters=[clusters[i] for i in lowest],
                unscored=len(decided) - len(lowest),
            ),
        }

    def _minimum(
        self, records: Sequence[StepLabels], values: Sequence[Array | None]
    ) -> dict[str, Estimate]:
        """Share of the responses of two steps or more whose lowest score is the last; m tied
        steps count 1/m."""
        several = [i for i, record in enumerate(records) if len(record.labels) > 1]
        share = {
            i: float((v == v.min())[-1] / (v == v.min()).sum())
            for i in several
            if (v := values[i]) is not None
        }
        clusters = [cluster_key(records[i]) for i in share]
        sampling = self._sampling(len(several) - len(share))
        return {
            "minimum_at_last": stats.proportion(list(share.values()), clusters=clusters, **sampling)
        }

    def _wrong(
        self, records: Sequence[StepLabels], values: Sequence[Array | None]
    ) -> dict[str, Estimate]:
        """Responses with a right answer: how many go wrong on the way; of those, how many are
        noticed, and where."""
        right = [i for i, record in enumerate(records) if _answer_is_right(record)]
        known = {i: at for i in right if (at := _records.known_error(records[i])) is not None}
        cases = {i: at for i, at in known.items() if at != NEVER}
        predicted = {
            i: _records.place(v, self.threshold) for i in cases if (v := values[i]) is not None
        }
        sampling = self._sampling(len(cases) - len(predicted))

        def share(credit: dict[int, float], **sampling: Any) -> Estimate:
            clusters = [cluster_key(records[i]) for i in credit]
            return stats.proportion(list(credit.values()), clusters=clusters, **sampling)

        return {
            "wrong_process": share({i: float(i in cases) for i in known}, **self._sampling(0)),
            "wrong_process_noticed": share(
                {i: float(at != NEVER) for i, at in predicted.items()}, **sampling
            ),
            "wrong_process_located": share(
                {i: float(at == cases[i]) for i, at in predicted.items()}, **sampling
            ),
        }

    def _calibration(
        self, records: Sequence[StepLabels], values: Sequence[Array | None]
    ) -> dict[str, Estimate]:
        """Brier score, ECE (beside what perfect probabilities would show) and slope, over labelled
        steps."""
        x, y, where = _labelled(records, values)
        if outside := int(((x < 0) | (x > 1)).sum()):
            raise DataError(
                f"{outside} of {len(x)} step scores are outside [0, 1]; for logits, give"
                " probabilities=False and threshold=0"
            )
        unscored = sum(steps is None for steps in values)
        slope = stats.calibration_slope(stats.to_logits(x), y, clusters=where, unscored=unscored)
        sampling = self._sampling(unscored)
        return {
            "step_brier": stats.brier(x, y, clusters=where, **sampling),
            "step_ece": stats.ece(x, y, bins=self.bins, clusters=where, **sampling),
            "step_ece_if_calibrated": stats.ece_if_calibrated(x, bins=self.bins, seed=self.seed),
            "step_calibration_slope": slope.slope,
            "step_calibration_intercept": slope.intercept,
        }

    def _sampling(self, unscored: int) -> dict[str, Any]:
        return {"unscored": unscored, "resamples": self.resamples, "seed": self.seed}


def _judged(record: StepLabels) -> list[int]:
    """The steps whose label says right or wrong."""
    return [i for i, label in enumerate(record.labels) if label is not None and label != 0.5]


def _labelled(
    records: Sequence[StepLabels], values: Sequence[Array | None]
) -> tuple[Array, Array, Any]:
    """Scores, labels and prompts of the labelled steps of the scored responses, (steps,) each."""
    kept = [
        (record, steps) for record, steps in zip(records, values, strict=True) if steps is not None
    ]
    x, y = [], []
    for record, steps in kept:
        x += [steps[i] for i in _judged(record)]
        y += [record.labels[i] for i in _judged(record)]
    ids, _ = cluster_ids([cluster_key(record) for record, _ in kept], len(kept))
    where = np.repeat(ids, [len(_judged(record)) for record, _ in kept])
    return np.array(x, dtype=np.float64), np.array(y, dtype=np.float64), where


def _positions(records: Sequence[StepLabels], values: Sequence[Array | None]) -> Any:
    """Index in its response of each step that `_labelled` gives."""
    found: list[int] = []
    for record, steps in zip(records, values, strict=True):
        found += _judged(record) if steps is not None else []
    return np.array(found, dtype=np.intp)


def _answer_is_right(record: StepLabels) -> bool:
    """Return what the data says of the final answer, or whether it is the reference; False where
    neither is known."""
    meta = record.response.meta
    if isinstance(stated := meta.get("final_answer_correct"), bool):
        return stated
    answer, reference = meta.get("answer"), record.prompt.reference
    return isinstance(answer, str) and reference is not None and answer.strip() == reference.strip()
