from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from assay import Group, Prompt, Response, Score, Unscored, Verdict
from assay.protocols import Scorer
from assay.scorers import cache as memory
from assay.scorers.cache import remembered
from assay.scorers.verifier import Verified, unstated
from assay.specs.scorers import scorer as opened
from assay.verifiers import Math, Numeric


@dataclass(frozen=True)
class Plain:
    """Somebody's verifier, with no more than the protocol asks."""

    asked: list[str] = field(default_factory=list)

    def extract(self, text: str) -> str | None:
        return text

    def canonical(self, answer: str) -> str:
        return answer

    def verify(self, text: str, reference: str) -> Score | Unscored:
        self.asked.append(text)
        return Unscored(reason="a riddle") if text == "?" else Score(value=float(text == reference))


def group(*texts: str, reference: str | None = "5") -> Group:
    return Group(
        prompt=Prompt.of("q", reference=reference), responses=tuple(map(Response.of, texts))
    )


def test_a_verifier_with_and_without_batches() -> None:
    groups = [group("5", "6", "5"), group("7", reference="7"), group("5", reference=None)]
    expected = [[1.0, 0.0, 1.0], [1.0]]
    for verifier in (Plain(), Numeric()):
        scorer = Verified(verifier)
        assert isinstance(scorer, Scorer)
        *scored, (without,) = scorer.score(groups)
        assert [[s.value for s in scores if isinstance(s, Score)] for scores in scored] == expected
        assert without == Unscored(reason="the prompt has no reference answer")


def test_what_was_decided_is_not_asked_again() -> None:
    plain = Plain()
    scorer = Verified(plain)
    shown: list[int] = []
    scorer.verdicts([group("5", "6", "?", "5")], shown.append)
    assert plain.asked == ["5", "6", "?"]
    assert shown == [1, 2, 3]
    assert scorer.score([group("6", "?")]) == [[Score(value=0.0), Unscored(reason="a riddle")]]
    assert plain.asked == ["5", "6", "?", "?"]
    scorer.score([group("6", reference="6")])
    assert plain.asked[4:] == ["6"]  # another reference is another question


def test_responses_that_state_no_answer_are_counted_and_the_cure_is_said() -> None:
    groups = [group("So it is 5.", "5", "The answer is 5.", "The answer is 6.", "no idea")]
    scorer = Verified(Math())
    assert unstated(scorer) == []
    assert [s.value for s in scorer.score(groups)[0] if isinstance(s, Score)] == [0, 0, 1, 0, 0]
    (note,) = unstated(scorer)
    assert note.startswith("3 of 5 responses state no answer, and count as wrong; it is looked for")
    more = "find=boxed,find=hashes,find=phrase,find=last_number"
    assert f"boxed, hashes, phrase (with {more} the last" in note
    found = opened(f"math,{more}")
    assert [s.value for s in found.score(groups)[0] if isinstance(s, Score)] == [1, 1, 1, 0, 0]
    (note,) = unstated(found)
    assert note.startswith("1 of 5")
    assert "(with" not in note
    assert unstated(Verified(Plain())) == unstated(opened("longest")) == []


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST", 2)
    known: dict[str, Verdict] = {}

    def right(items: Sequence[str]) -> list[Verdict]:
        return [Verdict(outcome="right", answer=item) for item in items]

    check: Callable[[Sequence[str]], list[Verdict]] = right
    found = remembered(known, {"a": "A", "b": "B", "c": "C"}, check)
    assert [v.answer for v in found.values()] == ["A", "B", "C"]
    assert list(known) == ["b", "c"]
