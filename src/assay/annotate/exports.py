"""Records of what people said, with where it is from; and every label as a row.

Several labels of one task become one by votes, or by Dawid and Skene's soft labels; where somebody
adjudicated, that stands alone. What cannot become a record is counted, by reason.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from assay.annotate.imports import shown_again
from assay.annotate.labels import Pair, Questions, Ranks, Steps
from assay.annotate.records import Given, standing
from assay.annotate.tasks import Task
from assay.questions import Distribution, Question
from assay.types import Preference, Prompt, Ranking, Record, StepLabels

__all__ = [
    "KEY",
    "Decide",
    "Exported",
    "Neutral",
    "decided",
    "decision_rows",
    "export",
    "raw_rows",
    "step_marks",
]

Decide = Literal["votes", "majority", "dawid-skene"]
"""What several labels become: their share, the most frequent one, or Dawid and Skene's posterior
(`annotate.dawid_skene`)."""
Neutral = Literal["positive", "negative", "ignore", "half"]
KEY: Final = "annotation"
"""Column of a prompt's `meta` that says who labelled it, and how."""
NEUTRAL: Final[Mapping[str, float | None]] = {
    "positive": 1.0, "negative": 0.0, "ignore": None, "half": 0.5
}  # fmt: skip
PREFER: Final = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": 0.5}
Soft = Mapping[tuple[str, str], Sequence[float]]
"""Posterior of what is decided, by task and unit: of a pair (unit "") the four choices, of "step 1"
wrong, neutral and right, of a question, by its name, its options."""


@dataclass(frozen=True)
class Exported:
    """Records, and what did not become one."""

    records: list[Record] = field(repr=False)
    left_out: Counter[str]
    """Tasks without a record, by reason."""

    def __str__(self) -> str:
        """The counts, in words."""
        out = [f"{count} {why}" for why, count in sorted(self.left_out.items())]
        return f"{len(self.records)} records" + (f"; left out: {', '.join(out)}" if out else "")


def export(
    tasks: Sequence[Task],
    given: Iterable[Given],
    *,
    decide: Decide = "votes",
    neutral: Neutral = "positive",
    soft: Soft | None = None,
    gold: bool = False,
) -> Exported:
    """Return a preference, a ranking or step labels for each labelled task of these kinds.

    decide: of a majority nothing is left where the most frequent labels tie, and a pair that is a
    tie is left out. neutral: what a neutral step is worth. soft: posteriors, for "dawid-skene".
    gold: whether gold items become records as well.

    Both bad is half a vote for either, and a pair of which most say so is left out. Answers to
    questions are no records: see `decision_rows`.
    """
    said, out = _by_task(given), Counter[str]()
    records: list[Record] = []
    for task in tasks:
        rows = said.get(task.id, [])
        if task.gold is not None and not gold:
            out["gold items"] += 1
        elif not rows:
            out["without a label"] += 1
        else:
            found = _record(task, rows, decide, neutral, soft or {})
            if isinstance(found, str):
                out[found] += 1
            else:
                records.append(found)
    return Exported(records, out)


def _by_task(given: Iterable[Given]) -> dict[str, list[Given]]:
    """Labels that count, by task."""
    found: dict[str, list[Given]] = defaultdict(list)
    for one in standing(given):
        found[one.task].append(one)
    return found


def _record(
    task: Task, rows: Sequence[Given], decide: Decide, neutral: Neutral, soft: Soft
) -> Record | str:
    prompt, responses = shown_again(task)
    prompt = _signed(prompt, task, rows)
    if task.kind == "pair":
        prefer = _preferred(task, rows, decide, soft)
        if isinstance(prefer, str):
            return prefer
        return Preference(prompt=prompt, responses=responses, prefer=prefer)
    if task.kind == "ranking":
        ranks = [row.label.ranks for row in rows if isinstance(row.label, Ranks)]
        # Borda's count: how many of the others it is above, on average, ties as halves.
        grades = tuple(
            sum(_above(one, i) for one in ranks) / len(ranks) for i in range(len(responses))
        )
        return Ranking(prompt=prompt, responses=responses, grades=grades)
    if task.kind == "steps":
        labels = _step_labels(task, rows, decide, neutral, soft)
        if all(label is None for label in labels):
            return "without a step that is decided"
        return StepLabels(prompt=prompt, response=responses[0], labels=labels)
    return "answers to questions"


