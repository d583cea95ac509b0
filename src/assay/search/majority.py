"""Majority vote over final answers, also called self-consistency (arXiv:2203.11171)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import assay.search as search
from assay.errors import ConfigError
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.verifiers.answers.numeric import Numeric

__all__ = ["Majority"]


@dataclass(frozen=True, kw_only=True)
class Majority:
    """Sample n responses and take the most frequent final answer.

    The scorer has no say in which answer wins, and is not asked. A response without a final answer
    has no vote; where none has one, nothing is chosen. Ties are drawn, by the seed and the prompt.
    """

    n: int = 16
    """Responses sampled for each prompt, at most."""
    chunk: int = 0
    """Responses sampled between two counts of the votes; sampling stops when no vote can change the
    winner any more. 0 = all n at once, which is fastest where samples are written together."""
    confidence: float | None = None
    """Stop, too, when the leader is ahead of the second for good with this probability, by the Beta
    posterior of their share (adaptive consistency, arXiv:2305.11860). Needs `chunk`."""
    show_best: bool = False
    """Show the response with the winning answer that the scorer rates highest: costs
    n scores."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same."""

    def __post_init__(self) -> None:
        if self.confidence is not None and not (0.5 < self.confidence < 1 and self.chunk > 0):
            raise ConfigError(
                f"confidence is {self.confidence} and chunk {self.chunk}: it must be between .5 and"
                " 1, with a chunk of samples between two looks"
            )

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, as many as are needed, and count."""
        return search.best_of_drawn(
            prompt,
            account,
            self.n,
            self.choose,
            rated=self.show_best,
            chunk=self.chunk,
            enough=self._enough,
        )

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the best-scored candidate that gives the most frequent answer; None when none
        gives an answer."""
        votes = dict.fromkeys(range(len(group.responses)), 1.0)
        winner, ballots = search.vote(group, votes, self.answers, self.seed)
        return None if winner is None else search.best_at(ballots[winner], group, scores, self.seed)

    def _enough(self, responses: list[Response], scores: Sequence[Score | Unscored | None]) -> str:
        ballots = search.ballots_of(responses, range(len(responses)), self.answers)
        first, second, *_ = *sorted(map(len, ballots.values()), reverse=True), 0, 0
        if first > second + self.n - len(responses):
            return "decided"
        if self.confidence is None:
            return ""
        from scipy.special import betainc

        # P(share of the leader > 1/2) of a Beta(first + 1, second + 1).
        return "confident" if 1 - betainc(first + 1, second + 1, 0.5) >= self.confidence else ""
