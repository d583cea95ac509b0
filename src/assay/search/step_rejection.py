"""Step-level rejection: write a step again while its score is too low (as in self-evaluation guided
decoding, arXiv:2305.00633, and reward-guided speculative decoding, arXiv:2501.19324)."""

from dataclasses import dataclass, field

import assay.search as search
from assay.errors import ConfigError
from assay.types import Prompt
from assay.verifiers.answers.numeric import Numeric

__all__ = ["StepRejection"]


@dataclass(frozen=True, kw_only=True)
class StepRejection:
    """Write n solutions; in each, a step that scores below the threshold is sampled again, up to a
    cap."""

    n: int = 4
    """Solutions written side by side."""
    threshold: float = 0.5
    """A step with at least this score is taken at once."""
    tries: int = 4
    """Maximum samples per step; of those that all fail, the best is taken."""
    max_steps: int = 40
    """Steps of a solution at most."""
    pick: search.Pick = "best"
    """Choice among the solutions."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same, for votes."""

    def __post_init__(self) -> None:
        if min(self.n, self.tries, self.max_steps) < 1:
            raise ConfigError("n, tries and max_steps must be at least 1")
        search.check_pick(self.pick)

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Every solution goes on by a step a round; those whose step is not good enough try again
        first."""
        taken: list[search.Branch | None] = [None] * self.n
        open_ = list(range(self.n))
        stopped = ""
        for _ in range(self.max_steps):
            best: dict[int, search.Branch] = {}
            trying = list(open_)
            for _ in range(self.tries):
                if account.over:
                    stopped = "budget"
                    break
                prefixes = [one.response.steps if (one := taken[i]) else () for i in trying]
                grown = yield from search.extend(*(search.Extend(steps) for steps in prefixes))
                scored = yield from search.score([new[0] for new in grown if new])
                had = [i for i, new in zip(trying, grown, strict=True) if new]
                for i, branch in zip(had, scored, strict=True):
                    if i not in best or branch.value > best[i].value:
                        best[i] = branch
                trying = [i for i in had if best[i].value < self.threshold]
                if not trying:
                    break
            for i, branch in best.items():
                taken[i] = branch
            open_ = [i for i in open_ if i in best and not best[i].response.finished]
            if not open_ or stopped:
                break
        branches = [branch for branch in taken if branch is not None]
        return search.end(prompt, branches, self.pick, self.answers, self.seed, stopped)
