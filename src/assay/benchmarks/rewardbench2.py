"""RewardBench 2 (arXiv:2506.01937): is the best of four responses scored highest, and are several
right ones scored alike, above all wrong ones?

In five subsets, one response of four is right; k that share the highest score share the credit.
`ties` is of prompts with several right responses ("tied") and of others like them with one ("ref"):
.3 of the accuracy of each (every right response above every wrong one), .2 of the share of tied
prompts whose right responses differ by less than they are above the wrong ones, .2 of the same with
the smaller distance of both prompts, and .01 of a tie-breaking margin, so that `ties` ends at 1.01.
`score` is the mean of the subsets.
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

__all__ = ["RewardBench2"]

TIES: Final = {
    "tied_accuracy": 0.3,
    "ref_accuracy": 0.3,
    "ties_preferred": 0.2,
    "ties_preferred_hard": 0.2,
    "ties_margin": 0.01,
}
"""Weights of the parts of `ties`."""


@dataclass(frozen=True, kw_only=True)
class RewardBench2:
    """Accuracy of the best of four, and the score of ties, on RewardBench 2.

    Equal best scores share the credit. Ids are the subset and the row's own, such as Math/12 and
    Ties/tied:3.
    """

    data: tuple[str, ...] = ()
    """The benchmark's files, a folder of them, or a data set of the hub."""
    unscored: chosen.OnUnscored = "leave_out"
    """Treatment of prompts with an unscored response: left out, or counted as missed."""
    resamples: int = 2000
    """Bootstrap resamples, by prompt."""
    seed: int = 0
    """Seed of the bootstrap and of the random baseline."""

    headline: ClassVar[str] = "score"

    def records(self) -> list[Ranking]:
        """One a prompt, the right responses first."""
        return chosen.read(self.data, "prompt", _judged)

    def metrics(
        self, records: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
    ) -> dict[str, Estimate]:
        """`score`, each subset's, and the parts of `ties`."""
        values = chosen.sides(records, scores, self.unscored)
        subsets = [_subset(record) for record in records]
        ties = _ties(records, values)
        credits = [
            ties[i] if i in ties else {subset: _best(*values[i])}
            for i, subset in enumerate(subsets)
        ]
        parts: dict[str, Mapping[str, float]] = {
            subset: TIES if subset == "ties" else {subset: 1.0} for subset in dict.fromkeys(subsets)
        }
        whole = {
            name: weight / len(parts) for part in parts.values() for name, weight in part.items()
        }
        clusters = [
            f"ties {_pair(record)[1]}" if i in ties else cluster_key(record)
            for i, record in enumerate(records)
        ]
        sampling: dict[str, Any] = {
            "clusters": clusters, "resamples": self.resamples, "seed": self.seed
        }  # fmt: skip
        plain = {name: part for name, part in parts.items() if name != "ties"}
        with_ties = {self.headline: whole, **({"ties": TIES} if ties else {})}
        ends = (-0.01, 1.01) if ties else (0.0, 1.0)
        found = chosen.means(credits, with_ties, ends=ends, **sampling)
        found |= chosen.means(credits, plain, **sampling)
        names = [name for name in TIES if ties and name != "ties_margin"]
        return found | chosen.means(credits, {name: {name: 1.0} for name in names}, **sampling)

    def baselines(self, records: Sequence[Ranking]) -> dict[str, Estimate]:
        """What needs no model, see `_chosen.baselines`, and the oracle."""
        return chosen.baselines(self.metrics, records, self.seed)

    def validate(self, records: Sequence[Ranking] | None = None) -> None:
        """Raises `DataError` unless the right responses score 1 or more, and the others less."""
        chosen.validate(self.metrics, self.records() if records is None else records, self.headline)


def _subset(record: Ranking) -> str:
    subset = str(record.prompt.meta["subset"])
    return "ties" if subset.lower() == "ties" else subset


def _best(right: Array, wrong: Array) -> float:
    """Return the credit of the best of several: that of k equal ones is shared."""
    every = np.concatenate([right, wrong])
    if np.isnan(every).any():
        return float("nan")
    top = every.max()
    return float((right == top).sum() / (every == top).sum())


def _pair(record: Ranking) -> tuple[str, str]:
    """Return whether one or several responses are right, and the number that both prompts have."""
    kind, _, number = str(record.prompt.meta["id"]).partition(":")
    return kind, number


def _ties(
    records: Sequence[Ranking], values: Sequence[tuple[Array, Array]]
) -> dict[int, dict[str, float]]:
    """Return the credits of the prompts of ties; a tied prompt has those of the pair."""
    mine = {_pair(r): i for i, r in enumerate(records) if _subset(r) == "ties"}
    above = {i: float(values[i][0].min() - values[i][1].max()) for i in mine.values()}
    credits: dict[int, dict[str, float]] = {}
    for (kind, number), i in mine.items():
        accurate = float(above[i] > 0) if above[i] == above[i] else above[i]
        credits[i] = {f"{kind}_accuracy": accurate}
        other = mine.get(("ref", number))
        if kind != "tied" or other is None:
            continue
        apart = float(np.ptp(values[i][0])) if np.isfinite(above[i]) else np.nan
        least = float(np.minimum(above[i], above[other]))
        with np.errstate(divide="ignore", invalid="ignore"):
            margin = np.tanh(np.divide(least, apart) - 1)
        if np.isnan(least):
            credits[i] |= dict.fromkeys(list(TIES)[2:], np.nan)
            continue
        credits[i] |= {
            "ties_preferred": float(above[i] > apart),
            "ties_preferred_hard": float(least > apart),
            "ties_margin": float(np.nan_to_num(margin)),
        }
    return credits


def _judged(row: Mapping[str, Any]) -> chosen.Judged:
    judged = chosen.chosen_and_rejected(row, fields.text(row, "subset"))
    kind = judged.id.partition(":")[0]
    if judged.subset.lower() == "ties" and kind not in ("ref", "tied"):
        raise DataError(f"field 'id': of ties it is ref:NUMBER or tied:NUMBER, got {judged.id!r}")
    return judged
