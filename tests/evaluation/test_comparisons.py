"""Comparisons against labels, by hand."""

import numpy as np
import pytest

from assay.evaluation.comparisons import evaluate, side
from assay.questions import Comparison, Game
from assay.types import Group, Preference, Prompt, Response, Unscored


def pair(label, *, name="p", lengths=(1, 2)):
    responses = tuple(Response.of("x" * n) for n in lengths)
    return Preference(prompt=Prompt.of(name), responses=responses, prefer=label)


def said(first, second=None, tie=0.0):
    """A comparison of both orders: the first response's share in each."""
    games = [Game(first=first, tie=tie)]
    games += [] if second is None else [Game(first=second, tie=tie, swapped=True)]
    found = Comparison.of(games)
    assert isinstance(found, Comparison)
    return found


def values(report):
    return {name: one.value for name, one in report.metrics.items()}


def test_sides():
    assert [side(x) for x in (0.6, 0.5, 0.4, 0.5 + 1e-12)] == [1, 0, -1, 0]


def test_by_hand():
    records = [
        pair(1.0, name="a"),
        pair(0.8, name="b"),
        pair(0.0, name="c"),
        pair(0.5, name="d"),
        pair(1.0, name="e"),
    ]
    verdicts = [
        said(0.9, 0.8),  # Right in both orders.
        said(0.9, 0.1),  # The first place wins: even, and a flip.
        said(0.7, 0.6),  # Wrong in both.
        said(0.2, 0.4),  # No label, but consistent.
        Unscored(reason="silent"),
    ]
    report = evaluate(records, verdicts)
    found = values(report)
    assert found["accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert report.metrics["accuracy"].unscored == 1
    assert found["accuracy_both_orders"] == pytest.approx(1 / 3)
    assert found["flips"] == pytest.approx(1 / 4)
    assert found["consistent"] == pytest.approx(3 / 4)
    # Shown first: .9 and 1 - .8; .9 and .9; .7 and .4; .2 and .6.
    assert found["first_slot_share"] == pytest.approx(np.mean([0.55, 0.9, 0.55, 0.4]))
    baselines = {name: one.value for name, one in report.baselines.items()}
    # The second is longer everywhere.
    assert baselines["accuracy/longer"] == pytest.approx(1 / 3)
    assert baselines["accuracy/shorter"] == pytest.approx(2 / 3)
    assert baselines["accuracy/first"] == pytest.approx(2 / 3)
    assert baselines["accuracy/random"] == 0.5


def test_ties_are_no_flips():
    report = evaluate([pair(1.0)] * 2, [said(0.0, 0.0, tie=1.0), said(1.0, 0.5)])
    found = values(report)
    assert (found["flips"], found["consistent"]) == (0.0, 0.5)
    assert found["ties"] == 0.5
    assert found["accuracy"] == 0.75


def test_one_order_says_nothing_of_two():
    found = values(evaluate([pair(1.0)], [said(0.9)]))
    assert set(found) == {"accuracy", "ties"}


def test_without_labels_the_judge_is_held_against_itself():
    group = Group(prompt=Prompt.of("?"), responses=(Response.of("a"), Response.of("b")))
    report = evaluate([group], [said(0.9, 0.2)])
    assert "accuracy" not in report.metrics
    assert report.metrics["flips"].value == 1.0


def test_swapping_the_pairs_changes_nothing():
    rng = np.random.default_rng(0)
    records, verdicts, turned = [], [], []
    for i in range(60):
        records.append(pair(float(rng.integers(2)), name=str(i % 20), lengths=(3 + i % 4, 5)))
        a, b = rng.random(2).round(2)
        verdicts.append(said(a, b))
        turned.append(said(1 - b, 1 - a))
    found = evaluate(records, verdicts)
    again = evaluate([record.swap() for record in records], turned)
    for name, one in found.metrics.items():
        assert again.metrics[name].value == pytest.approx(one.value), name
        assert again.metrics[name].n == one.n == 20
