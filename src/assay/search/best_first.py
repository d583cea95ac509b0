"""Best-first search: always continue the most promising open text, wherever in the tree it is
(arXiv:2305.10601 calls for it; the reward-balanced search of arXiv:2408.00724 is a relative)."""

from dataclasses import dataclass, field

import assay.search as search
from assay.errors import ConfigError
from assay.types import Prompt
from assay.verifiers.answers.numeric import Numeric

__all__ = ["BestFirst"]


@dataclass(frozen=True, kw_only=True)
class BestFirst:
    """Continue the highest-scored open text, until enough texts are finished or continued."""

    each: int = 4
    """Continuations of each text that is continued."""
    expansions: int = 32
    """Texts that are continued at most."""
    finished: int = 1
    """Finished texts at which the search stops. The first is not always the best: its rivals were
    only promising less."""
    max_steps: int = 40
    """Steps of a text at most."""
    pick: search.Pick = "best"
    """Choice among the finished texts."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same, for votes."""

    def __post_init__(self) -> None:
        if min(self.each, self.expansions, self.finished, self.max_steps) < 1:
            raise ConfigError("each, expansions, finished and max_steps must be at least 1")
        search.check_pick(self.pick)

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Continue the best, score, repeat."""
        open_: list[search.Branch] = []
        done: list[search.Branch] = []
        stuck: list[search.Branch] = []
        seen: set[tuple[str, bool]] = set()
        stopped = ""
        for round_ in range(self.expansions):
            if account.over:
                stopped = "budget"
                break
            best = open_.pop(0) if open_ else None
            (grown,) = yield from search.extend(
                search.Extend(best.response.steps if best else (), self.each)
            )
            new = [r for r in search.distinct(grown) if (r.text, r.finished) not in seen]
            seen |= {(r.text, r.finished) for r in new}
            scored = yield from search.score(new)
            done += [branch for branch in scored if branch.response.finished]
            going = [branch for branch in scored if not branch.response.finished]
            open_ += [branch for branch in going if len(branch.response.steps) < self.max_steps]
            # They go on no further, but where nothing is finished one of them may be all there is.
            stuck += [branch for branch in going if len(branch.response.steps) >= self.max_steps]
            stuck += [best] if best and not grown else []
            if not open_ or len(done) >= self.finished:
                break
            open_ = search.ranked(open_, self.seed, prompt, round_)
        return search.end(
            prompt, done or [*open_, *stuck], self.pick, self.answers, self.seed, stopped
        )
