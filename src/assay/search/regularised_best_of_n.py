"""Regularised best-of-n: the score, and how much a response is like the others (MBR-BoN,
arXiv:2404.01054).

argmax_i r_i + beta * (1/n) sum_j similarity(y_i, y_j): the second term is the minimum-Bayes-risk
utility, which stands for the policy's own opinion. A response that only the scorer likes, unlike
all that the policy writes, is held back.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import assay.search as search
from assay.types import Group, Prompt, Score, Unscored
from assay.verifiers.answers.numeric import Numeric

__all__ = ["RegularisedBestOfN"]


@dataclass(frozen=True, kw_only=True)
class RegularisedBestOfN:
    """Sample n responses and take the one with the highest score plus `beta` times its likeness to
    all of them."""

    n: int = 16
    """Responses sampled for each prompt."""
    beta: float = 1.0
    """Weight of the likeness, in units of the score; 0 is best-of-n."""
    similarity: Literal["words", "answer"] = "words"
    """words: F1 of the bags of words. answer: 1 for the same final answer, else 0: a vote added to
    the score."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same."""

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Sample, score, choose."""
        return search.best_of_drawn(prompt, account, self.n, self.choose)

    def choose(self, group: Group, scores: Sequence[Score | Unscored | None]) -> int | None:
        """Index of the chosen candidate; None when none is scored. The unscored count as the
        policy's opinion."""
        values = search.values_of(scores)
        likeness = self.likeness(group)
        return search.best(
            {i: value + self.beta * likeness[i] for i, value in values.items()},
            self.seed,
            group.prompt,
        )

    def likeness(self, group: Group) -> list[float]:
        """Mean similarity of each candidate to all candidates, itself included."""
        if self.similarity == "answer":
            places = range(len(group.responses))
            ballots = search.ballots_of(group.responses, places, self.answers)
            counts = {i: len(same) for same in ballots.values() for i in same}
            # One without an answer is like itself alone.
            return [counts.get(i, 1) / len(group.responses) for i in places]
        bags = [Counter(response.text.split()) for response in group.responses]
        return [sum(_f1(bag, other) for other in bags) / len(bags) for bag in bags]


def _f1(one: Counter[str], other: Counter[str]) -> float:
    """Twice the words in common over all words; 1 for two empty texts."""
    both = one.total() + other.total()
    return 2 * (one & other).total() / both if both else 1.0
