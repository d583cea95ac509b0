"""Win rates against one baseline: numbers by hand, another library's fit and planted truths."""

import numpy as np
import pytest

from assay.arena.win_rates import Gamed, length_controlled, win_rate
from assay.errors import DataError


def test_a_win_rate_by_hand() -> None:
    found = win_rate([1.0, 0.5, 0.0, 0.75, np.nan])
    assert found.win_rate.value == pytest.approx(56.25)
    assert found.win_rate.unscored == 1
    assert (found.n_wins, found.n_wins_base, found.n_draws) == (2, 1, 1)
    assert found.discrete_win_rate == pytest.approx(62.5)
    assert found.standard_error == pytest.approx(100 * np.std([1, 0.5, 0, 0.75], ddof=1) / 2)
    with pytest.raises(DataError, match="no preference"):
        win_rate([np.nan])
    with pytest.raises(DataError, match="from 0 to 1"):
        win_rate([1.5])


def annotated() -> tuple[np.ndarray, np.ndarray, np.ndarray, Gamed]:
    rng = np.random.default_rng(5)
    n = 200
    delta, gamma = np.round(rng.normal(-300, 600, n)), rng.normal(0, 1, n)
    z = 0.8 * np.tanh(delta / delta.std(ddof=1)) + 0.5 * gamma - 0.6
    y = np.clip(1 / (1 + np.exp(-z)) + rng.normal(0, 0.15, n), 0, 1)
    far = np.concatenate([rng.normal(0, 0.2, n) - 1.2, 0.9 + rng.normal(0, 0.2, n)])
    believed = np.clip(np.where(far < 0, 0.42, 0.55) + rng.normal(0, 0.05, 2 * n), 0, 1)
    gamed = Gamed(preference=believed, delta=far, difficulty=np.concatenate([gamma, gamma]))
    return y, delta, gamma, gamed


def test_the_length_controlled_fit_is_that_of_scikit_learn() -> None:
    """LogisticRegression of scikit-learn 1.9.1 on rows weighted y and 1 - y, without a penalty."""
    y, delta, gamma, gamed = annotated()
    plain = length_controlled(y, delta, gamma)
    weights = (plain.length, plain.difficulty, plain.model)
    np.testing.assert_allclose(weights, (0.81201146, 0.4595739, -0.55412499), atol=1e-6)
    assert plain.win_rate.value == pytest.approx(36.67014566, abs=1e-5)
    held = length_controlled(y, delta, gamma, gamed=gamed)
    weights = (held.length, held.difficulty, held.model)
    np.testing.assert_allclose(weights, (0.67949444, 0.36929822, -0.58181423), atol=1e-6)
    assert held.win_rate.value == pytest.approx(35.92607444, abs=1e-5)


def test_length_control_finds_the_win_rate_at_equal_lengths_and_says_how_sure_it_is() -> None:
    """300 sets of 400 instructions."""
    rng = np.random.default_rng(1)
    n, held = 400, []
    gamma = rng.normal(0, 1, n)
    truth = 100 * np.mean(1 / (1 + np.exp(0.4 - 0.6 * gamma)))
    for _ in range(300):
        delta = rng.normal(-400, 500, n)
        z = 0.9 * np.tanh(delta / delta.std(ddof=1)) + 0.6 * gamma - 0.4
        y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float)
        found = length_controlled(y, delta, gamma)
        held.append(found.win_rate.low < truth < found.win_rate.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_length_control_warns_and_refuses() -> None:
    delta = np.linspace(-500, -100, 60) * np.tile([1, 1.5], 30)
    y = np.clip(0.9 + 0.0004 * (delta + 300), 0, 1)
    found = length_controlled(y, delta)
    assert found.difficulty == 0
    assert "length control moves the win rate" in found.warning
    with pytest.raises(DataError, match="never differ"):
        length_controlled(y, np.zeros(60))
    with pytest.raises(DataError, match="no finite maximum"):
        length_controlled([1.0, 1.0, 0.0, 0.0], [9.0, 8.0, -9.0, -8.0])
