"""RMB (arXiv:2410.09893): is the better response scored above the worse one, and the best above all
of its list, in being helpful and in being harmless?

A pair is won where the chosen response is above the other, a list where its best response is above
every other. There are four sections, pairs and lists (`best_of_n`) of helpfulness and harmlessness;
a section is the accuracy over all its rows, and `score` the mean of the sections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from assay.benchmarks import _chosen as chosen
from assay.data import fields
from assay.stats import Estimate
from assay.types import Ranking, Score, Unscored

__all__ = ["RMB"]

SETS: Final = {"Pairwise_set": "pairwise", "BoN_set": "best_of_n"}
"""Sections' names, by how the paths of their categories begin."""


@dataclass(frozen=True, kw_only=True)
class RMB:
    """Accuracy on the pairs and lists of RMB, by section and category.

    Equal scores win nothing, as in the benchmark's own code. Ids are the category's path and the
    row's own.
    """

    data: tuple[str, ...] = ()
    """The benchmark's files, or its folder `RMB_dataset`."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of rows with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "score"

    def records(self) -> list[Ranking]:
        """One a row, the chosen or best response first."""
        return chosen.read(self.data, "conversation_input", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`score`, the sections', and each category's."""
        return self._means(records, scores, names=2)

    def _means(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]], names: int
    ) -> dict[str, Estimate]:
        return chosen.accuracies(
            records,
            scores,
            self.unscored,
            counted=lambda record: _sections(record)[:names],
            over={self.headline: list(dict.fromkeys(_sections(record)[0] for record in records))},
            resamples=self.resamples,
            seed=self.seed,
        )

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle, of the sections."""
        return chosen.baselines(
            lambda records, scores: self._means(records, scores, names=1), records, self.seed
        )

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the better responses score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _sections(record: Ranking) -> tuple[str, str]:
    """Name the section that a row counts in, and the section's category."""
    kind, goal, category, *_ = str(record.prompt.meta["subset"]).split("/")
    section = f"{SETS[kind]}_{goal.lower()}"
    return section, f"{section}_{category.replace(' ', '_')}"


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    path = fields.text(row, "category_path")
    if path.partition("/")[0] not in SETS or path.count("/") < 2:
        raise fields.wrong("category_path", "such as BoN_set/Helpfulness/Code/Debugging", path)
    best, *others = (
        (row["bon_best"], *fields.mappings(row, "loser_list"))
        if "bon_best" in row
        else (fields.value(row, "chosen"), fields.value(row, "reject"))
    )
    return chosen.Judged(
        responses=[fields.text(answer, "answer") for answer in (best, *others)],
        right=[True] + [False] * len(others),
        subset=path,
        id=str(row.get("bon_uid", row.get("pair_uid", ""))),
        used=("bon_best", "loser_list", "chosen", "reject"),
    )
