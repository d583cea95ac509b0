"""PPE's human preferences (arXiv:2410.14872): does a scorer choose between two models' answers as
people do, and does it see the same models win?

`accuracy` is over the pairs that people decided. `row_pearson` compares the shares of battles that
models win against each other, by people and by scores (a tie of scores counting one half): for each
model, the correlation over its opponents, and of these the mean over models. A model with fewer
than three opponents, or one share against all, has none. Left out are the paper's metrics of whole
leaderboards: the rankings' correlations, separability, and Brier score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from assay.benchmarks import _chosen as chosen
from assay.benchmarks._pooled import Statistic, estimates, over
from assay.data import fields
from assay.data.records import cluster_key
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Ranking, Score, Unscored

__all__ = ["PPEPreference"]

LEAST = 3
"""Opponents that a correlation takes."""


@dataclass(frozen=True, kw_only=True)
class PPEPreference:
    """Agreement with people's choices between models' answers, in all and by language.

    Pairs that people call a tie are left out and counted in a warning; equal scores win nothing,
    and half a battle in `row_pearson`. Ids are the language and the row's number.
    """

    data: tuple[str, ...] = ()
    """The benchmark's file, or the data set `lmarena-ai/PPE-Human-Preference-V1` of the hub."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of pairs with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "accuracy"

    def records(self) -> list[Ranking]:
        """One a pair that people decided, in the order of its row."""
        return chosen.read(self.data, "prompt", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`accuracy`, `row_pearson`, and each language's accuracy."""
        found = chosen.accuracies(
            records, scores, self.unscored, resamples=self.resamples, seed=self.seed
        )
        return {**found, "row_pearson": self._rows(records, scores)}

    def _rows(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> Estimate:
        names = [tuple(str(r.prompt.meta[key]) for key in ("model_a", "model_b")) for r in records]
        models = sorted({name for pair in names for name in pair})
        place = {pair: i for i, pair in enumerate(combinations(models, 2))}
        columns = np.zeros((len(records), 3 * len(place) + 1))
        unscored = np.zeros(len(records), dtype=bool)
        for i, (record, (right, wrong)) in enumerate(
            zip(records, chosen.sides(records, scores, self.unscored), strict=True)
        ):
            a, b = names[i]
            unscored[i] = bool(np.isnan(right).any())
            columns[i, -1] = 1.0
            if a == b:
                continue
            by_people = record.grades[0] if a < b else record.grades[1]
            agreed = np.nan if unscored[i] else (np.sign(right[0] - wrong[0]) + 1) / 2
            at = 3 * place[min(a, b), max(a, b)]
            columns[i, at : at + 3] = 1.0, by_people, agreed if by_people else 1 - agreed
        (found,) = estimates(
            np.nan_to_num(columns),
            {"": Statistic(formula=_Rows(len(models)), base=columns.shape[1] - 1, low=-1.0)},
            clusters=list(map(cluster_key, records)),
            counted=~unscored,
            unscored=unscored,
            # A column for each pair of models makes resamples dear; the error needs no more.
            resamples=min(self.resamples, 200),
            seed=self.seed,
        ).values()
        return found

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the preferred responses score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


@dataclass(frozen=True)
class _Rows:
    """The mean over models of the correlation between their rows of win shares."""

    models: int

    def __call__(self, c: Array) -> Array:
        """From sums (..., 3 pairs + 1) of battles, and wins by people and by scores, to (...)."""
        pairs = c[..., :-1].reshape(*c.shape[:-1], -1, 3)
        first, second = np.triu_indices(self.models, 1)
        shares = np.full((2, *c.shape[:-1], self.models, self.models), np.nan)
        for k in (0, 1):
            won = over(pairs[..., k + 1], pairs[..., 0])
            shares[k][..., first, second], shares[k][..., second, first] = won, 1 - won
        there = ~np.isnan(shares[0])
        n = there.sum(axis=-1)
        centred = [
            np.where(there, x - over(np.nansum(x, axis=-1), n)[..., None], 0.0) for x in shares
        ]
        spread = np.prod([(x**2).sum(axis=-1) for x in centred], axis=0)
        enough = (n >= LEAST) & (spread > 1e-24)
        correlation = over((centred[0] * centred[1]).sum(axis=-1), np.sqrt(spread))
        return over(np.where(enough, correlation, 0.0).sum(axis=-1), enough.sum(axis=-1))


def _judged(row: Mapping[str, Any]) -> chosen.Judged | None:
    wins = ("model_a", "model_b")
    if str(fields.value(row, "winner")).startswith("tie"):
        return None
    return chosen.pair(
        row, ("response_1", "response_2"), "winner", wins, subset=fields.text(row, "language")
    )
