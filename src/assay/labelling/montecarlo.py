"""As many rollouts from after every step: Math-Shepherd's labels (arXiv:2312.08935) and their kin.

With s_t of n rollouts right from after step t, MC_t = s_t / n estimates the policy's chance to end
right from there.

* soft: the label is MC_t.
* hard: 1 where MC_t is above a threshold; at 0, where any rollout is right. Of the thresholds tried
  in arXiv:2501.07301 with eight rollouts, 0 trains the best models.
* progress: 1 where MC_t / MC_{t-1} >= epsilon, MC_0 being that of the prompt; once MC is 0, all
  later labels are 0 (GenPRM, arXiv:2504.00891).

A finished response is its own only rollout from after its last step. The standard error of MC_t is
sqrt(p(1-p)/n): up to .18 with eight rollouts. A label with nothing to rest on is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import scipy

from assay.errors import ConfigError
from assay.labelling.rollouts import Rollouts, Tally, need_references
from assay.protocols import Prefix
from assay.types import Prompt, Response, RolloutLabels

__all__ = ["MonteCarlo", "interval", "label_of", "record_of", "tallies"]

LabelRule = Literal["hard", "soft", "progress"]


@dataclass(frozen=True, kw_only=True)
class MonteCarlo:
    """The same number of rollouts from after every step."""

    rollouts: int = 8
    """Rollouts from each step."""

    label: LabelRule = "hard"
    """soft: the share of right rollouts; hard: whether it is above the threshold; progress: whether
    it held up."""

    threshold: float = 0.0
    """Threshold of hard labels: 1 where the share of right rollouts is above it; at 0 one right
    rollout is enough."""

    epsilon: float = 0.8
    """Progress labels: minimum share of the previous step's value that a right step keeps."""

    def __post_init__(self) -> None:
        if self.rollouts < 1 or not 0 <= self.threshold < 1 or not self.epsilon > 0:
            raise ConfigError(
                f"rollouts is {self.rollouts}, threshold {self.threshold} and epsilon"
                f" {self.epsilon}; they must be at least 1, in [0, 1), and above 0"
            )

    def __call__(
        self, responses: Sequence[tuple[Prompt, Response]], rollouts: Rollouts
    ) -> list[RolloutLabels]:
        """Label one record per response, in order. Raises `DataError` where a prompt has no
        reference."""
        need_references(prompt for prompt, _ in responses)
        first = 0 if self.label == "progress" else 1
        asks = (self._asks(*pair, first) for pair in responses)
        rollouts.want([*chain.from_iterable(asks)])
        records = []
        for prompt, response in responses:
            found = tallies(prompt, response, rollouts, self.rollouts)
            start = (
                self._start(prompt, found[: len(found) - response.finished], rollouts)
                if first == 0
                else None
            )
            records.append(record_of(prompt, response, self.labels(found, start), found))
        return records

    def labels(
        self, found: Sequence[Tally], start: Tally | None = None
    ) -> tuple[float | None, ...]:
        """The labels that the tallies of each step make; `start` is the prompt's, for progress
        labels."""
        if self.label != "progress":
            return tuple(label_of(t, self.label, self.threshold) for t in found)
        assert start is not None
        labels: list[float | None] = []
        before, lost = label_of(start, "soft"), False
        for tally in found:
            now = label_of(tally, "soft")
            lost = lost or before == 0
            if lost:
                labels.append(0.0)
            elif now is None or before is None:
                labels.append(None)
            else:
                labels.append(float(now / before >= self.epsilon))
            before = now
        return tuple(labels)

    def _start(self, prompt: Prompt, found: Sequence[Tally], rollouts: Rollouts) -> Tally:
        """Return what is known from the prompt on; nothing, where its rollouts, or all of the
        steps', could not be judged."""
        known = rollouts.judged_one(Prefix(prompt), self.rollouts) and (
            not found or any(t.judged for t in found)
        )
        return rollouts.tally(Prefix(prompt), self.rollouts) if known else Tally(0, 0)

    def _asks(self, prompt: Prompt, response: Response, first: int) -> list[tuple[Prefix, int]]:
        last = len(response.steps) - response.finished
        return [(Prefix(prompt, response.steps[:t]), self.rollouts) for t in range(first, last + 1)]


def tallies(prompt: Prompt, response: Response, rollouts: Rollouts, count: int) -> list[Tally]:
    """Return what is known from after each step; after a finished response's last, its own verdict.

    Nothing, where no rollout of the solution came to an end that could be judged: that all were cut
    off says that `max_tokens` is too small for the problem, not that a step is wrong.
    """
    prefixes = [Prefix(prompt, response.steps[:t]) for t in range(1, len(response.steps) + 1)]
    judged = any(rollouts.judged_one(prefix, count) for prefix in prefixes)
    found = [rollouts.tally(prefix, count) if judged else Tally(0, 0) for prefix in prefixes]
    if response.finished and response.steps:
        right = rollouts.check(Prefix(prompt), response).right
        found[-1] = Tally(0, 0) if right is None else Tally(int(right), 1)
    return found


def record_of(
    prompt: Prompt, response: Response, labels: Sequence[float | None], found: Sequence[Tally]
) -> RolloutLabels:
    """Labels with what they rest on. The interval of a label of 0 or 1 is open to its side: it says
    how far the chance is from the other, so that no label lies outside its own interval."""
    intervals = []
    for label, tally in zip(labels, found, strict=True):
        low, high = interval(tally)
        intervals.append((low, high) if label is None else (min(low, label), max(high, label)))
    return RolloutLabels(
        prompt=prompt,
        response=response,
        labels=tuple(labels),
        right=tuple(t.right for t in found),
        rollouts=tuple(t.judged for t in found),
        intervals=tuple(intervals),
    )


def label_of(tally: Tally, rule: Literal["hard", "soft"], threshold: float = 0.0) -> float | None:
    """The label of one step; None where no rollout says anything."""
    if not tally.judged:
        return None
    share = tally.right / tally.judged
    return share if rule == "soft" else float(share > threshold)


def interval(tally: Tally, mass: float = 0.95) -> tuple[float, float]:
    """Equal-tailed credible interval of the chance to end right, under Jeffreys' prior, Beta(1/2,
    1/2).

    As is usual, it reaches to 0 where none is right and to 1 where all are. [0, 1] where nothing is
    known.
    """
    a, b = tally.right + 0.5, tally.judged - tally.right + 0.5
    low = 0.0 if tally.right == 0 else float(scipy.special.betaincinv(a, b, (1 - mass) / 2))
    high = (
        1.0
        if tally.right == tally.judged
        else float(scipy.special.betaincinv(a, b, (1 + mass) / 2))
    )
    return low, high
