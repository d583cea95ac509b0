from math import inf, sqrt

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.overopt import GaussianGoodhart, best_of_n_kl
from assay.stats import best_of_n


def test_closed_forms():
    world = GaussianGoodhart(2.0, 0.5)
    assert world.alpha == pytest.approx(2 * sqrt(2))
    assert world.beta == pytest.approx(1.0)
    assert world.peak_d == pytest.approx(2 / (2 * sqrt(2) * 0.5))
    assert world.peak_gold == pytest.approx(2.0)
    assert world.gold(world.peak_d) == pytest.approx(world.peak_gold)
    assert world.gold(0.0) == world.proxy(0.0) == 0
    assert GaussianGoodhart(1.0, 0.0).peak_d == inf
    assert GaussianGoodhart(-1.0, 1.0).peak_d == GaussianGoodhart(-1.0, 1.0).peak_gold == 0


@pytest.mark.parametrize("tau", [0.0, 0.8])
def test_the_tilted_policy_by_simulation(tau):
    """z ~ N(lambda, 1) in place of N(0, 1), with the features and noises behind it as they are."""
    world, d = GaussianGoodhart(1.5, 0.4, tau), 1.1
    proxy, gold = world.pools(1, 400_000, seed=0)
    z = proxy[0] / world.spread
    weight = np.exp(sqrt(2) * d * z - d * d)
    for values, wanted in ((proxy[0], world.proxy(d)), (gold[0], world.gold(d))):
        product = weight * values
        assert abs(product.mean() - wanted) < 4 * product.std() / sqrt(len(product))


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_best_of_n_by_simulation(tau):
    world = GaussianGoodhart(1.0, 0.3, tau)
    proxy, gold = world.pools(400, 128, seed=1)
    for n in (1, 4, 16):
        for values, wanted in zip((proxy, gold), world.best_of_n(n), strict=True):
            found = best_of_n(proxy, values, n)
            assert abs(found.mean() - wanted) < 4 * found.std() / sqrt(len(found))


def test_best_of_64_normals():
    proxy, gold = GaussianGoodhart(1.0, 0.0).best_of_n(64)
    assert proxy == pytest.approx(2.344, abs=5e-4)
    assert gold == pytest.approx(proxy)
    assert GaussianGoodhart(1.0, 0.0).proxy(sqrt(best_of_n_kl(64))) == pytest.approx(
        2.520, abs=5e-4
    )
    assert GaussianGoodhart(1.0, 2.0).best_of_n(1) == pytest.approx((0, 0), abs=1e-10)


def test_samples_depend_on_the_seed_alone():
    world = GaussianGoodhart(1.0, 0.5, 0.5)
    np.testing.assert_array_equal(
        world.pools(3, 4, seed=5).gold_P_N, world.pools(3, 4, seed=5).gold_P_N
    )
    assert (world.pools(3, 4, seed=5).proxy_P_N != world.pools(3, 4, seed=6).proxy_P_N).all()


def test_refusals():
    with pytest.raises(ConfigError):
        GaussianGoodhart(1.0, 1.0, -1.0)
    with pytest.raises(DataError):
        GaussianGoodhart(1.0, 1.0).best_of_n(0)
