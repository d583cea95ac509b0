import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.verifiers.answers.closeness import Number, close

numbers = st.integers() | st.floats() | st.fractions() | st.decimals() | st.complex_numbers()
without_nan = (
    st.integers() | st.floats(allow_nan=False) | st.fractions() | st.decimals(allow_nan=False)
)
tolerances = st.floats(0, 0.5)


@given(numbers, tolerances, tolerances)
def test_a_number_is_close_to_itself(number: Number, absolute: float, relative: float) -> None:
    assert close(number, number, absolute, relative)


@given(without_nan, without_nan)
def test_without_a_tolerance_close_is_pythons_equal(one: Number, other: Number) -> None:
    assert close(one, other) == (one == other)


@given(st.integers(), st.integers(), tolerances, tolerances)
def test_integers_are_the_same_or_not(
    one: int, other: int, absolute: float, relative: float
) -> None:
    assert close(one, other, absolute, relative) == (one == other)


@given(st.integers(-(2**80), 2**80), st.integers(-5, 5), tolerances)
def test_an_integer_is_not_another_written_as_a_float(one: int, step: int, relative: float) -> None:
    written = float(one + step)
    assert (
        close(one, written, relative=relative)
        == close(written, one, relative=relative)
        == (one == written)
    )


@given(st.floats(-1e9, 1e9), st.floats(-1, 1), st.floats(1e-9, 1))
def test_a_tolerance_is_held_against_the_exact_difference(
    one: float, step: float, absolute: float
) -> None:
    exact = abs(Fraction(one) - Fraction(one + step)) <= Fraction(absolute)
    assert close(Fraction(one), one + step, absolute) == exact
    assert close(one, Fraction(one + step), absolute) == exact


@pytest.mark.parametrize(
    ("expected", "actual", "absolute", "relative", "same"),
    [
        (1e16, 10**16 + 1, 1e-6, 0.0, False),
        (1e16, 1e16 + 2, 0.0, 1e-7, True),  # of a float a share is given away
        (1e16, 10**16 + 1, 0.0, 1e-7, False),  # of an integer not
        (10**16, 1e16 + 2, 0.0, 1e-7, False),
        (2**53 + 1, float(2**53), 0.0, 1e-3, False),
        (2**53 + 1, 2.0**53, 0.0, 0.0, False),
        (10**9, 10**9 + 0.25, 0.0, 1e-9, True),
        (3, 2.9999999, 1e-6, 0.0, True),
        (3, 3.1, 0.2, 0.0, True),
        (Fraction(1, 3), 0.333333, 1e-5, 0.0, True),
        (Fraction(1, 3), Fraction(333333, 10**6), 1e-5, 0.0, False),
        (Decimal("0.1"), Decimal("0.1000001"), 1e-6, 0.0, True),
        (Decimal("1.50"), Decimal("1.5"), 0.0, 0.0, True),
        (0.5, Decimal("0.5"), 0.0, 0.0, True),
        (0.1, Decimal("0.1"), 0.0, 0.0, False),
        (1 + 1j, 1.0000001 + 1j, 1e-6, 0.0, True),
        (1 + 1j, 1 - 1j, 1e-6, 0.0, False),
        (1e9 + 1j, 1e9 + 1.5j, 0.0, 1e-9, True),
        (2 + 0j, 2, 0.0, 0.0, True),
        (2**53 + 1 + 0j, 2**53 + 1, 0.0, 0.0, False),
        (2, 2 + 1e-12j, 1e-9, 0.0, True),
        (2, 2 + 1e-12j, 0.0, 0.0, False),
        (complex(math.nan, 1), complex(math.nan, 1), 0.0, 0.0, True),
        (complex(math.inf, 1), complex(math.inf, 2), 9.0, 0.5, False),
        (math.inf, 1e308, 1.0, 0.5, False),
        (1e308, -math.inf, 1.0, 0.5, False),
        (math.inf, Decimal("Infinity"), 0.0, 0.0, True),
        (math.nan, Decimal("NaN"), 0.0, 0.0, True),
        (Decimal("sNaN"), Decimal("sNaN"), 0.0, 0.0, True),
        (1.0, Decimal("1e999999"), 1.0, 0.5, False),
        (Decimal("1e999999"), Decimal("1e999999"), 0.0, 0.0, True),
        (1.0, 10**400, 1.0, 0.5, False),
        (10**400, 1.0, 1.0, 0.5, False),
        (1j, 10**400, 1.0, 0.5, False),
    ],
)
def test_what_is_close(
    expected: Number, actual: Number, absolute: float, relative: float, same: bool
) -> None:
    assert close(expected, actual, absolute, relative) is same
