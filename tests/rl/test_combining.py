"""Several rewards as one advantage: published and hand-made values, invariance, what is missing."""

import numpy as np
import pytest

from assay.errors import ConfigError
from assay.rl.advantages import grpo
from assay.rl.combining import combine, filled, gdpo, whitened

NAN = np.nan
ONE_GROUP = np.zeros(4, dtype=int)


def parts(*columns: tuple[float, ...]) -> np.ndarray:
    return np.array(columns, dtype=float).T


def of_sum(values_B_K: np.ndarray) -> np.ndarray:
    group_B = np.zeros(len(values_B_K), dtype=int)
    return grpo(values_B_K.sum(1), group_B, np.ones(len(values_B_K), dtype=bool))


@pytest.mark.parametrize(
    ("values_B_K", "of_the_sum", "apart"),
    [
        (
            parts((1, 1, 0, 0), (1, 0, 1, 0)),
            [1.2247, 0, 0, -1.2247],
            [1.7321, 0, 0, -1.7321],
        ),
        (
            parts((1, 0, 0, 0), (0, 1, 1, 0)),
            [0.5, 0.5, 0.5, -1.5],
            [0.6340, 0.3660, 0.3660, -1.3660],
        ),
        (parts((0, 0), (0, 1)), [-0.7071, 0.7071], [-0.7071, 0.7071]),
        (parts((0, 1), (0, 1)), [-0.7071, 0.7071], [-1.4142, 1.4142]),
        (parts((1, 0), (0, 1)), [0, 0], [0, 0]),
    ],
)
def test_gdpo_tells_apart_what_a_sum_does_not(
    values_B_K: np.ndarray, of_the_sum: list[float], apart: list[float]
) -> None:
    group_B = np.zeros(len(values_B_K), dtype=int)
    assert of_sum(values_B_K) == pytest.approx(of_the_sum, abs=3e-4)
    assert gdpo(values_B_K, [1, 1], group_B).values_B == pytest.approx(apart, abs=5e-5)


def test_gdpo_has_no_use_for_a_scale_but_for_the_weights() -> None:
    rng = np.random.default_rng(0)
    values_B_K, group_B = rng.normal(size=(24, 3)), np.repeat([0, 1, 2], 8)
    one = gdpo(values_B_K, [1, -2, 0.5], group_B).values_B
    other = gdpo(values_B_K * [1, 50, 3] + [7, 0, -2], [1, -2, 0.5], group_B).values_B
    assert other == pytest.approx(one, abs=1e-9)
    alone = [gdpo(values_B_K[:, [k]], [1], group_B).values_B for k in range(3)]
    assert one == pytest.approx(alone[0] - 2 * alone[1] + 0.5 * alone[2], abs=1e-12)


def test_a_part_that_hardly_varies_is_not_blown_up() -> None:
    noise = 1e-4 * np.array([1, -1, 1, -1])
    found = gdpo(np.stack([[1.0, 1, 0, 0], noise], axis=1), [1, 1], ONE_GROUP)
    assert np.abs(found.values_B - gdpo(parts((1, 1, 0, 0)), [1], ONE_GROUP).values_B).max() < 0.02
    # A judge's noise of .02 in one group, where it usually varies by .5: a tenth of that divides.
    values_B_K = parts((0.02, -0.02, 0.02, -0.02, 0.5, -0.5, 0.5, -0.5))
    two = np.repeat([0, 1], 4)
    sd = [np.sqrt(4 * 0.02**2 / 3), np.sqrt(4 * 0.5**2 / 3)]
    usual = np.sqrt((sd[0] ** 2 + sd[1] ** 2) / 2)
    found = gdpo(values_B_K, [1], two, floor=0.1)
    assert found.spread_K == pytest.approx([usual])
    assert found.values_B[:2] == pytest.approx([0.02 / (0.1 * usual), -0.02 / (0.1 * usual)])
    assert found.values_B[4] == pytest.approx(0.5 / sd[1])
    assert found.figures["floored"] == 0.5
    assert gdpo(values_B_K, [1], two, floor=0).values_B[0] == pytest.approx(0.02 / sd[0])


