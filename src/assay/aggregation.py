"""From step scores to one score a response, as named functions.

Each takes one response's step scores in order, in [0, 1] where they are probabilities that the step
is right. The product and its two logarithmic forms need probabilities; the others take any finite
scores, such as logits.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from assay.errors import ConfigError
from assay.types import LabelMeaning

__all__ = [
    "AGGREGATIONS",
    "OF_PROBABILITIES",
    "Aggregation",
    "aggregate",
    "caution",
    "geometric_mean",
    "last",
    "log_sum",
    "mean",
    "minimum",
    "product",
    "softmin",
]

Aggregation = Literal["last", "product", "min", "mean", "log_sum", "geometric_mean", "softmin"]

FLOOR = math.ulp(0.0)
"""The smallest positive float: 0 counts as this in logarithms, so that a score stays a finite
number. A larger floor would tie, and in sums reorder, probabilities that a sigmoid does give."""

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
    """Sum of log-probabilities: orders responses as the product does, and does not underflow on
    long ones.

    A step of probability 0 adds -744.4.
    """
    return math.fsum(math.log(max(p, FLOOR)) for p in steps)


def geometric_mean(steps: Sequence[float]) -> float:
    """The product without its price on length: exp of the mean log-probability, 0 where a step is
    0."""
    if 0.0 in steps:
        return 0.0
    # Rounding must not leave the steps' range: a single step is its own mean.
    return min(max(math.exp(log_sum(steps) / len(steps)), min(steps)), max(steps))


def softmin(steps: Sequence[float]) -> float:
    """Steps weighted by softmax(-p / T): nearly the weakest, but every step has a say (PURE,
    arXiv:2504.15275)."""
    weakest = min(steps)
    weights = [math.exp((weakest - p) / TEMPERATURE) for p in steps]
    return math.fsum(w * p for w, p in zip(weights, steps, strict=True)) / math.fsum(weights)


AGGREGATIONS: Final[Mapping[Aggregation, Callable[[Sequence[float]], float]]] = {
    "last": last,
    "product": product,
    "min": minimum,
    "mean": mean,
    "log_sum": log_sum,
    "geometric_mean": geometric_mean,
    "softmin": softmin,
}

OF_PROBABILITIES: Final[frozenset[Aggregation]] = frozenset(
    {"product", "log_sum", "geometric_mean"}
)
"""These mean nothing for scores outside [0, 1]: the product of two negative logits is positive."""


def aggregate(steps: Sequence[float], how: Aggregation) -> float:
    """One score of a response from its steps' scores."""
    if how not in AGGREGATIONS:
        raise ConfigError(f"no aggregation is called {how!r}; there is {', '.join(AGGREGATIONS)}")
    if not steps:
        raise ConfigError(
            "a response without step scores cannot be aggregated; use a scorer that gives steps"
        )
    if how in OF_PROBABILITIES and not all(0 <= p <= 1 for p in steps):
        wrong = next(p for p in steps if not 0 <= p <= 1)
        raise ConfigError(
            f"a step scores {wrong}, and {how} needs probabilities; aggregate logits by last, min"
            " or mean"
        )
    return AGGREGATIONS[how](steps)


def caution(how: Aggregation, labels: LabelMeaning) -> str | None:
    """A warning where an aggregation does not suit what the scores were learned from; None where it
    does.

    A Monte-Carlo label estimates the chance to finish right from a step: a value, and the last one
    holds all before it. Such scores aggregate best by last; labels of correctness, by product or
    min (arXiv:2501.07301).
    """
    if labels == "correctness" or how in ("last", "mean"):
        return None
    if how in OF_PROBABILITIES:
        wrong = "multiplying values counts the same doubt once a step"
    else:
        wrong = "the lowest value marks where the policy found the problem hard, not a wrong step"
    return (
        f"{how} of scores learned from Monte-Carlo labels: such a score estimates the chance to"
        f" finish right from its step on, which is a value and not the step's correctness; {wrong}."
        " Aggregate by last, or learn from labels of correctness (arXiv:2501.07301)"
    )
