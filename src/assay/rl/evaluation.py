"""A look at held-out prompts: what the proxy says, what every gold says, and how far the policy has
gone."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.overopt.goodhart import laidlaw_bound
from assay.protocols import Scorer
from assay.rl.advantages import Ints
from assay.rl.kl import chi_squared
from assay.rl.policy import Policy
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout
from assay.rl.scoring import Rewards, ask
from assay.rl.settings import Settings
from assay.rl.update import see
from assay.stats import Estimate, mean, proportion
from assay.types import Score, Unscored

__all__ = ["Look", "correlation_low", "gold_bound", "look", "said_reasons"]

SHOWN = 8
"""Prompts whose first response is kept."""
SAID = 3
"""Reasons that are said of responses that are not scored."""
FEW = 10
"""Prompts to a unit of χ² that a promise by correlation needs."""


@dataclass(frozen=True)
class Look:
    """What was seen."""

    watch: Mapping[str, Any]
    """Every measurement as [value, low, high, n, unscored], with 95 % intervals by prompt; NaN
    where there is none."""
    samples: Sequence[Mapping[str, Any]]
    """Some of the responses, with their scores."""
    unscored: Mapping[str, str]
    """Of the proxy and the golds that could score nothing at all: that it is so, and why, by a name
    for it."""

    @property
    def gold(self) -> float | None:
        """The first gold's mean; None without one."""
        return next((float(e[0]) for e in self.watch["gold"].values()), None)


def look(
    policy: Policy,
    rollout: Rollout,
    rewards: Rewards,
    golds: Mapping[str, Scorer],
    settings: Settings,
) -> Look:
    """What is to be said of responses to held-out prompts. Only the golds are asked here, and never
    learned from."""
    seen, mask_B_T = see(policy, rollout, settings), rollout.mask_B_T

    def said(value_B: Array, kind: Literal["number", "share", "reward"] = "number") -> list[float]:
        there = ~np.isnan(value_B)
        counted: dict[str, Any] = {
            "clusters": rollout.group_B[there],
            "unscored": int((~there).sum()),
        }
        # A reward of 0 or 1 for every response is a share: 12 of 12 leave room, other equal values
        # tell nothing.
        share = kind == "share" or (
            kind == "reward" and bool(np.isin(value_B[there], (0.0, 1.0)).all())
        )
        e: Estimate = (proportion if share and there.any() else mean)(value_B[there], **counted)
        return [e.value, e.low, e.high, e.n, e.unscored]

    given = {
        name: ask(gold, name, rollout.groups, settings.score_timeout)
        for name, gold in golds.items()
    }
    total_B = rewards.total_B
    golds_B = {
        name: np.array([s.value if isinstance(s, Score) else np.nan for s in scores])
        for name, scores in given.items()
    }
    watch = {
        "proxy": said(total_B, "reward"),
        "parts": {name: said(paid, "reward") for name, paid in rewards.parts.items()},
        "gold": {name: said(gold_B, "reward") for name, gold_B in golds_B.items()},
        "spread": {
            name: _spread(total_B, gold_B, rollout.group_B) for name, gold_B in golds_B.items()
        },
        "chi2": chi_squared(np.where(mask_B_T, seen.log_B_T - seen.reference_B_T, 0.0).sum(1)),
        "kl": said(np.where(mask_B_T, seen.kl_B_T, 0.0).sum(1)),
        "length": said(rollout.lengths_B.astype(float)),
        "steps": said(np.array([len(ends) for ends in rollout.ends], dtype=float)),
        "entropy": said(np.where(mask_B_T, seen.entropy_B_T, 0.0).sum(1) / rollout.lengths_B),
        "finished": said(
            np.array([s.response.finished for s in rollout.samples], dtype=float), "share"
        ),
        "duplicates": said(rollout.again_B.astype(float), "share"),
    }
    firsts = np.searchsorted(rollout.group_B, np.arange(min(SHOWN, len(rollout.groups)))).tolist()
    reasons = {
        **({} if rewards.scored_B.any() else {"the reward": rewards.reasons}),
        **{
            name: Counter(_reason(s) for s in scores)
            for name, scores in given.items()
            if np.isnan(golds_B[name]).all()
        },
    }
    unscored = {
        f"nothing is scored: {name}": (
            f"none of {len(total_B)} responses could be scored: {said_reasons(why)}"
        )
        for name, why in reasons.items()
    }
    return Look(watch, [_sample(rollout, rewards, given, b) for b in firsts], unscored)


