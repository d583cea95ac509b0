"""Tasks of records, and what people said in files as labels of tasks.

What annotators may not see leaves the texts: ids, references, columns, rewards and labels go to
`hidden`, and come back in exports (`shown_again`). So two records that look the same are one task.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError

from assay.annotate.labels import Label, Pair, Questions, Ranks, Steps
from assay.annotate.tasks import Evidence, Kind, StepMode, Task
from assay.data.decisions import Decisions
from assay.data.records import prompt_of, responses_of
from assay.data.rubrics import Criterion, Rubric, rubric_of
from assay.data.splitting import BlankLine, Newline, Sentence, resplit
from assay.errors import DataError
from assay.questions import Option, Question
from assay.types import (
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    RolloutLabels,
    Score,
    StepLabels,
    Unscored,
)

__all__ = [
    "Auto",
    "Scores",
    "by_texts",
    "first_cut",
    "label_of",
    "questions_of",
    "shown_again",
    "tasks_of",
]

Auto = Kind | Literal["auto"]
Scores = Mapping[str, Sequence[Score | Unscored]]
"""What each scorer says of a record's responses."""
T = TypeVar("T", Prompt, Response)

MOST_RANKED: Final = 9
"""Responses ranked by digits; of larger pools, pairs are drawn."""
UNSHOWN: Final[Mapping[type[Record], Mapping[str, Any]]] = {
    Prompt: {"reference": None, "id": "", "meta": {}},
    Response: {"meta": {}, "rewards": (), "stop": None, "rendered": None},
}
"""What of a prompt and a response is not shown, and what stands there instead."""


def tasks_of(
    record: Record,
    *,
    kind: Auto = "auto",
    questions: Sequence[Question] = (),
    mode: StepMode = "every-step",
    split: Callable[[str], tuple[str, ...]] | None = None,
    scores: Scores | None = None,
    rollouts: Mapping[tuple[str, str], RolloutLabels] | None = None,
    gold: bool = False,
    reference: bool = False,
    seed: int = 0,
) -> list[Task]:
    """Return what to ask of a record; its labels are hidden, or with gold are what is right.

    kind: "auto" is questions where there are any (given, typed, or a rubric's), and else a pair of
    two responses, a ranking of up to nine, pairs drawn of more, and the steps of one. questions:
    asked of each response, or of the prompt where there is none. split: cuts solutions of one step;
    None takes the first of blank lines, lines and sentences that finds more. scores: by scorer.
    rollouts: of the same steps, by the texts of prompt and response (`by_texts`). reference:
    whether the reference answer is shown. seed: of drawn pairs.

    Raises `DataError` where the kind cannot be asked of the record.
    """
    prompt, responses = prompt_of(_undecided(record)), responses_of(record)
    asked = tuple(questions) or _own_questions(record, prompt)
    kind = _kind(record, kind, len(responses), asked)
    others: dict[str, Any] = {"attention": gold and bool(prompt.meta.get("attention"))}
    if kind == "questions":
        others["questions"] = asked
    if kind == "steps":
        others["mode"] = mode
        if not gold:
            # Known labels are of the steps that are there.
            responses = tuple(_in_steps(one, split or first_cut) for one in responses)
    places, others["probability"] = _places(kind, len(responses), f"{seed} {prompt.text}")
    shown = _bare(prompt)
    if reference:
        shown = shown.model_copy(update={"reference": prompt.reference})
    tasks = []
    for at in places:
        chosen = [responses[i] for i in at]
        steps = len(chosen[0].steps) if kind == "steps" else 0
        hidden = _hidden(record, prompt) | _hidden_of_each(record, at, chosen)
        if scores and (found := _scores(scores, at, steps)):
            hidden["scores"] = found
        known = (rollouts or {}).get((prompt.text, chosen[0].text)) if steps else None
        others["evidence"] = ()
        if known and known.response.steps == chosen[0].steps:
            others["evidence"] = _evidence(known)
            hidden["rollouts"] = {"right": known.right, "total": known.rollouts}
        others["gold"] = label_of(record, kind, at) if gold else None
        if gold and others["gold"] is None:
            raise DataError(f"{_named(prompt)} has no label of kind {kind}")
        bare = tuple(map(_bare, chosen))
        try:
            task = Task(kind=kind, prompt=shown, responses=bare, hidden=hidden, **others)
            task.model_dump_json()
        except ValueError as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            if "surrogates not allowed" in why:
                why = "half a character (a lone surrogate), which no store can keep; take it out"
            raise DataError(f"{_named(prompt)} cannot be asked about: {why}") from None
        tasks.append(task)
    return tasks


