"""Made-up results of the shape that real ones have."""

import math
from collections.abc import Sequence
from typing import Any

from assay.stats import CurvePoint, Estimate

NS = (1, 2, 4, 8, 16, 32, 64)


def estimate(value: float, half: float = 0.03, n: int = 300, unscored: int = 0) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n, unscored=unscored)


def curve(values: Sequence[float], half: float = 0.03) -> list[CurvePoint]:
    return [CurvePoint(n, estimate(value, half)) for n, value in zip(NS, values, strict=True)]


CURVES = {
    "preference": curve([0.518, 0.63, 0.71, 0.742, 0.735, 0.69, 0.62]),
    "outcome": curve([0.518, 0.601, 0.613, 0.562, 0.47, 0.36, 0.257]),
    "process": curve([0.518, 0.73, 0.869, 0.93, 0.943, 0.917, 0.86]),
}
BASELINES = {
    "mean@1": estimate(0.518),
    "majority": curve([0.518, 0.52, 0.68, 0.79, 0.86, 0.89, 0.907]),
    "oracle": curve([0.518, 0.73, 0.88, 0.96, 0.99, 0.998, 1.0]),
}


def metrics_rows(steps: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"records": 1000, "dropped": {}}]
    for step in range(1, steps + 1):
        loss = 0.2 + 0.5 * math.exp(-step / 100) + 0.05 * math.sin(step * 1.7)
        rows.append(
            {
                "step": step,
                "loss": loss,
                "accuracy": None,
                "learning_rate": 1e-3,
                "tokens_per_second": 8000.0,
            }
        )
        if step % 10 == 0:
            rows.append(
                {"step": step, "eval_loss": 0.3 + abs(step - 30) / 100, "eval_accuracy": 0.8}
            )
    return rows
