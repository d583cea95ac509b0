"""From step scores to one score a response, as named functions.

Each takes one response's step scores, all in [0, 1] (probabilities that the step is right), in order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from assay.errors import ConfigError

__all__ = ["AGGREGATIONS", "Aggregation", "aggregate", "last", "mean", "minimum", "product"]

Aggregation = Literal["last", "product", "min", "mean"]


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


AGGREGATIONS: Final[Mapping[Aggregation, Callable[[Sequence[float]], float]]] = {
    "last": last,
    "product": product,
    "min": minimum,
    "mean": mean,
}


def aggregate(steps: Sequence[float], how: Aggregation) -> float:
    """One score of a response from its steps' scores."""
    if how not in AGGREGATIONS:
        raise ConfigError(f"no aggregation is called {how!r}; there is {', '.join(AGGREGATIONS)}")
    if not steps:
        raise ConfigError("a response without step scores cannot be aggregated; use a scorer that gives steps")
    return AGGREGATIONS[how](steps)