def _undecided(record: Record) -> Record:
    return record.prompt if isinstance(record, Decisions) else record


def _named(prompt: Prompt) -> str:
    return f"the record {prompt.id or prompt.text[:60]!r}"


def _own_questions(record: Record, prompt: Prompt) -> tuple[Question, ...]:
    if isinstance(record, Decisions):
        return record.questions
    # A rubric is of responses; of two that are compared, nobody goes through it.
    bare = isinstance(record, Preference) or not responses_of(record)
    rubric = None if bare else rubric_of(prompt)
    return () if rubric is None else questions_of(rubric)


def questions_of(rubric: Rubric) -> tuple[Question, ...]:
    """Return a rubric's criteria as a person is asked them, who can always say "can't tell"."""
    return tuple(map(_asked, rubric.criteria))


def _asked(criterion: Criterion) -> Question:
    levels = [
        Option(name=level.label, value=level.value)
        for level in criterion.levels
        if level.value is not None
    ]
    if not levels:
        return Question.predicate(f"Is this met? {criterion.text}", name=criterion.id)
    values = [option.value or 0.0 for option in levels]
    make = Question.score if values == sorted(values) else Question.choice
    return make(criterion.text, levels, name=criterion.id)


def _kind(record: Record, kind: Auto, n: int, asked: Sequence[Question]) -> Kind:
    if kind == "auto":
        if asked:
            return "questions"
        if isinstance(record, Preference) or n == 2:
            return "pair"
        if n > 2:
            return "ranking" if n <= MOST_RANKED else "pair"
        kind = "steps"
    if kind == "questions" and not asked:
        raise DataError(
            f"{_named(prompt_of(_undecided(record)))} has no questions; give --question TEXT or"
            " --rubric FILE"
        )
    least = {"pair": 2, "ranking": 2, "steps": 1, "questions": 0}[kind]
    if n < least:
        raise DataError(
            f"{_named(prompt_of(_undecided(record)))} has {n} responses, and a task of kind {kind}"
            f" needs {least}; sample some first, or ask the prompt with --question TEXT"
        )
    return kind


def _hidden(record: Record, prompt: Prompt) -> dict[str, Any]:
    """What is not shown of a record but of its responses: the prompt's columns, and the labels."""
    said: dict[str, Any] = {}
    if isinstance(record, Preference):
        said = {"prefer": record.prefer, "margin": record.margin}
    elif isinstance(record, Ranking):
        said = {"grades": record.grades}
    elif isinstance(record, StepLabels):
        said = {"labels": record.labels, "meaning": record.meaning}
    elif isinstance(record, Decisions):
        said = {"gold": [one and one.probabilities for one in record.gold]}
    kept = {"prompt": _left_out(prompt), "labels": said}
    return {key: value for key, value in kept.items() if value}


def _hidden_of_each(
    record: Record, at: Sequence[int], chosen: Sequence[Response]
) -> dict[str, Any]:
    """What is not shown of the chosen responses."""
    more: dict[str, Any] = {}
    if any(left := [_left_out(one) for one in chosen]):
        more["responses"] = left
    if len(at) < len(responses_of(record)):
        more["places"] = list(at)
    if (right := _right(record, at)) is not None:
        more["right"] = right
    return more


def _right(record: Record, at: Sequence[int]) -> bool | list[bool] | None:
    """Whether a solution's final answer is known to be right; of several responses, of each."""
    if isinstance(record, Ranking) and at and {*record.grades} <= {0.0, 1.0}:
        each = [record.grades[i] == 1.0 for i in at]
        return each if len(each) > 1 else each[0]
    if not isinstance(record, StepLabels):
        return None
    known = record.response.meta.get("final_answer_correct")
    if isinstance(known, bool):
        return known
    *before, last = record.labels
    return last > 0.5 if last is not None and {*before} <= {None} else None


def _left_out(whole: Prompt | Response) -> dict[str, Any]:
    return whole.model_dump(mode="json", include={*UNSHOWN[type(whole)]}, exclude_defaults=True)


