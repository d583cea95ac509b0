"""What an audit asks a scorer, kept and counted."""

from collections.abc import Sequence
from typing import Final

from assay.answerers.ledger import Ledger
from assay.audit.asking import encoder_of
from assay.audit.card import Cost
from assay.fingerprint import fingerprint
from assay.protocols import Scorer
from assay.runs.run import Run
from assay.types import Group, Score, Unscored
from assay.workflows._judging import ask_kept, spent

__all__ = ["Counted"]

CHUNK: Final = 8
"""Prompts scored at once."""


class Counted:
    """Asks a scorer some prompts at a time, keeps what it says, and counts what it costs."""

    def __init__(self, run: Run | None, paid: Ledger) -> None:
        self._run, self._paid = run, paid
        self._texts, self._tokens, self._naive = 0, 0, 0

    def __call__(self, scorer: Scorer, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        def ask(some: Sequence[Group]) -> list[list[Score | Unscored]]:
            before = getattr(scorer, "tokens_read", None) or 0
            said = scorer.score(some)
            self._tokens += (getattr(scorer, "tokens_read", None) or 0) - before
            self._naive += _naive(scorer, some)
            return said

        self._texts += sum(len(group.responses) for group in groups)
        return ask_kept(
            self._run,
            fingerprint(scorer),
            groups,
            ask,
            list[Score | Unscored],
            chunk=CHUNK,
            ledger=self._paid,
            what="audit",
            # What a model in this process refuses, it refuses again.
            final=encoder_of(scorer) is not None,
        )

    def cost(self, seconds: float) -> Cost:
        """What was paid in all."""
        return Cost(
            texts=self._texts,
            seconds=seconds,
            tokens=self._tokens if self._naive else None,
            naive=self._naive or None,
            paid=spent(self._paid.paid) if self._paid.paid.requests else "",
        )


def _naive(scorer: Scorer, groups: Sequence[Group]) -> int:
    """Tokens of each response with its prompt on its own; 0 where the scorer has no layout."""
    encoder = encoder_of(scorer)
    if encoder is None:
        return 0
    from assay.models.laid_out import laid_out

    pairs = [[(group.prompt, one)] for group in groups for one in group.responses]
    return sum(len(made[0].ids) for made in laid_out(pairs, encoder) if not isinstance(made, str))
