"""What comes next: by hand, by brute force, and what every strategy promises."""

import numpy as np
import pytest

from assay.annotate.choosing import (
    ERRS,
    FLOOR,
    first_wrong,
    prepared,
    probabilities,
)
from assay.annotate.labels import Pair, Questions, Steps
from assay.annotate.records import Given, Project
from assay.annotate.tasks import Task
from assay.errors import DataError
from assay.labelling.chain import SOUND, START, Beliefs, Counts, posterior
from assay.questions import Question
from assay.types import Prompt, Response


def solution(i, steps=3, **hidden):
    return Task(kind="steps", prompt=Prompt.of(f"q{i}"), hidden=hidden,
                responses=(Response(steps=tuple(f"s{t} " for t in range(steps))),))  # fmt: skip


def pair(i, **hidden):
    return Task.pair(Prompt.of(f"q{i}"), Response.of("a"), Response.of("b"), hidden=hidden)


def said(task, label, who="a"):
    return Given(task=task.id, annotator=1, pseudonym=who, label=label, time=0.0)


RANDOM, ORDER, TOLD, APART, FOOLED = (
    Project(choose=one) for one in ("random", "order", "information", "disagreement", "convincing")
)


@pytest.mark.parametrize("project", [RANDOM, TOLD, APART, FOOLED], ids=lambda one: one.choose)
def test_every_task_has_a_chance_and_they_sum_to_one(project):
    rng = np.random.default_rng(0)
    tasks = [
        pair(i, scores={"a": rng.normal(size=2).tolist(), "b": rng.normal(size=2).tolist()},
             right=[bool(rng.integers(2)), False])
        for i in range(20)
    ]  # fmt: skip
    p = probabilities(project, tasks, [said(tasks[0], Pair(choice="first"))])
    assert sum(p) == pytest.approx(1)
    assert min(p) >= FLOOR / len(tasks) - 1e-12
    assert probabilities(project, [], []) == []
    assert probabilities(ORDER, tasks, []) == [1.0] + [0.0] * 19


def test_disagreement_by_hand():
    """Scorers on scales that differ by a factor and a shift agree on the first two."""
    scores = [
        {"a": [1.0, 0.0], "b": [30.0, 10.0]},
        {"a": [0.0, 1.0], "b": [-40.0, -20.0]},
        {"a": [1.0, 0.0], "b": [0.0, 20.0]},
    ]
    tasks = [pair(i, scores=one) for i, one in enumerate(scores)]
    p = probabilities(APART, tasks, [], floor=0.3)
    assert p == pytest.approx([0.1, 0.1, 0.8])
    levels = [{"a": 1.0, "b": 5.0}, {"a": 2.0, "b": 7.0}, {"a": 3.0, "b": 9.0}]
    alike = [solution(i, scores=one) for i, one in enumerate(levels)]
    assert probabilities(APART, alike, []) == pytest.approx([1 / 3] * 3)
    with pytest.raises(DataError, match="two scorers or more"):
        probabilities(APART, [pair(0, scores={"a": [1, 2]})], [])
    with pytest.raises(DataError, match="one per response"):
        probabilities(APART, [pair(0, scores={"a": [1, 2, 3], "b": [1, 2, 3]})], [])


def test_convincing_takes_high_scores_that_end_wrong():
    tasks = [
        solution(0, scores={"rm": 9.0}, right=True),
        solution(1, scores={"rm": 5.0}, right=False),
        solution(2, scores={"rm": 1.0}, right=False),
        solution(3, scores={"rm": 7.0}),
    ]
    p = probabilities(FOOLED, tasks, [], floor=0.4)
    # Ranks 1 and 1/2 of two that end wrong, squared.
    assert p == pytest.approx([0.1, 0.1 + 0.6 * 0.8, 0.1 + 0.6 * 0.2, 0.1])
    with pytest.raises(DataError, match="convincing needs"):
        probabilities(FOOLED, tasks[:1], [])
    lists = [pair(4, scores={"rm": [3.0, 1.0]}, right=[True, False]),
             pair(5, scores={"rm": [3.0, 2.0]}, right=[False, True])]  # fmt: skip
    low, high = probabilities(FOOLED, lists, [])
    assert high > low


def rollouts(right, total):
    return {"right": list(right), "total": list(total)}


