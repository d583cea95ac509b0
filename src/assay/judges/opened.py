"""Answerers and judges of one's own, opened by name: what goes wrong in them is one error that
names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from assay.answerers.answered import Answered, Counting
from assay.errors import BackendError
from assay.fingerprint import OfWrapped
from assay.judges.answers import checked
from assay.protocols import Answerer, Judge, Scorer
from assay.questions import Comparison, Distribution, Question
from assay.scorers.opened import SHOWN, OpenedScorer, tried
from assay.types import Group, Prompt, Unscored

__all__ = ["OpenedAnswerer", "OpenedJudge", "opened_answerer", "opened_judge"]


@dataclass(frozen=True)
class OpenedAnswerer:
    """An answerer that breaks no promise but by a `BackendError`."""

    answerer: Answerer
    name: str
    """What it is called in errors."""

    fingerprint = OfWrapped("answerer")

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order."""
        # Lists that are gone through late fail here, too.
        return tried(
            self.name,
            _about(states, "states"),
            lambda: checked(self.name, self.answerer.answer(states, questions), questions),
        )


@dataclass(frozen=True)
class _CountingAnswerer(OpenedAnswerer):
    """One that knows the tokens of what it reads."""

    def answered(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Answered]]:
        """Answer with the tokens of each question."""

        def ask() -> list[list[Answered]]:
            found = cast(Counting, self.answerer).answered(states, questions)
            checked(self.name, [[one.answer for one in row] for row in found], questions)
            return found

        return tried(self.name, _about(states, "states"), ask)


@dataclass(frozen=True)
class OpenedJudge:
    """A judge of pairs that breaks no promise but by a `BackendError`."""

    judge: Judge
    name: str
    """What it is called in errors."""

    fingerprint = OfWrapped("judge")

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """One comparison per pair, in order."""
        about = _about([pair.prompt for pair in pairs], "pairs")
        found = tried(self.name, about, lambda: list(self.judge.compare(pairs)))
        bad = [one for one in found if not isinstance(one, (Comparison, Unscored))]
        if bad or len(found) != len(pairs):
            gave = f"{bad[0]!r:.{SHOWN}}" if bad else f"{len(found)} for {len(pairs)} pairs"
            raise BackendError(
                f"{self.name} gave {gave}; compare(pairs) must give a list with a `Comparison` or"
                " an `Unscored` for each pair"
            )
        return found


@dataclass(frozen=True)
class _JudgingScorer(OpenedScorer):
    """A scorer that keeps its own name inside of panels, too."""

    fingerprint = OfWrapped("scorer")


@dataclass(frozen=True)
class _ScoringJudge(_JudgingScorer):
    """One that compares, too."""

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """One comparison per pair, in order."""
        return OpenedJudge(cast(Judge, self.scorer), self.name).compare(pairs)


def opened_answerer(found: Answerer, name: str) -> Answerer:
    """Return an answerer whose errors name it; the library's own is returned as it is."""
    if _ours(found):
        return found
    return (_CountingAnswerer if isinstance(found, Counting) else OpenedAnswerer)(found, name)


def opened_judge(found: Judge | Scorer, name: str) -> Judge | Scorer:
    """Return a judge or a scorer whose errors name it; the library's own is returned as it is."""
    if _ours(found):
        return found
    if isinstance(found, Scorer):
        return (_ScoringJudge if isinstance(found, Judge) else _JudgingScorer)(found, name)
    return OpenedJudge(found, name)


def _ours(found: object) -> bool:
    """Whether it is made of one of the library's classes, as which it is known elsewhere."""
    homes = {cls.__module__ for cls in type(found).__mro__} - {"assay.protocols"}
    return any(home.partition(".")[0] == "assay" for home in homes)


def _about(states: Sequence[Prompt], what: str) -> str:
    first = f", the first {states[0].text[:SHOWN]!r}" if states else ""
    return f"{len(states):,} {what}{first}"
