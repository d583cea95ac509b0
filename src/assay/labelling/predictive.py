"""Does what `adaptive` believes beforehand fit the rollouts? A check of the prior against the first
of them.

The first rollouts go where the prior alone sends them, so their number does not depend on how they
end. Parameters are drawn from the prior, states of the steps from what the answers say under them,
and outcomes from those: how many of the first rollouts would be right. Where the number that was
right is in the tails, prior and data are in conflict (Box 1980; Evans and Moshonov 2006), and
labels that are not decided by many rollouts follow the wrong one of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.labelling.adaptive import Adaptive
from assay.labelling.chain import LOST, START, WIDTH, Beliefs, posterior
from assay.labelling.rollouts import Rollouts
from assay.protocols import Prefix
from assay.types import Prompt, Response

__all__ = ["PriorCheck", "prior_check"]

DRAWS = 500
"""Draws of the parameters."""
MOST_CHECKED = 1000
"""Solutions whose first rollouts are looked at, spread over all."""
ALPHA = 0.05
"""The check fails where so few draws are as far out as the data, on both sides together."""


@dataclass(frozen=True)
class PriorCheck:
    """How many of the first rollouts were right, and how many should have been."""

    rollouts: int
    """First rollouts that could be judged."""
    right: int
    low: int
    """Lower end of the central 95 % of what the prior expects to be right."""
    high: int
    p: float
    """Share of draws as far out as the data, on both sides."""
    can_fail: bool = True
    """Whether so few rollouts could be in conflict with the prior, however they end."""

    @property
    def fails(self) -> bool:
        """Return whether prior and data are in conflict."""
        return self.p < ALPHA

    def sentence(self) -> str:
        """Return what to say of it, and what to do."""
        seen = (
            f"of the first {self.rollouts:,} rollouts {self.right:,} were right, where the prior of"
            f" adaptive labels expects {self.low:,} to {self.high:,} (predictive p = {self.p:.3f})"
        )
        if not self.can_fail:
            return f"the prior cannot be checked by so few rollouts: {seen}"
        if not self.fails:
            return f"the prior fits: {seen}"
        kind = (
            "weaker" if self.right <= self.low else "more often right, even from after wrong steps,"
        )
        return (
            f"the prior does not fit: {seen}; this policy is {kind} than it takes for granted. Do"
            " not trust labels that few rollouts decided: use assay label montecarlo, or raise"
            " --confidence and --most, and lower --least"
        )


def prior_check(
    labeller: Adaptive,
    responses: Sequence[tuple[Prompt, Response]],
    rollouts: Rollouts,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> PriorCheck | None:
    """Check the prior against the first rollouts, which are there once the labeller has run.

    None where no solution needed a rollout, or none of the first could be judged.
    """
    # Each solution once, and one step of it: their rollouts have to be independent of each other.
    every = list(
        {
            (prompt.shown, response.steps): (prompt, response) for prompt, response in responses
        }.values()
    )
    chosen = np.unique(np.linspace(0, max(len(every) - 1, 0), MOST_CHECKED).astype(int)).tolist()
    some = [every[i] for i in chosen] if every else []
    counts = labeller.nothing_yet(some, rollouts)
    places = labeller.places(
        some, counts, Beliefs.of(START), np.zeros(counts.right_N_T.shape, dtype=np.int64)
    )
    places = list({i: (i, t) for i, t in places}.values())
    first = min(labeller.batch, labeller.most)
    judged, right = [], []
    for i, t in places:
        prefix = Prefix(some[i][0], some[i][1].steps[: t + 1])
        tally = rollouts.tally(prefix, first) if rollouts.judged_one(prefix, first) else None
        judged.append(tally.judged if tally else 0)
        right.append(tally.right if tally else 0)
    if not sum(judged):
        return None
    rng = np.random.default_rng(seed)
    solutions, steps = np.array(places).T
    totals = np.empty(draws, dtype=np.int64)
    for k, x in enumerate(START + WIDTH * rng.standard_normal((draws, len(START)))):
        # As in the fit, what is lost does not look better than what is not.
        x[4] = min(x[4], x[2])
        beliefs = Beliefs.of(x)
        states = posterior(counts, beliefs, structure=labeller.structure)[solutions, steps]
        lost = rng.random(len(places)) < states[:, LOST]
        chance = np.where(
            lost, rng.beta(*beliefs.lost, len(places)), rng.beta(*beliefs.sound, len(places))
        )
        totals[k] = rng.binomial(judged, chance).sum()

    def p(count: int) -> float:
        tails = int((totals <= count).sum()), int((totals >= count).sum())
        return min(1.0, 2 * (1 + min(tails)) / (1 + draws))

    seen, size = sum(right), sum(judged)
    low, high = np.quantile(totals, (0.025, 0.975), method="nearest").tolist()
    return PriorCheck(size, seen, low, high, p(seen), can_fail=min(p(0), p(size)) < ALPHA)
