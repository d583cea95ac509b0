"""What the environments share: a Gymnasium environment that plays a `Model`.

The reward that `step` returns is the proxy; the true reward stands in `info` alone, where no agent
looks. An episode that reaches the horizon is truncated, one that the rules end is terminated, and
one that does both is terminated.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Generic, SupportsFloat, TypeAlias, TypeVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from assay.errors import ConfigError, DataError
from assay.worlds.gaming.model import Model, Outcome

__all__ = ["GamingEnv", "Observation", "TrueReturn"]

S = TypeVar("S", bound=Hashable)
Observation: TypeAlias = NDArray[np.int64]
"""Every observation is a vector of small integers."""


class GamingEnv(gymnasium.Env[Observation, np.int64], ABC, Generic[S]):
    """A specification-gaming environment over the states of `model`."""

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012  (declared so by Gymnasium)
    is_board: ClassVar[bool] = False
    """Whether `draw` returns a board, one character a cell, or else lines of text."""

    def __init__(
        self, model: Model[S], sizes: Sequence[int], render_mode: str | None = None
    ) -> None:
        """Play `model`. `sizes`: how many values each entry of an observation may take."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError(f"render_mode {render_mode!r} is unknown; there is 'ansi' and None")
        if model.horizon < 1:
            raise ConfigError(f"the horizon must be at least 1 step, not {model.horizon}")
        self.model = model
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Discrete(len(model.actions))
        self.observation_space = gymnasium.spaces.MultiDiscrete(np.array(sizes, dtype=np.int64))
        self._state: S | None = None
        self._time = 0
        self._running = False

    @abstractmethod
    def observe(self, state: S) -> Sequence[int]:
        """Return what the agent sees of a state."""

    @abstractmethod
    def draw(self, state: S) -> str:
        """A state for people, as lines of text."""

    @property
    def state(self) -> S:
        """The state now, all of it; after an episode, its last one. Raises `ResetNeeded` before the
        first reset."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode has begun")
        return self._state

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; `options` are not used."""
        super().reset(seed=seed)
        probabilities = [probability for probability, _ in self.model.start]
        self._state = self.model.start[self._pick(probabilities)][1]
        self._time = 0
        self._running = True
        return self._observation(self._state), {
            "true_reward": 0.0,
            "proxy_reward": 0.0,
            "events": [],
        }

    def step(
        self, action: np.int64 | int
    ) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Act once; the reward returned is the proxy. Raises `ResetNeeded` once an episode is
        over."""
        if not self._running:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode is running")
        if not self.action_space.contains(action):
            raise DataError(f"action {action!r} is none of 0 to {len(self.model.actions) - 1}")
        outcomes = self.model.transition(self.state, int(action))
        outcome: Outcome[S] = outcomes[self._pick([each.probability for each in outcomes])]
        self._time += 1
        terminated = outcome.done
        truncated = not terminated and self._time >= self.model.horizon
        self._state = outcome.state
        observation = self._observation(outcome.state)
        info = {
            "true_reward": outcome.true,
            "proxy_reward": outcome.proxy,
            "events": list(outcome.events),
        }
        self._running = not (terminated or truncated)
        return observation, outcome.proxy, terminated, truncated, info

    def render(self) -> str | None:
        """The state now as text, with render_mode "ansi"; else None."""
        if self.render_mode is None:
            return None
        return self.draw(self.state)

    def _observation(self, state: S) -> Observation:
        return np.array(self.observe(state), dtype=np.int64)

    def _pick(self, probabilities: Sequence[float]) -> int:
        # A game without chance draws no random numbers.
        if len(probabilities) == 1:
            return 0
        index = int(
            np.searchsorted(np.cumsum(probabilities), self.np_random.random(), side="right")
        )
        return min(index, len(probabilities) - 1)


class TrueReturn(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Sums the hidden reward over an episode: the attribute `true_return`, and
    `info["true_return"]` at each step."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.true_return = 0.0
        """Sum of `info["true_reward"]` since the last reset."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, with the sum at zero."""
        observation, info = super().reset(seed=seed, options=options)
        self.true_return = 0.0
        return observation, {**info, "true_return": 0.0}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Act once and add up."""
        observation, reward, terminated, truncated, info = super().step(action)
        self.true_return += info["true_reward"]
        return observation, reward, terminated, truncated, {**info, "true_return": self.true_return}
