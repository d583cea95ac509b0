"""A look at held-out prompts: what the proxy says, what every gold says, and how far the policy has gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.overopt.goodhart import laidlaw_bound
from assay.protocols import Scorer
from assay.rl.kl import chi_squared
from assay.rl.policy import Policy
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout
from assay.rl.scoring import Rewards, ask
from assay.rl.settings import Settings
from assay.rl.update import see
from assay.stats import Estimate, bootstrap
from assay.types import Score

__all__ = ["Look", "gold_bound", "look"]

SHOWN = 8
"""Prompts whose first response is kept."""


@dataclass(frozen=True)
class Look:
    """What was seen."""

    watch: Mapping[str, Any]
    """Every measurement as [value, low, high, n, unscored], with 95 % bootstrap intervals over prompts."""
    samples: Sequence[Mapping[str, Any]]
    """Some of the responses, with their scores."""

    @property
    def gold(self) -> float | None:
        """The first gold's mean; None without one."""
        return next((float(e[0]) for e in self.watch["gold"].values()), None)


def look(policy: Policy, rollout: Rollout, rewards: Rewards, golds: Mapping[str, Scorer], settings: Settings) -> Look:
    """What is to be said of responses to held-out prompts. Only the golds are asked here, and never learned from."""
    seen, mask_B_T = see(policy, rollout, settings), rollout.mask_B_T

    def said(value_B: Array) -> list[float]:
        there = ~np.isnan(value_B)
        clusters = rollout.group_B[there]
        e: Estimate = bootstrap(value_B[there], clusters=clusters, resamples=500, unscored=int((~there).sum()))
        return [e.value, e.low, e.high, e.n, e.unscored]

    given = {name: ask(gold, name, rollout.groups, settings.score_timeout) for name, gold in golds.items()}
    total_B = rewards.total_B
    golds_B = {
        name: np.array([s.value if isinstance(s, Score) else np.nan for s in scores]) for name, scores in given.items()
    }
    watch = {
        "proxy": said(total_B),
        "parts": {name: said(paid) for name, paid in rewards.parts.items()},
        "gold": {name: said(gold_B) for name, gold_B in golds_B.items()},
        "spread": {name: _spread(total_B, gold_B) for name, gold_B in golds_B.items()},
        "chi2": chi_squared(np.where(mask_B_T, seen.log_B_T - seen.reference_B_T, 0.0).sum(1)),
        "kl": said(np.where(mask_B_T, seen.kl_B_T, 0.0).sum(1)),
        "length": said(rollout.lengths_B.astype(float)),
        "steps": said(np.array([len(ends) for ends in rollout.ends], dtype=float)),
        "entropy": said(np.where(mask_B_T, seen.entropy_B_T, 0.0).sum(1) / rollout.lengths_B),
        "finished": said(np.array([s.response.finished for s in rollout.samples], dtype=float)),
        "duplicates": said(rollout.again_B.astype(float)),
    }
    firsts = np.searchsorted(rollout.group_B, np.arange(min(SHOWN, len(rollout.groups)))).tolist()
    return Look(watch, [_sample(rollout, rewards, given, b) for b in firsts])


def gold_bound(first: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """What every gold is worth at least, in its own units, by how far its correlation with the proxy carries
    (arXiv:2403.03185): first is the look at the untrained policy. Nothing where they do not correlate positively.

    J ≥ J₀ + σ/ρ ((P - P₀)/σ_P - √((1 - ρ²) χ²)), P the proxy. χ² between whole responses is soon so large that the
    bound says nothing, which is itself worth knowing; and it is an estimate from samples, too low where rare responses
    matter.
    """
    found = {}
    for name, spread in first["spread"].items():
        if spread is None or spread["correlation"] <= 0:
            continue
        gain = now["proxy"][0] - first["proxy"][0]
        least = laidlaw_bound(gain, spread["proxy_sd"], spread["correlation"], now["chi2"])
        found[name] = first["gold"][name][0] + spread["gold_sd"] * float(least)
    return found


def _spread(proxy_B: Array, gold_B: Array) -> dict[str, float] | None:
    """Standard deviations and correlation over responses; None where there is none."""
    there = ~np.isnan(proxy_B) & ~np.isnan(gold_B)
    proxy_B, gold_B = proxy_B[there], gold_B[there]
    if len(proxy_B) < 3 or not proxy_B.std() > 0 or not gold_B.std() > 0:
        return None
    correlation = float(np.corrcoef(proxy_B, gold_B)[0, 1])
    return {"proxy_sd": float(proxy_B.std()), "gold_sd": float(gold_B.std()), "correlation": correlation}


def _sample(rollout: Rollout, rewards: Rewards, given: Mapping[str, Sequence[Any]], b: int) -> dict[str, Any]:
    stepwise = [scores[b] for scores in rewards.scores.values()]
    total = float(rewards.total_B[b])
    return {
        "prompt": rollout.groups[int(rollout.group_B[b])].prompt.text,
        "response": list(rollout.samples[b].response.steps),
        "proxy": None if np.isnan(total) else total,
        "step_scores": list(next((s.steps for s in stepwise if isinstance(s, Score) and s.steps), ())),
        "gold": {name: s.value if isinstance(s := scores[b], Score) else None for name, scores in given.items()},
    }
