"""What a person says of a task, in the task's own order whatever order it was shown in."""

from collections.abc import Hashable, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from assay.questions import Question
from assay.types import Record, unless_empty

__all__ = [
    "LONGEST",
    "Choice",
    "Highlight",
    "Label",
    "Pair",
    "Questions",
    "Ranks",
    "Steps",
    "decides",
    "first_error",
    "fits",
]

LONGEST: Final = 20_000
"""Characters of one text that a person writes."""

Choice = Literal["first", "second", "tie", "both_bad"]
Mark = Literal[-1, 0, 1]
"""PRM800K's ratings (arXiv:2305.20050): wrong, neutral, right."""
Text = Annotated[str, Field(max_length=LONGEST)]


class Highlight(Record):
    """A piece of a response that was marked."""

    response: Annotated[int, Field(ge=0)]
    start: Annotated[int, Field(ge=0)]
    """In characters of the response's text."""
    end: Annotated[int, Field(ge=1)]
    good: bool | None = None
    """Whether it speaks for the response; None = not said."""


class _Said(Record):
    comment: Text = unless_empty("")


class Pair(_Said):
    """Which of two responses is better."""

    kind: Literal["pair"] = "pair"
    choice: Choice
    strength: Annotated[int, Field(ge=1, le=3)] | None = None
    """How much better: 1 slightly, 2 clearly, 3 much; None = not said, or no better one."""
    reasons: tuple[Text, ...] = unless_empty(())
    highlights: tuple[Highlight, ...] = unless_empty(())


class Ranks(_Said):
    """An order of N responses."""

    kind: Literal["ranking"] = "ranking"
    ranks: tuple[Annotated[int, Field(ge=1)], ...]
    """Per response, 1 = best; equal ranks are ties."""


class Steps(_Said):
    """A mark per step."""

    kind: Literal["steps"] = "steps"
    marks: tuple[Mark | None, ...]
    """1 right, 0 neutral, -1 wrong; None = not marked."""
    right_step: tuple[int, Text] | None = None
    """The first wrong step's place, and what it should have been."""
    complete: bool = False
    """Whether it was said that no step is wrong, or every one was marked: without it, steps that
    are not marked are open."""


class Questions(_Said):
    """An answer per question."""

    kind: Literal["questions"] = "questions"
    answers: tuple[Annotated[int, Field(ge=0)] | None, ...]
    """Place of the chosen option in the question's options; None = can't tell."""


Label = Annotated[Pair | Ranks | Steps | Questions, Field(discriminator="kind")]


def fits(
    label: "Pair | Ranks | Steps | Questions",
    kind: str,
    responses: int,
    steps: int,
    questions: Sequence[Question],
) -> str:
    """Say why a label is none of a task's; "" where it is one.

    kind, responses, steps, questions: the task's kind, and how many responses and steps and which
    questions it has.
    """
    if label.kind != kind:
        return f"it is of kind {label.kind}, the task of kind {kind}"
    if isinstance(label, Pair):
        if label.strength is not None and label.choice in ("tie", "both_bad"):
            return f"a strength of {label.strength} where neither is better"
        if any(not h.start < h.end or h.response >= responses for h in label.highlights):
            return "a highlight that is empty or of no response"
    if isinstance(label, Ranks) and len(label.ranks) != responses:
        return f"{len(label.ranks)} ranks for {responses} responses"
    if isinstance(label, Ranks) and max(label.ranks) > responses:
        return f"a rank of {max(label.ranks)} among {responses} responses"
    if isinstance(label, Steps):
        if len(label.marks) != steps:
            return f"{len(label.marks)} marks for {steps} steps"
        if label.right_step and not 0 <= label.right_step[0] < steps:
            return f"a right step in place of step {label.right_step[0]} of {steps}"
        if all(mark is None for mark in label.marks) and not label.complete:
            return "no step is marked"
    if isinstance(label, Questions):
        if len(label.answers) != len(questions):
            return f"{len(label.answers)} answers to {len(questions)} questions"
        for answer, question in zip(label.answers, questions, strict=True):
            if answer is not None and answer >= len(question.options):
                return f"option {answer} of a question with {len(question.options)}"
    return ""


def first_error(label: Steps) -> int | None:
    """Return the place of the first step that is marked wrong, the number of steps where none is
    wrong, and None where that was not said."""
    if -1 in label.marks:
        return label.marks.index(-1)
    return len(label.marks) if label.complete or None not in label.marks else None


def decides(label: "Pair | Ranks | Steps | Questions") -> tuple[Hashable, ...]:
    """Return what a label decides, a value per decision; None = it leaves that open.

    Of a pair the choice, of a ranking the order, of steps the first wrong one (`first_error`), of
    questions the answers.
    """
    if isinstance(label, Pair):
        return (label.choice,)
    if isinstance(label, Ranks):
        places = sorted(set(label.ranks))
        return (tuple(places.index(rank) for rank in label.ranks),)
    return label.answers if isinstance(label, Questions) else (first_error(label),)
