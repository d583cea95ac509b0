from itertools import combinations

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import majority_curve, weighted_majority_curve

NAN = float("nan")
ANSWERS = [["a", "b", "b", None, "c", "a", "d"], ["x", "x", "y", "y", "z", None, None]]
RIGHT = [[1, 0, 0, 0, 0, 1, 0], [0, 0, 1, 1, 0, 0, 0]]
SCORES = np.array([[0.9, 0.2, 0.3, 0.8, 0.5, 0.1, 0.4], [0.6, 0.5, 0.2, 0.3, 0.7, 0.9, 0.1]])


def by_brute_force(answers, right, weights, n):
    """Mean over all subsets of the rightness of the answer with most votes, averaged over tied
    answers."""
    outcomes = []
    for subset in combinations(range(len(answers)), n):
        votes, correct = {}, {}
        for i in subset:
            if answers[i] is not None:
                votes[answers[i]] = votes.get(answers[i], 0) + weights[i]
                correct[answers[i]] = right[i]
        top = max(votes.values(), default=0)
        outcomes.append(
            np.mean([correct[a] for a in votes if abs(votes[a] - top) < 1e-9]) if votes else 0
        )
    return np.mean(outcomes)


@pytest.mark.parametrize("weighted", [False, True])
def test_votes_by_brute_force(weighted):
    weights = SCORES if weighted else np.ones_like(SCORES)
    ns, draws = [1, 2, 3, 5, 7], 4000
    if weighted:
        points = weighted_majority_curve(ANSWERS, RIGHT, SCORES, ns, draws=draws, resamples=10)
    else:
        points = majority_curve(ANSWERS, RIGHT, ns, draws=draws, resamples=10)
    for point in points:
        wanted = np.mean(
            [by_brute_force(ANSWERS[p], RIGHT[p], weights[p], point.n) for p in range(2)]
        )
        # Exact where there is nothing to draw, else within four standard errors of 2 x 4,000 draws
        # in [0, 1].
        slack = 1e-9 if point.n in (1, 7) else 4 * 0.5 / np.sqrt(2 * draws)
        assert point.estimate.value == pytest.approx(wanted, abs=slack)


def test_the_whole_pool_needs_no_draws():
    one = majority_curve(ANSWERS, RIGHT, [7], draws=1, resamples=10)[0].estimate.value
    # First pool: a and b tie and one is right; second: x and y tie and one is right.
    assert one == 0.5


def test_equal_scores_are_a_plain_majority():
    plain = majority_curve(ANSWERS, RIGHT, [2, 4], draws=50, resamples=10)
    weighted = weighted_majority_curve(
        ANSWERS, RIGHT, np.full((2, 7), 0.3), [2, 4], draws=50, resamples=10
    )
    assert [p.estimate.value for p in plain] == pytest.approx([p.estimate.value for p in weighted])


def test_nobody_votes_and_nothing_is_right():
    assert majority_curve([[None, None]], [[0, 0]], [1, 2], resamples=10)[1].estimate.value == 0


def test_unscored_votes_leave_the_pool_and_are_counted():
    scores = np.array([[0.1, NAN, 0.2], [0.5, 0.5, 0.9]])
    answers, right = [["a", "b", "a"], ["a", "a", "b"]], [[1, 0, 1], [0, 0, 1]]
    points = weighted_majority_curve(answers, right, scores, [2, 3], draws=20, resamples=10)
    assert [p.estimate.n for p in points] == [2, 1]
    assert [p.estimate.unscored for p in points] == [1, 1]
    assert points[1].estimate.value == 0


def test_padding_is_not_a_vote_and_not_unscored():
    points = majority_curve(
        [["a", "b", None], ["a", "a", "b"]], [[1, 0, NAN], [1, 1, 0]], [1, 3], resamples=10
    )
    assert points[0].estimate.value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (points[1].estimate.n, points[1].estimate.unscored) == (1, 0)


def test_what_is_not_there_is_never_drawn():
    # Two of four places are padding or unscored; a vote of two is then of the two that are there.
    answers, right = [[None, "a", "b", "b"]], [[NAN, 1, 0, 0]]
    scores = [[NAN, 0.6, 0.5, NAN]]
    assert weighted_majority_curve(answers, right, scores, [2], resamples=10)[0].estimate.value == 1


def test_a_tie_survives_rounding_and_a_small_lead_is_not_a_tie():
    answers, right = [["a", "a", "a", "b"]], [[1, 1, 1, 0]]
    tied = weighted_majority_curve(answers, right, [[0.1, 0.1, 0.1, 0.3]], [4], resamples=10)
    assert tied[0].estimate.value == pytest.approx(0.5)
    ahead = weighted_majority_curve(answers, right, [[0.1, 0.1, 0.1, 0.301]], [4], resamples=10)
    assert ahead[0].estimate.value == 0


def test_refusals():
    with pytest.raises(DataError, match="nonnegative"):
        weighted_majority_curve([["a"]], [[1]], [[-0.1]], [1])
    with pytest.raises(DataError, match="at least 1"):
        majority_curve([["a"]], [[1]], [0])
