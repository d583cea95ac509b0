"""Rollouts where a label is undecided, until it is decided.

A solution is sound up to some step, lost from the next on, and now and then recovers: errors cancel, or a step mends
what was wrong. That is a chain of three states a step, sound -> lost <-> recovered, with a chance of going wrong and
one of recovering. From a sound or a recovered prefix a policy finishes right with a probability of its prefix's own,
p ~ Beta(a1, b1), and from a lost one with p ~ Beta(a0, b0), which need not be 0. So s of n rollouts right from after a
step have the probability B(a + s, b + n - s) / B(a, b), times the number of their orders, and the answer itself is one
more observation at the last step. The forward-backward sums (Rabiner 1989) give P(step t is sound | all rollouts): the
step's label. Rollouts from one step inform the others, as in a binary search, but a lucky one is evidence, no verdict.

The next rollouts go where they are expected to tell most about the step's label, the mutual information of one more
outcome and the label (Lindley 1956; on a line of steps that is noisy binary search, Burnashev and Zigangirov 1974). A
solution is done when every label is decided with the confidence asked for. The parameters are those under which all
rollouts so far are most probable (empirical Bayes), under weak priors; they are fitted again as rollouts come in. With
`structure` off each step is judged alone, by the same two Betas.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betainc, betaln, entr, expit, logit, xlog1py, xlogy

from assay.errors import ConfigError
from assay.labelling.rollouts import Rollouts
from assay.protocols import Prefix
from assay.types import Prompt, Response, RolloutLabels

__all__ = ["Adaptive", "Beliefs", "Counts", "fit", "posterior"]

Array = NDArray[np.float64]
START = np.array([logit(0.15), logit(0.02), logit(0.7), np.log(4), logit(0.08), np.log(4), logit(0.97), logit(0.03)])
"""Where the fit starts, and what its prior is centred on: one step in seven goes wrong and one in fifty recovers; a
policy finishes right seven times in ten from a sound prefix and one time in twelve from a lost one; an answer is right
where the last step is sound."""
WIDTH = np.array([1.5, 1.5, 1.5, 1.0, 1.5, 1.0, 1.0, 1.0])
"""Standard deviations of the prior, in these units: wide enough for a policy that is right one time in twenty."""
MOST_FITTED = 2000
"""Solutions that the parameters are fitted to, spread over all."""
SOUND, LOST, RECOVERED = range(3)
ROUNDS_OF_FITS = (1, 2, 3, 5, 8, 13, 21, 34)
"""A fit changes little once there are many rollouts."""


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
        """From unbounded parameters: logits of chances and means, logarithms of the Betas' sizes."""
        wrong, recovers, mean1, mean0, answer1, answer0 = expit(x[[0, 1, 2, 4, 6, 7]]).tolist()
        size1, size0 = np.exp(x[[3, 5]]).tolist()
        beta1, beta0 = ((mean * size, (1 - mean) * size) for mean, size in ((mean1, size1), (mean0, size0)))
        return cls(wrong, recovers, beta1, beta0, answer1, answer0)

    @property
    def moves(self) -> Array:
        """(3, 3) probabilities from state to state."""
        goes, mends = self.goes_wrong, self.recovers
        return np.array([[1 - goes, goes, 0.0], [0.0, 1 - mends, mends], [0.0, goes, 1 - goes]])


