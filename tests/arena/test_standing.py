"""What is said of a table: planted advantages are found, and pairs told apart are counted."""

from itertools import combinations

import numpy as np
import pytest

from assay.arena.standing import Standing, standing, trust
from assay.arena.votes import votes


def cast(first: float = 0.0, longer: float = 0.0, n: int = 3000, seed: int = 0) -> Standing:
    """Votes of players of strengths 1, 0, -1, with planted advantages in log-odds."""
    rng, strength = np.random.default_rng(seed), np.array([1.0, 0.0, -1.0])
    a = rng.integers(0, 3, n)
    b = (a + rng.integers(1, 3, n)) % 3
    sizes = rng.integers(1, 200, (n, 2))
    z = strength[a] - strength[b] + first + longer * np.sign(sizes[:, 0] - sizes[:, 1])
    won = rng.random(n) < 1 / (1 + np.exp(-z))
    made = votes(
        ["abc"[i] for i in a], ["abc"[i] for i in b], np.where(won, 0, 1).tolist(),
        cluster=rng.integers(0, 300, n).tolist(), measures={"length": sizes},
    )  # fmt: skip
    return standing("j", made, seed=seed)


@pytest.mark.parametrize("first", [0.0, 0.7])
def test_the_advantage_of_the_first_is_that_between_equals(first: float) -> None:
    found = cast(first).position
    assert found.low < 1 / (1 + np.exp(-first)) < found.high
    assert found.high - found.low < 0.08
    assert (found.low > 0.5) == (first > 0)


def test_the_longer_has_its_share() -> None:
    assert cast(longer=0.8).length.low > 0.6
    fair = cast().length
    assert fair.low < 0.5 < fair.high
    said = " ".join(trust(cast()))
    assert "The longer response gets" in said
    assert "which may be half" in said


def test_pairs_told_apart_are_those_whose_difference_is_not_0() -> None:
    table = cast(n=200)
    told = [
        (found := table.ratings.difference(a, b)).low > 0 or found.high < 0
        for a, b in combinations("abc", 2)
    ]
    assert table.separable == (sum(told), 3)


def test_shares_of_pairs_by_hand() -> None:
    made = votes(["a", "a", "b"], ["b", "b", "a"], [0, 2, 0], weight=[1, 1, 2])
    found = standing("j", made)
    assert found.shares[0, 1] == pytest.approx(1.5 / 4)
    assert found.shares[1, 0] == pytest.approx(2.5 / 4)
    assert np.isnan(found.shares[0, 0])
    assert found.ties.value == pytest.approx(0.25)
    assert found.length is None


def test_an_advantage_that_cannot_be_told_is_said() -> None:
    one_sided = votes(["a"] * 6 + ["b"] * 6, ["b"] * 6 + ["c"] * 6, [0, 1] * 6)
    found = standing("j", one_sided)
    assert isinstance(found.position, str)
    assert "no pair is shown in both orders" in found.position
