"""Beam search over steps, guided by a scorer of partial solutions (arXiv:2408.03314).

Each round, every beam is continued by a step in several ways, all continuations are scored, and the
best `width` go on. A finished one among them keeps its place and is continued no more.
"""

from dataclasses import dataclass, field
from itertools import chain

import assay.search as search
from assay.errors import ConfigError
from assay.types import Prompt
from assay.verifiers.answers.numeric import Numeric

__all__ = ["Beam"]


@dataclass(frozen=True, kw_only=True)
class Beam:
    """Keep the `width` best partial solutions, step by step."""

    n: int = 16
    """Continuations sampled per round, shared among the beams."""
    width: int = 4
    """Beams kept per round."""
    lookahead: int = 0
    """Greedy steps that are written behind each continuation, to rank it by the score of the longer
    text."""
    max_steps: int = 40
    """Rounds at most."""
    pick: search.Pick = "best"
    """Choice among the finished beams; in votes, a text counts once however many beams came
    to it."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same, for votes."""

    def __post_init__(self) -> None:
        if not 1 <= self.width <= self.n or self.lookahead < 0 or self.max_steps < 1:
            raise ConfigError(
                f"n={self.n}, width={self.width}, lookahead={self.lookahead},"
                f" max_steps={self.max_steps}: width must be from 1 to n, lookahead at least 0 and"
                " max_steps at least 1"
            )
        search.check_pick(self.pick)

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Grow, score, prune."""
        done: list[search.Branch] = []
        going: list[search.Branch] = []
        stopped = ""
        for depth in range(self.max_steps):
            if account.over:
                stopped = "budget"
                break
            prefixes = [branch.response.steps for branch in going] or [()]
            each = max(1, self.n // len(prefixes))
            grown = yield from search.extend(*(search.Extend(steps, each) for steps in prefixes))
            texts = search.distinct(list(chain.from_iterable(grown)))
            scored = yield from search.score(texts, self.lookahead)
            # Finished beams keep the places that they have won.
            best = search.ranked(scored, self.seed, prompt, depth)[: self.width - len(done)]
            if not best:
                break
            done += [branch for branch in best if branch.response.finished]
            going = [branch for branch in best if not branch.response.finished]
            if not going:
                break
        return search.end(prompt, [*done, *going], self.pick, self.answers, self.seed, stopped)
