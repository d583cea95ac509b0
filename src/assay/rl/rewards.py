"""Placements: pure functions from one response's step scores to a reward per step.

p is the probability that a step is right, v the chance to finish right from after it (a value).
What a placement pays in all decides what a policy learns, and what it does when nothing is left to
learn:

| placement            | step t earns           | in all                 | padding with right      |
|                      |                        |                        | steps                   |
|----------------------|------------------------|------------------------|-------------------------|
| `terminal`           | the last step an       | the aggregate          | free by min, product,   |
|                      | aggregate of all       |                        | last of v               |
|                      | (`aggregation`)        |                        |                         |
| `every_step`         | s_t (Math-Shepherd,    | the sum                | **pays**: chains grow   |
|                      | arXiv:2312.08935)      |                        | to their limit          |
| `difference`         | v_t - v_{t-1}          | last - start           | free                    |
|                      | (potential-based       |                        |                         |
|                      | shaping; progress,     |                        |                         |
|                      | PAV, arXiv:2410.08146) |                        |                         |
| `minus_one`          | p_t - 1                | at most 0              | free                    |
| `below`              | min(p_t - η, 0) (Clip, | at most 0              | free                    |
|                      | arXiv:2410.15115)      |                        |                         |
| `forward_difference` | p_t - p_{t+1}, the     | p_1                    | free, but before step 1 |
|                      | last one p_T (Delta,   |                        |                         |
|                      | arXiv:2410.15115)      |                        |                         |
| `log`                | ln p_t                 | the log of the product | free                    |
| `softmin`            | w_t r_t, w =           | nearly the least r     | nearly free             |
|                      | softmax(-r / T), r =   |                        |                         |
|                      | 2p - 1 (PURE,          |                        |                         |
|                      | arXiv:2504.15275)      |                        |                         |

A right step more is one with p = 1, or one that leaves v as it is. `terminal` by mean, or by last
of p, pays for it; `softmin` does where the weakest step is nearly right or such steps are very
many.

A placement is invariant to segmentation when cutting a step in two, or joining two, changes neither
what the response earns in all nor what is still to come at places that were step ends before and
after. Of values, `difference` and `terminal` by last are (whatever the new end's value is). Of
probabilities whose product over the parts is the whole's, `log` and `terminal` by product are; with
parts of which one is sure, `minus_one`, `below` and `terminal` by min are too. `every_step`,
`terminal` by mean, `forward_difference` and `softmin` are not: what they pay depends on how many
steps there are, or on which of them come first, and a policy finds that out.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from assay.aggregation import FLOOR, OF_PROBABILITIES, Aggregation, aggregate
from assay.errors import ConfigError

__all__ = [
    "Array",
    "Place",
    "below",
    "best_of_k",
    "difference",
    "every_step",
    "forward_difference",
    "log",
    "minus_one",
    "place",
    "softmin",
    "terminal",
]

Array = NDArray[np.float64]

Place = Literal[
    "terminal",
    "every_step",
    "difference",
    "minus_one",
    "below",
    "forward_difference",
    "log",
    "softmin",
]


def terminal(scores_S: Array, how: Aggregation = "last") -> Array:
    """One reward, at the last step: an aggregate of all."""
    placed_S = np.zeros_like(scores_S)
    placed_S[-1] = aggregate(scores_S.tolist(), how)
    return placed_S


def every_step(scores_S: Array) -> Array:
    """Each step's own score. Their sum grows with the number of steps, and so will the number of
    steps."""
    return scores_S.copy()


def difference(values_S: Array, start: float = 0.0) -> Array:
    """The change of each step: s_t - s_{t-1}, which telescopes to s_T - start (arXiv:2410.08146; Ng
    et al. 1999).

    start: the value before the first step. Within a group of one prompt any constant gives the same
    advantages.
    """
    return np.asarray(np.diff(values_S, prepend=start), dtype=np.float64)


def minus_one(probabilities_S: Array) -> Array:
    """p - 1: a step can only lose, so that none is added for its own sake."""
    return probabilities_S - 1.0


def below(probabilities_S: Array, threshold: float = 0.9) -> Array:
    """min(p - threshold, 0): steps that are good enough are all alike (Clip, arXiv:2410.15115)."""
    return np.asarray(np.minimum(probabilities_S - threshold, 0.0))


def forward_difference(scores_S: Array) -> Array:
    """s_t - s_{t+1}, and s_T at the last step: telescopes to s_1 (Delta, arXiv:2410.15115)."""
    return np.asarray(scores_S - np.append(scores_S[1:], 0.0))


def log(probabilities_S: Array) -> Array:
    """ln p: the sum is the logarithm of the product."""
    return np.log(np.maximum(probabilities_S, FLOOR))


def softmin(probabilities_S: Array, temperature: float = 0.1) -> Array:
    """w_t r_t with r = 2p - 1 and w = softmax(-r / temperature): in all nearly the weakest step
    (arXiv:2504.15275).

    What is still to come (the sum from a step on) is the minimum up to the weakest step, and about
    0 after it.
    """
    rewards_S = 2.0 * probabilities_S - 1.0
    weights_S = np.exp((rewards_S.min() - rewards_S) / temperature)
    return np.asarray(weights_S / weights_S.sum() * rewards_S)


def best_of_k(values_S: Array, k: float) -> Array:
    """Values of a policy that takes the best of k samples: 1 - (1 - v)^k, a prover of
    arXiv:2410.08146.

    With k above 1 progress is measured against somebody more able than the policy, to whom hopeless
    and easy steps alike add nothing.
    """
    return np.asarray(1.0 - (1.0 - values_S) ** k)


PLACEMENTS: Final[Mapping[Place, Callable[[Array], Array]]] = {
    "terminal": terminal,
    "every_step": every_step,
    "difference": difference,
    "minus_one": minus_one,
    "below": below,
    "forward_difference": forward_difference,
    "log": log,
    "softmin": softmin,
}

PROBABILITIES: Final[frozenset[Place]] = frozenset({"minus_one", "below", "log", "softmin"})
"""These are of probabilities."""


def place(
    scores_S: Array,
    how: Place,
    *,
    aggregate: Aggregation = "last",
    threshold: float = 0.9,
    temperature: float = 0.1,
    prover: float = 1.0,
) -> Array:
    """A reward a step, (S,), of the scores of all S steps of a response.

    aggregate: of `terminal`. threshold: of `below`. temperature: of `softmin`. prover: the k of
    `best_of_k`, taken of the scores first. Raises `ConfigError` for an unknown placement, and for
    scores that are no probabilities where the placement needs them.
    """
    if how not in PLACEMENTS:
        raise ConfigError(f"no placement is called {how!r}; there is {', '.join(PLACEMENTS)}")
    needs = (
        how in PROBABILITIES or prover != 1 or (how == "terminal" and aggregate in OF_PROBABILITIES)
    )
    wrong_N = scores_S[~((scores_S >= 0) & (scores_S <= 1))]
    if needs and len(wrong_N):
        raise ConfigError(
            f"a step scores {float(wrong_N[0]):.3g}, and {how if prover == 1 else 'a prover'} needs"
            " probabilities; use difference, every_step, or terminal by last, min or mean, without"
            " a prover"
        )
    if prover != 1:
        scores_S = best_of_k(scores_S, prover)
    chosen: Mapping[Place, Callable[[Array], Array]] = {
        "terminal": partial(terminal, how=aggregate),
        "below": partial(below, threshold=threshold),
        "softmin": partial(softmin, temperature=temperature),
    }
    return chosen.get(how, PLACEMENTS[how])(scores_S)
