"""RewardMATH (arXiv:2410.01729): is the right solution of a problem scored above nine wrong ones?

`accuracy` is the share of problems whose right solution is above all others, `mrr` the mean of 1 /
(its rank).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from assay.benchmarks import _chosen as chosen
from assay.data import fields
from assay.data.lines import Row
from assay.data.records import cluster_key
from assay.data.steps import joined
from assay.stats import Estimate
from assay.types import Ranking, Response, Score, Unscored

__all__ = ["RewardMATH"]

SOLUTIONS = "solutions"
"""Where the row of a problem has the rows of its solutions."""


@dataclass(frozen=True, kw_only=True)
class RewardMATH:
    """Accuracy and mean reciprocal rank of the right solution, in all, and accuracy by subject.

    A right solution of an equal score does not win, and ranks behind the others, as in the
    benchmark's own code; that takes an answer that it cannot read for the lowest rating, which is
    unscored here. Ids are the subject and the problem's own.
    """

    data: tuple[str, ...] = ()
    """The benchmark's file of single solutions, `RewardMATH_direct.json`."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of problems with an unscored solution: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "accuracy"

    def records(self) -> list[Ranking]:
        """One a problem, its solutions in the order of their rows."""
        return chosen.read(self.data, "problem", _judged, regrouped=_problems)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`accuracy`, `mrr`, and each subject's accuracy."""
        credits = []
        for record, (right, wrong) in zip(
            records, chosen.sides(records, scores, self.unscored), strict=True
        ):
            lost = bool(np.isnan(right).any())
            won = np.nan if lost else float(right.min() > wrong.max())
            # A missed problem has no rank; its solutions are the last.
            rank = np.nan if lost else 1 + float((wrong >= right.max()).sum())
            subject = str(record.prompt.meta["subset"])
            credits.append({self.headline: won, "mrr": 1 / rank, subject: won})
        return chosen.means(
            credits,
            {name: {name: 1.0} for credit in credits for name in credit},
            clusters=list(map(cluster_key, records)),
            resamples=self.resamples,
            seed=self.seed,
        )

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the right solutions score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _problems(rows: Iterable[Row]) -> Iterator[Row]:
    """Put the solutions of a problem into one row."""
    together: dict[str, list[Row]] = {}
    for row in rows:
        problem = row.value.get("problem_id", row.value.get("problem"))
        together.setdefault(str(problem), []).append(row)
    for some in together.values():
        yield Row({**some[0].value, SOLUTIONS: [row.value for row in some]}, some[0].where)


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    solutions = row[SOLUTIONS]
    return chosen.Judged(
        responses=[Response(steps=joined(fields.texts(one, "eval_solution"))) for one in solutions],
        right=[fields.text(one, "solution_type") == "chosen" for one in solutions],
        subset=fields.text(row, "subject").replace(" ", "_"),
        id=str(fields.value(row, "problem_id")),
        used=(SOLUTIONS, "eval_solution", "solution_type", "solution_reference"),
    )
