"""PRMBench (arXiv:2501.03124): are steps judged rightly, in solutions with errors of nine kinds put
in on purpose?

Over all steps, "valid" being the positive class: PRMScore = (F1 + F1 of the negative class) / 2.
The total pools the steps of all kinds, so it is not the mean of the kinds. `multi_solutions` has no
wrong step, and F1 alone.

Five steps in six are valid, so calling every step valid has a PRMScore of .46, and always blaming
the step that errors are commonest at has .52: read a model's score beside these baselines.

Left out: the redundancy head that some models have (though results of the benchmark's own programs
are read with it, see `assay.data.score_rows`), and the similarity to solutions without errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from assay.benchmarks import _baselines as _baselines
from assay.benchmarks import _records
from assay.benchmarks import _two_classes as two
from assay.benchmarks._pooled import Statistic, estimates, over
from assay.data.formats.prmbench import PRMBench as Layout
from assay.data.records import cluster_key
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Score, StepLabels, Unscored

__all__ = ["PRMBench"]

WITHOUT_ERRORS = "multi_solutions"
KINDS = (
    "redundency", "circular", "counterfactual", "step_contradiction", "domain_inconsistency",
    "confidence", "missing_condition", "deception", WITHOUT_ERRORS,
)  # fmt: skip
"""Kinds of errors, for files that have them in their names only."""
FOUND, WRONG = two.ALL + 1, two.ALL + 2
"""Columns besides: solutions whose first wrong step is called so, and those with one."""

F1 = Statistic(formula=two.f1, base=two.ALL)
F1_NEGATIVE = Statistic(formula=two.f1_negative, base=two.ALL, parts=(two.VALID, two.INVALID))
PRMSCORE = two.MACRO_F1
ACCURACY = {
    "accuracy_right_steps": Statistic(
        formula=lambda c: over(c[..., two.TP], c[..., two.VALID]), base=two.VALID
    ),
    "accuracy_wrong_steps": Statistic(
        formula=lambda c: over(c[..., two.TN], c[..., two.INVALID]), base=two.INVALID
    ),
    "first_error_noticed": Statistic(
        formula=lambda c: over(c[..., FOUND], c[..., WRONG]), base=WRONG
    ),
}


@dataclass(frozen=True, kw_only=True)
class PRMBench:
    """PRMScore on PRMBench, in all and of each kind of error.

    Ids are the kind and the row's `idx`, such as circular_prm_test_p1_0, as in the results of the
    benchmark's own programs, which can be measured: `--scores` takes their labels.
    """

    data: tuple[str, ...] = ()
    """The benchmark's file, its files by kind of error, a folder, or a data set of the hub."""
    threshold: float = 0.5
    """A step scored below it is called wrong: one half for probabilities, 0 for logits."""
    out_of_range: Literal["refuse", "ignore"] = "ignore"
    """What to do with an error that is said to be at a step that is not there; the benchmark's own
    code ignores it."""
    repeated: Literal["keep", "first"] = "keep"
    """What to do with a row whose id another of the file has, as five have in the benchmark's own
    files: keep it, its id ending in /2, or leave it out, as the benchmark's own code does."""
    resamples: int = 2000
    """Bootstrap resamples, by question."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "prmscore"

    def records(self) -> list[StepLabels]:
        """One a row, with its kind of error as the subset."""
        layout = Layout(out_of_range=self.out_of_range)
        return _records.read(self.data, layout, _identify, repeated=self.repeated)

    def metrics(
        self, records: Sequence[StepLabels], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`prmscore` and its parts, the accuracies on right and wrong steps, and each kind's
        PRMScore or F1.

        `first_error_noticed` is the share of solutions whose first wrong step is called wrong,
        whatever is said of the steps before it: not that it is found.
        """
        values = _records.step_values(records, scores)
        columns = np.array(
            [
                _count(record, steps, self.threshold)
                for record, steps in zip(records, values, strict=True)
            ]
        )
        prompts = [cluster_key(record) for record in records]
        kinds = np.array([str(record.prompt.meta.get("subset", "all")) for record in records])
        scored = np.array([steps is not None for steps in values])

        def over_rows(rows: Array | slice, statistics: dict[str, Statistic]) -> dict[str, Estimate]:
            return estimates(
                columns[rows],
                statistics,
                clusters=list(np.array(prompts)[rows]),
                counted=scored[rows],
                unscored=~scored[rows],
                resamples=self.resamples,
                seed=self.seed,
            )

        total = {"prmscore": PRMSCORE, "f1": F1, "f1_negative": F1_NEGATIVE, **ACCURACY}
        found = over_rows(slice(None), total)
        for kind in dict.fromkeys(kinds.tolist()):
            one = {f"{kind}_f1": F1} if kind == WITHOUT_ERRORS else {f"{kind}_prmscore": PRMSCORE}
            found |= over_rows(kinds == kind, one)
        return found

    def baselines(self, records: Sequence[StepLabels]) -> dict[str, Estimate]:
        """Every step right, only the first wrong, only the commonest place wrong, a coin for each
        step."""
        baselines = {
            **_baselines.places(records, self.seed),
            "random": _baselines.coin(records, self.seed),
        }
        own = PRMBench(resamples=self.resamples, seed=self.seed)
        return _baselines.measured(own.metrics, records, baselines)

    def validate(self, records: Sequence[StepLabels] | None = None) -> None:
        """Raises `DataError` unless the gold labels score 1 and planted wrong ones less."""
        _baselines.validate(
            self.metrics, self.records() if records is None else records, self.headline
        )


def _identify(record: StepLabels, stem: str, place: str) -> tuple[str, str]:
    named = (kind for kind in KINDS if stem.endswith(kind))
    kind, id = str(record.prompt.meta["classification"] or next(named, stem)), record.prompt.id
    return id if id.startswith(f"{kind}_") else f"{kind}_{id}", kind


def _count(record: StepLabels, steps: Array | None, threshold: float) -> list[float]:
    """A row of columns; where the response is unscored, what is known from the labels alone."""
    valid = np.array([label is not None and label > 0.5 for label in record.labels])
    first = _records.error_place(record)
    accepted = valid if steps is None else steps >= threshold
    wrong = first != _records.NEVER
    return [*two.count(valid, accepted), float(wrong and not accepted[first]), float(wrong)]
