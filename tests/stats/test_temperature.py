import math

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from assay.stats import cross_fitted, temperature


def planted(n, options, truth, seed=0, spread=3.0):
    """Logits, and one-hot labels drawn from softmax(logits / truth)."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=(n, options))
    draws = rng.random((n, 1)) > np.cumsum(softmax(logits / truth, axis=1), axis=1)
    return logits, np.eye(options)[draws.sum(axis=1).clip(max=options - 1)]


@pytest.mark.parametrize("options", [2, 4])
@pytest.mark.parametrize("truth", [0.5, 2.0])
def test_planted_temperature_is_inside_its_interval(options, truth):
    held = []
    for seed in range(100):
        found = temperature(*planted(150, options, truth, seed=seed))
        held.append(found.low <= truth <= found.high)
        assert found.high / found.low < 4
    assert np.mean(held) >= 0.89


def test_temperature_minimises_the_loss():
    logits, gold = planted(300, 3, 2.0)
    gold = 0.9 * gold + 0.1 / 3

    def loss(t):
        return -(gold * log_softmax(logits / t, axis=1)).sum()

    best = temperature(logits, gold).value
    assert loss(best) < min(loss(best * 0.999), loss(best * 1.001))
    assert temperature(logits * 7 + 5, gold).value == pytest.approx(7 * best)


def test_options_that_a_row_lacks_do_not_count():
    logits, gold = planted(200, 2, 2.0)
    wide = np.column_stack([logits, np.full(200, -np.inf)])
    three = np.column_stack([gold, np.zeros(200)])
    assert temperature(wide, three).value == pytest.approx(temperature(logits, gold).value)
    assert temperature(wide, three).high == pytest.approx(temperature(logits, gold).high)


def test_repeated_rows_of_a_cluster_are_no_more_certain():
    logits, gold = planted(100, 2, 2.0)
    once = temperature(logits, gold)
    ids = np.tile(np.arange(100), 3)
    thrice = temperature(np.tile(logits, (3, 1)), np.tile(gold, (3, 1)), clusters=ids)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_there_is_none_where_logits_know_nothing_or_everything():
    logits, gold = planted(200, 2, 1.0)
    for bad in (temperature(-logits, gold), temperature(20 * (2 * gold - 1), gold)):
        assert math.isnan(bad.value)
    assert math.isnan(temperature(logits[:1], gold[:1]).value)


def test_a_cluster_is_fitted_by_the_others():
    logits, gold = planted(100, 2, 2.0)
    ids = np.arange(100) // 2
    before = cross_fitted(logits, gold, clusters=ids)
    gold[:2] = gold[:2, ::-1]
    after = cross_fitted(logits, gold, clusters=ids)
    mine = before == before[0]
    assert (before[mine] == after[mine]).all()
    assert (before[~mine] != after[~mine]).all()
    assert before[0] == before[1]
    order = np.random.default_rng(1).permutation(100)
    moved = cross_fitted(logits[order], gold[order], clusters=ids[order])
    assert moved == pytest.approx(after[order])
    assert len(set(before)) == 5