def test_the_first_wrong_step_is_the_chain_s_and_bayes():
    task = solution(0, rollouts=rollouts([3, 1, 0], [4, 4, 4]), right=False)
    short = solution(1, 2, rollouts=rollouts([2, 2], [2, 2]))
    found = first_wrong([task, short], [])
    counts = Counts(np.array([[3.0, 1, 0]]), np.array([[4.0, 4, 4]]), np.array([3]), np.zeros(1))
    sound = posterior(counts, Beliefs.of(START))[0, :, SOUND]
    assert 1 - np.cumsum(found, axis=1)[0, :-1] == pytest.approx(sound)
    assert found[1, 2] == pytest.approx(0)
    assert found.sum(axis=1) == pytest.approx([1, 1])
    label = Steps(marks=(1, -1, None))
    after = first_wrong([task], [said(task, label)])[0]
    by_hand = found[0] * [ERRS / 3, 1 - ERRS, ERRS / 3, ERRS / 3]
    assert after == pytest.approx(by_hand / by_hand.sum())
    # One that leaves the last two open says that it is not the first.
    open_ = first_wrong([task], [said(task, Steps(marks=(1, None, None)))])[0]
    by_hand = found[0] * [ERRS, 1 - ERRS / 3, 1 - ERRS / 3, 1 - ERRS / 3]
    assert open_ == pytest.approx(by_hand / by_hand.sum())


def test_information_is_the_expected_fall_of_entropy():
    """Against every label that could be given, of solutions of several lengths."""
    tasks = [
        solution(0, 3, rollouts=rollouts([2, 1, 0], [2, 2, 2]), right=False),
        solution(1, 2, rollouts=rollouts([2, 0], [2, 2]), right=True),
        solution(2, 4, rollouts=rollouts([4, 4, 4, 0], [4, 4, 4, 0]), right=True),
    ]

    def entropy(p):
        return -sum(x * np.log(x) for x in p if x > 0)

    told = []
    for task in tasks:
        before = first_wrong([task], [])[0]
        expected = 0.0
        for at in range(task.steps + 1):
            marks = tuple(None if t > at else -1 if t == at else 1 for t in range(task.steps))
            label = Steps(marks=marks, complete=at == task.steps)
            like = np.full(task.steps + 1, ERRS / task.steps)
            like[at] = 1 - ERRS
            expected += (before @ like) * entropy(first_wrong([task], [said(task, label)])[0])
        told.append(entropy(before) - expected)
    worth = np.array(told) ** 2
    p = probabilities(TOLD, tasks, [])
    assert p == pytest.approx(FLOOR / 3 + (1 - FLOOR) * worth / worth.sum(), abs=1e-9)
    # A label that says what was believed leaves less to say.
    labelled = [said(tasks[2], Steps(marks=(1, 1, 1, 1)))]
    assert probabilities(TOLD, tasks, labelled)[2] < p[2]


def test_information_prefers_what_labels_leave_open():
    tasks = [pair(i) for i in range(12)]
    given = [said(t, Pair(choice="first"), who) for t in tasks[:5] for who in "abc"]
    given += [said(t, Pair(choice="second"), who) for t in tasks[5:10] for who in "abc"]
    given += [said(tasks[10], Pair(choice=one), one) for one in ("first", "second")]
    p = probabilities(TOLD, tasks, given)
    assert min(p[10:]) > 2 * max(p[:10])
    asked = Question.predicate("Is it?")
    some = [
        Task(kind="questions", prompt=Prompt.of(f"q{i}"), responses=(), questions=(asked,) * n)
        for i, n in enumerate((1, 3))
    ]
    one, three = probabilities(TOLD, some, [])
    assert three > one
    assert probabilities(TOLD, some, [said(some[0], Questions(answers=(None,)))])


def test_prepared_tasks_are_drawn_alike_and_keep_their_names():
    rng = np.random.default_rng(1)
    tasks = [pair(i, scores={k: rng.normal(size=2).tolist() for k in "ab"}) for i in range(9)]
    ready = prepared(APART, tasks)
    assert [t.id for t in ready] == [t.id for t in tasks]
    assert probabilities(APART, ready, []) == pytest.approx(probabilities(APART, tasks, []))
    steps = [solution(i, rollouts=rollouts(rng.integers(0, 3, 3).tolist(), [2] * 3))
             for i in range(9)]  # fmt: skip
    ready = prepared(TOLD, steps)
    assert all(len(task.hidden["sound"]) == 3 for task in ready)
    fitted = first_wrong(ready, [])
    assert 1 - np.cumsum(fitted, axis=1)[0, :-1] == pytest.approx(ready[0].hidden["sound"])
    assert prepared(ORDER, tasks) == tasks


def test_numbers_that_fit_no_task_are_refused():
    with pytest.raises(DataError, match="right <= total"):
        probabilities(TOLD, [solution(0, rollouts=rollouts([3, 0, 0], [2, 2, 2]))], [])
    with pytest.raises(DataError, match="2 numbers for 3 steps"):
        probabilities(TOLD, [solution(0, sound=[1.0, 0.5])], [])
    with pytest.raises(DataError, match="floor is 0"):
        probabilities(RANDOM, [pair(0)], [], floor=0)
    with pytest.raises(DataError, match="not finite"):
        probabilities(APART, [pair(0, scores={"a": [float("nan"), 0], "b": [0, 0]})], [])
