"""Orders, draws and disputes, by hand and by counts."""

import random
from collections import Counter

import pytest
from scipy.stats import chisquare

from assay.annotate.assigning import differ, draw, order_of
from assay.annotate.labels import Pair, Questions, Ranks, Steps, decides


@pytest.mark.parametrize(("n", "orders"), [(2, 2), (3, 6), (4, 24)])
def test_all_orders_are_drawn_alike(n: int, orders: int) -> None:
    counts = Counter(order_of("s7", f"task-{t}", a, n) for t in range(200) for a in range(12))
    assert len(counts) == orders
    assert chisquare(list(counts.values())).pvalue > 0.01


def test_an_order_depends_on_the_secret_the_task_and_the_annotator_alone() -> None:
    first = order_of("1", "t", 2, 9)
    assert first == order_of("1", "t", 2, 9)
    assert first not in [order_of(*o, 9) for o in (("2", "t", 2), ("1", "u", 2), ("1", "t", 3))]


def test_a_draw_is_by_weight_and_gives_its_probability() -> None:
    rng, weights = random.Random(3), {"a": 1.0, "b": 2.0, "gone": 6.0}
    draws = [draw(["a", "b", "new"], weights, rng) for _ in range(6000)]
    # The mean of the weights, 3, stands for the one that has none.
    expected = {"a": 1 / 6, "b": 2 / 6, "new": 3 / 6}
    assert dict(draws) == pytest.approx(expected)
    counts = Counter(name for name, _ in draws)
    assert chisquare([counts[x] for x in expected], [6000 * p for p in expected.values()])[1] > 1e-3
    assert draw(["a"], {"a": 0.0}, rng) == ("a", 1.0)


def test_what_labels_decide() -> None:
    assert decides(Pair(choice="tie")) == ("tie",)
    assert decides(Ranks(ranks=(3, 1, 3))) == ((1, 0, 1),)
    assert decides(Steps(marks=(1, -1, -1))) == (1,)
    assert decides(Steps(marks=(1, None), complete=True)) == (2,)
    assert decides(Steps(marks=(1, 0))) == (2,)
    assert decides(Steps(marks=(1, None))) == (None,)
    assert decides(Questions(answers=(0, None))) == (0, None)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([Pair(choice="first", strength=1), Pair(choice="first", strength=3)], False),
        ([Pair(choice="first"), Pair(choice="tie")], True),
        ([Ranks(ranks=(1, 3)), Ranks(ranks=(1, 2))], False),
        ([Ranks(ranks=(1, 2)), Ranks(ranks=(2, 2))], True),
        ([Steps(marks=(1, -1, None)), Steps(marks=(0, -1, 1))], False),
        ([Steps(marks=(1, -1)), Steps(marks=(1, None))], False),
        ([Steps(marks=(1, -1)), Steps(marks=(1, 1))], True),
        ([Questions(answers=(0, 1)), Questions(answers=(None, 1))], False),
        ([Questions(answers=(0, 1)), Questions(answers=(0, 0)), Questions(answers=(0, 1))], True),
    ],
)
def test_labels_differ_by_what_they_decide(labels: list[Pair], expected: bool) -> None:
    assert differ(labels) is expected
