"""The specification-gaming environments by name: what each pays and means, and its best policies.

Needs no Gymnasium until one is made.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from assay.errors import ConfigError

if TYPE_CHECKING:
    from assay.worlds.gaming import GamingEnv
    from assay.worlds.gaming.planning import Policy, Returns, RewardName

__all__ = ["MEANT", "best_policy", "best_returns", "game"]

MEANT: Final[Mapping[str, tuple[str, str]]] = {
    "CoastRunners": ("each pickup", "sailing the course to its finish"),
    "BoatRace": ("entering an arrow the right way", "moving clockwise"),
    "BoatRace16": ("entering an arrow the right way", "moving clockwise"),
    "CameraGrasp": ("looking like a grasp, less effort", "holding the object"),
    "Tomato": ("tomatoes that look watered", "tomatoes that are watered"),
    "RougeGame": ("words shared with a reference", "a summary that can be read"),
    "LengthHack": ("quality, and a little a token", "quality"),
    "Sycophancy": ("the user's approval", "a true answer"),
}
"""What is paid and what is meant, by environment."""
HORIZONS: Final = ("horizon", "cap", "max_words")
"""What the longest episode is called among an environment's settings."""
FEW_WORDS: Final = 6
"""Longest summary of the small article, whose texts can all be planned over."""


def game(name: str, horizon: int | None) -> "GamingEnv[Any]":
    """Return the environment of that name.

    Raises `ConfigError` for one that is not there, or a horizon it does not have.
    """
    from assay.worlds.gaming import ENVIRONMENTS
    from assay.worlds.gaming.planning import MAX_STATES
    from assay.worlds.gaming.rouge_game import STORM_SMALL

    if name not in ENVIRONMENTS:
        raise ConfigError(f"no game is called {name!r}; there is {', '.join(ENVIRONMENTS)}")
    make: Callable[..., GamingEnv[Any]] = ENVIRONMENTS[name]
    settings: dict[str, Any] = (
        {"article": STORM_SMALL, "max_words": FEW_WORDS} if name == "RougeGame" else {}
    )
    if horizon is not None:
        known = [key for key in HORIZONS if key in inspect.signature(make).parameters]
        if not known:
            raise ConfigError(
                f"{name} has no horizon to set: its episodes have {make().model.horizon} step"
            )
        if horizon < 1:
            raise ConfigError(f"--horizon {horizon}: an episode has at least one step")
        settings[known[0]] = horizon
    if name == "RougeGame" and len(STORM_SMALL.vocabulary) ** settings["max_words"] > MAX_STATES:
        raise ConfigError(
            f"--horizon {horizon}: there are more texts so long than can be planned over; take"
            " fewer words"
        )
    return make(**settings)


def best_policy(env: "GamingEnv[Any]", reward: "RewardName") -> "Policy":
    """Return the best policy for a reward; of equally good ones the worst for the other, to show
    what may come of it."""
    from assay.worlds.gaming import optimal_policy

    return optimal_policy(env, reward, "worst" if reward == "proxy" else "best")


def best_returns(env: "GamingEnv[Any]", reward: "RewardName") -> "tuple[Returns, Returns]":
    """Compute the returns of a reward's best policies that are worst and best for the other."""
    from assay.worlds.gaming import exact_returns, optimal_policy
    from assay.worlds.gaming.planning import tabulate

    table = tabulate(env)
    worst, best = (exact_returns(optimal_policy(table, reward, ties)) for ties in ("worst", "best"))
    return worst, best
