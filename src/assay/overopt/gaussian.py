"""A world in which over-optimization is known in closed form.

A response has one feature phi ~ N(0, 1). The proxy likes more of it, proxy = phi + tau * noise; the
gold reward likes some of it, gold = a phi - b phi^2 + b. Of all policies with a given KL from the
sampling one the policy tilted by exp(lambda z), z the standardised proxy, has the highest proxy;
there z ~ N(lambda, 1), KL = lambda^2 / 2 and, with d = sqrt(KL) and s^2 = 1 + tau^2,

    gold(d) = alpha d - beta d^2,  alpha = sqrt(2) a / s,  beta = 2 b / s^2;  proxy(d) = sqrt(2) s d

which is exactly the form that Gao et al. (arXiv:2210.10760) fit to best-of-n. Noise in the proxy
delays the peak and leaves its height a^2 / (4b) as it was. What best-of-n itself does is
`best_of_n`: at a given KL its proxy is a little lower, and as its choice varies less than the
tilted policy's, its gold can be higher.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from assay.errors import ConfigError, DataError
from assay.overopt._resample import Array

__all__ = ["GaussianGoodhart", "Pools"]


class Pools(NamedTuple):
    """Samples of a world: one pool a prompt."""

    proxy_P_N: Array
    gold_P_N: Array


@dataclass(frozen=True)
class GaussianGoodhart:
    """The analytic world; see the module."""

    a: float
    """What a unit of the feature is worth, in units of gold."""
    b: float
    """What its square costs; 0 = the proxy is right however hard it is optimised against."""
    tau: float = 0.0
    """Standard deviation of the proxy's own noise, beside the feature's, which is 1."""

    def __post_init__(self) -> None:
        if not (
            math.isfinite(self.a)
            and math.isfinite(self.b)
            and math.isfinite(self.tau)
            and self.tau >= 0
        ):
            raise ConfigError(
                f"a {self.a}, b {self.b} and tau {self.tau} must be finite, tau not below 0"
            )

    @property
    def alpha(self) -> float:
        """sqrt(2) a / s: gold gained per unit of d at the start."""
        return math.sqrt(2) * self.a / self.spread

    @property
    def beta(self) -> float:
        """2 b / s^2: how fast that is lost."""
        return 2 * self.b / self.spread**2

    @property
    def spread(self) -> float:
        """s, the standard deviation of the proxy."""
        return math.sqrt(1 + self.tau**2)

    @property
    def peak_d(self) -> float:
        """d of the highest gold, alpha / (2 beta); infinite without a cost, 0 where the feature is
        worth nothing."""
        if self.b <= 0:
            return math.inf
        return max(0.0, self.alpha / (2 * self.beta))

    @property
    def peak_gold(self) -> float:
        """a^2 / (4 b), whatever the noise."""
        if self.b <= 0:
            return math.inf
        return self.a**2 / (4 * self.b) if self.a > 0 else 0.0

    def gold(self, d: ArrayLike) -> Array:
        """Expected gold at d = sqrt(KL) of the tilted policy; 0 at 0."""
        x = np.asarray(d, dtype=np.float64)
        return np.asarray(self.alpha * x - self.beta * x * x)[()]

    def proxy(self, d: ArrayLike) -> Array:
        """Expected proxy at d = sqrt(KL) of the tilted policy."""
        return np.asarray(math.sqrt(2) * self.spread * np.asarray(d, dtype=np.float64))[()]

    def best_of_n(self, n: int) -> tuple[float, float]:
        """Expected proxy and gold of the best of n fresh samples, by quadrature over the highest of
        n normals."""
        if n < 1:
            raise DataError(f"best of {n}: n must be at least 1")
        z = np.linspace(-12.0, 12.0, 24001)
        density = np.exp(
            math.log(n) - z * z / 2 - math.log(2 * math.pi) / 2 + (n - 1) * log_ndtr(z)
        ) * (z[1] - z[0])
        first, second = float(density @ z), float(density @ (z * z))
        s = self.spread
        return s * first, self.a * first / s - self.b * (second - 1) / s**2

    def pools(self, prompts: int, size: int, *, seed: int) -> Pools:
        """Independent samples (P, N) of proxy and gold."""
        rng = np.random.default_rng(seed)
        feature = rng.standard_normal((prompts, size))
        noise = rng.standard_normal((prompts, size)) if self.tau else 0.0
        return Pools(feature + self.tau * noise, self.a * feature - self.b * feature**2 + self.b)
