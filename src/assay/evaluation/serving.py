"""What lies between the scores of a model here and those that a server gives of it.

Every way in which servers are known to go wrong is a hypothesis: other tokens are read (a variant),
the logit goes through an activation, it is scaled and shifted. The simplest one that gives the
served numbers is the explanation; what it leaves is noise, as of another precision, or a
difference that nothing here explains.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from assay.stats.intervals import Array

__all__ = ["Activation", "Explanation", "cut_off", "explain", "rank_flips"]

Activation = Literal["none", "sigmoid", "softmax", "softmax of two", "logit"]
"""What the numbers went through: a softmax over one output is always 1, over (-x/2, x/2) the
difference of its parts is 2 sigmoid(x) - 1; "logit" = a sigmoid was left out."""

FEWEST: Final = 6
"""Numbers below which a line through them proves nothing."""
BETTER: Final = 5.0
"""How many times less a hypothesis must leave than a simpler one where neither is exact."""
NOISE: Final = 0.1
"""Largest noise, as a share of the scores' standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How served numbers come from those expected."""

    variant: str
    """What is read in place of the layout's tokens; "" = those."""
    activation: Activation
    slope: float = 1.0
    shift: float = 0.0
    left: Array
    """(n,) absolute differences that it leaves, in the served numbers' units."""
    exact: bool
    """Whether nothing above the tolerance is left."""
    noise: float
    """Root mean square of what is left, as a share of the standard deviation of the numbers."""

    @property
    def plain(self) -> bool:
        """Whether served and expected numbers are meant to be the same."""
        return not self.variant and self.activation == "none" and not self.affine

    @property
    def affine(self) -> bool:
        """Whether logits are scaled or shifted."""
        return (self.slope, self.shift) != (1.0, 0.0)

    @property
    def holds(self) -> bool:
        """Whether what is left is noise, or nothing."""
        return self.exact or self.noise <= NOISE


def explain(
    variants: Mapping[str, Array], served: Array, *, tolerance: float, pair: bool = False
) -> Explanation:
    """Return the simplest hypothesis that gives the most of the served numbers.

    variants: (n,) expected numbers by what would be read, that of the layout under ""; NaN where
    there is none. served: (n,) numbers. tolerance: largest difference that means nothing. pair:
    whether the model has two outputs whose difference is the logit.
    """
    best: Explanation | None = None
    for found in _hypotheses(variants, served, tolerance, pair):
        if best is None or _better(found, best, tolerance):
            best = found
        if best.exact:
            break
    assert best is not None, "there is always the layout's own"
    return best


def _better(new: Explanation, old: Explanation, tolerance: float) -> bool:
    hits = [int((one.left <= tolerance).sum()) for one in (new, old)]
    if max(hits) > len(new.left) // 3 or new.exact:
        return hits[0] > hits[1]
    return float(new.left.mean()) * BETTER < float(old.left.mean())


def _hypotheses(
    variants: Mapping[str, Array], served: Array, tolerance: float, pair: bool
) -> Iterator[Explanation]:
    """All hypotheses, the simplest first."""
    kinds: list[Activation] = ["sigmoid", "softmax of two" if pair else "softmax"]
    if all(((x > 0) & (x < 1)).all() for x in variants.values()):
        kinds.append("logit")
    expected = variants[""]
    others = {name: x for name, x in variants.items() if name}
    made = _Making(served, tolerance)
    yield made.of("", expected, "none")
    for name, x in others.items():
        yield made.of(name, x, "none")
    for kind in kinds:
        yield made.of("", expected, kind)
    yield from made.affine("", expected, "none")
    yield from made.affine("", expected, "sigmoid")
    for name, x in others.items():
        for kind in kinds:
            yield made.of(name, x, kind)
    for name, x in others.items():
        yield from made.affine(name, x, "none")


@dataclass(frozen=True)
class _Making:
    """Hypotheses on the same served numbers."""

    served: Array
    tolerance: float

    def of(
        self,
        variant: str,
        expected: Array,
        kind: Activation,
        slope: float = 1.0,
        shift: float = 0.0,
    ) -> Explanation:
        numbers = _activated(slope * expected + shift, kind)
        left = np.nan_to_num(np.abs(numbers - self.served), nan=np.inf, posinf=np.inf)
        spread = float(np.std(self.served))
        size = float(np.sqrt(np.mean(left**2)))
        return Explanation(
            variant=variant,
            activation=kind,
            slope=slope,
            shift=shift,
            left=left,
            exact=bool((left <= self.tolerance).all()),
            noise=size / spread if spread > 0 else (0.0 if size == 0 else math.inf),
        )

    def affine(
        self, variant: str, expected: Array, kind: Literal["none", "sigmoid"]
    ) -> Iterator[Explanation]:
        """The hypothesis with the line of least squares, where there are enough numbers for one."""
        y = self.served
        if kind == "sigmoid":
            if not ((y > 0) & (y < 1)).all():
                return
            y = np.log(y) - np.log1p(-y)
        if len(y) < FEWEST or not np.isfinite(expected).all() or float(np.std(expected)) == 0:
            return
        slope, shift = np.polyfit(expected, y, 1)
        yield self.of(variant, expected, kind, float(slope), float(shift))


def _activated(x: Array, kind: Activation) -> Array:
    if kind == "none":
        return x
    if kind == "softmax":
        return np.ones_like(x)
    if kind == "logit":
        return np.log(x) - np.log1p(-x)
    half = np.tanh(x / 2)
    return half if kind == "softmax of two" else (1 + half) / 2


def cut_off(left: Array, lengths: Array, tolerance: float) -> tuple[int, int] | None:
    """Return (a, b) where all of up to a tokens agree and all from b on differ, clearly; None where
    differences are not of the longest alone.

    left: (n,) what an explanation leaves. lengths: (n,) tokens.
    """
    wrong = left > tolerance
    if not wrong.any() or (~wrong).sum() < 3 or lengths[wrong].min() <= lengths[~wrong].max():
        return None
    if left[wrong].min() <= 10 * max(left[~wrong].max(), tolerance / 100):
        return None
    return int(lengths[~wrong].max()), int(lengths[wrong].min())


def rank_flips(expected: Array, served: Array, tolerance: float) -> tuple[int, int, int]:
    """Return how many pairs a server orders the other way, how many it ties, and of how many.

    Pairs whose expected scores differ by no more than the tolerance are left out.
    """
    a, b = np.triu_indices(len(expected), k=1)
    here, there = expected[a] - expected[b], served[a] - served[b]
    far = np.abs(here) > tolerance
    flips = int((here[far] * there[far] < 0).sum())
    return flips, int((there[far] == 0).sum()), int(far.sum())