def _above(ranks: Sequence[int], i: int) -> float:
    return sum((r > ranks[i]) + (r == ranks[i]) / 2 for j, r in enumerate(ranks) if j != i)


def _preferred(task: Task, rows: Sequence[Given], decide: Decide, soft: Soft) -> float | str:
    labels: list[str] = [row.label.choice for row in rows if isinstance(row.label, Pair)]
    shares = soft.get((task.id, "")) or [labels.count(one) / len(labels) for one in PREFER]
    if shares[-1] > 0.5:
        return "pairs that are both bad"
    halves = zip(shares, PREFER.values(), strict=True)
    prefer = min(1.0, sum(share * worth for share, worth in halves))
    if decide != "majority":
        return prefer
    return "ties" if prefer == 0.5 else float(prefer > 0.5)


def step_marks(task: Task, label: Steps) -> list[int | None]:
    """Return what a label says of each step: 1 right, 0 neutral, -1 wrong; None = nothing.

    Where marking ends at the first error, steps before it are right unless they are marked, and
    those after it open. A label that is complete, of no wrong step, says that all are right.
    """
    wrong = next((i for i, mark in enumerate(label.marks) if mark == -1), None)
    if wrong is None:
        return [1 if mark is None and label.complete else mark for mark in label.marks]
    if task.mode == "every-step":
        return list(label.marks)
    before = (1 if mark is None else mark for mark in label.marks[:wrong])
    return [*before, -1, *(None for _ in label.marks[wrong + 1 :])]


def _step_labels(
    task: Task, rows: Sequence[Given], decide: Decide, neutral: Neutral, soft: Soft
) -> tuple[float | None, ...]:
    marks = [step_marks(task, row.label) for row in rows if isinstance(row.label, Steps)]
    found: list[float | None] = []
    for i, column in enumerate(zip(*marks, strict=True)):
        said = [mark for mark in column if mark is not None]
        shares = soft.get((task.id, f"step {i + 1}")) or [
            said.count(mark) / max(1, len(said)) for mark in (-1, 0, 1)
        ]
        found.append(_worth(shares, decide, NEUTRAL[neutral]) if said else None)
        if task.mode == "first-error" and said and shares[0] >= 0.5:
            # Of what follows, only those speak who saw no error here.
            return (*found, *(None,) * (task.steps - len(found)))
    return tuple(found)


def _worth(shares: Sequence[float], decide: Decide, neutral: float | None) -> float | None:
    """The label of a step of which so many say wrong, neutral and right; None where it is open."""
    values = (0.0, neutral, 1.0)
    if decide == "majority":
        tops = [value for value, p in zip(values, shares, strict=True) if p == max(shares)]
        return tops[0] if len(tops) == 1 else None
    known = [(p, value) for p, value in zip(shares, values, strict=True) if value is not None]
    total = sum(p for p, _ in known)
    return min(1.0, sum(p * value for p, value in known) / total) if total > 0 else None


def _signed(prompt: Prompt, task: Task, rows: Sequence[Given]) -> Prompt:
    """The prompt, with who labelled it and how in its columns."""
    about: dict[str, Any] = {
        "task": task.id,
        "annotators": [row.pseudonym for row in rows],
        "seconds": [round(row.seconds, 1) for row in rows],
        "probability": rows[0].probability,
    }
    if any(row.purpose == "adjudicate" for row in rows):
        about["adjudicated"] = True
    if any(row.suggested for row in rows):
        about["suggested"] = True
    for row in rows:
        label = row.label
        if isinstance(label, Pair) and label.strength is not None:
            about.setdefault("strengths", []).append(label.strength)
        if isinstance(label, Pair) and label.reasons:
            about.setdefault("reasons", []).append([*label.reasons])
        if isinstance(label, Steps) and label.right_step:
            about.setdefault("right_steps", []).append([*label.right_step])
        if label.comment:
            about.setdefault("comments", []).append(label.comment)
    return prompt.model_copy(update={"meta": {**prompt.meta, KEY: about}})


