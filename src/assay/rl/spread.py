"""A policy that several processes train: in parts on all of them, and whole again in the end.

The frozen reference lies in parts as well; where adapters are trained, it is the same network with
its adapters off. The value head is small, and every process has it whole.
"""

import copy
from collections.abc import Sequence
from itertools import chain
from typing import Any

from torch import nn

from assay.errors import ConfigError
from assay.protocols import Scorer
from assay.rl.policy import Policy
from assay.rl.scoring import ask
from assay.rl.settings import Settings
from assay.training.parallel import World, spread
from assay.training.sharding import at_home, gathered, shard
from assay.types import Group, Score, Unscored

__all__ = ["asked", "bring_home", "check_groups", "in_parts"]


class _Held(nn.Module):
    """What lies in parts: the network, and a reference of its own."""

    def __init__(self, network: Any, reference: Any) -> None:
        super().__init__()
        self.network, self.reference = network, reference


def check_groups(settings: Settings, world: World) -> None:
    """Raise `ConfigError` where processes are more than the groups of an update."""
    groups = settings.groups // settings.minibatches
    if world.size > groups:
        raise ConfigError(
            f"{world.size} processes, and an update has {groups} groups of responses (groups"
            f" {settings.groups}, minibatches {settings.minibatches}), which are not cut in two;"
            " start fewer, or raise groups"
        )


def in_parts(policy: Policy, world: World) -> Policy:
    """The policy in parts, which are trained; the leader keeps the one that it gives, to be saved.

    policy: whole, and on the CPU. Raises `ConfigError` for networks that cannot lie in parts.
    """
    if world.size == 1:
        return policy
    frozen = policy.reference.model
    own = None if frozen is policy.model else frozen
    # The reference is needed in parts only, so it is not copied.
    split = copy.deepcopy(policy, {id(own): own}) if world.leader else policy
    split.world = shard(_Held(split.model, own), split.model, world)
    if split.critic is not None:
        split.critic.to(world.device)
    return split


def bring_home(policy: Policy, split: Policy) -> None:
    """Put what was trained in parts into the leader's whole policy; all processes together."""
    if split.world.size == 1:
        return
    values = gathered(split.model, split.world)
    if policy is not split:
        at_home(policy.model, values, split.world)
        if policy.critic is not None and split.critic is not None:
            policy.critic.load_state_dict(split.critic.state_dict())
            policy.critic.to(policy.model.device)


def asked(
    world: World, scorer: Scorer, name: str, groups: Sequence[Group], timeout: float | None
) -> list[Score | Unscored]:
    """One score per response of all groups (`scoring.ask`), in order; each process asks its own
    scorer about its own groups."""

    def work(own: Sequence[Group]) -> list[list[Score | Unscored]]:
        scores = iter(ask(scorer, name, own, timeout))
        return [[next(scores) for _ in group.responses] for group in own]

    rows = spread(world, groups, lambda: [group.prompt.shown for group in groups], work)
    return [*chain.from_iterable(rows)]