def said_reasons(reasons: Mapping[str, int]) -> str:
    """The three most frequent of the reasons why responses were not scored, and how many have
    each."""
    common = Counter(reasons).most_common(SAID)
    return (
        ", ".join(f"{why} ({count})" if len(reasons) > 1 else why for why, count in common)
        or "no reason given"
    )


def _reason(score: Score | Unscored) -> str:
    return (score.reason if isinstance(score, Unscored) else "") or "no reason given"


def gold_bound(first: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, float]:
    """What every gold is worth at least, in its own units, by how far its correlation with the
    proxy carries (arXiv:2403.03185): first is the look at the untrained policy. A gold that nothing
    can be promised of is left out.

    J >= J₀ + σ/ρ ((P - P₀)/σ_P - √((1 - ρ²) χ²)), P the proxy; with every quantity at the end of
    its interval that promises least. The correlation is one over what the untrained policy writes,
    known from samples of it: where the policy has gone to responses that are not among them (χ²
    above a tenth of the prompts), those samples say nothing, and nothing is promised; nor where the
    measured gold lies below the promise.
    """
    found = {}
    for name, spread in first["spread"].items():
        least = (spread or {}).get("correlation_low")
        if (
            spread is None
            or least is None
            or not least > 0
            or not now["chi2"] <= spread["prompts"] / FEW
        ):
            continue
        gain = now["proxy"][1] - first["proxy"][2]
        bound = float(laidlaw_bound(gain, spread["proxy_sd"], least, now["chi2"]))
        promised = first["gold"][name][1] + spread["gold_sd"] * bound
        if promised <= now["gold"][name][0]:
            found[name] = promised
    return found


def _spread(proxy_B: Array, gold_B: Array, prompt_B: Ints) -> dict[str, float] | None:
    """Standard deviations and correlation over responses, and how low the correlation may be; None
    where there is none."""
    there = ~np.isnan(proxy_B) & ~np.isnan(gold_B)
    proxy_B, gold_B = proxy_B[there], gold_B[there]
    if len(proxy_B) < 3 or not proxy_B.std() > 0 or not gold_B.std() > 0:
        return None
    correlation = float(np.corrcoef(proxy_B, gold_B)[0, 1])
    prompts = len(np.unique(prompt_B[there]))
    return {
        "proxy_sd": float(proxy_B.std()),
        "gold_sd": float(gold_B.std()),
        "correlation": correlation,
        "correlation_low": correlation_low(correlation, prompts),
        "prompts": prompts,
    }


def correlation_low(correlation: float, prompts: int) -> float:
    """Lower end of the 95 % interval of a correlation: tanh(artanh ρ - 1.96 / √(n - 3)) (Fisher,
    1921), n the number of prompts, as if each told one thing only; -1 below n = 5.

    A correlation near 1 is taken down to 1 - 3 / n first: what is not among n prompts may still be
    3 / n of what the policy writes, and need not agree.
    """
    if prompts < 5:
        return -1.0
    known = min(correlation, 1 - 3 / prompts)
    return math.tanh(math.atanh(max(known, -0.999999)) - 1.96 / math.sqrt(prompts - 3))


def _sample(
    rollout: Rollout, rewards: Rewards, given: Mapping[str, Sequence[Any]], b: int
) -> dict[str, Any]:
    stepwise = [scores[b] for scores in rewards.scores.values()]
    total = float(rewards.total_B[b])
    return {
        "prompt": rollout.groups[int(rollout.group_B[b])].prompt.text,
        "response": list(rollout.samples[b].response.steps),
        "proxy": None if np.isnan(total) else total,
        "step_scores": list(
            next((s.steps for s in stepwise if isinstance(s, Score) and s.steps), ())
        ),
        "gold": {
            name: s.value if isinstance(s := scores[b], Score) else None
            for name, scores in given.items()
        },
    }
