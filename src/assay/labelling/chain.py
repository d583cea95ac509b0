"""What rollouts say of a solution's steps: a chain of three states, its posterior, and how sure it
is.

A solution is sound up to some step, lost from the next on, and now and then recovers: errors
cancel, or a step mends what was wrong. That is a chain of three states a step, sound -> lost <->
recovered, with a chance of going wrong and one of recovering. From a sound or a recovered prefix a
policy finishes right with a probability of its prefix's own, p ~ Beta(a1, b1), and from a lost one
with p ~ Beta(a0, b0), which need not be 0. So s of n rollouts right from after a step have the
probability B(a + s, b + n - s) / B(a, b), times the number of their orders, and the answer itself
is one more observation at the last step. The forward-backward sums (Rabiner 1989) give P(step t is
sound | all rollouts).

The parameters are those under which all rollouts so far are most probable (empirical Bayes), under
weak priors. How uncertain they leave a step is found by Laplace's approximation: parameters drawn
from the normal distribution about the best ones whose precision is the Hessian there.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = [
    "START",
    "WIDTH",
    "Array",
    "Beliefs",
    "Counts",
    "credible",
    "fit",
    "information",
    "posterior",
    "supported",
]

Array = NDArray[np.float64]


def _logit(p: float) -> float:
    """The logit of a chance, without scipy.special, which a command's help would wait for."""
    return float(np.log(p / (1 - p)))


START = np.array(
    [
        _logit(0.15),
        _logit(0.02),
        _logit(0.7),
        np.log(4),
        _logit(0.08),
        np.log(4),
        _logit(0.97),
        _logit(0.03),
    ]
)
"""Where the fit starts, and what its prior is centred on: one step in seven goes wrong and one in
fifty recovers; a policy finishes right seven times in ten from a sound prefix and one time in
twelve from a lost one; an answer is right where the last step is sound."""
WIDTH = np.array([1.5, 1.5, 1.5, 1.0, 1.5, 1.0, 1.0, 1.0])
"""Standard deviations of the prior, in these units: wide enough for a policy that is right one time
in twenty."""
MOST_FITTED = 2000
"""Solutions that the parameters are fitted to, spread over all."""
SOUND, LOST, RECOVERED = range(3)
DRAWS = 48
"""Draws of the parameters, for intervals."""


@dataclass(frozen=True)
class Beliefs:
    """What is believed of a set of solutions."""

    goes_wrong: float
    """Chance that a step is lost when the one before it is not."""
    recovers: float
    """Chance that a step is not lost when the one before it is."""
    sound: tuple[float, float]
    """(a1, b1) of the chance to finish right from a prefix that is not lost."""
    lost: tuple[float, float]
    """(a0, b0) from one that is."""
    answer_sound: float
    """Chance that the answer is right if the last step is not lost."""
    answer_lost: float
    """Chance that it is right if it is."""

    @classmethod
    def of(cls, x: Array) -> "Beliefs":
        """From unbounded parameters: logits of chances and means, logarithms of the Betas'
        sizes."""
        wrong, recovers, mean1, mean0, answer1, answer0 = scipy.special.expit(
            x[[0, 1, 2, 4, 6, 7]]
        ).tolist()
        size1, size0 = np.exp(x[[3, 5]]).tolist()
        beta1, beta0 = (
            (mean * size, (1 - mean) * size) for mean, size in ((mean1, size1), (mean0, size0))
        )
        return cls(wrong, recovers, beta1, beta0, answer1, answer0)

    @property
    def moves(self) -> Array:
        """(3, 3) probabilities from state to state."""
        goes, mends = self.goes_wrong, self.recovers
        return np.array([[1 - goes, goes, 0.0], [0.0, 1 - mends, mends], [0.0, goes, 1 - goes]])


@dataclass(frozen=True)
class Counts:
    """Rollouts of N solutions of up to T steps, counted as they come; the answer's own verdict
    stands apart."""

    right_N_T: Array
    judged_N_T: Array
    steps_N: NDArray[np.intp]
    answer_N: Array
    """1 right, 0 wrong, NaN not known."""

    @property
    def there_N_T(self) -> NDArray[np.bool_]:
        """True at steps that exist."""
        return np.arange(self.right_N_T.shape[1]) < self.steps_N[:, None]

    def of(self, rows: NDArray[np.intp]) -> "Counts":
        """Those of some solutions."""
        return Counts(*(getattr(self, f.name)[rows] for f in fields(Counts)))


