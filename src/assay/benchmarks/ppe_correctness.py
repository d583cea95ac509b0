"""PPE's correctness sets (arXiv:2410.14872): of 32 answers to a question with a known solution,
does a scorer find right ones, and does it still when it chooses among more?

`accuracy` is over the pairs of a right and a wrong answer that the data names, or over all such
pairs. `auc` is the share of all pairs that are won, within a question, which is this library's
choice. The curve is the expected correctness of the best of K answers drawn without replacement,
exact for each K: `end_score` is its value for all answers, `max_score` its highest (a maximum, so
noise raises it), `loss` the mean over K of how much less that is than the best answer drawn. All
are means over questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, ClassVar

import numpy as np

from assay import stats
from assay.benchmarks import _chosen as chosen
from assay.benchmarks._pooled import Statistic, estimates, over
from assay.data import fields
from assay.data.records import cluster_key
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Ranking, Score, Unscored

__all__ = ["PPECorrectness"]

PAIRS = "sampled_conflict_pairs"


@dataclass(frozen=True, kw_only=True)
class PPECorrectness:
    """Accuracy on pairs and the best-of-K curve of answers known to be right or wrong.

    Equal scores win nothing in `accuracy`, half a pair in `auc`, and are drawn from at random in
    the curve. The sets' own code takes an answer without a score for the worst; here its question
    is left out, or missed. Ids are the set, which is the file's name, and the question's own.
    """

    data: tuple[str, ...] = ()
    """Files, or data sets of the hub such as `lmarena-ai/PPE-GPQA-Best-of-K`."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of questions with an unscored answer: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "accuracy"

    def records(self) -> list[Ranking]:
        """One a question, its answers in the order of their columns."""
        return chosen.read(self.data, "prompt", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`accuracy`, `auc`, `end_score`, `max_score` and `loss`, points of the curve, and each
        set's accuracy."""
        values = [
            _in_order(record, *both)
            for record, both in zip(
                records, chosen.sides(records, scores, self.unscored), strict=True
            )
        ]
        size = min(map(len, values))
        gold = stats.pad_pools([record.grades for record in records])
        curves = [
            stats.best_of_n(x, gold, list(range(1, size + 1)))
            for x in (stats.pad_pools([v.tolist() for v in values]), gold)
        ]
        pairs = np.array([_won(*both) for both in zip(records, values, strict=True)])
        sets = [str(record.prompt.meta["subset"]) for record in records]
        here = np.array(
            [[one == name for name in dict.fromkeys(sets)] for one in sets], dtype=float
        )
        unscored = np.array([bool(np.isnan(v).any()) for v in values])
        return estimates(
            np.nan_to_num(
                np.hstack([*curves, pairs, here * pairs[:, :1], here, np.ones((len(sets), 1))])
            ),
            _statistics(size, list(dict.fromkeys(sets))),
            clusters=list(map(cluster_key, records)),
            counted=~unscored,
            unscored=unscored,
            resamples=self.resamples,
            seed=self.seed,
        )

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the right answers score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _statistics(size: int, sets: Sequence[str]) -> dict[str, Statistic]:
    """Metrics of the sums of two curves, accuracy, AUC, the sets' accuracies and counts, and 1."""
    pairs, last = 2 * size, 2 * size + 2 + 2 * len(sets)

    def share(at: int, of: int = last) -> Statistic:
        return Statistic(formula=lambda c: over(c[..., at], c[..., of]), base=of)

    def highest(c: Array) -> Array:
        return over(c[..., :size].max(axis=-1), c[..., last])

    def loss(c: Array) -> Array:
        return over((c[..., size:pairs] - c[..., :size]).mean(axis=-1), c[..., last])

    points = [2**i for i in range(1, size.bit_length())]
    return {
        "accuracy": share(pairs),
        "auc": share(pairs + 1),
        "end_score": share(size - 1),
        "max_score": Statistic(formula=highest, base=last),
        "loss": Statistic(formula=loss, base=last),
        **{f"best_of_{k}": share(k - 1) for k in points},
        **{name: share(pairs + 2 + i, pairs + 2 + len(sets) + i) for i, name in enumerate(sets)},
    }


def _in_order(record: Ranking, right: Array, wrong: Array) -> Array:
    """Return the scores of a question's answers, in their order."""
    values = np.empty(len(record.grades))
    grades = np.array(record.grades) > 0.5
    values[grades], values[~grades] = right, wrong
    return values


def _won(record: Ranking, values: Array) -> tuple[float, float]:
    """Return the share of the named pairs, and of all pairs with ties as halves, that are won."""
    grades = np.array(record.grades) > 0.5
    apart = values[grades][:, None] - values[~grades][None, :]
    named = [
        values[i] > values[j] if grades[i] else values[j] > values[i]
        for i, j in record.prompt.meta.get(PAIRS) or ()
    ]
    accuracy = float(np.mean(named)) if named else float((apart > 0).mean())
    return accuracy, float((apart > 0).mean() + (apart == 0).mean() / 2)


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    names = list(takewhile(row.__contains__, (f"response_{i}" for i in count(1))))
    right = fields.value(row, "scores")
    if not isinstance(right, list) or len(right) != len(names):
        raise fields.wrong("scores", f"one for each of the {len(names)} responses", right)
    return chosen.Judged(
        responses=[row[name] for name in names],
        right=[fields.yes_no(each, "scores") > 0.5 for each in right],
        id=str(fields.value(row, "question_id")),
        used=(*names, "scores", "mean_score"),
    )
