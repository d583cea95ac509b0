"""A verifier as a scorer: the gold reward where there is a reference answer, and the oracle ruler of best-of-n."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.protocols import Verifier
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["Verified"]


@dataclass(frozen=True)
class Verified:
    """1 for a response whose final answer is the prompt's reference answer, 0 for one whose is not."""

    verifier: Verifier
    """Decides whether two answers are the same."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; `Unscored` where the prompt has no reference or it cannot be decided."""
        return [[self._one(group.prompt, response) for response in group.responses] for group in groups]

    def _one(self, prompt: Prompt, response: Response) -> Score | Unscored:
        if prompt.reference is None:
            return Unscored(reason="the prompt has no reference answer")
        return self.verifier.verify(response.text, prompt.reference)
