"""Exact planning in a finite model: optimal policies by backward induction, exact returns, and
occupancies.

Nothing here is learned or sampled, so what a proxy rewards can be told from what some learner
happened to find. An optimum need not be unique, and policies that tie on one reward may differ on
the other: `ties` says which to take, and "best" and "worst" bound what a learner's luck can do.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from assay.errors import ConfigError
from assay.worlds.gaming.model import Model

__all__ = [
    "HasModel",
    "Policy",
    "Returns",
    "RewardName",
    "Tabular",
    "Ties",
    "chi_squared",
    "epsilon_randomised",
    "exact_returns",
    "kl_divergence",
    "occupancy",
    "optimal_policy",
    "random_policy",
    "tabulate",
    "visits",
]

Floats: TypeAlias = NDArray[np.float64]
RewardName: TypeAlias = Literal["proxy", "true"]
Ties: TypeAlias = Literal["first", "best", "worst"]

TOLERANCE = 1e-9
"""Returns closer than this tie."""
MAX_STATES = 100_000
"""Models with more reachable states are refused."""


class HasModel(Protocol):
    """An environment that tells its model."""

    model: Any


@dataclass(frozen=True, eq=False)
class Tabular:
    """A model as arrays, over S reachable states and A actions."""

    states: tuple[Hashable, ...]
    """Reachable states, in the order in which they are found: a model is always numbered the same
    way."""
    index: dict[Hashable, int]
    """From a state to its number."""
    actions: tuple[str, ...]
    horizon: int
    start: Floats
    """(S,) probabilities of the first state."""
    transitions: Any
    """(S * A, S) sparse matrix of probabilities; a row lacks what ends the episode."""
    rewards: dict[RewardName, Floats]
    """(S, A) expected reward of an action."""


@dataclass(frozen=True, eq=False)
class Policy:
    """What to do in every state at every step."""

    table: Tabular
    probabilities: Floats
    """(horizon, S, A): rows sum to one."""

    def act(self, state: Hashable, time: int, generator: np.random.Generator) -> int:
        """An action drawn in a state, `time` steps after the start."""
        row = self.probabilities[time, self.table.index[state]]
        return int(generator.choice(len(row), p=row))


class Returns(NamedTuple):
    """Exact expected sums over an episode."""

    proxy: float
    true: float
    steps: float
    """Expected length."""


def tabulate(source: Model[Any] | HasModel | Tabular, max_states: int = MAX_STATES) -> Tabular:
    """The arrays of a model, over the states reachable within its horizon.

    Raises `ConfigError` where there are more than `max_states` of them.
    """
    if isinstance(source, Tabular):
        return source
    model: Model[Any] = source if isinstance(source, Model) else source.model
    states: list[Hashable] = list(dict.fromkeys(state for _, state in model.start))
    index = {state: number for number, state in enumerate(states)}
    depth = [0] * len(states)
    rows, columns, values = [], [], []
    proxy, true = [], []
    position = 0
    while position < len(states):
        for action in range(len(model.actions)):
            outcomes = (
                model.transition(states[position], action)
                if depth[position] < model.horizon
                else []
            )
            proxy.append(sum(each.probability * each.proxy for each in outcomes))
            true.append(sum(each.probability * each.true for each in outcomes))
            for each in outcomes:
                if each.done:
                    continue
                if each.state not in index:
                    index[each.state] = len(states)
                    states.append(each.state)
                    depth.append(depth[position] + 1)
                rows.append(position * len(model.actions) + action)
                columns.append(index[each.state])
                values.append(each.probability)
        if len(states) > max_states:
            raise ConfigError(
                f"the model has more than {max_states} states: plan over a smaller game"
            )
        position += 1
    shape = (len(states), len(model.actions))
    start = np.zeros(len(states))
    for probability, state in model.start:
        start[index[state]] += probability
    return Tabular(
        states=tuple(states),
        index=index,
        actions=model.actions,
        horizon=model.horizon,
        start=start,
        transitions=scipy.sparse.csr_matrix(
            (values, (rows, columns)), shape=(shape[0] * shape[1], shape[0])
        ),
        rewards={
            "proxy": np.array(proxy, float).reshape(shape),
            "true": np.array(true, float).reshape(shape),
        },
    )


def optimal_policy(
    source: Model[Any] | HasModel | Tabular, reward: RewardName = "proxy", ties: Ties = "first"
) -> Policy:
    """A policy of the greatest expected return, by backward induction.

    ties: among optimal actions take the first one, the one that is best for the other reward, or
    the worst for it.
    """
    if reward not in ("proxy", "true") or ties not in ("first", "best", "worst"):
        raise ConfigError(
            f"reward is 'proxy' or 'true', ties 'first', 'best' or 'worst'; not {reward!r},"
            f" {ties!r}"
        )
    table = tabulate(source)
    wanted, other = table.rewards[reward], table.rewards["true" if reward == "proxy" else "proxy"]
    shape = wanted.shape
    everywhere = np.arange(shape[0])
    value, other_value = np.zeros(shape[0]), np.zeros(shape[0])
    probabilities = np.zeros((table.horizon, *shape))
    for time in reversed(range(table.horizon)):
        returns = wanted + (table.transitions @ value).reshape(shape)
        other_returns = other + (table.transitions @ other_value).reshape(shape)
        optimal = returns >= returns.max(axis=1, keepdims=True) - TOLERANCE
        preference = {"first": np.zeros(shape), "best": other_returns, "worst": -other_returns}[
            ties
        ]
        preference = np.where(optimal, preference, -np.inf)
        chosen = (preference >= preference.max(axis=1, keepdims=True) - TOLERANCE).argmax(axis=1)
        probabilities[time, everywhere, chosen] = 1.0
        value, other_value = returns[everywhere, chosen], other_returns[everywhere, chosen]
    return Policy(table, probabilities)


def random_policy(source: Model[Any] | HasModel | Tabular) -> Policy:
    """Every action is as likely as any other."""
    table = tabulate(source)
    shape = (table.horizon, len(table.states), len(table.actions))
    return Policy(table, np.full(shape, 1 / len(table.actions)))


def epsilon_randomised(policy: Policy, epsilon: float) -> Policy:
    """`policy`, but with probability `epsilon` a uniformly random action instead, at each step."""
    if not 0 <= epsilon <= 1:
        raise ConfigError(f"epsilon is a probability, not {epsilon}")
    uniform = epsilon / len(policy.table.actions)
    return Policy(policy.table, (1 - epsilon) * policy.probabilities + uniform)


def visits(policy: Policy) -> Floats:
    """(S, A) expected number of times that an episode takes an action in a state."""
    table = policy.table
    forward = table.transitions.T.tocsr()
    now = table.start
    total = np.zeros(policy.probabilities.shape[1:])
    for chances in policy.probabilities:
        taken = now[:, None] * chances
        total += taken
        now = np.asarray(forward @ taken.ravel())
    return total


def exact_returns(policy: Policy) -> Returns:
    """Expected proxy and true return and length of an episode, exact."""
    counts = visits(policy)
    proxy, true = (float((counts * policy.table.rewards[name]).sum()) for name in ("proxy", "true"))
    return Returns(proxy, true, float(counts.sum()))


def occupancy(policy: Policy, of: Literal["states", "pairs"] = "states") -> Floats:
    """Share of a policy's steps that are spent in each state, (S,), or in each pair of state and
    action, (S, A).

    Undiscounted, over the horizon: a reward's expectation under the pairs is the return by the
    expected length.
    """
    counts = visits(policy)
    counts = counts / counts.sum()
    return counts if of == "pairs" else np.asarray(counts.sum(axis=1))


def kl_divergence(p: Floats, q: Floats) -> float:
    """KL(p || q) = sum p ln(p / q) in nats; infinite where p goes where q never does."""
    _check_shapes(p, q)
    if np.any((p > 0) & (q == 0)):
        return float("inf")
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / q[seen])))


def chi_squared(p: Floats, q: Floats) -> float:
    """sum p^2 / q - 1, the chi-squared divergence of p from q; infinite where p goes where q never
    does.

    Never less than exp(KL(p || q)) - 1.
    """
    _check_shapes(p, q)
    if np.any((p > 0) & (q == 0)):
        return float("inf")
    seen = q > 0
    return float(np.sum((p[seen] - q[seen]) ** 2 / q[seen]))


def _check_shapes(p: Floats, q: Floats) -> None:
    if p.shape != q.shape:
        raise ConfigError(f"occupancies of shapes {p.shape} and {q.shape} are not of one model")
