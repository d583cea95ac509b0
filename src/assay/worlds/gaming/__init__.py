"""Classic cases of specification gaming as small exact Gymnasium environments.

In each, a *proxy* reward is what an agent sees and `info["true_reward"]` what was meant, and the
best an agent can do for the one is not the best for the other. Every environment is played from a
finite `Model`, which `planning` solves
exactly: what a proxy rewards is computed here, not learned, so a test of a mitigation knows the
answer to find.

`ENVIRONMENTS` lists them; `register()` makes them known to Gymnasium as `Goodhart/BoatRace-v0` and
so on. `trajectory` plays and `rendering` draws. Needs the extra "worlds", and no torch.
"""

from typing import Any, Final

from assay.errors import MissingExtra

try:
    import gymnasium
except ImportError as error:
    raise MissingExtra("a specification-gaming environment", "worlds") from error

from assay.worlds.gaming.boat_race import BoatRace, BoatRace16
from assay.worlds.gaming.camera_grasp import CameraGrasp
from assay.worlds.gaming.coast_runners import CoastRunners
from assay.worlds.gaming.environment import GamingEnv, TrueReturn
from assay.worlds.gaming.length_hack import LengthHack
from assay.worlds.gaming.model import Model, Outcome
from assay.worlds.gaming.planning import exact_returns, optimal_policy, random_policy
from assay.worlds.gaming.rouge_game import RougeGame
from assay.worlds.gaming.sycophancy import Sycophancy
from assay.worlds.gaming.tomato import Tomato
from assay.worlds.gaming.trajectory import rollout

__all__ = [
    "ENVIRONMENTS",
    "BoatRace",
    "BoatRace16",
    "CameraGrasp",
    "CoastRunners",
    "GamingEnv",
    "LengthHack",
    "Model",
    "Outcome",
    "RougeGame",
    "Sycophancy",
    "Tomato",
    "TrueReturn",
    "exact_returns",
    "optimal_policy",
    "random_policy",
    "register",
    "rollout",
]

ENVIRONMENTS: Final[dict[str, type[GamingEnv[Any]]]] = {
    "CoastRunners": CoastRunners,
    "BoatRace": BoatRace,
    "BoatRace16": BoatRace16,
    "CameraGrasp": CameraGrasp,
    "Tomato": Tomato,
    "RougeGame": RougeGame,
    "LengthHack": LengthHack,
    "Sycophancy": Sycophancy,
}
"""Every environment by its name."""


def register() -> tuple[str, ...]:
    """Make every environment known to Gymnasium, as often as you like; returns their ids."""
    ids = {f"Goodhart/{name}-v0": made for name, made in ENVIRONMENTS.items()}
    for id_, made in ids.items():
        if id_ not in gymnasium.registry:
            gymnasium.register(id=id_, entry_point=f"{made.__module__}:{made.__qualname__}")
    return tuple(ids)
