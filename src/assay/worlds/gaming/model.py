"""A finite model of a game: the one description that both the environment steps through and the
planner reads.

A game pays two rewards. The *proxy* is what the designer wrote down and an agent sees; the *true*
reward is what was meant. Both are part of the same transition, so play and plan cannot disagree
about either.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Model", "Outcome"]

S = TypeVar("S", bound=Hashable)


class Outcome(NamedTuple, Generic[S]):
    """One thing that may follow an action."""

    probability: float
    state: S
    """The state reached."""
    proxy: float
    """What the written reward pays for this step."""
    true: float
    """What the step was really worth."""
    done: bool = False
    """The episode ends here, by the rules and not by the clock."""
    events: tuple[str, ...] = ()
    """What happened, in words; for the reader alone."""


@dataclass(frozen=True)
class Model(Generic[S]):
    """A finite-horizon Markov decision process with two rewards. Transitions do not depend on the
    time."""

    start: tuple[tuple[float, S], ...]
    """(probability, state) of every first state."""
    actions: tuple[str, ...]
    """Names of the actions, the same in all states; an action is an index here."""
    horizon: int
    """Steps after which an episode is cut off."""
    transition: Callable[[S, int], Sequence[Outcome[S]]]
    """(state, action) to everything that may follow; a pure function, whose probabilities sum to
    one."""