def test_a_part_without_a_value_takes_nothing_from_the_others() -> None:
    values_B_K = parts((1, 1, 0, 0), (1, NAN, 0, NAN))
    found = gdpo(values_B_K, [1, 1], ONE_GROUP).values_B
    first = gdpo(values_B_K[:, [0]], [1], ONE_GROUP).values_B
    assert found[[1, 3]] == pytest.approx(first[[1, 3]])
    # The second part's mean and spread are of the two that have it.
    assert found[0] - first[0] == pytest.approx(0.5 / np.sqrt(0.5))
    nothing = gdpo(np.full((4, 2), NAN), [1, 1], ONE_GROUP)
    assert nothing.values_B.tolist() == [0] * 4


RDPO = np.array([[1, 1], [1, 0.8], [0, 0.3], [0, 0.1]])


def test_whitening_has_the_published_values() -> None:
    z = [[0.3117, 1.1844], [1.1844, -0.3117], [-1.1844, 0.3117], [-0.3117, -1.1844]]
    for k in range(2):
        found = whitened(RDPO, np.eye(2)[k], ONE_GROUP, shrinkage=0)
        assert found.values_B == pytest.approx(np.array(z)[:, k], abs=5e-5)
    both = whitened(RDPO, [1, 1], ONE_GROUP, shrinkage=0)
    assert both.values_B == pytest.approx([1.4961, 0.8727, -0.8727, -1.4961], abs=5e-5)
    w = np.array([[4.5507, -4.3637], [-4.3637, 7.4805]])
    assert both.influence_K == pytest.approx(w.sum(1), abs=1e-3)
    assert whitened(RDPO, [1, 0], ONE_GROUP, shrinkage=0).influence_K[1] < 0


def test_whitening_pays_once_for_what_two_parts_say() -> None:
    rng = np.random.default_rng(1)
    group_B = np.repeat(np.arange(250), 8)
    a, b = rng.normal(size=(2, 2000))
    twice = whitened(np.stack([a, a, b], axis=1), [1, 1, 1], group_B, shrinkage=0).influence_K
    assert twice[0] == pytest.approx(twice[1])
    # W is (2 vv')^(-1/2) on the direction v of both: their pair weighs √2, where a sum weighs 2.
    assert twice[:2].sum() == pytest.approx(np.sqrt(2), rel=0.05)
    assert twice[2] == pytest.approx(1, rel=0.05)
    values_B = whitened(np.stack([a, 3 * b], axis=1), [1, 1], group_B, shrinkage=0).values_B
    assert values_B.var() == pytest.approx(2 * 7 / 8, rel=0.1)


def test_whitening_leaves_out_what_does_not_vary_and_shrinks_to_the_parts_themselves() -> None:
    constant = np.column_stack([RDPO, np.full(4, 3.0), [NAN] * 4])
    found = whitened(constant, [1, 1, 1, 1], ONE_GROUP, shrinkage=0)
    assert found.values_B == pytest.approx(whitened(RDPO, [1, 1], ONE_GROUP, shrinkage=0).values_B)
    assert found.influence_K[2:].tolist() == [0, 0]
    alone = whitened(RDPO, [1, 1], ONE_GROUP, shrinkage=1).values_B
    assert alone == pytest.approx(gdpo(RDPO, [1, 1], ONE_GROUP).values_B)
    nothing = whitened(np.zeros((4, 2)), [1, 1], ONE_GROUP)
    assert nothing.values_B.tolist() == [0] * 4


def test_groups_are_compared_with_themselves_alone() -> None:
    rng = np.random.default_rng(2)
    values_B_K, group_B = rng.normal(size=(16, 2)), np.tile([0, 1], 8)
    shifted = values_B_K + 100 * group_B[:, None]
    for how in ("gdpo", "whitened"):
        one, other = (combine(how, x, [1, 2], group_B).values_B for x in (values_B_K, shifted))
        assert other == pytest.approx(one, abs=1e-9)
        order = rng.permutation(16)
        mixed = combine(how, values_B_K[order], [1, 2], group_B[order]).values_B
        assert mixed == pytest.approx(one[order], abs=1e-12)
    with pytest.raises(ConfigError, match="gdpo, whitened"):
        combine("sum", values_B_K, [1, 2], group_B)


def test_what_is_missing_is_the_mean_of_the_others() -> None:
    values_B_K = parts((1, NAN, 4, NAN), (NAN, NAN, 2, 3))
    found = filled(values_B_K, np.array([0, 0, 0, 1]))
    assert found[:, 0].tolist() == [1, 2.5, 4, 0]
    assert found[:, 1].tolist() == [2, 2, 2, 3]
