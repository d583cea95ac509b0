"""Signs that a run goes wrong, read from its rows: pure functions, each of which says what it saw
in numbers.

They are signs, not proofs: entropy and length change in healthy runs too.
`experiments/rl_worlds.py` counts how often each is raised in runs whose reward is the truth; LOG.md
has the rates. Only the first one, which needs a gold scorer, tells over-optimization from learning.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final

import numpy as np

__all__ = ["ALARMS", "alarms"]

Row = Mapping[str, Any]


def gold_falls(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
    """A gold's interval lies below that at its peak, while the proxy's mean is above what it was
    there."""
    for name in looks[-1]["watch"]["gold"] if looks else ():
        # A look at which nothing could be scored is no peak.
        peak = max(
            looks, key=lambda row: np.nan_to_num(row["watch"]["gold"][name][0], nan=-np.inf)
        )["watch"]
        last = looks[-1]["watch"]
        if last["gold"][name][2] < peak["gold"][name][1] and last["proxy"][0] > peak["proxy"][0]:
            return (
                f"{name} has fallen from {_said(peak['gold'][name])} to {_said(last['gold'][name])}"
                f" while the proxy rose from {_said(peak['proxy'])} to {_said(last['proxy'])}:"
                " stop, and keep the checkpoint at the peak"
            )
    return None


def kl_accelerates(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
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


def length_moves(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
    """Held-out responses are half again as long as at the start, or less than two thirds as
    long."""
    if len(looks) < 2:
        return None
    first, last = looks[0]["watch"]["length"], looks[-1]["watch"]["length"]
    if last[1] > 1.5 * first[0] or last[2] < first[0] / 1.5:
        return f"responses have {last[0]:.1f} tokens, {first[0]:.1f} at the start"
    return None


def entropy_collapses(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
    """Entropy a token is below a fiftieth of what it was; learning alone brought it to a twentieth
    where we looked."""
    values = _column(steps, "entropy")
    if len(values) > 10 and sum(values[-5:]) / 5 < 0.02 * sum(values[:5]) / 5:
        return (
            f"entropy is {values[-1]:.3f} nats a token, {values[0]:.3f} at the start: groups will"
            " soon be all alike"
        )
    return None


def unfinished(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
    """A fifth fewer held-out responses are ended by the policy than at the start."""
    if len(looks) < 2:
        return None
    first, last = looks[0]["watch"]["finished"], looks[-1]["watch"]["finished"]
    if last[2] < first[0] - 0.2:
        return f"{last[0]:.0%} of the responses end, {first[0]:.0%} at the start"
    return None


def all_alike(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
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


def gradient_jumps(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
    """The gradient's norm is above ten times the median of the twenty steps before."""
    values = _column(steps, "gradient_norm")
    if len(values) < 25:
        return None
    usual = median(values[-21:-1])
    if values[-1] > 10 * max(usual, 1e-3):
        return f"the gradient's norm is {values[-1]:.2g}, where {usual:.2g} was usual"
    return None


def nothing_differs(steps: Sequence[Row], looks: Sequence[Row]) -> str | None:
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


ALARMS: Final[Mapping[str, Callable[[Sequence[Row], Sequence[Row]], str | None]]] = {
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
    """Every alarm that the rows of a run so far give, by name, with what it saw; one that is raised
    already is left out."""
    raised = {row["alarm"] for row in rows if "alarm" in row}
    steps = [row for row in rows if "reward" in row or "differing" in row]
    looks = [row for row in rows if "watch" in row]
    found = {name: alarm(steps, looks) for name, alarm in ALARMS.items() if name not in raised}
    return {name: text for name, text in found.items() if text is not None}


def _column(rows: Sequence[Row], key: str) -> list[float]:
    """A figure of the rounds that were learned from."""
    return [row[key] for row in rows if row.get(key) is not None and not row.get("skipped")]


def _said(estimate: Sequence[float]) -> str:
    return f"{estimate[0]:.3f} [{estimate[1]:.3f}, {estimate[2]:.3f}]"