def evidence(counts: Counts, beliefs: Beliefs) -> Array:
    """(T, N, 3) log-probability of each step's rollouts in each state, the answer with the last; 0
    beyond."""

    def of(a: float, b: float, answer: float) -> Array:
        s_N_T, n_N_T = counts.right_N_T, counts.judged_N_T
        log_N_T: Array = scipy.special.betaln(a + s_N_T, b + n_N_T - s_N_T) - scipy.special.betaln(
            a, b
        )
        known = np.flatnonzero(~np.isnan(counts.answer_N) & (counts.steps_N > 0))
        z = counts.answer_N[known]
        log_N_T[known, counts.steps_N[known] - 1] += scipy.special.xlogy(
            z, answer
        ) + scipy.special.xlog1py(1 - z, -answer)
        return log_N_T.T

    sound, lost = of(*beliefs.sound, beliefs.answer_sound), of(*beliefs.lost, beliefs.answer_lost)
    return np.stack([sound, lost, sound], axis=-1)


def forward(log_T_N_3: Array, beliefs: Beliefs) -> tuple[Array, Array]:
    """P(state of each step | the evidence up to it), (T, N, 3), and the log-probability of all
    evidence, (N,)."""
    most_T_N_1 = log_T_N_3.max(axis=-1, keepdims=True)
    likelihood_T_N_3 = np.exp(log_T_N_3 - most_T_N_1)
    states_T_N_3 = np.empty_like(log_T_N_3)
    state_N_3 = np.broadcast_to([1.0, 0.0, 0.0], log_T_N_3.shape[1:])
    total_N = most_T_N_1.sum(axis=(0, 2))
    for t, likelihood_N_3 in enumerate(likelihood_T_N_3):
        joint_N_3 = (state_N_3 @ beliefs.moves) * likelihood_N_3
        sum_N_1 = joint_N_3.sum(axis=-1, keepdims=True)
        state_N_3 = states_T_N_3[t] = joint_N_3 / sum_N_1
        total_N = total_N + np.log(sum_N_1[:, 0])
    return states_T_N_3, total_N


def posterior(counts: Counts, beliefs: Beliefs, *, structure: bool = True) -> Array:
    """(N, T, 3) P(state of each step | rollouts); meaningless beyond a solution's end."""
    log_T_N_3 = evidence(counts, beliefs)
    if structure:
        states_T_N_3, _ = forward(log_T_N_3, beliefs)
        to_come_N_3 = np.ones(states_T_N_3.shape[1:])
        for t in range(len(log_T_N_3) - 2, -1, -1):
            later_N_3 = log_T_N_3[t + 1] - log_T_N_3[t + 1].max(axis=-1, keepdims=True)
            to_come_N_3 = (np.exp(later_N_3) * to_come_N_3) @ beliefs.moves.T
            to_come_N_3 /= to_come_N_3.max(axis=-1, keepdims=True)
            states_T_N_3[t] *= to_come_N_3
    else:
        states_T_N_3, _ = forward(np.zeros_like(log_T_N_3), beliefs)
        states_T_N_3 *= np.exp(log_T_N_3 - log_T_N_3.max(axis=-1, keepdims=True))
        # A step alone cannot tell sound from recovered.
        states_T_N_3[..., SOUND] += states_T_N_3[..., RECOVERED]
        states_T_N_3[..., RECOVERED] = 0.0
    states: Array = states_T_N_3 / states_T_N_3.sum(axis=-1, keepdims=True)
    return states.transpose(1, 0, 2)


def information(counts: Counts, beliefs: Beliefs, states_N_T_3: Array) -> Array:
    """(N, T) mutual information, in nats, of one more rollout's outcome from after a step and the
    step's label."""

    def chance(a: float, b: float) -> Array:
        p: Array = (a + counts.right_N_T) / (a + b + counts.judged_N_T)
        return p

    p1, p0 = chance(*beliefs.sound), chance(*beliefs.lost)
    sound, lost, recovered = np.moveaxis(states_N_T_3, -1, 0)
    wrong = lost + recovered
    if_wrong = np.divide(lost * p0 + recovered * p1, wrong, out=p0.copy(), where=wrong > 0)
    told: Array = (
        _entropy(sound * p1 + wrong * if_wrong) - sound * _entropy(p1) - wrong * _entropy(if_wrong)
    )
    return told


def fit(counts: Counts, start: Array) -> Array:
    """The parameters under which the rollouts are most probable, times a weak prior about
    `START`."""
    if not counts.right_N_T.size:
        return start
    some = _some(counts)
    bounds = [(m - 6, m + 6) for m in START]
    found: Any = scipy.optimize.minimize(
        lambda x: _cost(some, x), start, method="L-BFGS-B", bounds=bounds
    )
    best: Array = found.x
    return best


