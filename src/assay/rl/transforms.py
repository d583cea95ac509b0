"""What may be done to a score before it is a reward: small composable functions, each logged with its statistics.

They work on the scores of one batch and of one part of the reward, before it is placed: one value a response where it
is placed at the end, one a step otherwise. A transform is a frozen dataclass, and a tuple of them a pipeline.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy.special import expit

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
    "Transform",
    "apply",
    "squash_warning",
]


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a transform may look at besides the scores: N of them, of R responses."""

    owner_N: Ints
    """The response each score is of."""
    tokens_R: Ints
    """Length of each response, in tokens."""
    finished_R: Bools
    texts_R: Sequence[str]
    mean: float
    """Of this part's scores in the run's first batch, which the untrained policy wrote."""
    std: float
    references_R_M: Array | None = None
    """Scores of M responses of the untrained policy to the same prompts, where asked for; NaN where unscored."""


class Transform(Protocol):
    """From scores to scores."""

    @property
    def references(self) -> int:
        """Responses of the untrained policy that it needs a prompt."""
        ...

    @property
    def squashes(self) -> bool:
        """Whether large scores come closer together."""
        ...

    def __call__(self, values_N: Array, context: Context) -> Array:
        """The new scores."""
        ...


@dataclass(frozen=True)
class Centre:
    """Take off the mean of the untrained policy's scores: a mean of 0 at the start, and rewards of either sign."""

    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x - mean."""
        return values_N - context.mean


@dataclass(frozen=True)
class Standardise:
    """In standard deviations of the untrained policy's scores, so that parts with scales of their own can be added."""

    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __call__(self, values_N: Array, context: Context) -> Array:
        """(x - mean) / std."""
        return (values_N - context.mean) / max(context.std, 1e-8)


@dataclass(frozen=True)
class Clip:
    """Keep scores within bounds; best after centring. The share that is clipped is logged as what was changed."""

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
    """Preference as reward (arXiv:2502.18770): mean of σ(x - x_m) over M references, the chance to beat one of them.

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
        beaten_N_M = np.where(there_N_M, expit(values_N[:, None] - other_N_M), 0.0)
        return np.asarray(beaten_N_M.sum(1) / np.maximum(there_N_M.sum(1), 1))


@dataclass(frozen=True)
class LengthPenalty:
    """A price a token."""

    price: float = 0.001
    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x - price · tokens."""
        return values_N - self.price * context.tokens_R[context.owner_N]


@dataclass(frozen=True)
class Overlong:
    """A price on the last tokens before the limit (DAPO, arXiv:2503.14476): 0 up to limit - buffer, then falling to
    -factor at the limit."""

    limit: int = 512
    """Longest response, in tokens."""
    buffer: int = 128
    factor: float = 1.0
    references: ClassVar[int] = 0
    squashes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.buffer <= self.limit:
            raise ConfigError(f"buffer is {self.buffer} and limit {self.limit}; it must be in (0, limit]")

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x + min(-(tokens - (limit - buffer)) / buffer · factor, 0)."""
        over_R = context.tokens_R - (self.limit - self.buffer)
        return values_N + np.minimum(-over_R / self.buffer * self.factor, 0.0)[context.owner_N]


@dataclass(frozen=True)
class Gate:
    """Only responses of the right form earn anything: the others get a fixed value."""

    pattern: str = ""
    """A regular expression to be found in the response; of your own, not a model's. Empty: no pattern."""
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

    def __call__(self, values_N: Array, context: Context) -> Array:
        """x, or `otherwise`."""
        fits_R = np.array([re.search(self.pattern, text) is not None for text in context.texts_R], dtype=bool)
        if self.finished:
            fits_R &= context.finished_R
        return np.where(fits_R[context.owner_N], values_N, self.otherwise)


def apply(transforms: Sequence[Transform], values_N: Array, context: Context) -> tuple[Array, dict[str, float]]:
    """The scores after all transforms in order, and of each the mean and spread after it and the share it changed."""
    figures: dict[str, float] = {}
    for transform in transforms:
        after_N = transform(values_N, context)
        name = type(transform).__name__.lower()
        if len(after_N):
            figures |= {
                f"{name}_mean": float(after_N.mean()),
                f"{name}_std": float(after_N.std()),
                f"{name}_changed": float((after_N != values_N).mean()),
            }
        values_N = after_N
    return values_N, figures


def squash_warning(transforms: Sequence[Transform], *, normalised: bool) -> str | None:
    """A warning where advantages are divided by their standard deviation after a squash; None where not."""
    names = [type(transform).__name__ for transform in transforms if transform.squashes]
    if not names or not normalised:
        return None
    return (
        f"{', '.join(names)} bounds the reward, and dividing advantages by their standard deviation scales it up "
        "again: of a squash only its order within the batch is left. Use an advantage without that (rloo, dr_grpo, "
        "gae; whiten=no)"
    )
