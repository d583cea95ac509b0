"""What may be done to a score before it is a reward: small composable functions, each logged with
its statistics.

They work on the scores of one batch and of one part of the reward, before it is placed: one value a
response where it is placed at the end, one a step otherwise. A transform is a frozen dataclass, and
a tuple of them a pipeline: each is given what the one before it made, and means and spreads are
those of what it is given.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Protocol

import numpy as np
import scipy

from assay.errors import ConfigError
from assay.rl.advantages import Bools, Ints
from assay.rl.rewards import Array

__all__ = [
    "PAR",
    "Centre",
    "Clip",
    "Context",
    "Gate",
    "LengthPenalty",
    "Overlong",
    "Standardise",
    "Statistics",
    "Transform",
    "apply",
    "order_fault",
    "spread_warning",
    "squash_warning",
]

LEAST_SPREAD: Final = 0.01
"""Standard deviation below which scores are taken to be all alike, and are not divided by it."""
ROUNDING: Final = 1e-6
"""The same as a share of the scores' size: what rounding alone makes of equal scores."""


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of a part's scores in the run's first batch, which the untrained
    policy wrote."""

    mean: float
    std: float
    after: tuple["Statistics", ...] = ()
    """Of what each transform after the first was given."""

    @property
    def alike(self) -> bool:
        """True where there is no spread to divide by."""
        return not self.std > max(LEAST_SPREAD, ROUNDING * abs(self.mean))


@dataclass(frozen=True, kw_only=True)
class Context:
    """Inputs of a transform besides the scores: N of them, of R responses."""

    owner_N: Ints
    """The response each score is of."""
    tokens_R: Ints
    """Length of each response, in tokens."""
    finished_R: Bools
    texts_R: Sequence[str]
    given: Statistics = Statistics(0.0, 1.0)
    """Of the scores that the transform is given, in the run's first batch."""
    references_R_M: Array | None = None
    """Scores of M responses of the untrained policy to the same prompts, where asked for; NaN where
    unscored."""


class Transform(Protocol):
    """From scores to scores."""

    @property
    def references(self) -> int:
        """Responses of the untrained policy that it needs a prompt."""
        ...

    @property
    def squashes(self) -> bool:
        """True where large scores come closer together."""
        ...

    def __call__(self, values_N: Array, context: Context) -> Array:
        """The new scores."""
        ...


@dataclass(frozen=True)
class Centre:
    """Take off the mean of the untrained policy's scores: a mean of 0 at the start, and rewards of
    either sign."""

    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x - mean."""
        return values_N - context.given.mean


@dataclass(frozen=True)
class Standardise:
    """In standard deviations of the untrained policy's scores, so that parts with scales of their
    own can be added.

    Where those scores are all alike (a verifier that was never satisfied), there is no spread to
    divide by, and they are only centred; the run says so.
    """

    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __call__(self, values_N: Array, context: Context) -> Array:
        """(x - mean) / std, or x - mean where std is below `LEAST_SPREAD`."""
        return (values_N - context.given.mean) / (1.0 if context.given.alike else context.given.std)


@dataclass(frozen=True)
class Clip:
    """Keep scores within bounds; best after centring. The share that is clipped is logged as what
    was changed."""

    low: float = -1.0
    high: float = 1.0
    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"low is {self.low} and high {self.high}; low must be below high")

    def __call__(self, values_N: Array, context: Context) -> Array:
        """clamp(x, low, high)."""
        return np.clip(values_N, self.low, self.high)


@dataclass(frozen=True)
class PAR:
    """Preference as reward (arXiv:2502.18770): mean of σ(x - x_m) over M references, the chance to
    beat one of them.

    Bounded, centred a prompt at a time, and flat where the reward model has long stopped to know.
    """

    references: int = 10
    """M responses of the untrained policy to each prompt; scored once a prompt."""
    squashes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.references < 1:
            raise ConfigError(f"references is {self.references}; give at least 1")

    def __call__(self, values_N: Array, context: Context) -> Array:
        """(1/M) Σ_m σ(x - x_m)."""
        if context.references_R_M is None:
            raise ConfigError("PAR needs scores of reference responses")
        other_N_M = context.references_R_M[context.owner_N]
        there_N_M = ~np.isnan(other_N_M)
        beaten_N_M = np.where(there_N_M, scipy.special.expit(values_N[:, None] - other_N_M), 0.0)
        return np.asarray(beaten_N_M.sum(1) / np.maximum(there_N_M.sum(1), 1))


@dataclass(frozen=True)
class LengthPenalty:
    """A price a token."""

    price: float = 0.001
    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.price) or not self.price:
            raise ConfigError(f"price is {self.price}; give a number other than 0")

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x - price · tokens."""
        return values_N - self.price * context.tokens_R[context.owner_N]


