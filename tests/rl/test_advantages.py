"""By hand. Three responses earn 1, 0 and 2, a fourth of their group is unscored; one is alone; two
are equal."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.rl.advantages import (
    dr_grpo,
    gae,
    group_mean,
    grpo,
    grpo_process,
    others_mean,
    progress,
    reinforce_plus_plus,
    returns,
    rloo,
    token_rloo,
    whiten,
)

EARNED = np.array([1.0, 4.0, 0.0, np.nan, 3.0, 2.0, 3.0])
GROUPS = np.array([0, 1, 0, 0, 2, 0, 2])
SCORED = ~np.isnan(EARNED)


def lengths(*of: int) -> np.ndarray:
    return np.arange(max(of)) < np.array(of)[:, None]


def test_rloo_by_hand() -> None:
    # 1 - (0 + 2) / 2, 0 - (1 + 2) / 2, 2 - (1 + 0) / 2.
    assert rloo(EARNED, GROUPS, SCORED).tolist() == [0, 0, -1.5, 0, 0, 1.5, 0]


def test_dr_grpo_by_hand() -> None:
    assert dr_grpo(EARNED, GROUPS, SCORED).tolist() == [0, 0, -1, 0, 0, 1, 0]


def test_grpo_by_hand() -> None:
    # The unbiased standard deviation of 1, 0 and 2 is 1.
    assert grpo(EARNED, GROUPS, SCORED) == pytest.approx(
        [0, 0, -1 / 1.0001, 0, 0, 1 / 1.0001, 0], abs=1e-15
    )
    # Of 0, 0, 0 and 4, it is 2.
    found = grpo(np.array([0.0, 0.0, 0.0, 4.0]), np.zeros(4, dtype=int), np.ones(4, dtype=bool))
    assert found == pytest.approx([-1 / 2.0001] * 3 + [3 / 2.0001])


def test_means_by_hand() -> None:
    assert group_mean(EARNED, GROUPS, SCORED).tolist() == [1, 4, 1, 1, 3, 1, 3]
    # The unscored one's others are all three; the lonely one has none.
    assert others_mean(EARNED, GROUPS, SCORED).tolist() == [1, 0, 1.5, 1, 3, 0.5, 3]
    none = np.zeros(7, dtype=bool)
    assert (
        group_mean(EARNED, GROUPS, none).tolist()
        == others_mean(EARNED, GROUPS, none).tolist()
        == [0] * 7
    )


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9), st.floats(-100, 100))
def test_rloo_is_dr_grpo_times_n_over_n_minus_1_and_shifts_change_nothing(
    earned: list[float], shift: float
) -> None:
    n, R = len(earned), np.array(earned)
    group, scored = np.zeros(n, dtype=int), np.ones(n, dtype=bool)
    assert rloo(R, group, scored) == pytest.approx(
        n / (n - 1) * dr_grpo(R, group, scored), abs=1e-9
    )
    for advantage in (rloo, dr_grpo):
        assert advantage(R, group, scored).sum() == pytest.approx(0, abs=1e-9)
        assert advantage(R + shift, group, scored) == pytest.approx(
            advantage(R, group, scored), abs=1e-9
        )


@pytest.mark.parametrize("advantage", [rloo, grpo, dr_grpo])
@pytest.mark.parametrize("reward", [0.0, 0.1, -3.0])
def test_equal_rewards_teach_nothing(advantage, reward: float) -> None:  # type: ignore[no-untyped-def]
    group = np.array([0, 1, 0, 1, 0, 2])
    assert advantage(np.full(6, reward), group, np.ones(6, dtype=bool)) == pytest.approx(
        [0] * 6, abs=1e-10
    )


@pytest.mark.parametrize("advantage", [rloo, grpo, dr_grpo])
def test_prompts_do_not_see_each_other(advantage) -> None:  # type: ignore[no-untyped-def]
    changed = EARNED + 100.0 * (GROUPS == 2) * np.array([0, 0, 0, 0, 1, 0, 3])
    before, after = (advantage(R, GROUPS, SCORED) for R in (EARNED, changed))
    assert (before[GROUPS < 2] == after[GROUPS < 2]).all()
    assert np.isfinite(after).all()


def test_returns_by_hand() -> None:
    rewards = np.array([[1.0, 2.0, 4.0], [3.0, -1.0, 0.0]])
    assert returns(rewards, lengths(3, 2)).tolist() == [[7, 6, 4], [2, -1, 0]]
    assert returns(rewards, lengths(3, 2), 0.5).tolist() == [[3, 4, 4], [2.5, -1, 0]]


def test_reinforce_plus_plus_by_hand() -> None:
    # Returns 6, 5, 3 and 4: mean 4.5, variance 1.25.
    rewards, mask = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]), lengths(3, 1)
    expected = np.array([[1.5, 0.5, -1.5], [-0.5, 0, 0]]) / math.sqrt(1.25)
    assert reinforce_plus_plus(rewards, mask) == pytest.approx(expected, rel=1e-6)
    # With a discount of .5: 2.75, 3.5, 3 and 4, whose mean is 3.3125.
    found = reinforce_plus_plus(rewards, mask, 0.5)
    assert found[0, 0] / found[1, 0] == pytest.approx((2.75 - 3.3125) / (4 - 3.3125))


def test_reinforce_plus_plus_of_equal_outcomes_is_zero() -> None:
    rewards = np.array([[0.0, 0.0, 0.7], [0.7, 0.0, 0.0]])
    assert reinforce_plus_plus(rewards, lengths(3, 1)) == pytest.approx(np.zeros((2, 3)), abs=1e-8)


VALUES = np.array([[0.5, 0.25, 0.75], [0.0, 0.5, 9.0], [9.0, 9.0, 9.0]])
STEPWISE = np.array([[0.0, 0.0, 1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 0.0]])


def test_gae_by_hand() -> None:
    # Errors: .25 at the end, .5 * .75 - .25 = .125, .5 * .25 - .5 = -.375; then -1.5 and 1 + .5 *
    # .5 = 1.25.
    found, targets = gae(STEPWISE, VALUES, lengths(3, 2, 0), discount=0.5, decay=0.5)
    expected = np.array(
        [
            [-0.375 + 0.25 * 0.1875, 0.125 + 0.25 * 0.25, 0.25],
            [1.25 - 0.25 * 1.5, -1.5, 0],
            [0, 0, 0],
        ]
    )
    assert found == pytest.approx(expected, abs=1e-15)
    assert targets == pytest.approx(np.where(lengths(3, 2, 0), expected + VALUES, 0), abs=1e-15)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_gae_between_its_ends(seed: int, discount: float) -> None:
    rng = np.random.default_rng(seed)
    mask = lengths(5, *rng.integers(0, 6, size=3).tolist())
    rewards, values = np.where(mask, rng.normal(size=(4, 5)), 0), rng.normal(size=(4, 5))
    found, targets = gae(rewards, values, mask, discount=discount, decay=1)
    expected = returns(rewards, mask, discount)
    assert found == pytest.approx(np.where(mask, expected - values, 0), abs=1e-12)
    assert targets == pytest.approx(expected, abs=1e-12)
    found, _ = gae(rewards, values, mask, discount=discount, decay=0)
    after = np.concatenate([np.where(mask, values, 0)[:, 1:], np.zeros((4, 1))], axis=1)
    assert found == pytest.approx(np.where(mask, rewards + discount * after - values, 0), abs=1e-12)


def test_grpo_process_by_hand() -> None:
    # Steps of the group earn 1 and 0, and .2: mean .4, unbiased variance (.36 + .16 + .04) / 2 =
    # .28.
    rewards = np.array([[0.0, 1.0, 0.0], [0.0, 0.2, 0.0], [50.0, 0.0, 50.0], [0.0, 7.0, 0.0]])
    ends = np.array([[0, 1, 1], [0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    mask = lengths(3, 2, 0, 2)
    std = math.sqrt(0.28) + 1e-4
    expected = np.array([[0.2, 0.2, -0.4], [-0.2, -0.2, 0], [0, 0, 0], [0, 0, 0]]) / std
    assert grpo_process(rewards, ends, mask, np.array([0, 0, 0, 1])) == pytest.approx(
        expected, abs=1e-12
    )


def test_grpo_process_of_equal_steps_is_zero_and_an_easy_step_more_pays() -> None:
    mask, group = lengths(3, 2), np.zeros(2, dtype=int)
    ends = np.array([[1, 1, 1], [0, 1, 0]], dtype=bool)
    assert grpo_process(0.3 * ends, ends, mask, group) == pytest.approx(np.zeros((2, 3)), abs=1e-10)
    rewards = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    found = grpo_process(rewards, ends, mask, group)
    assert found[0, 0] > found[0, 1] > found[0, 2]


def test_token_rloo_by_hand() -> None:
    # Mean rewards a token: 1, .5 and 2; of the others: 1.25, 1.5 and .75.
    rewards = np.array(
        [[0.0, 1.0, 2.0], [0.5, 0.5, 0.0], [2.0, 0.0, 0.0], [9.0, 9.0, 9.0], [5.0, 5.0, 0.0]]
    )
    mask, group = lengths(3, 2, 1, 0, 2), np.array([0, 0, 0, 0, 1])
    expected = [[-0.75, 0.5, 0.75], [-2, -1, 0], [1.25, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert token_rloo(rewards, mask, group) == pytest.approx(np.array(expected), abs=1e-15)
    assert token_rloo(rewards, mask, group, 0.5)[0] == pytest.approx([-1.1875, 0.125, 0.75])


def test_token_rloo_of_equal_tokens_is_zero() -> None:
    mask = lengths(4, 1, 2)
    assert token_rloo(0.3 * mask, mask, np.zeros(3, dtype=int)) == pytest.approx(
        np.zeros((3, 4)), abs=1e-15
    )


def test_token_rloo_does_not_see_how_a_reward_is_cut_into_steps() -> None:
    mask, group = lengths(4, 2), np.zeros(2, dtype=int)
    one = token_rloo(np.array([[0, 0, 0, 1.0], [0, 0.5, 0, 0]]), mask, group)
    two = token_rloo(np.array([[0, 0.4, 0, 0.6], [0, 0.5, 0, 0]]), mask, group)
    assert one[0, 0] == pytest.approx(two[0, 0])
    assert one[1] == pytest.approx(two[1])


def test_progress_by_hand() -> None:
    rewards = np.array([[0.0, 0.5, 0.0, -0.25], [0.75, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])
    ends = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=bool)
    # Of tokens after the last step's end, nothing is known.
    found = progress(rewards, ends, lengths(4, 2, 0))
    assert found.tolist() == [[0.5, 0.5, -0.25, -0.25], [0.75, 0, 0, 0], [0, 0, 0, 0]]


def test_whiten_by_hand() -> None:
    # 1, 3 and 5: mean 3, variance 8 / 3.
    values, mask, std = np.array([[1.0, 3.0], [5.0, 70.0]]), lengths(2, 1), math.sqrt(8 / 3)
    assert whiten(values, mask) == pytest.approx(np.array([[-2, 0], [2, 0]]) / std, rel=1e-6)
    assert whiten(values, mask, shift=False) == pytest.approx(
        np.array([[1, 3], [5, 0]]) / std, rel=1e-6
    )


def test_whiten_of_what_is_all_alike() -> None:
    values, mask = np.array([[0.1, 0.1], [0.1, 70.0]]), lengths(2, 1)
    assert whiten(values, mask) == pytest.approx(np.zeros((2, 2)), abs=1e-15)
    assert whiten(values, mask, shift=False).tolist() == [[0.1, 0.1], [0.1, 0]]
    assert whiten(values, lengths(2, 1) & False).tolist() == [[0, 0], [0, 0]]


def test_a_batch_of_nothing() -> None:
    none, mask, group, scored = (
        np.zeros(0),
        np.zeros((0, 0), bool),
        np.zeros(0, int),
        np.zeros(0, bool),
    )
    for advantage in (rloo, grpo, dr_grpo):
        assert advantage(none, group, scored).shape == (0,)
    rewards = np.zeros((0, 0))
    assert (
        grpo_process(rewards, mask, mask, group).shape
        == token_rloo(rewards, mask, group).shape
        == (0, 0)
    )
