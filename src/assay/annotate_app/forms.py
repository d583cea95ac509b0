"""Labels from a form's fields and back: shown in one order, kept in the task's own.

Every state of the page is in fields, so that the page saves without JavaScript as well.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import ValidationError

from assay.annotate.labels import Choice, Highlight, Label, Pair, Questions, Ranks, Steps
from assay.annotate.records import Assignment
from assay.errors import DataError

__all__ = ["CANNOT_TELL", "Fields", "fields_of", "label_of", "one", "place_shown"]

Fields = Mapping[str, Sequence[str]]
CANNOT_TELL: Final = "none"
SIDES: Final[tuple[Choice, Choice]] = ("first", "second")


def label_of(fields: Fields, assignment: Assignment) -> Label:
    """Return the label that was filled in. Raises `DataError` that says what is missing."""
    task = assignment.task
    comment = one(fields, "comment")
    try:
        if task.kind == "pair":
            return _pair(fields, assignment, comment)
        if task.kind == "ranking":
            ranks = [0] * len(assignment.order)
            for shown, place in enumerate(assignment.order):
                what = f"the rank of response {shown + 1}"
                ranks[place] = _number(one(fields, f"rank-{shown}"), what)
            return Ranks(ranks=tuple(ranks), comment=comment)
        if task.kind == "steps":
            return _steps(fields, task.steps, comment)
        answers: list[int | None] = []
        for k in range(len(task.questions)):
            said = one(fields, f"answer-{k}")
            what = f"the answer to question {k + 1}"
            answers.append(None if said == CANNOT_TELL else _number(said, what))
        return Questions(answers=tuple(answers), comment=comment)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where}: {first['msg']}") from None


def _pair(fields: Fields, assignment: Assignment, comment: str) -> Pair:
    said = one(fields, "choice")
    if said not in ("first", "second", "tie", "both_bad"):
        raise DataError("no choice is made yet: which response is better?")
    choice: Choice = said  # type: ignore[assignment]
    strength = None
    if said in SIDES:
        choice = SIDES[assignment.order[SIDES.index(said)]]
        if one(fields, "strength"):
            strength = _number(one(fields, "strength"), "the strength")
    return Pair(
        choice=choice,
        strength=strength,
        reasons=tuple(fields.get("reasons", ())),
        highlights=_highlights(one(fields, "highlights"), assignment),
        comment=comment,
    )


def _highlights(text: str, assignment: Assignment) -> tuple[Highlight, ...]:
    """Highlights of the responses as they are shown, as those of the task's."""
    found, responses = [], assignment.task.responses
    try:
        for given in json.loads(text or "[]"):
            mark = Highlight(**{key: given[key] for key in Highlight.model_fields})
            place = assignment.order[mark.response]
            if not mark.start < mark.end <= len(responses[place].text):
                raise IndexError
            found.append(mark.model_copy(update={"response": place}))
    except (ValueError, TypeError, LookupError, RecursionError):
        raise DataError("the highlights cannot be read, or are not within a response") from None
    return tuple(found)


def _steps(fields: Fields, steps: int, comment: str) -> Steps:
    said = [one(fields, f"mark-{k}") for k in range(steps)]
    marks = [None if mark == "" else _number(mark, "a mark") for mark in said]
    wrong = next((k for k, mark in enumerate(marks) if mark == -1), None)
    none_wrong = bool(one(fields, "complete"))
    right = one(fields, "right-step")
    if none_wrong and wrong is not None:
        raise DataError(f"step {wrong + 1} is marked wrong, and it is said that none is")
    if right and wrong is None:
        raise DataError("a right step is written, and no step is marked wrong")
    if not none_wrong and all(mark is None for mark in marks):
        raise DataError("no step is marked yet")
    return Steps.model_validate(
        {
            "marks": tuple(marks),
            "right_step": (wrong, right) if right else None,
            "complete": none_wrong or None not in marks,
            "comment": comment,
        }
    )


def fields_of(label: Label | None, assignment: Assignment) -> dict[str, list[str]]:
    """Return the fields that a kept label fills in."""
    if label is None:
        return {}
    found = {"comment": [label.comment]}
    if isinstance(label, Pair):
        choice: str = label.choice
        if label.choice in SIDES:
            choice = SIDES[place_shown(assignment, SIDES.index(label.choice))]
        found |= {"choice": [choice], "reasons": list(label.reasons)}
        found["strength"] = [str(label.strength or "")]
        marks = [
            {
                **mark.model_dump(),
                "response": place_shown(assignment, mark.response),
                "quote": assignment.task.responses[mark.response].text[mark.start : mark.end][:80],
            }
            for mark in label.highlights
        ]
        found["highlights"] = [json.dumps(marks)]
    elif isinstance(label, Ranks):
        for shown, place in enumerate(assignment.order):
            found[f"rank-{shown}"] = [str(label.ranks[place])]
    elif isinstance(label, Steps):
        for k, mark in enumerate(label.marks):
            found[f"mark-{k}"] = ["" if mark is None else str(mark)]
        found["complete"] = ["on"] if label.complete and None in label.marks else []
        found["right-step"] = [label.right_step[1]] if label.right_step else []
    else:
        for k, answer in enumerate(label.answers):
            found[f"answer-{k}"] = [CANNOT_TELL if answer is None else str(answer)]
    return {name: values for name, values in found.items() if values}


def place_shown(assignment: Assignment, place: int) -> int:
    """Return where a response of the task stands on the page."""
    return assignment.order.index(place)


def one(fields: Fields, name: str) -> str:
    """Return a field's first value; "" where it has none."""
    values = fields.get(name, ())
    return values[0] if values else ""


def _number(text: str, what: str) -> int:
    if not text:
        raise DataError(f"{what} is missing")
    if len(text) > 4 or not text.removeprefix("-").isdecimal():
        raise DataError(f"{what} is {text[:20]!r}, no number")
    return int(text)
