import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import mcnemar, paired_bootstrap


def test_mcnemar_by_hand():
    found = mcnemar([1] * 10 + [0] * 2 + [1] * 5, [0] * 10 + [1] * 2 + [1] * 5)
    # 2 (1 + 12 + 66) / 2^12
    assert found.p_value == pytest.approx(158 / 4096)
    assert (found.only_a, found.only_b, found.n) == (10, 2, 17)


def test_mcnemar_without_discordant_items_says_nothing():
    assert mcnemar([1, 0], [1, 0]).p_value == 1.0
    assert mcnemar([], []).p_value == 1.0


def test_mcnemar_is_symmetric_and_ties_are_discordant():
    a, b = [1, 0.5, 0.5, 0, 1], [0, 0, 1, 0, 1]
    assert (mcnemar(a, b).only_a, mcnemar(a, b).only_b) == (2, 1)
    assert mcnemar(a, b).p_value == mcnemar(b, a).p_value


def test_mcnemar_rejects_no_more_often_than_it_says():
    rng = np.random.default_rng(0)
    rejected = sum(
        mcnemar(rng.integers(0, 2, 80), rng.integers(0, 2, 80)).p_value <= 0.05 for _ in range(500)
    )
    assert rejected / 500 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 500)


def test_pairing_removes_what_the_two_share():
    rng = np.random.default_rng(1)
    shared = 10 * rng.normal(size=200)
    found = paired_bootstrap(shared + 1 + 0.1 * rng.normal(size=200), shared)
    assert found.low < 1 < found.high
    assert found.high - found.low < 0.05
    assert found.n == 200


def test_paired_bootstrap_flips_sign_with_the_order():
    rng = np.random.default_rng(2)
    a, b, ids = rng.random(30), rng.random(30), np.arange(30) // 3
    one, other = paired_bootstrap(a, b, clusters=ids), paired_bootstrap(b, a, clusters=ids)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.n == 10


def test_lengths_must_agree():
    with pytest.raises(DataError, match="one length"):
        paired_bootstrap([1, 2], [1])
