"""Diverse verifier tree search: independent greedy searches, so that one early favourite does not
take every beam (Beeching, Tunstall & Rush, "Scaling test-time compute with open models", 2024).

Each of n / width subtrees draws `width` continuations a step and goes on from the best. Its last
draw gives its candidates. Subtrees know nothing of one another, so the first k of them are what a
search with k would have given: `subset` reads smaller searches off a larger one.
"""

from dataclasses import dataclass, field
from itertools import chain

import assay.search as search
from assay.errors import ConfigError
from assay.search import SearchResult
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.verifiers.answers.numeric import Numeric

__all__ = ["Dvts"]


@dataclass(frozen=True, kw_only=True)
class Dvts:
    """Grow n / width independent subtrees, each greedily by score."""

    n: int = 16
    """Continuations sampled per round, by all subtrees together."""
    width: int = 4
    """Continuations that each subtree chooses from."""
    lookahead: int = 0
    """Greedy steps that are written behind each continuation, to rank it by the score of the longer
    text."""
    max_steps: int = 40
    """Rounds at most."""
    pick: search.Pick = "best"
    """Choice among the candidates."""
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
        if self.n % self.width:
            raise ConfigError(
                f"n {self.n} is no multiple of width {self.width}: every subtree draws {self.width}"
                f" continuations a round, and {self.n // self.width} subtrees would draw"
                f" {self.n // self.width * self.width}; give such an n, or a width that divides"
                f" {self.n}"
            )
        search.check_pick(self.pick)

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Grow every subtree by its best continuation until all have come to their end."""
        last: list[list[search.Branch]] = [[] for _ in range(self.n // self.width)]
        open_ = list(range(len(last)))
        stopped = ""
        for depth in range(self.max_steps):
            if account.over:
                stopped = "budget"
                break
            prefixes = [last[t][0].response.steps if last[t] else () for t in open_]
            grown = yield from search.extend(
                *(search.Extend(steps, self.width) for steps in prefixes)
            )
            texts = [search.distinct(some) for some in grown]
            scored = iter(
                (yield from search.score(list(chain.from_iterable(texts)), self.lookahead))
            )
            for t, some in zip(open_, texts, strict=True):
                drawn = [next(scored) for _ in some]
                last[t] = search.ranked(drawn, self.seed, prompt, t, depth) or last[t]
            open_ = [
                t
                for t, some in zip(open_, texts, strict=True)
                if some and not last[t][0].response.finished
            ]
            if not open_:
                break
        return self._end(prompt, last, stopped)

    def subset(self, result: SearchResult, subtrees: int) -> SearchResult:
        """Return what a search with the first so many subtrees would have found; what it would have
        spent is not told."""
        places = [i for i, r in enumerate(result.group.responses) if r.meta["subtree"] < subtrees]
        group = Group(
            prompt=result.group.prompt, responses=tuple(result.group.responses[i] for i in places)
        )
        scores = tuple(result.scores[i] for i in places)
        return SearchResult(group=group, scores=scores, choice=self._choose(group, scores))

    def _choose(self, group: Group, scores: tuple[Score | Unscored | None, ...]) -> int | None:
        """Index of the chosen candidate; None where none can be chosen."""
        return search.pick(group, scores, self.pick, self.answers, self.seed)

    def _end(self, prompt: Prompt, last: list[list[search.Branch]], stopped: str) -> search.Found:
        """The last draw of every subtree: what is finished, or the best where nothing is."""
        candidates: list[Response] = []
        scores: list[Score | Unscored] = []
        for t, branches in enumerate(last):
            for branch in [b for b in branches if b.response.finished] or branches[:1]:
                meta = {**branch.response.meta, "subtree": t}
                candidates.append(branch.response.model_copy(update={"meta": meta}))
                scores.append(branch.score)
        group = Group(prompt=prompt, responses=tuple(candidates))
        choice = self._choose(group, tuple(scores))
        return search.Found(
            candidates=group.responses, scores=tuple(scores), choice=choice, stopped=stopped
        )
