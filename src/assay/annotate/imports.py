"""Tasks of records, and what people said in files as labels of tasks.

What annotators may not see leaves the texts: ids, references, columns, rewards and labels go to
`hidden`, and come back in exports (`shown_again`). So two records that look the same are one task.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from assay.annotate.labels import Label, Pair, Questions, Ranks, Steps
from assay.annotate.tasks import Evidence, Kind, StepMode, Task
from assay.data.decisions import Decisions
from assay.data.records import prompt_of, responses_of
from assay.data.rubrics import Rubric, rubric_of
from assay.data.splitting import BlankLine, Newline, Sentence, resplit
from assay.errors import DataError
from assay.judges.rubric import question_of
from assay.questions import Question
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
    "evidence_of",
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
    evidence: Mapping[tuple[str, str], Sequence[Evidence | None]] | None = None,
    gold: bool = False,
    reference: bool = False,
    seed: int = 0,
) -> list[Task]:
    """Return what to ask of a record; its labels are hidden, or with gold are what is right.

    kind: "auto" is questions where there are any (given, typed, or a rubric's), and else a pair of
    two responses, a ranking of up to nine, pairs drawn of more, and the steps of one. questions:
    asked of each response, or of the prompt where there is none. split: cuts solutions of one step;
    None takes the first of blank lines, lines and sentences that finds more. scores: by scorer.
    evidence: of steps, by the texts of prompt and response (`evidence_of`). reference: whether the
    reference answer is shown. seed: of drawn pairs.

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
    hidden, tasks = _hidden(record, prompt), []
    shown = _bare(prompt)
    if reference:
        shown = shown.model_copy(update={"reference": prompt.reference})
    for at in places:
        chosen = [responses[i] for i in at]
        more = dict(hidden)
        if any(left := [_left_out(one) for one in chosen]):
            more["responses"] = left
        if len(at) < len(responses):
            more["places"] = list(at)
        if scores:
            more["scores"] = {name: _scored(kind, row, at, chosen) for name, row in scores.items()}
        if kind == "steps" and evidence:
            beside = evidence.get((prompt.text, chosen[0].text), ())
            others["evidence"] = beside if len(beside) == len(chosen[0].steps) else ()
        if gold and (right := label_of(record, kind, at)) is None:
            raise DataError(f"{_named(prompt)} has no label that a gold item of {kind} could have")
        others["gold"] = right if gold else None
        bare = tuple(map(_bare, chosen))
        tasks.append(Task(kind=kind, prompt=shown, responses=bare, hidden=more, **others))
    return tasks


def _undecided(record: Record) -> Record:
    return record.prompt if isinstance(record, Decisions) else record


def _named(prompt: Prompt) -> str:
    return f"the record {prompt.id or prompt.text[:60]!r}"


def _own_questions(record: Record, prompt: Prompt) -> tuple[Question, ...]:
    if isinstance(record, Decisions):
        return record.questions
    rubric = None if isinstance(record, Preference) else rubric_of(prompt)
    return () if rubric is None else questions_of(rubric)


def questions_of(rubric: Rubric) -> tuple[Question, ...]:
    """Return a rubric's criteria as a person is asked them, who can always say "can't tell"."""
    return tuple(question_of(one, rubric, abstain=False) for one in rubric.criteria)


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
    if isinstance(record, RolloutLabels):
        kept["rollouts"] = {"right": record.right, "total": record.rollouts}
    right = _is_right(record)
    return {k: v for k, v in kept.items() if v} | ({} if right is None else {"right": right})


def _is_right(record: Record) -> bool | None:
    """Whether a solution's final answer is known to be right."""
    if not isinstance(record, StepLabels):
        return None
    known = record.response.meta.get("final_answer_correct")
    if isinstance(known, bool):
        return known
    outcome = len(record.labels) == 1 or set(record.labels[:-1]) == {None}
    return record.labels[-1] > 0.5 if outcome and record.labels[-1] is not None else None


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


def _scored(
    kind: Kind, row: Sequence[Score | Unscored], at: Sequence[int], chosen: Sequence[Response]
) -> list[float | None]:
    """What a scorer says of the chosen responses, or of the steps of a solution if it does."""
    one = row[at[0]] if at else None
    if kind == "steps" and isinstance(one, Score) and len(one.steps) == len(chosen[0].steps):
        return list(one.steps)
    return [each.value if isinstance(each := row[i], Score) else None for i in at]


def _in_steps(response: Response, cut: Callable[[str], tuple[str, ...]]) -> Response:
    return resplit(response, cut) if len(response.steps) == 1 else response


def first_cut(text: str) -> tuple[str, ...]:
    """Cut a text at its blank lines, its lines or its sentences: by the first that finds any."""
    cuts = (rule(text) for rule in (BlankLine(), Newline(), Sentence()))
    return next((steps for steps in cuts if len(steps) > 1), (text,) if text else ())


def evidence_of(records: Iterable[Record]) -> dict[tuple[str, str], tuple[Evidence | None, ...]]:
    """Return what rollouts say of steps, by the texts of prompt and response."""
    found = {}
    for record in records:
        if not isinstance(record, RolloutLabels):
            continue
        rows = zip(record.labels, record.intervals, record.rollouts, strict=True)
        found[record.prompt.text, record.response.text] = tuple(
            Evidence(value=y, interval=ends, source="rollouts") if y is not None and n else None
            for y, ends, n in rows
        )
    return found


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
