from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from assay.errors import DataError
from assay.overopt.kl import (
    best_of_n_chi2,
    best_of_n_from_kl,
    best_of_n_kl,
    best_of_poisson_kl,
    discrete_kl,
    empirical_kl,
    pool_kl,
    tilt_kl,
    trusted,
)


def kl_of_density(q):
    """Of a density over the quantile from the uniform one, by adaptive quadrature."""
    return quad(lambda u: q(u) * log(q(u)) if q(u) > 0 else 0.0, 0, 1, epsabs=1e-12, limit=200)[0]


def test_best_of_n_by_quadrature():
    for n in (2, 5, 64):
        assert best_of_n_kl(n) == pytest.approx(
            kl_of_density(lambda u, n=n: n * u ** (n - 1)), abs=1e-9
        )
        chi2 = quad(lambda u, n=n: (n * u ** (n - 1)) ** 2, 0, 1)[0] - 1
        assert best_of_n_chi2(n) == pytest.approx(chi2, rel=1e-9)
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(16) == pytest.approx(log(16) - 15 / 16, abs=1e-15)
    assert best_of_n_kl([1, 2]) == pytest.approx([0, log(2) - 0.5])


@settings(deadline=None)
@given(st.floats(1, 1e9))
def test_the_inverse_goes_back(n):
    assert best_of_n_from_kl(best_of_n_kl(n)) == pytest.approx(n, rel=1e-9)


@settings(deadline=None)
@given(st.floats(0, 700))
def test_and_forth(kl):
    n = best_of_n_from_kl(kl)
    assert n >= 1
    assert best_of_n_kl(n) == pytest.approx(kl, rel=1e-9, abs=1e-15)


def test_the_inverse_at_its_ends():
    assert best_of_n_from_kl(0.0) == 1
    assert best_of_n_from_kl(2000.0) == np.inf
    np.testing.assert_allclose(best_of_n_from_kl([[0.0, log(2) - 0.5]]), [[1, 2]])


def by_enumeration(p, proxy, n):
    """Probability that each outcome is the best of n, by enumeration over how often the ties of the
    best were drawn."""
    chosen = []
    for i in range(len(p)):
        below = sum(q for q, x in zip(p, proxy, strict=True) if x < proxy[i])
        tied = sum(q for q, x in zip(p, proxy, strict=True) if x == proxy[i])
        at_top = sum(comb(n, k) * tied**k * below ** (n - k) for k in range(1, n + 1))
        chosen.append(p[i] / tied * at_top)
    return chosen


def test_discrete_by_enumeration_with_ties():
    p, proxy = [0.1, 0.25, 0.2, 0.15, 0.3], [3.0, 1.0, 3.0, 0.0, 2.0]
    for n in (1, 2, 7, 30):
        q = by_enumeration(p, proxy, n)
        assert sum(q) == pytest.approx(1)
        wanted = sum(b * log(b / a) for a, b in zip(p, q, strict=True))
        assert discrete_kl(p, proxy, n) == pytest.approx(wanted, abs=1e-12)
    # Its limit is that of the top group, whose mass is 0.3.
    assert discrete_kl(p, proxy, 10_000) == pytest.approx(-log(0.3), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(1, 200))
def test_the_formula_is_an_upper_bound(pool, n):
    found = float(empirical_kl(pool, n))
    assert -1e-12 <= found <= float(best_of_n_kl(n)) + 1e-12
    assert found <= -log(pool.count(max(pool)) / len(pool)) + 1e-12


def test_within_trust_a_pool_without_ties_gives_the_formula():
    pool = np.random.default_rng(0).normal(size=1024)
    ns = [1, 2, 8, 64, 128]
    gap = best_of_n_kl(ns) - empirical_kl(pool, ns)
    assert (gap >= 0).all()
    assert (gap < 0.001).all()
    assert gap[-1] == pytest.approx((1 / 8) ** 2 / 24, rel=0.05)


def test_duplicates_break_the_formula_and_keys_count():
    # Ten texts, each 20 times: at best 1/10 of the mass.
    pool = np.repeat(np.arange(10.0), 20)
    assert float(empirical_kl(pool, 1000)) == pytest.approx(log(10), abs=1e-3)
    # The same texts, scored with noise: only the keys tell that they repeat.
    noisy = pool + np.random.default_rng(1).normal(size=200) * 1e-3
    assert float(empirical_kl(noisy, 1000)) > log(10) + 1
    keys = [f"text {int(k)}" for k in pool]
    assert float(empirical_kl(noisy, 1000, keys=keys)) == pytest.approx(log(10), abs=1e-3)
    assert float(empirical_kl([1.0, np.nan, 2.0], 1, keys=["a", "b", "c"])) == 0


