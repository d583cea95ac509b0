import itertools
import math

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import selective
from assay.stats.selective import area_under_risk


def by_hand(sure, errors):
    """The mean over all orders that sort by sureness of the mean risk of the first i rows."""
    n, found = len(sure), []
    for order in itertools.permutations(range(n)):
        if all(sure[a] >= sure[b] for a, b in itertools.pairwise(order)):
            e = [errors[i] for i in order]
            found.append(sum(sum(e[:i]) / i for i in range(1, n + 1)) / n)
    return sum(found) / len(found)


@pytest.mark.parametrize("seed", range(5))
def test_area_is_the_mean_over_all_orders_of_ties(seed):
    rng = np.random.default_rng(seed)
    sure, errors = rng.integers(0, 3, size=6), rng.integers(0, 3, size=6) / 2
    assert area_under_risk(sure, errors).mean() == pytest.approx(by_hand(sure, errors))


def test_area_knows_no_order_of_rows():
    rng = np.random.default_rng(0)
    sure, credit = rng.integers(0, 4, size=50), rng.integers(0, 2, size=50)
    order = rng.permutation(50)
    here, there = selective(sure, credit), selective(sure[order], credit[order])
    assert here.aurc.value == pytest.approx(there.aurc.value)
    assert [p.accuracy for p in here.curve] == [p.accuracy for p in there.curve]


def test_areas_of_no_and_of_perfect_confidence():
    right = np.array([1.0] * 60 + [0.0] * 40)
    nothing = selective(np.zeros(100), right)
    assert nothing.aurc.value == pytest.approx(0.4)
    assert nothing.random.value == pytest.approx(0.4)
    assert len(nothing.curve) == 1, "all are as sure: there is one threshold"
    perfect = selective(right, right)
    assert perfect.excess.value == pytest.approx(0)
    # Errors come last: risk is 0 up to 60, then (i - 60)/i.
    assert perfect.oracle.value == pytest.approx(sum((i - 60) / i for i in range(61, 101)) / 100)


def test_points_accept_all_that_are_as_sure():
    curve = selective([3, 2, 2, 1], [1, 1, 0, 0], coverages=(0.25, 0.5, 1.0)).curve
    assert [p.threshold for p in curve] == [3, 2, 1]
    assert [p.share.value for p in curve] == [0.25, 0.75, 1.0]
    assert [p.accuracy.value for p in curve] == pytest.approx([1, 2 / 3, 1 / 2])


def test_interval_holds_the_area_by_cluster():
    held, rng = 0, np.random.default_rng(0)
    # P(right | u) = u: the area of all rows is the mean over c of 1 - (1 - c/2).
    truth = 0.25
    for _ in range(200):
        u = rng.random(60)
        right = (rng.random(60) < u).astype(float)
        # Each row twice: clusters, not rows, are what counts.
        found = selective(np.repeat(u, 2), np.repeat(right, 2), clusters=np.arange(120) // 2).aurc
        held += found.low <= truth <= found.high
        assert found.n == 60
    assert 0.90 <= held / 200 <= 0.99


def test_nothing_and_nonsense():
    none = selective([], [])
    assert math.isnan(none.aurc.value)
    assert none.curve == []
    with pytest.raises(DataError, match="NaN"):
        selective([math.nan], [1])