@dataclass(frozen=True)
class Counts:
    """Rollouts of N solutions of up to T steps, counted as they come; the answer's own verdict stands apart."""

    right_N_T: Array
    judged_N_T: Array
    steps_N: NDArray[np.intp]
    answer_N: Array
    """1 right, 0 wrong, NaN not known."""

    @property
    def there_N_T(self) -> NDArray[np.bool_]:
        """True at steps that exist."""
        return np.arange(self.right_N_T.shape[1]) < self.steps_N[:, None]


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Rollouts where they tell most, until every label is decided."""

    confidence: float = 0.95
    """A label is decided when it is 1, or 0, with this probability."""

    most: int = 16
    """Most rollouts from after one step."""

    batch: int = 2
    """Rollouts from the chosen step before choosing again."""

    least: float = 0.004
    """Nats that one more rollout must be expected to tell. Lower buys more truth for more rollouts; at 0 a label that
    no rollouts can decide gets the most of them."""

    label: Literal["hard", "soft"] = "hard"
    """soft: the probability that no step so far is lost; hard: whether it is above one half."""

    undecided: Literal["label", "drop"] = "label"
    """What a step gets that is not decided when rollouts have run out: its label all the same, or none."""

    structure: bool = True
    """Let the steps of one solution inform each other: what is lost stays lost."""

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1 or self.most < 1 or self.batch < 1 or not self.least >= 0:
            raise ConfigError(
                f"confidence is {self.confidence}, most {self.most}, batch {self.batch} and least {self.least}; they "
                "must be between 0.5 and 1, at least 1, at least 1, and at least 0"
            )

    def __call__(self, responses: Sequence[tuple[Prompt, Response]], rollouts: Rollouts) -> list[RolloutLabels]:
        """One record a response, in order. Raises `DataError` where a prompt has no reference."""
        size = max((len(response.steps) for _, response in responses), default=0)
        asked_N_T = np.zeros((len(responses), size), dtype=np.int64)
        # A finished response is its own only rollout from after its last step.
        open_N_T = np.array([[t < len(r.steps) - r.finished for t in range(size)] for _, r in responses], dtype=bool)
        counts = _nothing_yet(responses, size, rollouts)
        x, beliefs = START, Beliefs.of(START)
        turn = 0
        while True:
            states_N_T_3 = posterior(counts, beliefs, structure=self.structure)
            chosen = list(self._choose(counts, beliefs, states_N_T_3, open_N_T & (asked_N_T < self.most)))
            if not chosen:
                break
            prefixes = [Prefix(responses[i][0], responses[i][1].steps[: t + 1]) for i, t in chosen]
            for place in chosen:
                asked_N_T[place] = min(asked_N_T[place] + self.batch, self.most)
            rollouts.want([(prefix, int(asked_N_T[place])) for prefix, place in zip(prefixes, chosen, strict=True)])
            for prefix, place in zip(prefixes, chosen, strict=True):
                tally = rollouts.tally(prefix, int(asked_N_T[place]))
                counts.right_N_T[place], counts.judged_N_T[place] = tally.right, tally.judged
            turn += 1
            if turn in ROUNDS_OF_FITS:
                x = fit(counts, x)
                beliefs = Beliefs.of(x)
        x = fit(counts, x)
        return list(self._records(responses, counts, Beliefs.of(x)))

    def _choose(
        self, counts: Counts, beliefs: Beliefs, states_N_T_3: Array, may_N_T: NDArray[np.bool_]
    ) -> Iterator[tuple[int, int]]:
        """Where the next rollouts go: one step a solution, or every undecided step where each is judged alone."""
        sound_N_T = states_N_T_3[..., SOUND]
        undecided_N_T = counts.there_N_T & (np.maximum(sound_N_T, 1 - sound_N_T) < self.confidence)
        if not self.structure:
            yield from zip(*(axis.tolist() for axis in np.nonzero(undecided_N_T & may_N_T)), strict=True)
            return
        told_N_T = np.where(may_N_T, information(counts, beliefs, states_N_T_3), -1.0)
        for i in np.flatnonzero(undecided_N_T.any(axis=1) & (told_N_T.max(axis=1, initial=-1.0) > self.least)).tolist():
            yield i, int(told_N_T[i].argmax())

    def _records(
        self, responses: Sequence[tuple[Prompt, Response]], counts: Counts, beliefs: Beliefs
    ) -> Iterator[RolloutLabels]:
        states_N_T_3 = posterior(counts, beliefs, structure=self.structure)
        sound_N_T, alive_N_T = states_N_T_3[..., SOUND], 1 - states_N_T_3[..., LOST]
        for i, (prompt, response) in enumerate(responses):
            found = [self._label(p) for p in sound_N_T[i, : len(response.steps)].tolist()]
            right = counts.right_N_T[i].astype(int).tolist()
            judged = counts.judged_N_T[i].astype(int).tolist()
            if not np.isnan(counts.answer_N[i]):
                right[len(found) - 1], judged[len(found) - 1] = int(counts.answer_N[i]), 1
            yield RolloutLabels(
                prompt=prompt,
                response=response,
                labels=tuple(found),
                # Whether a step is sound, not how often a policy finishes from it: that is what the intervals say.
                meaning="correctness",
                right=tuple(right[: len(found)]),
                rollouts=tuple(judged[: len(found)]),
                intervals=tuple(
                    value_interval(right[t], judged[t], alive_N_T[i, t].item(), beliefs) for t in range(len(found))
                ),
            )

    def _label(self, p: float) -> float | None:
        if self.undecided == "drop" and max(p, 1 - p) < self.confidence:
            return None
        return p if self.label == "soft" else float(p > 0.5)


def _nothing_yet(responses: Sequence[tuple[Prompt, Response]], size: int, rollouts: Rollouts) -> Counts:
    """Counts before any rollout: the answers are checked."""
    answer_N = np.full(len(responses), np.nan)
    for i, (prompt, response) in enumerate(responses):
        if response.finished and response.steps:
            verdict = rollouts.check(Prefix(prompt), response).right
            answer_N[i] = np.nan if verdict is None else float(verdict)
    steps_N = np.array([len(response.steps) for _, response in responses], dtype=np.intp)
    return Counts(np.zeros((len(responses), size)), np.zeros((len(responses), size)), steps_N, answer_N)


def evidence(counts: Counts, beliefs: Beliefs) -> Array:
    """(T, N, 3) log-probability of each step's rollouts in each state, the answer with the last; 0 beyond."""

    def of(a: float, b: float, answer: float) -> Array:
        s_N_T, n_N_T = counts.right_N_T, counts.judged_N_T
        log_N_T: Array = betaln(a + s_N_T, b + n_N_T - s_N_T) - betaln(a, b)
        known = np.flatnonzero(~np.isnan(counts.answer_N) & (counts.steps_N > 0))
        z = counts.answer_N[known]
        log_N_T[known, counts.steps_N[known] - 1] += xlogy(z, answer) + xlog1py(1 - z, -answer)
        return log_N_T.T

    sound, lost = of(*beliefs.sound, beliefs.answer_sound), of(*beliefs.lost, beliefs.answer_lost)
    return np.stack([sound, lost, sound], axis=-1)


