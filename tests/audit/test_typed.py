"""Report cards of what answers typed questions."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from assay.errors import DataError
from assay.questions import Distribution, Question, from_probabilities
from assay.types import Prompt, Unscored
from assay.workflows.audit import audit


class First:
    """Answers with the option that stands first, or by the state, whatever the order."""

    def __init__(self, by_place: bool) -> None:
        self.by_place = by_place
        self.fingerprint = f"first-{by_place}"

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        return [
            [self._one(state, one) for one in row]
            for state, row in zip(states, questions, strict=True)
        ]

    def _one(self, state: Prompt, question: Question) -> Distribution | Unscored:
        names = [str(option.name) for option in question.options]
        own = state.text.split()[-1]
        place = names.index(own) if own in names and not self.by_place else 0
        shares = [0.9 if i == place else 0.1 / (len(names) - 1) for i in range(len(names))]
        return from_probabilities(shares)


def rows(n: int) -> list[dict[str, object]]:
    names = ("refund", "close", "wait")
    asked = {"type": "choice", "instructions": "What?", "criteria": dict.fromkeys(names)}
    return [
        {
            "state": f"case {i} {names[i % 3]}",
            "questions": {"next": asked},
            "answers": {"next": names[i % 3]},
        }
        for i in range(n)
    ]


def written(path: Path, n: int = 40) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(n)))
    return str(path)


def test_an_answerer_that_takes_the_first_option_fails_by_the_order(tmp_path: Path) -> None:
    data = written(tmp_path / "typed.jsonl")
    card = audit(First(by_place=True), data, out=tmp_path / "run").card
    assert card.kind == "decision model"
    assert card.prompts == 40
    assert "questions-options" in [one.probe for one in card.failing]
    assert card.metrics["accuracy"].value == pytest.approx(14 / 40)
    assert (tmp_path / "run" / "report.html").exists()


def test_one_that_reads_the_state_passes(tmp_path: Path) -> None:
    card = audit(First(by_place=False), written(tmp_path / "typed.jsonl"), prompts=30).card
    assert not card.failing
    assert card.prompts == 30
    assert card.metrics["accuracy"].value == 1.0


def test_no_answer_at_all_is_refused(tmp_path: Path) -> None:
    class Silent(First):
        def _one(self, state: Prompt, question: Question) -> Distribution | Unscored:
            return Unscored(reason="says nothing")

    with pytest.raises(DataError, match="none of 40 questions has an answer: says nothing"):
        audit(Silent(by_place=True), written(tmp_path / "typed.jsonl"))