def decision_rows(
    tasks: Sequence[Task], given: Iterable[Given], *, soft: Soft | None = None, gold: bool = False
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Return answers to questions as rows of NeMo's layout, which `data.decisions` reads, and what
    was left out.

    A question's answer is the shares of its options among those who could tell.
    """
    said, out = _by_task(given), Counter[str]()
    rows = []
    for task in tasks:
        there = said.get(task.id, [])
        if task.kind != "questions":
            out[f"tasks of kind {task.kind}"] += 1
        elif task.gold is not None and not gold:
            out["gold items"] += 1
        elif not there:
            out["without a label"] += 1
        else:
            rows.append(_decision_row(task, there, decided(task, there, soft)))
    return rows, out


def _key(question: Question, place: int) -> str:
    return question.name or f"question {place + 1}"


def decided(
    task: Task, rows: Sequence[Given], soft: Soft | None = None
) -> list[Distribution | None]:
    """Return what each of a task's questions is answered by its standing labels; None where nobody
    could tell."""
    return [_answer(task, place, rows, soft or {}) for place in range(len(task.questions))]


def _answer(task: Task, place: int, rows: Sequence[Given], soft: Soft) -> Distribution | None:
    unit = (task.id, _key(task.questions[place], place))
    if unit in soft:
        return Distribution(probabilities=tuple(soft[unit]))
    said = [row.label.answers[place] for row in rows if isinstance(row.label, Questions)]
    told = [one for one in said if one is not None]
    if not told:
        return None
    shares = (told.count(i) / len(told) for i in range(len(task.questions[place].options)))
    return Distribution(
        probabilities=tuple(shares), verdicts=len(told), missing=len(said) - len(told)
    )


def _decision_row(
    task: Task, rows: Sequence[Given], answers: Sequence[Distribution | None]
) -> dict[str, Any]:
    prompt, responses = shown_again(task)
    state: Any = prompt.text
    if responses:
        state = {"prompt": prompt.text, "responses": [one.text for one in responses]}
    asked, soft, top = {}, {}, {}
    for i, question in enumerate(task.questions):
        key = _key(question, i)
        asked[key] = _asked(question)
        if (answer := answers[i]) is not None:
            names = [
                str(at) if question.kind == "score" else option.text
                for at, option in enumerate(question.options)
            ]
            soft[key] = dict(zip(names, answer.probabilities, strict=True))
            top[key] = names[answer.top]
    row = {"id": prompt.id or task.id, "state": state, "questions": asked, "answers": top}
    return row | {"soft_labels": soft, "meta": dict(_signed(prompt, task, rows).meta)}


def _asked(question: Question) -> dict[str, Any]:
    """A question as System One's requests have it."""
    kind = "noul" if question.kind == "predicate" else question.kind
    means: Any = {option.text: option.description for option in question.options}
    if question.kind == "score":
        means = [option.text for option in question.options]
    elif question.kind == "predicate" and not any(means.values()):
        return {"type": kind, "instructions": question.text}
    return {"type": kind, "instructions": question.text, "criteria": means}


def raw_rows(tasks: Sequence[Task], given: Iterable[Given]) -> list[dict[str, Any]]:
    """Return every label that stands, each a row with its task, whoever adjudicated.

    Names of annotators are not in them, only pseudonyms.
    """
    by_id = {task.id: task for task in tasks}
    rows = []
    for one in given:
        row = one.model_dump(mode="json", exclude={"annotator", "task"})
        task = by_id[one.task].model_dump(mode="json", exclude_defaults=True)
        rows.append({**row, "task": task})
    return rows
