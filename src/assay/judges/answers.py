"""What an answerer gives, held against what it was asked."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from assay.errors import BackendError
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored

__all__ = ["answers_of", "checked"]

OWED: Final = (
    "answer(states, questions) must give a list with a list for each state, and in it a"
    " `Distribution` or an `Unscored` for each of the state's questions"
)
SHOWN: Final = 60
"""Characters of what it gave that are quoted."""


def answers_of(
    answerer: Answerer, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
) -> list[list[Distribution | Unscored]]:
    """Return the answers to each state's own questions, in order; without a state nothing is asked.

    Raises `BackendError` naming the answerer where it breaks its promise.
    """
    found = answerer.answer(states, questions) if states else []
    return checked(type(answerer).__name__, found, questions if states else [])


def checked(
    name: str, found: Any, questions: Sequence[Sequence[Question]]
) -> list[list[Distribution | Unscored]]:
    """Return answers as they are. Raises `BackendError` naming who gave them where they are no
    `Distribution` or `Unscored` to each question, with a probability for each of its options."""
    rows = _listed(found)
    if rows is None:
        raise _owed(name, f"{found!r:.{SHOWN}}")
    if len(rows) != len(questions):
        raise _owed(name, f"{_count(len(rows), 'list')} for {_count(len(questions), 'state')}")
    for number, (given, asked) in enumerate(zip(rows, questions, strict=True), 1):
        row, of = _listed(given), f"state {number}"
        if row is None:
            raise _owed(name, f"{given!r:.{SHOWN}} for {of}")
        if len(row) != len(asked):
            many = f"{_count(len(row), 'answer')} to {_count(len(asked), 'question')}"
            raise _owed(name, f"{many} of {of}")
        for answer, question in zip(row, asked, strict=True):
            _check(name, answer, question, of)
        rows[number - 1] = row
    return rows


def _check(name: str, answer: object, question: Question, of: str) -> None:
    about = f"question {question.name!r} of {of}" if question.name else f"a question of {of}"
    if isinstance(answer, Unscored):
        return
    if not isinstance(answer, Distribution):
        raise _owed(name, f"{answer!r:.{SHOWN}} to {about}")
    options = [str(option.name) for option in question.options]
    if len(answer.probabilities) != len(options):
        raise BackendError(
            f"{name} gave {len(answer.probabilities)} probabilities for {len(options)} options of"
            f" {about}; it must give one for each of {', '.join(options)}, in this order"
        )


def _listed(found: Any) -> list[Any] | None:
    """What goes for a list; None for what does not."""
    # A record can be gone through, too, field by field.
    if isinstance(found, (str, bytes, Mapping, Set, Distribution, Unscored)):
        return None
    try:
        return list(found)
    except TypeError:
        return None


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _owed(name: str, gave: str) -> BackendError:
    return BackendError(f"{name} gave {gave}; {OWED}")
