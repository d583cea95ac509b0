"""Evaluations on held-out prompts: the proxy, every gold, and the distance from the reference."""

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
from assay.rl.scoring import Rewards
from assay.rl.settings import Settings
from assay.rl.spread import asked
from assay.rl.update import read_tokens
from assay.runs.evaluations import EvalPoint, Spread
from assay.stats import Estimate, mean, proportion
from assay.stats.draws import equal
from assay.types import Score, Unscored

__all__ = [
    "Evaluation",
    "correlation_low",
    "evaluate",
    "frequent_reasons",
    "gold_bound",
    "spread_of",
]

SHOWN = 8
"""Prompts whose first response is kept."""
NAMED_REASONS = 3
"""Reasons named where responses are not scored."""
PROMPTS_PER_CHI2 = 10
"""Prompts per unit of χ² that a bound by correlation needs."""

Kind = Literal["number", "share", "reward"]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on the held-out prompts."""

    point: EvalPoint
    """Every measurement, with 95 % intervals by prompt; NaN where there is none."""
    samples: Sequence[Mapping[str, Any]]
    """Some of the responses, with their scores."""
    unscored: Mapping[str, str]
    """Warnings about the proxy and golds that scored no response at all, by name."""


def evaluate(
    policy: Policy,
    rollout: Rollout,
    rewards: Rewards,
    golds: Mapping[str, Scorer],
    settings: Settings,
    step: int = 0,
) -> Evaluation:
    """Evaluate responses to held-out prompts. Gold scorers are used here only, never for
    training."""
    read, mask_B_T = read_tokens(policy, rollout, settings), rollout.mask_B_T
    prompt_B, total_B = rollout.group_B, rewards.total_B
    scores = {
        name: asked(policy.world, gold, name, rollout.groups, settings.score_timeout)
        for name, gold in golds.items()
    }
    golds_B = {
        name: np.array([s.value if isinstance(s, Score) else np.nan for s in row])
        for name, row in scores.items()
    }
    finished_B = np.array([s.response.finished for s in rollout.samples], dtype=float)
    entropy_B = np.where(mask_B_T, read.entropy_B_T, 0.0).sum(1) / rollout.lengths_B
    parts = {**rewards.shared, **rewards.gates}
    point = EvalPoint(
        step=step,
        proxy=_estimate(total_B, prompt_B, "reward"),
        parts={name: _estimate(x_B, prompt_B, "reward") for name, x_B in parts.items()},
        gold={name: _estimate(x_B, prompt_B, "reward") for name, x_B in golds_B.items()},
        spread={name: spread_of(total_B, x_B, prompt_B) for name, x_B in golds_B.items()},
        chi2=chi_squared(np.where(mask_B_T, read.log_B_T - read.reference_B_T, 0.0).sum(1)),
        kl=_estimate(np.where(mask_B_T, read.kl_B_T, 0.0).sum(1), prompt_B),
        length=_estimate(rollout.lengths_B.astype(float), prompt_B),
        steps=_estimate(np.array([len(ends) for ends in rollout.ends], dtype=float), prompt_B),
        entropy=_estimate(entropy_B, prompt_B),
        finished=_estimate(finished_B, prompt_B, "share"),
        duplicates=_estimate(rollout.again_B.astype(float), prompt_B, "share"),
    )
    firsts = np.searchsorted(prompt_B, np.arange(min(SHOWN, len(rollout.groups)))).tolist()
    reasons: dict[str, Mapping[str, int]] = {}
    if not rewards.scored_B.any():
        reasons["the reward"] = rewards.reasons
    for name, row in scores.items():
        if np.isnan(golds_B[name]).all():
            reasons[name] = Counter(_reason(score) for score in row)
    unscored = {
        f"nothing is scored: {name}": (
            f"none of {len(total_B)} responses could be scored: {frequent_reasons(why)}"
        )
        for name, why in reasons.items()
    }
    return Evaluation(point, [_sample(rollout, rewards, scores, b) for b in firsts], unscored)


def _estimate(values_B: Array, prompt_B: Ints, kind: Kind = "number") -> Estimate:
    """The mean of the values that are there, with its interval by prompt."""
    there = ~np.isnan(values_B)
    # A reward of 0 or 1 for every response is a share: 12 of 12 leave room, other equal values
    # tell nothing.
    binary = kind == "reward" and _binary(values_B[there])
    share = kind == "share" or binary
    estimator = proportion if share and there.any() else mean
    return estimator(values_B[there], clusters=prompt_B[there], unscored=int((~there).sum()))


def _binary(values_B: Array) -> bool:
    return bool(np.isin(values_B, (0.0, 1.0)).all())


def frequent_reasons(reasons: Mapping[str, int]) -> str:
    """Name the three most frequent reasons why responses were not scored, with their counts."""
    common = Counter(reasons).most_common(NAMED_REASONS)
    return (
        ", ".join(f"{why} ({count})" if len(reasons) > 1 else why for why, count in common)
        or "no reason given"
    )


def _reason(score: Score | Unscored) -> str:
    return (score.reason if isinstance(score, Unscored) else "") or "no reason given"


def gold_bound(first: EvalPoint, now: EvalPoint) -> dict[str, float]:
    """Bound every gold from below, in its own units, by its correlation with the proxy
    (arXiv:2403.03185).

    first: evaluation of the untrained policy. A gold without a bound is left out.

    J >= J₀ + σ/ρ ((P - P₀)/σ_P - √((1 - ρ²) χ²)), P the proxy; every quantity at the end of its
    interval that gives the lowest bound. The correlation is one over what the untrained policy
    writes, known from samples of it: where the policy has gone to responses that are not among them
    (χ² above a tenth of the prompts), those samples say nothing, and there is no bound; nor where
    the measured gold lies below it, nor where a share is at least 0 or less: it always is.
    """
    bounds: dict[str, float] = {}
    chi2 = math.nan if now.chi2 is None else now.chi2
    if first.proxy is None or now.proxy is None:
        return bounds
    for name, spread in first.spread.items():
        before, after = (first.gold or {}).get(name), (now.gold or {}).get(name)
        if spread is None or before is None or after is None:
            continue
        least = spread.correlation_low
        if least is None or not least > 0 or not chi2 <= spread.prompts / PROMPTS_PER_CHI2:
            continue
        gain = now.proxy.low - first.proxy.high
        bound = before.low + spread.gold_sd * float(
            laidlaw_bound(gain, spread.proxy_sd, least, chi2)
        )
        if bound <= after.value and not (spread.gold_share and bound <= 0):
            bounds[name] = bound
    return bounds


def spread_of(proxy_B: Array, gold_B: Array, prompt_B: Ints) -> Spread | None:
    """Standard deviations and correlation over responses, with the correlation's lower end; None
    where there is none."""
    there = ~np.isnan(proxy_B) & ~np.isnan(gold_B)
    proxy_B, gold_B = proxy_B[there], gold_B[there]
    if len(proxy_B) < 3 or equal(proxy_B) or equal(gold_B):
        return None
    correlation = float(np.corrcoef(proxy_B, gold_B)[0, 1])
    prompts = len(np.unique(prompt_B[there]))
    return Spread(
        proxy_sd=float(proxy_B.std()),
        gold_sd=float(gold_B.std()),
        correlation=correlation,
        correlation_low=correlation_low(correlation, prompts),
        prompts=prompts,
        gold_share=_binary(gold_B),
    )


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
    rollout: Rollout, rewards: Rewards, gold_scores: Mapping[str, Sequence[Any]], b: int
) -> dict[str, Any]:
    stepwise = [scores[b] for scores in rewards.scores.values()]
    total = float(rewards.total_B[b])
    response = rollout.samples[b].response
    played = {"turns": [[turn.role, turn.text] for turn in response.turns]}
    return {
        "prompt": rollout.groups[int(rollout.group_B[b])].prompt.text,
        "response": list(response.steps),
        **(played if response.turns else {}),
        "proxy": None if np.isnan(total) else total,
        "step_scores": list(
            next((s.steps for s in stepwise if isinstance(s, Score) and s.steps), ())
        ),
        "gold": {
            name: s.value if isinstance(s := scores[b], Score) else None
            for name, scores in gold_scores.items()
        },
    }
