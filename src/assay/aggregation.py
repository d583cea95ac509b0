"""From step scores to one score a response, as named functions.

Each takes one response's step scores, all in [0, 1] (probabilities that the step is right), in order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from assay.errors import ConfigError

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "aggregate",
    "geometric_mean",
    "last",
    "log_sum",
    "mean",
    "minimum",
    "product",
    "softmin",
]

Aggregation = Literal["last", "product", "min", "mean", "log_sum", "geometric_mean", "softmin"]

FLOOR = 1e-12
"""Probabilities below this count as this in logarithms, so that a score stays a finite number."""

TEMPERATURE = 0.05
"""Of the softmin over probabilities p; over 2p - 1, as its paper has them, this is .1."""


def last(steps: Sequence[float]) -> float:
    """The last step's score: what an outcome or preference model reads."""
    return steps[-1]


def product(steps: Sequence[float]) -> float:
    """The probability that every step is right, were they independent (arXiv:2305.20050)."""
    return math.prod(steps)


def minimum(steps: Sequence[float]) -> float:
    """The weakest step (arXiv:2312.08935)."""
    return min(steps)


def mean(steps: Sequence[float]) -> float:
    """The average step: a long chain hides one bad step."""
    return math.fsum(steps) / len(steps)


def log_sum(steps: Sequence[float]) -> float:
    """Sum of log-probabilities: orders responses as the product does, and does not underflow on long ones."""
    return math.fsum(_logs(steps))


def geometric_mean(steps: Sequence[float]) -> float:
    """The product without its price on length: exp of the mean log-probability."""
    return math.exp(math.fsum(_logs(steps)) / len(steps))


def softmin(steps: Sequence[float]) -> float:
    """Steps weighted by softmax(-p / T): nearly the weakest, but every step has a say (PURE, arXiv:2504.15275)."""
    weakest = min(steps)
    weights = [math.exp((weakest - p) / TEMPERATURE) for p in steps]
    return math.fsum(w * p for w, p in zip(weights, steps, strict=True)) / math.fsum(weights)


def _logs(steps: Sequence[float]) -> list[float]:
    if min(steps) < 0:
        raise ConfigError(
            f"a step scores {min(steps)}, and logarithms need probabilities; aggregate logits by last, min or mean"
        )
    return [math.log(max(p, FLOOR)) for p in steps]


AGGREGATIONS: Final[Mapping[Aggregation, Callable[[Sequence[float]], float]]] = {
    "last": last,
    "product": product,
    "min": minimum,
    "mean": mean,
    "log_sum": log_sum,
    "geometric_mean": geometric_mean,
    "softmin": softmin,
}


def aggregate(steps: Sequence[float], how: Aggregation) -> float:
    """One score of a response from its steps' scores."""
    if how not in AGGREGATIONS:
        raise ConfigError(f"no aggregation is called {how!r}; there is {', '.join(AGGREGATIONS)}")
    if not steps:
        raise ConfigError("a response without step scores cannot be aggregated; use a scorer that gives steps")
    return AGGREGATIONS[how](steps)
