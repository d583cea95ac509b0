"""RM-Bench (arXiv:2410.16184): is a right response scored above a slightly wrong one, whatever the
style of either?

Each prompt has a right and a wrong response in three styles: concise, detailed, and detailed with
markdown. `hard` compares the right ones with wrong ones of fancier style, `normal` with those of
their own, `easy` with those of plainer style. A domain's score is the mean of the three, that of
safety the mean of its two parts, and `score` the mean of the domains. Equal scores win nothing, as
in the benchmark's own code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from assay.benchmarks import _chosen as chosen
from assay.data import fields
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Ranking, Score, Unscored

__all__ = ["RMBench"]

STYLES: Final = 3
LEVELS: Final = ("hard", "normal", "easy")


@dataclass(frozen=True, kw_only=True)
class RMBench:
    """Accuracy on RM-Bench by domain and by how the styles differ.

    Equal scores win nothing. Ids are the domain and the row's own.
    """

    data: tuple[str, ...] = ()
    """The benchmark's file, its files by domain, or a folder of them."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of prompts with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "score"

    def records(self) -> list[Ranking]:
        """One a prompt, the three right responses first."""
        return chosen.read(self.data, "prompt", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`score`, `hard`, `normal` and `easy`, and each domain's."""
        parts = [str(record.prompt.meta["subset"]) for record in records]
        credits = [
            {f"{part}_{level}": x for level, x in zip(LEVELS, _levels(a, b), strict=True)}
            for part, (a, b) in zip(
                parts, chosen.sides(records, scores, self.unscored), strict=True
            )
        ]
        domains: dict[str, list[str]] = {}
        for part in dict.fromkeys(parts):
            domains.setdefault(part.partition("-")[0], []).append(part)
        asked: dict[str, dict[str, float]] = {}
        for name, among in {
            self.headline: domains,
            **{d: {d: p} for d, p in domains.items()},
        }.items():
            for levels in (LEVELS, *((level,) for level in LEVELS)):
                label = name if levels is LEVELS else f"{name}_{levels[0]}"
                asked[label.removeprefix(f"{self.headline}_")] = {
                    f"{part}_{level}": 1 / (len(among) * len(each) * len(levels))
                    for each in among.values()
                    for part in each
                    for level in levels
                }
        return chosen.means(
            credits, asked, clusters=list(map(cluster_key, records)),
            resamples=self.resamples, seed=self.seed,
        )  # fmt: skip

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the right responses score 1 and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _levels(right: Array, wrong: Array) -> list[float]:
    """Return the shares of pairs won against fancier styles, the same and plainer ones."""
    if np.isnan(right).any():
        return [np.nan] * len(LEVELS)
    wins = right[:, None] > wrong[None, :]
    fancier = np.triu(np.ones((STYLES, STYLES), dtype=bool), 1)
    return [float(wins[where].mean()) for where in (fancier, np.eye(STYLES) > 0, fancier.T)]


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    for name in ("chosen", "rejected"):
        if not isinstance(side := fields.value(row, name), list) or len(side) != STYLES:
            raise DataError(f"field {name!r}: expected responses in {STYLES} styles")
    return chosen.chosen_and_rejected(row, fields.text(row, "domain"))
