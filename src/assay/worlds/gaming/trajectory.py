"""Plays an episode and keeps what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from assay.worlds.gaming.environment import GamingEnv
from assay.worlds.gaming.planning import Policy

__all__ = ["Step", "Trajectory", "rollout"]


@dataclass(frozen=True)
class Step:
    """One action and what came of it."""

    action: str
    proxy: float
    true: float
    events: tuple[str, ...]
    frame: str
    """The state reached, as text."""


@dataclass(frozen=True)
class Trajectory:
    """One episode, or its beginning."""

    name: str
    """The environment's class."""
    first_frame: str
    """The first state, as text."""
    steps: tuple[Step, ...]
    terminated: bool = False
    truncated: bool = False
    is_board: bool = False
    """Whether a frame is a board, one character a cell."""

    @property
    def proxy(self) -> tuple[float, ...]:
        """Proxy return after each step."""
        return tuple(accumulate(step.proxy for step in self.steps))

    @property
    def true(self) -> tuple[float, ...]:
        """True return after each step."""
        return tuple(accumulate(step.true for step in self.steps))

    @property
    def proxy_return(self) -> float:
        """Sum of the proxy."""
        return self.proxy[-1] if self.steps else 0.0

    @property
    def true_return(self) -> float:
        """Sum of the true reward."""
        return self.true[-1] if self.steps else 0.0


def rollout(env: GamingEnv[Any], policy: Policy | Sequence[int], seed: int = 0) -> Trajectory:
    """Plays one episode from `seed` by a policy, or a list of actions until it or the episode
    ends."""
    env.reset(seed=seed)
    # The policy's chance is not the game's: one seed gives one game, whoever plays.
    generator = np.random.default_rng([seed, 1])
    first_frame = env.draw(env.state)
    steps: list[Step] = []
    terminated = truncated = False
    while not (terminated or truncated):
        if isinstance(policy, Policy):
            action = policy.act(env.state, len(steps), generator)
        elif len(steps) < len(policy):
            action = int(policy[len(steps)])
        else:
            break
        _, proxy, terminated, truncated, info = env.step(action)
        steps.append(
            Step(
                env.model.actions[action],
                float(proxy),
                info["true_reward"],
                tuple(info["events"]),
                env.draw(env.state),
            )
        )
    return Trajectory(
        type(env).__name__, first_frame, tuple(steps), terminated, truncated, env.is_board
    )