def forward(log_T_N_3: Array, beliefs: Beliefs) -> tuple[Array, Array]:
    """P(state of each step | the evidence up to it), (T, N, 3), and the log-probability of all evidence, (N,)."""
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
    """(N, T) mutual information, in nats, of one more rollout's outcome from after a step and the step's label."""

    def chance(a: float, b: float) -> Array:
        p: Array = (a + counts.right_N_T) / (a + b + counts.judged_N_T)
        return p

    p1, p0 = chance(*beliefs.sound), chance(*beliefs.lost)
    sound, lost, recovered = np.moveaxis(states_N_T_3, -1, 0)
    wrong = lost + recovered
    if_wrong = np.divide(lost * p0 + recovered * p1, wrong, out=p0.copy(), where=wrong > 0)
    told: Array = _entropy(sound * p1 + wrong * if_wrong) - sound * _entropy(p1) - wrong * _entropy(if_wrong)
    return told


def fit(counts: Counts, start: Array) -> Array:
    """The parameters under which the rollouts are most probable, times a weak prior about `START`."""

    def cost(x: Array) -> float:
        beliefs = Beliefs.of(x)
        _, likelihood_N = forward(evidence(some, beliefs), beliefs)
        # What is lost must not look better than what is not: else the two would change places.
        swapped = max(0.0, float(x[4] - x[2])) ** 2
        return float(-likelihood_N.sum() + 0.5 * (((x - START) / WIDTH) ** 2).sum() + 100 * swapped)

    if not counts.right_N_T.size:
        return start
    # Eight parameters need no more than that.
    chosen = np.unique(np.linspace(0, len(counts.steps_N) - 1, MOST_FITTED).astype(int))
    some = Counts(*(getattr(counts, f.name)[chosen] for f in fields(Counts)))
    found: Any = minimize(cost, start, method="L-BFGS-B", bounds=[(m - 6, m + 6) for m in START])
    best: Array = found.x
    return best


def value_interval(right: int, judged: int, alive: float, beliefs: Beliefs, mass: float = 0.95) -> tuple[float, float]:
    """Equal-tailed interval of the chance to end right: a mixture of two Betas, the step being lost or not."""
    (a1, b1), (a0, b0) = beliefs.sound, beliefs.lost

    def below(p: float) -> float:
        lost, not_lost = (betainc(a + right, b + judged - right, p) for a, b in ((a0, b0), (a1, b1)))
        return float(alive * not_lost + (1 - alive) * lost)

    def quantile(q: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle) < q else (low, middle)
        return (low + high) / 2

    return quantile((1 - mass) / 2), quantile((1 + mass) / 2)


def _entropy(p: Array) -> Array:
    nats: Array = entr(p) + entr(1 - p)
    return nats