@pytest.mark.parametrize("mu", [0.01, 1.0, 5.0, 19.9, 20.1, 200.0, 600.0])
def test_best_of_poisson_by_quadrature(mu):
    # Over x = mu (1 - u), lest the density be missed.
    def of(x):
        log_q = log(1 + mu - x) - x
        return exp(log_q) * log_q

    wanted = quad(of, 0, min(mu, 60.0), epsabs=1e-13, limit=200)[0] / mu
    assert best_of_poisson_kl(mu) == pytest.approx(wanted, abs=1e-10, rel=1e-8)


def test_best_of_poisson_is_nearly_as_near_as_the_tilt_of_its_quality():
    """The figures of arXiv:2506.19248: at equal mean quantile within 1.2e-4 and 5.2e-4 nats; mu 20
    is 2.047."""
    assert best_of_poisson_kl(20) == pytest.approx(2.047, abs=5e-4)
    assert best_of_n_kl(21) == pytest.approx(2.092, abs=5e-4)
    assert best_of_poisson_kl(0) == 0
    for mu, gap in ((1.0, 1.2e-4), (5.0, 5.2e-4)):
        quality = 1 - (mu - 1 + exp(-mu)) / mu**2
        low, high = 0.0, 1000.0
        for _ in range(200):
            middle = (low + high) / 2
            mean = 1 / (1 - exp(-middle)) - 1 / middle
            low, high = (middle, high) if mean < quality else (low, middle)
        assert best_of_poisson_kl(mu) - tilt_kl(low) == pytest.approx(gap, rel=0.05)


def test_tilt_by_quadrature():
    for strength in (1e-3, 0.0199, 0.0201, 1.0, 30.0):
        scale = strength / (exp(strength) - 1)
        wanted = kl_of_density(lambda u, s=strength, c=scale: c * exp(s * u))
        assert tilt_kl(strength) == pytest.approx(wanted, rel=1e-6, abs=1e-12)
    assert tilt_kl(0) == 0
    assert np.isfinite(tilt_kl(5000.0))


def test_trusted():
    assert trusted(8, 64)
    assert not trusted(9, 64)
    np.testing.assert_array_equal(trusted([1, 2], 8), [True, False])


def test_refusals():
    for call in (
        lambda: best_of_n_kl(0.5),
        lambda: best_of_n_from_kl(-1),
        lambda: best_of_poisson_kl(-1),
        lambda: tilt_kl([-0.1]),
        lambda: discrete_kl([0.5, 0.4], [1, 2], 2),
        lambda: discrete_kl([1.0, 0.0], [1, 2], 2),
        lambda: discrete_kl([0.5, 0.5], [1, np.nan], 2),
        lambda: discrete_kl([0.5, 0.5], [1, 2], 2, keys=["a"]),
        lambda: empirical_kl([np.nan], 1),
        lambda: empirical_kl([1.0, 2.0], 0),
        lambda: best_of_n_kl(np.nan),
    ):
        with pytest.raises(DataError):
            call()


def test_one_response_is_no_selection():
    """n = 1 is the policy itself: 0 to the last bit, with ties, repeats and missing scores."""
    for pool, keys in (
        ([1.0, 1.0, 2.0], None),
        ([0.3, 0.1, 0.7], ["a", "a", "b"]),
        ([0.1, np.nan, 0.2, 0.2], None),
    ):
        assert empirical_kl(pool, [1, 2], keys=keys)[0] == 0.0
    assert best_of_n_kl(1) == 0.0


@pytest.mark.owed
def test_a_small_pool_without_ties_is_not_said_to_have_any():
    """The formula to the last digit where nothing ties; ties lower it, all of them to 0, and never
    past their limit."""
    for size in (2, 3, 8, 64):
        ns = list(range(1, size + 1))
        np.testing.assert_array_equal(pool_kl(np.arange(size) * 0.1, ns), best_of_n_kl(ns))
        np.testing.assert_array_equal(pool_kl(np.ones(size), ns), np.zeros(size))
    assert float(pool_kl([0.3, 0.1], 2)) == pytest.approx(log(2) - 0.5)
    half = pool_kl([0.0, 0.0, 1.0, 1.0], [1, 2, 3, 4])
    assert (np.diff(half) > 0).all()
    assert half[-1] <= log(2)
    # Of large pools it is what the pool itself says.
    many = np.random.default_rng(0).integers(0, 5, size=4000)
    np.testing.assert_allclose(pool_kl(many, [4, 64]), empirical_kl(many, [4, 64]), atol=1e-3)
    assert float(pool_kl([1.0, np.nan, 2.0], 2, keys=["a", "b", "c"])) == best_of_n_kl(2)
