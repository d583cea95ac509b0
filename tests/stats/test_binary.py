"""Yes and no against labels, weighted items, and strata."""

import math

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import proportion, wilson
from assay.stats.agreement import cohen_kappa
from assay.stats.binary import agreement_of, neyman_allocation, stratified_mean


def test_a_table_by_hand():
    truth = [1] * 10 + [0] * 10
    said = [1] * 8 + [0] * 1 + [math.nan] + [0] * 6 + [1] * 4
    found = agreement_of(truth, said, clusters=range(20))
    assert found["agreement"].value == pytest.approx(14 / 20)
    assert found["decided"].value == pytest.approx(14 / 19)
    assert found["sensitivity"].value == pytest.approx(8 / 9)
    assert found["specificity"].value == pytest.approx(6 / 10)
    assert found["balanced_accuracy"].value == pytest.approx((8 / 9 + 6 / 10) / 2)
    assert found["abstention"].value == pytest.approx(1 / 20)
    assert found["constant"].value == pytest.approx(1 / 2)
    known = [i for i, one in enumerate(said) if not math.isnan(one)]
    kappa = cohen_kappa([truth[i] for i in known], [said[i] for i in known])
    assert found["kappa"].value == pytest.approx(kappa.value)
    assert found["kappa"].low == pytest.approx(kappa.low, abs=1e-9)


def test_items_of_one_prompt_are_worth_one():
    truth, said = [1, 0] * 100, [1, 0] * 90 + [0, 1] * 10
    apart = agreement_of(truth, said, clusters=range(200))["agreement"]
    together = agreement_of(truth, said, clusters=[i // 20 for i in range(200)])["agreement"]
    assert apart.value == together.value
    assert together.low < apart.low - 0.05


def test_only_yes_has_no_specificity():
    found = agreement_of([1, 1, 1], [1, 1, 0], clusters=range(3))
    assert found["specificity"].n == 0
    assert math.isnan(found["specificity"].value)
    assert math.isnan(found["balanced_accuracy"].value)


def test_alike_weights_change_little_and_their_scale_nothing():
    credit = [1] * 43 + [0] * 7
    plain = proportion(credit)
    alike = proportion(credit, weights=[2.0] * 50)
    assert alike.low == pytest.approx(proportion(credit, weights=[5.0] * 50).low)
    assert alike.value == plain.value
    assert alike.low == pytest.approx(plain.low, abs=0.02)


def test_a_chosen_set_is_weighted_back():
    """Labels are given to all disagreements that are flagged, and to a tenth of the rest."""
    rng = np.random.default_rng(0)
    held, values = 0, []
    for _ in range(200):
        right = rng.random(4000) < 0.9
        flagged = rng.random(4000) < np.where(right, 0.05, 0.8)
        share = np.where(flagged, 0.5, 0.05)
        taken = rng.random(4000) < share
        found = proportion(right[taken].astype(float), weights=1 / share[taken])
        held += found.low <= 0.9 <= found.high
        values.append(found.value)
        assert right[taken].mean() < 0.8  # What must not be reported.
    assert np.mean(values) == pytest.approx(0.9, abs=0.005)
    assert held / 200 > 0.92


def test_strata_by_hand_and_by_simulation():
    found = stratified_mean([0, 1, 1, 1, 1, 0, 0, 0], list("aaaabbbb"), {"a": 0.25, "b": 0.75})
    assert found.value == pytest.approx(0.25 * 0.75 + 0.75 * 0.25)
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        values = [*(rng.random(40) < 0.9), *(rng.random(60) < 0.5)]
        one = stratified_mean(values, ["a"] * 40 + ["b"] * 60, {"a": 0.8, "b": 0.2})
        held += one.low <= 0.82 <= one.high
    assert 0.9 < held / 300 < 0.99
    with pytest.raises(DataError, match="sum to 1"):
        stratified_mean([0, 1], ["a", "a"], {"a": 0.5})
    with pytest.raises(DataError, match="fewer than two"):
        stratified_mean([0, 1, 1], ["a", "a", "b"], {"a": 0.5, "b": 0.5})


def test_neyman_asks_where_it_varies():
    assert neyman_allocation([0.5, 0.5], [0.1, 0.3], 100) == pytest.approx([25, 75])
    shares, spreads = np.array([0.7, 0.3]), np.array([0.2, 0.5])
    best = np.array(neyman_allocation(shares, spreads, 100))
    variance = [
        float((shares**2 * spreads**2 / np.array([n, 100 - n])).sum()) for n in range(1, 100)
    ]
    assert float((shares**2 * spreads**2 / best).sum()) <= min(variance) + 1e-12


@pytest.mark.parametrize(("right", "n"), [(48, 50), (92, 100), (180, 200), (354, 400)])
def test_the_least_whose_lower_end_is_85(right, n):
    assert wilson(right, n).low >= 0.85 > wilson(right - 1, n).low


def test_43_of_50():
    found = wilson(43, 50)
    assert (found.low, found.high) == (
        pytest.approx(0.738, abs=5e-4),
        pytest.approx(0.930, abs=5e-4),
    )
