"""Majority vote over final answers, also called self-consistency (arXiv:2203.11171)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from assay import search
from assay.protocols import Generator, Sampling, Scorer, SearchResult, Verifier
from assay.types import Group, Prompt, Score, Unscored
from assay.verifiers.numeric import Numeric

__all__ = ["Majority"]


@dataclass(frozen=True, kw_only=True)
class Majority:
    """Sample n responses and take the most frequent final answer.

    The scorer has no say in which answer wins, only in which of the responses that give it is shown. A response without
    a final answer has no vote; where none has one, nothing is chosen. Ties are drawn, by the seed and the prompt.
    """

    n: int = 16
    """Responses sampled for each prompt."""
    temperature: float = 1.0
    """Sampling temperature; 0 makes all n the same."""
    max_tokens: int = 256
    """Longest response, in tokens."""
    seed: int = 0
    """Seed of the sampler and of ties."""
    answers: Verifier = field(default_factory=Numeric)
    """Finds the final answers and says which are the same."""

    def __call__(self, prompts: Sequence[Prompt], generator: Generator, scorer: Scorer) -> list[SearchResult]:
        """One result a prompt, in order."""
        sampling = Sampling(n=self.n, temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed)
        return search.run(prompts, generator, scorer, sampling, self.choose)

    def choose(self, group: Group, scores: Sequence[Score | Unscored]) -> int | None:
        """Index of the best-scored candidate that gives the most frequent answer; None when none gives an answer."""
        votes = dict.fromkeys(range(len(group.responses)), 1.0)
        winner, ballots = search.vote(group, votes, self.answers, self.seed)
        return None if winner is None else search.best_at(ballots[winner], group, scores, self.seed)
