"""The run's numbers in two sentences, whose wording the intervals decide."""

from collections.abc import Mapping, Sequence

from assay.stats import CurvePoint, Estimate, bracket
from assay.studies.arithmetic.summary import Summary

__all__ = ["conclusion"]

NAMES: Mapping[str, str] = {
    "preference": "preference model",
    "outcome": "outcome model",
    "process": "process model",
}


def conclusion(summary: Summary) -> str:
    """Compare each curve's peak and end with no selection, and the highest peak with a majority
    vote.

    Two numbers differ where their 95 % intervals do not touch.
    """
    parts = [
        f"the {NAMES[kind]} {_course(curve, summary.mean_at_1)}"
        for kind, curve in summary.best_of_n.items()
    ]
    first = (
        f"Without selection {_shown(summary.mean_at_1)} of the answers are right;"
        f" {'; '.join(parts)}."
    )
    best = {
        kind: max(curve, key=lambda p: p.estimate.value)
        for kind, curve in summary.best_of_n.items()
    }
    kind, peak = max(best.items(), key=lambda item: item[1].estimate.value)
    against = _against(peak.estimate, summary.majority, "a majority vote")
    return (
        f"{first} The best choice, the {NAMES[kind]}'s at n={peak.n} ({_shown(peak.estimate)}), is"
        f" {against} of the whole pool ({_shown(summary.majority)}); the oracle gets"
        f" {_shown(summary.oracle)}."
    )


def _course(curve: Sequence[CurvePoint], mean: Estimate) -> str:
    peak, last = max(curve, key=lambda p: p.estimate.value), curve[-1]
    end = f"{_shown(last.estimate)} at n={last.n}, {_against(last.estimate, mean, 'no selection')}"
    if peak is last:
        return f"rises to {end}"
    fell = "falls to" if last.estimate.high < peak.estimate.low else "is"
    return f"peaks at n={peak.n} with {_shown(peak.estimate)} and {fell} {end}"


def _against(one: Estimate, other: Estimate, what: str) -> str:
    if one.high < other.low:
        return f"worse than {what}"
    if one.low > other.high:
        return f"better than {what}"
    return f"not distinguishable from {what}"


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} {bracket(estimate)}"
