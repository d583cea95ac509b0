"""Where does a response first go wrong? Found with rollouts from O(log T) of its T steps
(arXiv:2406.06592).

A prefix from which none of k rollouts is right is taken for lost, and what is lost stays lost: the
first lost step lies right of every prefix that is not. The steps searched are labelled as if all
had been tried: 1 before the first lost step, 0 from it on. Where a policy finds its way back, or a
hard problem gets few rollouts, that is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.errors import ConfigError
from assay.labelling.montecarlo import record_of
from assay.labelling.rollouts import Plan, Rollouts, Tally, need_references, run_plans
from assay.protocols import Prefix
from assay.types import Prompt, Response, RolloutLabels

__all__ = ["BinarySearch"]


@dataclass(frozen=True, kw_only=True)
class BinarySearch:
    """Rollouts from the middle of what is left, until the first lost step is found."""

    rollouts: int = 8
    """Rollouts from each step that is tried."""

    def __post_init__(self) -> None:
        if self.rollouts < 1:
            raise ConfigError(f"rollouts is {self.rollouts}; it must be at least 1")

    def __call__(
        self, responses: Sequence[tuple[Prompt, Response]], rollouts: Rollouts
    ) -> list[RolloutLabels]:
        """Label one record per response, in order. A right one is taken to have no lost step; one
        that the verifier cannot judge, or a step that got no rollouts, leaves labels None. Raises
        `DataError` where a prompt has no reference.
        """
        need_references(prompt for prompt, _ in responses)
        return run_plans([self._search(*pair, rollouts) for pair in responses], rollouts)

    def _search(
        self, prompt: Prompt, response: Response, rollouts: Rollouts
    ) -> Plan[RolloutLabels]:
        size = len(response.steps)
        tried: dict[int, Tally] = {}
        # Steps before `low` are not lost; step `high`, if there is one, is.
        low, high = 0, size
        ended = False
        if response.finished and size:
            right = rollouts.check(Prefix(prompt), response).right
            tried[size - 1] = Tally(0, 0) if right is None else Tally(int(right), 1)
            low, high = (size, size) if right else (0, size - 1)
        while low < high:
            middle = (low + high) // 2
            prefix = Prefix(prompt, response.steps[: middle + 1])
            yield [(prefix, self.rollouts)]
            tally = tried[middle] = rollouts.tally(prefix, self.rollouts)
            ended |= rollouts.judged_one(prefix, self.rollouts)
            if not tally.judged:
                break
            low, high = (middle + 1, high) if tally.right else (low, middle)
        if not ended:
            # Cut off everywhere, the policy may have been on its way; the answer's own verdict
            # stands.
            tried = {i: tally for i, tally in tried.items() if i == size - 1 and response.finished}
            low = size if low == size and tried else 0
        lost = min((i for i, t in tried.items() if t.judged and not t.right), default=size)
        labels = [1.0 if i < low else 0.0 if i >= lost else None for i in range(size)]
        return record_of(prompt, response, labels, [tried.get(i, Tally(0, 0)) for i in range(size)])