@dataclass(frozen=True)
class Overlong:
    """A price on the last tokens before the limit (DAPO, arXiv:2503.14476): 0 up to limit - buffer,
    then falling to
    -factor at the limit."""

    limit: int = 512
    """Longest response, in tokens."""
    buffer: int = 128
    factor: float = 1.0
    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.buffer <= self.limit:
            raise ConfigError(
                f"buffer is {self.buffer} and limit {self.limit}; it must be in (0, limit]"
            )
        if not math.isfinite(self.factor) or not self.factor:
            raise ConfigError(f"factor is {self.factor}; give a number other than 0")

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x + min(-(tokens - (limit - buffer)) / buffer · factor, 0)."""
        over_R = context.tokens_R - (self.limit - self.buffer)
        return values_N + np.minimum(-over_R / self.buffer * self.factor, 0.0)[context.owner_N]


@dataclass(frozen=True)
class Gate:
    """Only responses of the right form earn anything: the others get a fixed value."""

    pattern: str = ""
    """A regular expression to be found in the response; of your own, not a model's. Empty: no
    pattern."""
    finished: bool = True
    """Whether a response must have been ended by the policy."""
    otherwise: float = 0.0
    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(f"{self.pattern!r} is no regular expression: {error}") from error
        if not math.isfinite(self.otherwise):
            raise ConfigError(f"otherwise is {self.otherwise}; give a number")

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x, or `otherwise`."""
        fits_R = np.array(
            [re.search(self.pattern, text) is not None for text in context.texts_R], dtype=bool
        )
        if self.finished:
            fits_R &= context.finished_R
        return np.where(fits_R[context.owner_N], values_N, self.otherwise)


OF_THE_SCORE: Final = (Centre, Standardise, Clip)
"""Transforms that make of a score what they make of it wherever it is from."""


def apply(
    transforms: Sequence[Transform],
    values_N: Array,
    context: Context,
    statistics: Statistics | None = None,
) -> tuple[Array, dict[str, float], Statistics | None]:
    """The scores after all transforms in order; of each the mean and spread after it and the share
    it changed; and the statistics of what each was given.

    statistics: of the run's first batch; None = this is the first, and they are taken here (None
    without scores).
    """
    figures: dict[str, float] = {}
    if fault := order_fault(transforms):
        raise ConfigError(fault)
    known = [_statistics(values_N)] if statistics is None else [statistics, *statistics.after]
    nothing = statistics is None and not len(values_N)
    for i, transform in enumerate(transforms):
        if i == len(known):
            known.append(_statistics(values_N))
        context = replace(context, given=known[i])
        after_N = transform(values_N, context)
        if context.references_R_M is not None and isinstance(transform, OF_THE_SCORE):
            # What scores are compared with goes the same way as they.
            context = replace(context, references_R_M=transform(context.references_R_M, context))
        name = type(transform).__name__.lower()
        if len(after_N):
            figures |= {
                f"{name}_mean": float(after_N.mean()),
                f"{name}_std": float(after_N.std()),
                f"{name}_changed": float((after_N != values_N).mean()),
            }
        values_N = after_N
    return values_N, figures, None if nothing else replace(known[0], after=tuple(known[1:]))


def _statistics(values_N: Array) -> Statistics:
    return (
        Statistics(float(values_N.mean()), float(values_N.std()))
        if len(values_N)
        else Statistics(0.0, 1.0)
    )


def order_fault(transforms: Sequence[Transform]) -> str | None:
    """Why these transforms cannot come in this order; None where they can."""
    earlier: list[str] = []
    for transform in transforms:
        name = type(transform).__name__
        if transform.references and earlier:
            others = ", ".join(earlier)
            return (
                f"{name} compares scores with those of other responses, and what {others} makes of"
                f" a score does not depend on the score alone: put {name} before {others}"
            )
        if not isinstance(transform, OF_THE_SCORE):
            earlier.append(name)
    return None


def spread_warning(transforms: Sequence[Transform], statistics: Statistics) -> str | None:
    """Warn of a `Standardise` without a spread to divide by; None where it has one."""
    of_each = (statistics, *statistics.after)
    for transform, given in zip(transforms, of_each, strict=False):
        if isinstance(transform, Standardise) and given.alike:
            return (
                "standardise is given scores that are all alike before training (mean"
                f" {given.mean:.3g}, standard deviation {given.std:.2g}): they are centred and keep"
                " their own scale, for there is no spread to divide by. Choose a weight by that"
                " scale, or prompts on which the policy's scores differ"
            )
    return None


def squash_warning(transforms: Sequence[Transform], *, normalised: bool) -> str | None:
    """A warning where advantages are divided by their standard deviation after a squash; None where
    not."""
    names = [type(transform).__name__ for transform in transforms if transform.squashes]
    if not names or not normalised:
        return None
    return (
        f"{', '.join(names)} bounds the reward, and dividing advantages by their standard deviation"
        " scales it up again: of a squash only its order within the batch is left. Use an"
        " advantage without that (rloo, dr_grpo, gae; whiten=no)"
    )
