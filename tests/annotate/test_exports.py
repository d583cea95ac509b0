"""What people said becomes records: by votes, majorities or posteriors, and back from files."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.annotate.decisions import decisions, known
from assay.annotate.exports import (
    KEY,
    decision_rows,
    export,
    raw_rows,
    step_marks,
)
from assay.annotate.gating import gate_rows, votes_of
from assay.annotate.imports import tasks_of
from assay.annotate.labels import Label, Pair, Questions, Ranks, Steps
from assay.annotate.records import Given, standing
from assay.annotate.tasks import StepMode, Task
from assay.audit.human import read_labels
from assay.data import io
from assay.data.decisions import read_decisions
from assay.data.formats.prm800k import Prm800k
from assay.questions import Question
from assay.types import Group, Preference, Prompt, Ranking, Response, StepLabels

PROMPT = Prompt.of("2+2?", id="p1").model_copy(update={"meta": {"source": "made"}})
A, B, C = (Response.of(text) for text in ("It is 4.", "It is 5.", "No idea."))


def one(*responses: Response, **others: Any) -> Task:
    (task,) = tasks_of(Group(prompt=PROMPT, responses=responses), **others)
    return task


def given(task: Task, *labels: Label, **others: Any) -> list[Given]:
    return [
        Given(task=task.id, annotator=i, pseudonym=f"a-{i}", label=label, time=1.0, seconds=2.04,
              order=tuple(range(len(task.responses))), **others)
        for i, label in enumerate(labels)
    ]  # fmt: skip


def pairs(*choices: str) -> list[Label]:
    return [Pair.model_validate({"choice": choice}) for choice in choices]


@pytest.mark.parametrize(
    ("choices", "votes", "majority"),
    [
        (["first"], 1.0, 1.0),
        (["first", "first", "second"], 2 / 3, 1.0),
        (["second", "tie"], 0.25, 0.0),
        (["first", "second"], 0.5, "ties"),
        (["tie"], 0.5, "ties"),
        (["both_bad", "first"], 0.75, 1.0),
        (["both_bad", "both_bad", "first"], "pairs that are both bad", "pairs that are both bad"),
    ],
)
def test_votes_on_a_pair(choices: list[str], votes: float | str, majority: float | str) -> None:
    task = one(A, B)
    rows = given(task, *pairs(*choices))
    for decide, wanted in (("votes", votes), ("majority", majority)):
        found = export([task], rows, decide=decide)  # type: ignore[arg-type]
        if isinstance(wanted, str):
            assert found.records == []
            assert found.left_out == {wanted: 1}
        else:
            [record] = found.records
            assert isinstance(record, Preference)
            assert record.prefer == pytest.approx(wanted)
            assert (record.prompt.id, record.responses) == ("p1", (A, B))


def test_an_adjudication_stands_over_the_votes() -> None:
    task = one(A, B)
    settled = Given(task=task.id, annotator=9, pseudonym="a-9", label=Pair(choice="second"),
                    time=3.0, purpose="adjudicate")  # fmt: skip
    rows = [*given(task, *pairs("first", "first", "second")), settled]
    [record] = export([task], rows).records
    assert isinstance(record, Preference)
    assert record.prefer == 0
    assert record.prompt.meta[KEY]["annotators"] == ["a-9"]
    assert record.prompt.meta[KEY]["adjudicated"]
    assert standing(rows) == [settled]
    [alone] = standing([*given(task, *pairs("tie"), probability=0.2), settled])
    assert alone.probability == 0.2
    assert len(raw_rows([task], rows)) == 4


def test_a_record_says_who_labelled_it_and_how() -> None:
    task = one(A, B)
    label = Pair(choice="first", strength=2, reasons=("correct",), comment="clear")
    [record] = export([task], given(task, label, probability=0.25)).records
    assert isinstance(record, Preference)
    assert record.prompt.meta == {
        "source": "made",
        KEY: {"task": task.id, "annotators": ["a-0"], "seconds": [2.0], "probability": 0.25,
              "strengths": [2], "reasons": [["correct"]], "comments": ["clear"]},
    }  # fmt: skip


def test_what_is_no_record_is_counted() -> None:
    gold = one(A, C).model_copy(update={"gold": Pair(choice="first")})
    asked = one(C, questions=[Question.predicate("Polite?")])
    tasks = [one(A, B), gold, asked]
    rows = [*given(gold, Pair(choice="first")), *given(asked, Questions(answers=(0,)))]
    found = export(tasks, rows)
    assert found.left_out == {"without a label": 1, "gold items": 1, "answers to questions": 1}
    assert str(found) == (
        "0 records; left out: 1 answers to questions, 1 gold items, 1 without a label"
    )
    assert len(export(tasks, rows, gold=True).records) == 1


def test_ranks_become_bordas_count() -> None:
    task = one(A, B, C)
    [record] = export([task], given(task, Ranks(ranks=(1, 2, 3)), Ranks(ranks=(1, 3, 1)))).records
    assert isinstance(record, Ranking)
    # By hand: A beats two, and one and a half; B one and none; C none and one and a half.
    assert record.grades == (1.75, 0.5, 0.75)


def solution(mode: StepMode) -> Task:
    return one(Response(steps=("a\n", "b\n", "c\n", "d")), mode=mode)


@pytest.mark.parametrize(
    ("mode", "marks", "complete", "wanted"),
    [
        ("first-error", (None, None, -1, None), False, [1, 1, -1, None]),
        ("first-error", (1, 0, -1, 1), False, [1, 0, -1, None]),
        ("first-error", (None, None, None, None), True, [1, 1, 1, 1]),
        ("first-error", (1, None, None, None), False, [1, None, None, None]),
        ("every-step", (1, None, -1, 1), False, [1, None, -1, 1]),
        ("every-step", (1, 0, None, None), True, [1, 0, 1, 1]),
    ],
)
def test_what_marks_say(mode: StepMode, marks: Any, complete: bool, wanted: list[int]) -> None:
    assert step_marks(solution(mode), Steps(marks=marks, complete=complete)) == wanted


def labels_of(task: Task, *labels: Label, **how: Any) -> tuple[float | None, ...]:
    [record] = export([task], given(task, *labels), **how).records
    assert isinstance(record, StepLabels)
    return record.labels


def test_steps_by_votes_and_majority() -> None:
    task = solution("every-step")
    three = [Steps(marks=(1, 1, -1, None)), Steps(marks=(1, 0, 1, 1)), Steps(marks=(1, -1, 1, -1))]
    assert labels_of(task, *three) == pytest.approx((1, 2 / 3, 2 / 3, 0.5))
    assert labels_of(task, *three, neutral="half") == pytest.approx((1, 0.5, 2 / 3, 0.5))
    assert labels_of(task, *three, neutral="ignore") == pytest.approx((1, 0.5, 2 / 3, 0.5))
    assert labels_of(task, *three, decide="majority") == (1, None, 1, None)
    # After the first error that half of them see, nothing is said.
    first = solution("first-error")
    both = [Steps(marks=(1, -1, None, None)), Steps(marks=(1, 1, 1, -1))]
    assert labels_of(first, *both) == (1, 0.5, None, None)
    assert labels_of(first, *both, both[1]) == pytest.approx((1, 2 / 3, 1, 0))
    assert labels_of(first, *both, decide="majority") == (1, None, None, None)
    open_ = export([task], given(task, Steps(marks=(0,) * 4)), neutral="ignore")
    assert open_.left_out == {"without a step that is decided": 1}


def test_posteriors_take_the_place_of_votes() -> None:
    pair, steps = one(A, B), solution("every-step")
    rows = [*given(pair, *pairs("first", "second")), *given(steps, Steps(marks=(1, -1, 1, 1)))]
    soft = {(pair.id, ""): (0.8, 0.1, 0.1, 0.0), (steps.id, "step 2"): (0.25, 0.5, 0.25)}
    preference, labels = export([pair, steps], rows, decide="dawid-skene", soft=soft).records
    assert isinstance(preference, Preference)
    assert isinstance(labels, StepLabels)
    assert preference.prefer == pytest.approx(0.85)
    assert labels.labels == pytest.approx((1, 0.75, 1, 1))


@pytest.mark.parametrize("format", ["assay", "trl-preference", "hh-rlhf"])
def test_preferences_come_back_from_files(format: str, tmp_path: Path) -> None:
    prompt = PROMPT if format == "assay" else Prompt.of("2+2?")
    tasks = [
        task
        for pair in ((A, B), (B, C), (A, C))
        for task in tasks_of(Group(prompt=prompt, responses=pair))
    ]
    rows = [
        row
        for task, choice in zip(tasks, ("first", "second", "tie"), strict=True)
        for row in given(task, *pairs(choice))
    ]
    decide: Any = "votes" if format == "assay" else "majority"
    records = export(tasks, rows, decide=decide).records
    assert len(records) == (3 if format == "assay" else 2)
    path = tmp_path / "out.jsonl"
    assert io.write(records, path, format) == len(records)
    back = list(io.read(path))
    wanted = [r.swap() if isinstance(r, Preference) and r.prefer == 0 else r for r in records]
    assert back == (records if format == "assay" else wanted)
    assert path.read_text().count(f'"{KEY}"') == len(records)


def test_steps_come_back_from_prm800k_with_their_ratings(tmp_path: Path) -> None:
    task = one(Response(steps=("a\n", "b\n", "c")), mode="first-error").model_copy(
        update={"hidden": {}}
    )
    records = export([task], given(task, Steps(marks=(1, 0, -1))), neutral="half").records
    layout = Prm800k(neutral="half")
    assert io.write(records, tmp_path / "out.jsonl", layout) == 1
    assert list(io.read(tmp_path / "out.jsonl", format=layout)) == records
    row = json.loads((tmp_path / "out.jsonl").read_text())
    ratings = [step["completions"][0]["rating"] for step in row["label"]["steps"]]
    assert ratings == [1, 0, -1]
    assert row["label"]["finish_reason"] == "found_error"


def test_answers_come_back_as_distributions(tmp_path: Path) -> None:
    questions = [
        Question.predicate("Polite?", name="polite", true="kind"),
        Question.score("How good?", ["bad", "fair", "good"], name="good"),
        Question.choice("Which?", {"x": "the first", "y": ""}),
    ]
    task = one(A, questions=questions)
    said = [Questions(answers=(0, 2, None)), Questions(answers=(1, 2, None)),
            Questions(answers=(0, None, None))]  # fmt: skip
    rows, out = decision_rows([task, one(A, B)], given(task, *said))
    assert out == {"tasks of kind pair": 1}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [back] = read_decisions(str(path))
    polite, good, which = back.gold
    assert polite is not None
    assert good is not None
    assert polite.probabilities == pytest.approx((2 / 3, 1 / 3))
    assert good.probabilities == pytest.approx((0, 0, 1))
    assert which is None
    asked = [question.model_copy(update={"name": ""}) for question in back.questions]
    assert asked == [question.model_copy(update={"name": ""}) for question in questions]
    assert json.loads(back.prompt.text) == {"prompt": "2+2?", "responses": ["It is 4."]}
    assert back.prompt.meta[KEY]["annotators"] == ["a-0", "a-1", "a-2"]


def test_a_gate_reads_every_raters_verdict(tmp_path: Path) -> None:
    pair = one(A, B)
    path = tmp_path / "gate.jsonl"

    def cases(tasks: list[Task], rows: list[Given]) -> Any:
        path.write_text("".join(json.dumps(row) + "\n" for row in gate_rows(tasks, rows)))
        return read_labels(path)

    [case] = cases([pair], given(pair, *pairs("first", "first", "both_bad"), probability=0.5))
    [label] = case.labels
    assert case.pair
    assert (sorted(label.votes), label.probability) in [
        ([0.5, 1.0, 1.0], 0.5), ([0.0, 0.0, 0.5], 0.5)
    ]  # fmt: skip
    asked = [Question.predicate("Polite?", name="polite"), Question.predicate("Safe?", name="safe")]
    task, steps = one(A, questions=asked), solution("first-error")
    rows = [*given(task, Questions(answers=(0, None)), Questions(answers=(1, 1))),
            *given(steps, Steps(marks=(1, -1, None, None)))]  # fmt: skip
    labels = [label for case in cases([task, steps], rows) for label in case.labels]
    found = {label.criterion: (label.votes, label.human) for label in labels}
    assert found == {
        "polite": ((1.0, 0.0), None), "safe": ((0.0,), False), "": ((0.0,), False)
    }  # fmt: skip


def test_one_rule_says_which_labels_stand_for_every_reader(tmp_path: Path) -> None:
    """Adjudicated twice, as brought from two projects: the last alone, where it stands in time."""
    first, second = one(A, B), one(A, C)
    labels = {"early": "first", "settled": "tie", "other": "second", "last": "second"}
    purposes = {"settled": "adjudicate", "last": "adjudicate"}
    rows = [
        Given(task=(second if who == "other" else first).id, annotator=i, pseudonym=who, time=i,
              label=Pair.model_validate({"choice": choice}),
              purpose=purposes.get(who, "label"), probability=0.5 if who == "early" else 1.0)
        for i, (who, choice) in enumerate(labels.items())
    ]  # fmt: skip
    tasks = [first, second]
    assert [row.pseudonym for row in standing(rows)] == ["other", "last"]
    assert standing(standing(rows)) == standing(rows)
    # Records, a gate's cases, its rows, and what is known of annotators.
    assert [record.prefer for record in export(tasks, rows).records] == [0.0, 0.0]
    assert [(vote.rater, vote.said) for vote in votes_of(tasks, rows)] == [
        ("other", 0.0), ("last", 0.0)
    ]  # fmt: skip
    verdicts = [(row["rater"], row["verdict"]) for row in gate_rows(tasks, rows)]
    assert verdicts == [("last", "second"), ("other", "second")]
    [decision] = decisions(tasks, rows).values()
    truth = dict(zip(decision.units, known(tasks, rows, decision).tolist(), strict=True))
    assert truth == {(first.id, ""): decision.levels.index("second"), (second.id, ""): -1}


def test_a_gates_criterion_is_the_questions_name_however_many_there_are() -> None:
    task = one(A, questions=[Question.predicate("Polite?", name="polite")])
    rows = given(task, Questions(answers=(1,)))
    [row], [vote] = gate_rows([task], rows), votes_of([task], rows)
    assert (row["criterion"], row["verdict"]) == (vote.criterion, "no") == ("polite", "no")
    assert vote.said == 0


def test_raw_rows_hold_all_that_was_said_and_no_name() -> None:
    task = one(A, B)
    label = Pair.model_validate({"choice": "first", "comment": "c", "reasons": ["r"],
        "highlights": [{"response": 0, "start": 0, "end": 2, "good": True}]})  # fmt: skip
    [row] = raw_rows([task], given(task, label))
    assert row["pseudonym"] == "a-0"
    assert "annotator" not in row
    assert (row["seconds"], row["order"], row["probability"]) == (2.04, [0, 1], 1.0)
    assert row["label"]["highlights"][0]["end"] == 2
    assert Task.model_validate(row["task"]) == task