def credible(
    counts: Counts, x: Array, chances: tuple[float, ...], *, structure: bool = True
) -> Array:
    """(len(chances), N, T) quantiles of P(step is sound | rollouts; parameters) over what the
    parameters may be.

    x: the best parameters, as `fit` gives them. Parameters are drawn by Laplace's approximation,
    never wider than the prior, with fixed random numbers.
    """
    size = len(counts.steps_N)
    quantiles_Q_N_T = np.zeros((len(chances), *counts.right_N_T.shape))
    if not counts.right_N_T.size:
        return quantiles_Q_N_T
    drawn = [Beliefs.of(one) for one in _draws(counts, x)]
    for start in range(0, size, MOST_FITTED):
        part = counts.of(np.arange(start, min(start + MOST_FITTED, size)))
        sound_D_N_T = [
            posterior(part, beliefs, structure=structure)[..., SOUND] for beliefs in drawn
        ]
        quantiles_Q_N_T[:, start : start + MOST_FITTED] = np.quantile(sound_D_N_T, chances, axis=0)
    return quantiles_Q_N_T


def supported(counts: Counts, sound_N_T: Array, *, structure: bool = True) -> NDArray[np.bool_]:
    """(N, T) whether the side of one half that P(step is sound) is on rests on rollouts, not on the
    prior alone.

    * Above one half: something ended right from that step, or from a later one.
    * Up to one half: something ended wrong from that step or from an earlier one, and there are
      rollouts from that step on; or something ended wrong from a later one and nothing right; or a
      step before is so.

    The answer itself is a rollout from after the last step. Without `structure` each step rests on
    its own rollouts.
    """
    right_N_T, wrong_N_T = counts.right_N_T > 0, counts.judged_N_T > counts.right_N_T
    for value, any_N_T in ((1, right_N_T), (0, wrong_N_T)):
        answered = np.flatnonzero((counts.answer_N == value) & (counts.steps_N > 0))
        any_N_T[answered, counts.steps_N[answered] - 1] = True
    above_N_T = sound_N_T > 0.5
    found: NDArray[np.bool_]
    if not structure:
        found = np.where(above_N_T, right_N_T, wrong_N_T)
        return found

    def up_to(any_N_T: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.logical_or.accumulate(any_N_T, axis=1)

    def from_on(any_N_T: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return up_to(any_N_T[:, ::-1])[:, ::-1]

    right_from_N_T, wrong_from_N_T = from_on(right_N_T), from_on(wrong_N_T)
    gone_N_T = (
        up_to(wrong_N_T) & (right_from_N_T | wrong_from_N_T) | wrong_from_N_T & ~right_from_N_T
    )
    found = np.where(above_N_T, right_from_N_T, up_to(gone_N_T & ~above_N_T))
    return found


def _cost(counts: Counts, x: Array) -> float:
    """Minus the logarithm of likelihood times prior, but for a constant."""
    beliefs = Beliefs.of(x)
    _, likelihood_N = forward(evidence(counts, beliefs), beliefs)
    # What is lost must not look better than what is not: else the two would change places.
    swapped = max(0.0, float(x[4] - x[2])) ** 2
    return float(-likelihood_N.sum() + 0.5 * (((x - START) / WIDTH) ** 2).sum() + 100 * swapped)


def _some(counts: Counts) -> Counts:
    """Solutions spread over all: eight parameters need no more than that."""
    return counts.of(np.unique(np.linspace(0, len(counts.steps_N) - 1, MOST_FITTED).astype(int)))


def _draws(counts: Counts, x: Array) -> Array:
    """(DRAWS, 8) parameters that the rollouts leave possible."""
    some, step = _some(counts), 0.02 * WIDTH
    shifts = np.diag(step)

    def bend(i: int, j: int) -> float:
        """Second derivative in units of the prior's width, by central differences."""
        ends = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        total = sum(a * b * _cost(some, x + a * shifts[i] + b * shifts[j]) for a, b in ends)
        return total / (4 * 0.02**2)

    size = len(x)
    hessian = np.zeros((size, size))
    for i in range(size):
        for j in range(i, size):
            hessian[i, j] = hessian[j, i] = bend(i, j)
    precision, axes = np.linalg.eigh(hessian)
    noise = np.random.default_rng(0).standard_normal((DRAWS // 2, size))
    scaled = np.concatenate([noise, -noise]) / np.sqrt(np.maximum(precision, 1.0))
    drawn: Array = np.clip(x + (scaled @ axes.T) * WIDTH, START - 6, START + 6)
    drawn[:, 4] = np.minimum(drawn[:, 4], drawn[:, 2])
    return drawn


def _entropy(p: Array) -> Array:
    nats: Array = scipy.special.entr(p) + scipy.special.entr(1 - p)
    return nats
