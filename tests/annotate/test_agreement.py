"""What labels say of labels: by hand, and on planted annotators."""

import numpy as np
import pytest
from experiments.simulated_annotators import Simulated, prefer

from assay.annotate.agreement import agreements, difference, hard_items, quality, tau
from assay.annotate.decisions import FIRST_ERROR, MARKS, ORDER, PREFERENCE, decisions, same, word_of
from assay.annotate.labels import Pair, Questions, Ranks, Steps, first_error
from assay.annotate.records import Given
from assay.annotate.tasks import Task
from assay.questions import Question
from assay.stats import wilson
from assay.types import Prompt, Response

A, B = Response.of("a"), Response.of("b")


def given(task, label, who, order=(0, 1), time=0.0, purpose="label"):
    return Given(task=task.id, annotator=1, pseudonym=who, label=label, order=order, time=time,
                 purpose=purpose)  # fmt: skip


def test_units_of_every_kind():
    two = Response(steps=("x", "y"))
    steps = Task(kind="steps", prompt=Prompt.of("s"), responses=(two,))
    ranked = Task(kind="ranking", prompt=Prompt.of("r"), responses=(A, B, A))
    asked = Task(kind="questions", prompt=Prompt.of("q"), responses=(A,),
                 questions=(Question.predicate("ok?", name="ok"),))  # fmt: skip
    found = decisions(
        [steps, ranked, asked],
        [
            given(steps, Steps(marks=(1, -1)), "a"),
            given(steps, Steps(marks=(None, None), complete=True), "b"),
            given(ranked, Ranks(ranks=(1, 2, 2)), "a"),
            given(asked, Questions(answers=(1,)), "a"),
            given(asked, Questions(answers=(None,)), "b"),
        ],
    )
    assert found[MARKS].codes_I_A.tolist() == [[2, 2], [0, 2]]
    assert found[FIRST_ERROR].ratings == [[1, -1]]
    assert found["order of two responses"].ratings[:3] == [[1, None], [1, None], [0, None]]
    assert found["answers: true | false"].ratings == [["false", None]]
    assert first_error(Steps(marks=(1, None))) is None
    assert same(Steps(marks=(1, -1)), Steps(marks=(0, -1)))
    assert not same(Pair(choice="tie"), Pair(choice="both_bad"))


def test_agreement_by_hand_is_by_prompt():
    tasks = [Task.pair(Prompt.of(f"q{i // 2}"), A, Response.of(str(i))) for i in range(8)]
    labels = [
        given(task, Pair(choice="first" if who == "a" or i < 6 else "second"), who)
        for i, task in enumerate(tasks)
        for who in "ab"
    ]
    alone = Task.pair(Prompt.of("alone"), A, B)
    found = agreements(
        decisions([*tasks, alone], [*labels, given(alone, Pair(choice="tie"), "a")])[PREFERENCE]
    )
    assert found["agreement"].value == pytest.approx(6 / 8)
    assert (found["agreement"].n, found["agreement"].unscored) == (4, 1)
    # One always says first: Cohen's kappa is 0.
    assert found["kappa"].value == pytest.approx(0)
    assert {"alpha", "AC1"} < found.keys()


def test_tau_of_rankings():
    task = Task(kind="ranking", prompt=Prompt.of("r"), responses=(A, B, A))
    other = Task(kind="ranking", prompt=Prompt.of("s"), responses=(A, B, A))
    rows = [given(task, Ranks(ranks=r), w) for r, w in (((1, 2, 3), "a"), ((1, 3, 2), "b"))]
    rows += [given(other, Ranks(ranks=(1, 1, 1)), w) for w in "ab"]
    found = tau([task, other], rows)
    assert found.value == pytest.approx(1 / 3)
    assert (found.n, found.unscored) == (1, 1)


def planted():
    rng = np.random.default_rng(3)
    tasks, truth = [], {}
    for i in range(240):
        choice = str(rng.choice(["first", "second"]))
        task = Task.pair(Prompt.of(f"q{i}"), A, B)
        if i % 8 == 0:
            task = task.model_copy(update={"gold": Pair(choice=choice), "attention": i % 16 == 0})
        tasks.append(task)
        truth[task.id] = choice
    people = [
        Simulated(name="a-good", right=0.95, seconds=40),
        Simulated(name="b-tired", right=0.95, later=0.45),
        Simulated(name="c-first", right=0.8, first=0.7, seconds=2),
        Simulated(name="d-good", right=0.9),
    ]
    return tasks, prefer(tasks, truth, people, per_item=3)


def test_planted_annotators_are_found():
    tasks, labels = planted()
    skips = [{"task": tasks[0].id, "pseudonym": "d-good", "reason": "unclear"}]
    measured = quality(tasks, labels, skips, resamples=50)
    good, tired, first, other = measured.standings
    assert [one.pseudonym for one in measured.standings] == [
        "a-good", "b-tired", "c-first", "d-good",
    ]  # fmt: skip
    assert good.accuracy.low <= 0.95 <= good.accuracy.high
    assert good.accuracy.value > first.accuracy.value + 0.1
    assert tired.drift.high < 0 < good.drift.high
    assert first.shown_first.low > 0.5
    assert good.shown_first.low < 0.5 < good.shown_first.high
    assert good.gold.value > 0.8
    assert good.gold.n + good.attention.n > 10
    assert first.streak > good.streak
    assert first.seconds < other.seconds < good.seconds
    assert other.skipped == 1
    # Gold is no agreement.
    assert measured.agreement[PREFERENCE]["agreement"].n == 210


def test_soft_labels_follow_gold_and_votes():
    tasks, labels = planted()
    measured = quality(tasks, labels, resamples=0)
    decision, soft_I_C = measured.decisions[PREFERENCE], measured.fits[PREFERENCE].soft_I_C
    golden = tasks[8]
    at = decision.units.index((golden.id, ""))
    assert soft_I_C[at, decision.levels.index(golden.gold.choice)] == 1
    assert soft_I_C.sum(axis=1) == pytest.approx(1)
    hard = hard_items(measured, 3)
    assert [row[-1] for row in hard] == sorted(row[-1] for row in hard)
    assert all(("first" in row[3] and "second" in row[3]) or "tie" in row[3] for row in hard)


@pytest.mark.parametrize(
    ("decision", "level", "word"),
    [(PREFERENCE, "both_bad", "both bad"), (MARKS, 0, "neutral"), (FIRST_ERROR, 2, "step 3"),
     (FIRST_ERROR, -1, "none"), (ORDER, -1, "the second is better")],
)  # fmt: skip
def test_categories_have_words(decision: str, level: object, word: str):
    assert word_of(decision, level) == word


def test_newcombe_1998_method_10():
    """His example (a): 56/70 against 48/80 is 0.2 [0.0524, 0.3339]."""
    found = difference(wilson(48, 80), wilson(56, 70))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=1e-4),
        pytest.approx(0.3339, abs=1e-4),
    )
