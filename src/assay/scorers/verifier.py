"""A verifier as a scorer: the gold reward where there is a reference answer, and the oracle
baseline of best-of-n."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from assay.fingerprint import ByContent
from assay.protocols import Verifier
from assay.scorers.cache import remembered
from assay.types import Group, Score, Unscored, Verdict

__all__ = ["Verified", "unstated"]

Pair = tuple[str, str]
"""What a response answers and the reference."""


@runtime_checkable
class _Batch(Protocol):
    """What a verifier may have, to check many pairs beside each other."""

    def check_all(
        self, pairs: Sequence[Pair], show: Callable[[int], None] = ...
    ) -> list[Verdict]: ...


@dataclass(frozen=True)
class Verified:
    """1 for a response whose final answer is the prompt's reference answer, 0 for one whose is not.

    Pairs of text and reference that were judged before are not judged again.
    """

    verifier: Verifier
    """Decides whether two answers are the same."""
    _known: dict[Pair, Verdict] = field(default_factory=dict, init=False, repr=False, compare=False)
    _stages: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)
    """How many responses each stage decided."""

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; `Unscored` where the prompt has no reference or it cannot
        be decided."""
        return [[verdict.score for verdict in verdicts] for verdicts in self.verdicts(groups)]

    def verdicts(
        self, groups: Sequence[Group], show: Callable[[int], None] = lambda _: None
    ) -> list[list[Verdict]]:
        """One verdict a response, in order. `show` is told how many were judged."""
        without = Verdict(
            outcome="undecided", reason="the prompt has no reference answer", stage="no reference"
        )
        wanted: dict[Pair, Pair] = {}
        for group in groups:
            if (reference := group.prompt.reference) is not None:
                wanted |= {
                    (response.answer, reference): (response.answer, reference)
                    for response in group.responses
                }
        found = remembered(self._known, wanted, lambda pairs: self._check(pairs, show))
        verdicts = [
            [found.get((r.answer, group.prompt.reference or ""), without) for r in group.responses]
            for group in groups
        ]
        self._stages.update(verdict.stage for row in verdicts for verdict in row)
        return verdicts

    def _check(self, pairs: Sequence[Pair], show: Callable[[int], None]) -> list[Verdict]:
        if isinstance(self.verifier, _Batch):
            return self.verifier.check_all(pairs, show)
        verdicts = []
        for done, (text, reference) in enumerate(pairs, 1):
            verdicts.append(_verdict(self.verifier.verify(text, reference)))
            show(done)
        return verdicts


def unstated(scorer: object) -> list[str]:
    """Return, in a sentence, how many of the responses that a scorer judged state no answer where
    it looks for one: they are wrong, and nothing else would tell them from wrong answers."""
    inner = getattr(scorer, "scorer", scorer)
    if not isinstance(inner, Verified) or not (silent := inner._stages["extraction"]):
        return []
    places = getattr(inner.verifier, "find", ())
    note = f"{silent} of {inner._stages.total()} responses state no answer, and count as wrong"
    if not places:
        return [note]
    note += f"; it is looked for by {', '.join(places)}"
    if "last_number" not in places:
        more = ",".join(f"find={place}" for place in (*places, "last_number"))
        note += f" (with {more} the last number is one, too)"
    return [note]


def _verdict(score: Score | Unscored) -> Verdict:
    if isinstance(score, Unscored):
        return Verdict(outcome="undecided", reason=score.reason)
    return (
        Verdict(outcome="right")
        if score.value == 1.0
        else Verdict(outcome="wrong", credit=score.value)
    )
