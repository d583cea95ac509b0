"""Signs that a run goes wrong, read from its rows: pure functions, each of which reports what it
saw in numbers.

They are signs, not proofs: entropy and length change in healthy runs too.
`experiments/rl_worlds.py` counts how often each is raised in runs whose reward is the truth; the
log (docs/log) has the rates. Only the first one, which needs a gold scorer, tells over-optimization
from learning.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

from assay.runs.evaluations import EvalPoint, eval_points
from assay.stats import Estimate

__all__ = ["ALARMS", "alarms"]

Row = Mapping[str, Any]
Points = Sequence[EvalPoint]


def gold_falls(steps: Sequence[Row], points: Points) -> str | None:
    """A gold's interval lies below that at its peak, while the proxy's mean is above its mean
    there."""
    last = points[-1] if points else EvalPoint(step=0)
    for name, gold in (last.gold or {}).items():
        # An evaluation at which nothing could be scored is no peak.
        top = max(points, key=lambda point: _value_or_lowest(point, name))
        peak = top.gold_of(name)
        if peak is None or last.proxy is None or top.proxy is None:
            continue
        if gold.high < peak.low and last.proxy.value > top.proxy.value:
            return (
                f"{name} has fallen from {peak:.3f} to {gold:.3f} while the proxy rose from"
                f" {top.proxy:.3f} to {last.proxy:.3f}: stop, and keep the checkpoint at the peak"
            )
    return None


def _value_or_lowest(point: EvalPoint, name: str) -> float:
    gold = point.gold_of(name)
    return -math.inf if gold is None else gold.value


def kl_accelerates(steps: Sequence[Row], points: Points) -> str | None:
    """KL grew by more than a nat in the last ten steps, and five times as fast as in the ten
    before."""
    kl = _column(steps, "kl")
    if len(kl) < 30:
        return None
    a, b, c = (sum(part) / len(part) for part in (kl[-30:-20], kl[-20:-10], kl[-10:]))
    if c - b > 1 and c - b > 5 * max(b - a, 0.0):
        return (
            f"KL went from {b:.2f} to {c:.2f} nats in ten steps, from {a:.2f} to {b:.2f} in the ten"
            " before"
        )
    return None


def length_moves(steps: Sequence[Row], points: Points) -> str | None:
    """Held-out responses are half again as long as at the start, or less than two thirds as
    long."""
    ends = _ends(points, "length")
    if ends is None:
        return None
    first, last = ends
    if last.low > 1.5 * first.value or last.high < first.value / 1.5:
        return f"responses have {last.value:.1f} tokens, {first.value:.1f} at the start"
    return None


def entropy_collapses(steps: Sequence[Row], points: Points) -> str | None:
    """Entropy per token is below a fiftieth of its start; learning alone brought it to a twentieth
    in our runs."""
    values = _column(steps, "entropy")
    if len(values) > 10 and sum(values[-5:]) / 5 < 0.02 * sum(values[:5]) / 5:
        return (
            f"entropy is {values[-1]:.3f} nats a token, {values[0]:.3f} at the start: groups will"
            " soon be all alike"
        )
    return None


def unfinished(steps: Sequence[Row], points: Points) -> str | None:
    """A fifth fewer held-out responses are ended by the policy than at the start."""
    ends = _ends(points, "finished")
    if ends is None:
        return None
    first, last = ends
    if last.high < first.value - 0.2:
        return f"{last.value:.0%} of the responses end, {first.value:.0%} at the start"
    return None


def all_alike(steps: Sequence[Row], points: Points) -> str | None:
    """Half of the responses equal one to another prompt, and at the start less than a quarter did.

    Responses that equal others of their own group are no sign: a policy that knows the answer
    writes it every time.
    """
    values = _column(steps, "same_elsewhere")
    if len(values) > 10 and sum(values[-5:]) / 5 > 0.5 and sum(values[:5]) / 5 < 0.25:
        return (
            f"{values[-1]:.0%} of the responses equal one to another prompt, {values[0]:.0%} at the"
            " start"
        )
    return None


def gradient_jumps(steps: Sequence[Row], points: Points) -> str | None:
    """The gradient's norm is above ten times the median of the twenty steps before."""
    values = _column(steps, "gradient_norm")
    if len(values) < 25:
        return None
    usual = median(values[-21:-1])
    if values[-1] > 10 * max(usual, 1e-3):
        return f"the gradient's norm is {values[-1]:.2g}, where {usual:.2g} was usual"
    return None


def nothing_differs(steps: Sequence[Row], points: Points) -> str | None:
    """Since the run began, no two responses to one prompt have earned differently."""
    values = [row["differing"] for row in steps if "differing" in row]
    if not values or any(values):
        return None
    rounds = f"in {len(values)} rounds" if len(values) > 1 else "in the first round"
    return (
        f"{rounds} no two responses to one prompt earned differently, and nothing can be learned"
        " from such a reward: look whether the scorer works, whether the policy is ever right, or"
        " give more samples or easier prompts"
    )


ALARMS: Final[Mapping[str, Callable[[Sequence[Row], Points], str | None]]] = {
    "the reward never differs": nothing_differs,
    "gold falls while the proxy climbs": gold_falls,
    "KL accelerates": kl_accelerates,
    "length moves": length_moves,
    "entropy collapses": entropy_collapses,
    "responses do not end": unfinished,
    "responses are all alike": all_alike,
    "the gradient jumps": gradient_jumps,
}


def alarms(rows: Sequence[Row]) -> dict[str, str]:
    """Every alarm that the rows of a run so far raise, by name, with its numbers; one that is
    raised already is left out."""
    raised = {row["alarm"] for row in rows if "alarm" in row}
    steps = [row for row in rows if "reward" in row or "differing" in row]
    points = eval_points(rows)
    texts = {name: alarm(steps, points) for name, alarm in ALARMS.items() if name not in raised}
    return {name: text for name, text in texts.items() if text is not None}


def _ends(points: Points, what: str) -> tuple[Estimate, Estimate] | None:
    """A measurement at the first and the last of two or more points."""
    if len(points) < 2:
        return None
    first, last = getattr(points[0], what), getattr(points[-1], what)
    return None if first is None or last is None else (first, last)


def _column(rows: Sequence[Row], key: str) -> list[float]:
    """A figure of the rounds that were learned from."""
    return [row[key] for row in rows if row.get(key) is not None and not row.get("skipped")]
