"""A round's reward of several parts: the advantages made of them, and what its row says of them."""

from typing import Any

import numpy as np

from assay.rl.advantages import Ints
from assay.rl.combining import Combined, combine
from assay.rl.rewards import Array
from assay.rl.scoring import ALIKE, Rewards, differing
from assay.rl.settings import Settings

__all__ = ["combined", "earning_differently", "gate_warning", "part_figures"]


def combined(settings: Settings, rewards: Rewards, group_B: Ints) -> Combined:
    """Make the advantages of B responses from the parts that pay; 0 where one is not scored."""
    paid_B_K = np.stack([rewards.parts[name] for name in rewards.scales], axis=1)
    paid_B_K = np.where(rewards.scored_B[:, None], paid_B_K, np.nan)
    # One weight in a group: that of its responses which it is not 0 for, by the part's own gate.
    weight_B_K = np.zeros_like(paid_B_K)
    for k, scale_B in enumerate(rewards.scales.values()):
        top_G = np.zeros(int(group_B.max(initial=-1)) + 1)
        np.maximum.at(top_G, group_B, scale_B)
        weight_B_K[:, k] = top_G[group_B]
    return combine(
        settings.combine,
        paid_B_K / np.where(weight_B_K > 0, weight_B_K, 1.0),
        weight_B_K,
        group_B,
        floor=settings.spread_floor,
        shrinkage=settings.shrinkage,
    )


def earning_differently(
    settings: Settings, rewards: Rewards, group_B: Ints, *, stepwise: bool = False
) -> list[int]:
    """Groups in which responses earn differently, as the settings combine the parts.

    stepwise: whether steps that earn differently count, where the sum is the same.
    """
    if settings.combine == "sum":
        return differing(rewards, group_B, "steps" if stepwise else "total")
    values_B = combined(settings, rewards, group_B).values_B
    return [int(g) for g in np.unique(group_B[np.abs(values_B) > ALIKE])]


def part_figures(settings: Settings, rewards: Rewards, group_B: Ints) -> dict[str, Any]:
    """Say of each part, by name, how many of those asked have a score and what it was worth; of
    gates how many responses pass, and how many groups they shut altogether.

    Parts that not every prompt is asked of (criteria of its own) are one line together.
    """
    figures: dict[str, Any] = {}
    if len(rewards.asked) < 2 and not rewards.missing_B.any():
        return figures
    figures["coverage"] = {
        name: float(known_N.mean()) for name, known_N in _known(rewards).items() if len(known_N)
    }
    if settings.combine != "sum":
        found = combined(settings, rewards, group_B)
        names = [*rewards.scales]
        shown = [i for i, name in enumerate(names) if rewards.asked[name].all()]
        figures["spread"] = {names[i]: float(found.spread_K[i]) for i in shown}
        figures["influence"] = {names[i]: float(found.influence_K[i]) for i in shown}
        figures |= found.figures
    if rewards.gates:
        figures["gates"] = {
            name: float(np.nanmean(open_B))
            for name, open_B in rewards.gates.items()
            if not np.isnan(open_B).all()
        }
        open_B = _open(rewards)
        groups = np.unique(group_B[rewards.scored_B])
        ajar = np.unique(group_B[rewards.scored_B & (open_B > 0)])
        figures["shut_groups"] = 1.0 - len(ajar) / max(len(groups), 1)
    return figures


def gate_warning(rewards: Rewards) -> dict[str, str]:
    """Warn where to be shut out is worth more than to pass."""
    if not rewards.gates:
        return {}
    open_B, total_B = _open(rewards), rewards.total_B
    shut_B, passed_B = rewards.scored_B & (open_B == 0), ~np.isnan(total_B) & (open_B > 0)
    if not shut_B.any() or not passed_B.any() or not total_B[passed_B].mean() < 0:
        return {}
    return {
        "a gate pays": (
            f"responses that {', '.join(rewards.gates)} shuts out earn 0, and those that pass earn"
            f" {total_B[passed_B].mean():.3g} on average: the policy is paid for failing. Give the"
            " other parts rewards above 0 (a weight, a transform), or make a part of the gate"
        )
    }


def _known(rewards: Rewards) -> dict[str, Array]:
    """Of each part, or of those of one name that not all were asked, which values are there."""
    known: dict[str, list[Array]] = {}
    for name, asked_B in rewards.asked.items():
        value_B = rewards.gates[name] if name in rewards.gates else rewards.parts[name]
        line = name if asked_B.all() else name.partition("/")[0]
        known.setdefault(line, []).append(~np.isnan(value_B[asked_B]))
    return {name: np.concatenate(each) for name, each in known.items()}


def _open(rewards: Rewards) -> Array:
    """(B,) how far all gates together are open."""
    return np.asarray(np.prod([*rewards.gates.values()], axis=0))
