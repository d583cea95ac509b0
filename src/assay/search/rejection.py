"""Rejection sampling: keep every response above a threshold, as training data (STaR,
arXiv:2203.14465; RFT, arXiv:2308.01825; RAFT, arXiv:2304.06767)."""

from dataclasses import dataclass

import assay.search as search
from assay.errors import ConfigError
from assay.types import Group, Prompt

__all__ = ["Rejection"]


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Sample n responses and keep those that score at least `threshold`; the choice is the best of
    them.

    The same text is kept once. An unscored response is not kept.
    """

    n: int = 16
    """Responses sampled for each prompt."""
    threshold: float = 0.5
    """Lowest score that is kept."""
    most: int | None = None
    """Maximum responses kept per prompt, the best: an easy prompt would fill the data. None =
    all."""
    seed: search.Seed = 0
    """Seed for breaking ties."""

    def __post_init__(self) -> None:
        if self.most is not None and self.most < 1:
            raise ConfigError(f"most is {self.most}; it must be at least 1, or None to keep all")

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, keep."""
        responses, scores, stopped = yield from search.draw(self.n, account)
        values = search.values_of(scores)
        passing = {
            responses[i].text: i
            for i in sorted(values, reverse=True)
            if values[i] >= self.threshold
        }
        lot = search.lot(self.seed, prompt)
        drawn = sorted(passing.values())
        lot.shuffle(drawn)
        kept = sorted(drawn, key=lambda i: -values[i])[: self.most]
        return search.Found(
            candidates=Group(prompt=prompt, responses=tuple(responses)).responses,
            scores=tuple(scores),
            choice=kept[0] if kept else None,
            kept=tuple(sorted(kept)),
            stopped=stopped,
        )
