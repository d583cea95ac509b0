"""Score plain texts with any scorer: a prompt and some answers, without building records."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.fingerprint import fingerprint
from assay.protocols import Scorer
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["TextScorer"]


@dataclass(frozen=True)
class TextScorer:
    """A scorer that also takes plain texts."""

    scorer: Scorer
    """Scorer that is asked."""

    @property
    def fingerprint(self) -> str:
        """Name by content: the wrapped scorer's."""
        return fingerprint(self.scorer)

    @property
    def tokens_read(self) -> int | None:
        """Tokens that went through the model so far; None where the scorer does not count."""
        return getattr(self.scorer, "tokens_read", None)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Score groups as the wrapped scorer does."""
        return self.scorer.score(groups)

    def score_texts(
        self,
        prompt: str | Prompt,
        texts: Sequence[str | Sequence[str]],
        *,
        reference: str | None = None,
    ) -> list[Score | Unscored]:
        """Score answers to one prompt: one `Score`, or `Unscored` with the reason, per text.

        prompt: a user's message, or a whole conversation. texts: answers, each whole or as its
        steps. reference: the right answer, which verifiers compare with.
        """
        asked = Prompt.of(prompt, reference=reference) if isinstance(prompt, str) else prompt
        responses = tuple(
            Response(steps=(text,) if isinstance(text, str) else tuple(text)) for text in texts
        )
        [scores] = self.score([Group(prompt=asked, responses=responses)])
        return scores
