"""Checks that samples come from the policy that is trained: E[e^-δ] = 1 over samples, whatever the
two distributions are."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["inconsistencies"]

FAR = 0.05
"""Nats of divergence a token beyond which the mean of π₀/π hangs on tokens too rare to be
sampled."""

TEXTS: Final = {
    "scorer_over_sampler": (
        "tokens are drawn from another distribution than the one that is trained (mean ratio"
        " {0:.3f} ± {1:.3f}, it should be 1): look at the precision of sampling, at what the"
        " sampler masks, at temperature and template"
    ),
    "reference_over_policy": (
        "the mean of π₀/π over samples is {0:.3f} ± {1:.3f}, and should be 1: top-p or top-k cut"
        " the distribution, or end and padding tokens are counted unlike in the reference; KL may"
        " come out negative"
    ),
}


def inconsistencies(row: Mapping[str, Any]) -> dict[str, str]:
    """Check a round's figures; failed checks by name, each a warning with the likely causes.

    A mean is off when it is more than .01 and five standard errors from 1.
    """
    result = {}
    for name, text in TEXTS.items():
        value, error = row.get(name) or (1.0, 0.0)
        far = name == "reference_over_policy" and row.get("kl_a_token", 0.0) > FAR
        if abs(value - 1) > 0.01 + 5 * error and not far:
            result[name] = text.format(value, error)
    return result
