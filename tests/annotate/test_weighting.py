"""What was chosen on purpose, weighted back to the pool."""

from itertools import permutations

import numpy as np
import pytest

from assay.annotate.choosing import probabilities
from assay.annotate.labels import Pair
from assay.annotate.records import Given, Project
from assay.annotate.tasks import Task
from assay.annotate.weighting import draw_weights, hajek, weights_of
from assay.errors import DataError
from assay.types import Prompt, Response


def test_draws_are_unbiased_over_all_that_could_be_drawn():
    """Every order of two draws of four items, each draw by what was drawn before: exactly."""
    values, worth = np.array([0.0, 1.0, 5.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])
    total = chance = 0.0
    for i, j in permutations(range(4), 2):
        first = worth[i] / worth.sum()
        # What comes next depends on the value seen.
        left = [k for k in range(4) if k != i]
        again = {k: worth[k] ** (1 + values[i]) for k in left}
        second = again[j] / sum(again.values())
        v = draw_weights([first, second], 4)
        total += first * second * (v * values[[i, j]]).mean()
        chance += first * second
    assert chance == pytest.approx(1)
    assert total == pytest.approx(values.mean())


def test_even_draws_and_a_whole_pool_weigh_one():
    q = [1 / (10 - m) for m in range(10)]
    assert draw_weights(q[:4], 10) == pytest.approx(np.ones(4))
    assert draw_weights([0.5, 0.7, 1.0], 3) == pytest.approx(np.ones(3))
    with pytest.raises(DataError, match="4 draws from a pool of 3"):
        draw_weights([0.5] * 4, 3)
    with pytest.raises(DataError, match="above 0"):
        draw_weights([0.0], 3)


def pool(rng, n=40):
    """Pairs that are worth most where the second one is better."""
    tasks, truth = [], {}
    for i in range(n):
        second = bool(rng.random() < 0.3)
        gap = float(rng.exponential(2.0 if second else 0.7))
        task = Task.pair(
            Prompt.of(f"q{i}"),
            Response.of("a"),
            Response.of("b"),
            hidden={"worth": gap},
        )
        tasks.append(task)
        truth[task.id] = "second" if second else "first"
    return tasks, truth


def chosen(project, tasks, truth, rng, n):
    left, given = list(tasks), []
    for k in range(n):
        p = probabilities(project, left, given)
        place = int(rng.choice(len(left), p=np.array(p) / sum(p)))
        task = left.pop(place)
        label = Pair(choice=truth[task.id])
        given.append(Given(task=task.id, annotator=1, pseudonym="a", label=label, time=k,
                           probability=p[place]))  # fmt: skip
    return given


def test_active_choice_is_unbiased_and_its_intervals_hold():
    """300 runs: the mean error is within Monte-Carlo error of 0, where the plain mean's is not."""
    project, errors, plain, inside = Project(choose="disagreement"), [], [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        tasks, truth = pool(rng)
        target = np.mean([one == "second" for one in truth.values()])
        given = chosen(project, tasks, truth, rng, 15)
        values = {one.task: float(one.label.choice == "second") for one in given}
        weights = weights_of(project, tasks, given)
        assert weights.tasks == tuple(values)
        x = [values[task] for task in weights.tasks]
        errors.append(np.mean(weights.weights * x) - target)
        plain.append(np.mean(x) - target)
        found = weights.mean(values, share=True)
        inside.append(found.low <= 0.3 <= found.high)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 300**0.5
    assert np.mean(plain) > 0.1
    assert 0.91 < np.mean(inside) < 0.995


def test_a_stratified_pool_is_weighted_by_selection():
    strata = [(0.5, 0.0, 20), (0.1, 1.0, 4)]
    tasks, given = [], []
    for share, value, n in strata:
        for i in range(n):
            task = Task.pair(Prompt.of(f"{share} {i}"), Response.of("a"), Response.of("b"),
                             probability=share)  # fmt: skip
            tasks.append(task)
            label = Pair(choice="first" if value else "second")
            given.append(Given(task=task.id, annotator=1, pseudonym="a", label=label, time=i,
                               probability=share))  # fmt: skip
    weights = weights_of(Project(), tasks, given)
    values = {one.task: float(one.label.choice == "first") for one in given}
    # 40 items stand behind the first stratum, 40 behind the second.
    assert weights.mean(values).value == pytest.approx(0.5)
    assert weights.effective == pytest.approx((40 + 40) ** 2 / (20 * 4 + 4 * 100))


def test_hajek_by_hand_and_by_cluster():
    found = hajek([1.0, 3.0, 5.0], [1, 1, 2])
    assert found.value == pytest.approx((1 + 3 + 10) / 4)
    one = hajek([1.0, 3.0, 5.0, 9.0], [1, 1, 1, 1], clusters=["a", "a", "b", "b"])
    assert one.n == 2
    assert one.low < 4.5 < one.high
    with pytest.raises(DataError, match="one weight of 0 or more each"):
        hajek([1.0], [-1.0])


def test_several_labels_per_item_are_said():
    tasks, truth = pool(np.random.default_rng(0), 10)
    project = Project(choose="disagreement", labels_per_item=2)
    given = chosen(project, tasks, truth, np.random.default_rng(1), 4)
    again = given[0].model_copy(update={"annotator": 2, "pseudonym": "b", "time": 9.0})
    assert "approximate" in weights_of(project, tasks, [*given, again]).caveat
    assert not weights_of(project, tasks, given).caveat
    even = weights_of(Project(choose="random"), tasks, [*given, again])
    assert even.weights.tolist() == [1.0] * 4