def _bare(whole: T) -> T:
    return whole.model_copy(update=UNSHOWN[type(whole)])


def shown_again(task: Task) -> tuple[Prompt, tuple[Response, ...]]:
    """Return a task's prompt and responses with what was not shown of them."""
    kept = task.hidden.get("responses") or [{}] * len(task.responses)
    whole = [
        Response.model_validate(response.model_dump(exclude_defaults=True) | dict(more))
        for response, more in zip(task.responses, kept, strict=True)
    ]
    prompt = task.prompt.model_dump(exclude_defaults=True) | dict(task.hidden.get("prompt", {}))
    return Prompt.model_validate(prompt), tuple(whole)


def _places(kind: Kind, n: int, seed: str) -> tuple[list[list[int]], float]:
    """Which responses make up each task, and with which probability such a task was drawn."""
    if kind == "questions" and n == 0:
        return [[]], 1.0
    if kind in ("questions", "steps"):
        return [[i] for i in range(n)], 1.0
    if kind == "ranking" or n == 2:
        return [[*range(n)]], 1.0
    drawn = [*range(n)]
    random.Random(seed).shuffle(drawn)
    pairs = [sorted(drawn[i : i + 2]) for i in range(0, n - 1, 2)]
    # Disjoint pairs: each of the n (n - 1) / 2 is among them with the same probability.
    return pairs, 2 * len(pairs) / (n * (n - 1))


def _scores(scores: Scores, at: Sequence[int], steps: int) -> dict[str, list[float]]:
    """What scorers say of the chosen responses, or all of them of the steps of a solution.

    Who has no score for one of them says nothing of the task.
    """
    chosen = {name: [row[i] for i in at] for name, row in scores.items()}
    there = {name: [one for one in row if isinstance(one, Score)] for name, row in chosen.items()}
    there = {name: row for name, row in there.items() if len(row) == len(at) > 0}
    if steps and all(len(row[0].steps) == steps for row in there.values()):
        return {name: [*row[0].steps] for name, row in there.items()}
    return {name: [one.value for one in row] for name, row in there.items()}


def _in_steps(response: Response, cut: Callable[[str], tuple[str, ...]]) -> Response:
    return resplit(response, cut) if len(response.steps) == 1 else response


def first_cut(text: str) -> tuple[str, ...]:
    """Cut a text at its blank lines, its lines or its sentences: by the first that finds any."""
    cuts = (rule(text) for rule in (BlankLine(), Newline(), Sentence()))
    return next((steps for steps in cuts if len(steps) > 1), (text,) if text else ())


def by_texts(records: Iterable[Record]) -> dict[tuple[str, str], RolloutLabels]:
    """Return labels by rollouts, by the texts of prompt and response."""
    found = (record for record in records if isinstance(record, RolloutLabels))
    return {(one.prompt.text, one.response.text): one for one in found}


def _evidence(known: RolloutLabels) -> tuple[Evidence | None, ...]:
    """What rollouts say of each step."""
    rows = zip(known.labels, known.intervals, known.rollouts, strict=True)
    return tuple(
        Evidence(value=y, interval=ends, source="rollouts") if y is not None and n else None
        for y, ends, n in rows
    )


def label_of(record: Record, kind: Kind, at: Sequence[int]) -> Label | None:
    """Return what a record says of these of its responses, as a person would have said it; None
    where it says nothing of that kind.

    Of soft labels it is what is likelier; a half is a tie, or a neutral step.
    """
    grades: Sequence[float] = ()
    if isinstance(record, Preference):
        grades = record.prefer, 1 - record.prefer
    elif isinstance(record, Ranking):
        grades = record.grades
    if grades and kind == "pair":
        first, second = (grades[i] for i in at)
        return Pair(choice="tie" if first == second else "first" if first > second else "second")
    if grades and kind == "ranking":
        return Ranks(ranks=tuple(1 + sum(o > g for o in grades) for g in grades))
    if isinstance(record, StepLabels) and kind == "steps":
        marks = tuple(None if y is None else (y > 0.5) - (y < 0.5) for y in record.labels)
        if any(mark is not None for mark in marks):
            return Steps.model_validate({"marks": marks, "complete": None not in marks})
    if isinstance(record, Decisions) and kind == "questions" and any(record.gold):
        return Questions(answers=tuple(None if one is None else one.top for one in record.gold))
    return None
