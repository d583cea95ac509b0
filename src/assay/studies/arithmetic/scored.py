"""The test pool with every reward model's scores, read once for all results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.data.pools import value_of
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.world import Kind, World
from assay.types import Ranking, Score, Unscored

__all__ = ["Scored", "read_scored", "read_scores"]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A pool of verified responses to each test problem, and their scores by kind of model."""

    pools: Sequence[Ranking]
    scores: Mapping[Kind, Sequence[Sequence[Score | Unscored]]]
    parity: float
    """Largest difference between the scores of a model and of its saved copy."""

    def values(self, kind: Kind) -> list[list[float]]:
        """Return one model's scores as numbers, NaN where there is none."""
        return [[value_of(score) for score in row] for row in self.scores[kind]]


def read_scored(world: World, out: Path) -> Scored:
    """Read the pool and the scores that the stages left in a run's folder."""
    read = {kind: read_scores(out / "scores" / f"{kind}.json") for kind in world.kinds}
    return Scored(
        pools=read_pools(out / "data" / "test_pool.jsonl"),
        scores={kind: scores for kind, (scores, _) in read.items()},
        parity=max(parity for _, parity in read.values()),
    )


def read_scores(path: Path) -> tuple[list[list[Score | Unscored]], float]:
    """Read the scores of each pool, and the parity of the model that gave them."""
    body = json.loads(path.read_text())
    return [[_score(row) for row in group] for group in body["scores"]], float(body["parity"])


def _score(row: Mapping[str, Sequence[float] | float | str]) -> Score | Unscored:
    return Unscored.model_validate(row) if "reason" in row else Score.model_validate(row)
