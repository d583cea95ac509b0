from math import inf, nan

import pytest

from assay.stats import Estimate
from assay.stats.numbers import beside, fixed, interval, number


@pytest.mark.owed
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0162064, "0.0162"),
        (5.55e-17, "0"),
        (-8.2e-14, "0"),
        (0.000406, "0.000406"),
        (1.5e-7, "1.5e-7"),
        (1234.5, "1,234"),
        (52_370_176, "52,370,176"),
        (1e40, "1e40"),
        (-2.5, "-2.5"),
        (inf, "∞"),
        (nan, "n/a"),
    ],
)
def test_numbers_have_few_digits_and_no_rounding_noise(value, shown):
    assert number(value) == shown
    assert len(fixed(value)) <= 12


def test_an_interval_suits_its_size_and_says_where_there_is_none():
    e = Estimate(value=0.25, low=-0.0001, high=0.5, n=9)
    assert beside(e) == "0.250 [-0.000, 0.500]"
    assert interval(e) == "[-0.0001, 0.5]"
    assert interval(Estimate(value=1.0, low=1e-9, high=5.0, n=9)) == "[0, 5]"
    assert "no interval" in beside(Estimate(value=1.0, low=nan, high=nan, n=1))
    assert fixed(1e-5) == "1e-5"
    assert fixed(0.00123, sign=True) == "+0.001"
