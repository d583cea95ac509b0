"""The quickstart's results: numbers with intervals clustered by problem."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from assay.runs.settings import dumps
from assay.stats import (
    CurvePoint,
    Estimate,
    best_of_n_curve,
    majority_curve,
    oracle_curve,
    proportion,
)
from assay.studies.arithmetic.scored import Scored
from assay.studies.arithmetic.world import World
from assay.types import Ranking, Score, Unscored

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Accuracy of the choice among n responses to a test problem, by chooser."""

    mean_at_1: Estimate
    """No selection: the policy's own accuracy."""
    majority: Estimate
    """The most frequent answer of the whole pool."""
    oracle: Estimate
    """A right response, if the pool has one."""
    best_of_n: Mapping[str, Sequence[CurvePoint]]
    """By kind of reward model, for n = 1, 2, 4, ... up to the pool."""
    majority_of_n: Sequence[CurvePoint]
    oracle_of_n: Sequence[CurvePoint]
    steps: Mapping[str, Estimate]
    """Share of right steps, and the process model's accuracy at 1/2, where steps' truth is
    known."""
    parity_max_abs_diff: float
    """Largest difference between scores of a model and of its saved copy, over all models and ways
    of batching."""
    stages: Mapping[str, float]
    """Seconds that each stage took."""

    @property
    def seconds(self) -> float:
        """Seconds of all stages together."""
        return round(sum(self.stages.values()), 1)

    def to_json(self) -> str:
        """Return the contents of `summary.json`."""
        body: dict[str, Any] = {
            "mean_at_1": asdict(self.mean_at_1),
            "majority": asdict(self.majority),
            "oracle": asdict(self.oracle),
            "best_of_n": {kind: _rows(curve) for kind, curve in self.best_of_n.items()},
            "majority_of_n": _rows(self.majority_of_n),
            "oracle_of_n": _rows(self.oracle_of_n),
            "steps": {name: asdict(estimate) for name, estimate in self.steps.items()},
            "parity_max_abs_diff": self.parity_max_abs_diff,
            "seconds": self.seconds,
            "stages": dict(self.stages),
        }
        return dumps(body, indent=2) + "\n"


def summarise(world: World, scored: Scored, stages: Mapping[str, float]) -> Summary:
    """Compute the results from the run's pools and scores."""
    pools = scored.pools
    gold = np.array([pool.grades for pool in pools])
    verifier = world.verifier
    given = [[verifier.extract(response.text) for response in pool.responses] for pool in pools]
    answers = [
        [None if answer is None else verifier.canonical(answer) for answer in row] for row in given
    ]
    ns = [2**i for i in range(world.pool.bit_length()) if 2**i <= world.pool]
    at_end = [1, world.pool]
    mean, oracle = (point.estimate for point in oracle_curve(gold, at_end))
    return Summary(
        mean_at_1=mean,
        majority=majority_curve(answers, gold, at_end)[-1].estimate,
        oracle=oracle,
        best_of_n={kind: best_of_n_curve(scored.values(kind), gold, ns) for kind in world.kinds},
        majority_of_n=majority_curve(answers, gold, ns),
        oracle_of_n=oracle_curve(gold, ns),
        steps=_steps(world, pools, scored.scores["process"]) if "process" in world.kinds else {},
        parity_max_abs_diff=scored.parity,
        stages=dict(stages),
    )


def _steps(
    world: World, pools: Sequence[Ranking], scores: Sequence[Sequence[Score | Unscored]]
) -> dict[str, Estimate]:
    """Estimate the share of right steps, and how often the process model agrees with the truth.

    The first is the baseline of the second: a model that calls every step right.
    """
    right: list[float | None] = []
    agrees: list[bool] = []
    problem: list[str] = []
    unscored = 0
    for pool, row in zip(pools, scores, strict=True):
        for response, score in zip(pool.responses, row, strict=True):
            if isinstance(score, Unscored):
                unscored += 1
                continue
            labels = world.label(pool.prompt, response).labels
            right += labels
            agrees += [
                (p > 0.5) == (label == 1) for p, label in zip(score.steps, labels, strict=True)
            ]
            problem += [pool.prompt.id] * len(labels)
    return {
        "right": proportion(np.array(right, dtype=float), clusters=problem, unscored=unscored),
        "process_model_agrees": proportion(
            np.array(agrees, dtype=float), clusters=problem, unscored=unscored
        ),
    }


def _rows(curve: Sequence[CurvePoint]) -> list[dict[str, float | None]]:
    ends = [(p.n, p.estimate.value, p.estimate.low, p.estimate.high) for p in curve]
    numbers = [[None if math.isnan(x) else x for x in row] for row in ends]
    return [dict(zip(("n", "value", "low", "high"), row, strict=True)) for row in numbers]
