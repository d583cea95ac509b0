"""When two numbers are the same: exactly, or within a tolerance that makes up for rounding.

Whatever the two types are, values are compared as what they are: 2**53 + 1 is not 2.0**53, and a
tolerance is held against the exact difference. Two integers or fractions have no rounding to make
up for, and are the same or not.
"""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Final

__all__ = ["Number", "close"]

Number = int | float | complex | Decimal | Fraction

MAX_BITS: Final = 20_000
MAX_DIGITS: Final = 5_000
HALF: Final = Fraction(1, 2)


def close(expected: Number, actual: Number, absolute: float = 0.0, relative: float = 0.0) -> bool:
    """Return whether the two differ by no more than `absolute` plus `relative` times the expected
    one. Two NaN are the same.

    Where one of them is an integer, which has no rounding, the share is no more than a half.
    """
    if isinstance(expected, complex) or isinstance(actual, complex):
        return _complex_close(expected, actual, absolute, relative)
    if _is_nan(expected) or _is_nan(actual):
        return _is_nan(expected) and _is_nan(actual)
    alike = type(expected) is type(actual)
    if not alike and not (_moderate(expected) and _moderate(actual)):
        # to bring numbers of different types together takes time that grows with their squares
        return False
    if expected == actual:  # exact in Python, also between types
        return True
    if _exact(expected) and _exact(actual):
        return False
    if not (absolute or relative) or _is_infinite(expected) or _is_infinite(actual):
        return False  # a share of infinity would be tolerance enough for anything
    if isinstance(expected, float) and isinstance(actual, float):
        return abs(expected - actual) <= absolute + relative * abs(expected)
    if not (_moderate(expected) and _moderate(actual)):
        return False
    wanted, given = Fraction(expected), Fraction(actual)
    share = Fraction(relative) * abs(wanted)
    if isinstance(expected, int) or isinstance(actual, int):
        share = min(share, HALF)
    return abs(wanted - given) <= Fraction(absolute) + share


def _complex_close(expected: Number, actual: Number, absolute: float, relative: float) -> bool:
    one_real, one_imaginary = _parts(expected)
    other_real, other_imaginary = _parts(actual)
    if one_imaginary == other_imaginary == 0.0:
        return close(one_real, other_real, absolute, relative)
    if any(
        _is_nan(part) or _is_infinite(part)
        for part in (one_real, one_imaginary, other_real, other_imaginary)
    ):
        return close(one_real, other_real) and close(one_imaginary, other_imaginary)
    try:
        wanted, given = complex(expected), complex(actual)
        return wanted == given or abs(wanted - given) <= absolute + relative * abs(wanted)
    except OverflowError:
        return False


def _parts(number: Number) -> tuple[int | float | Decimal | Fraction, float]:
    return (number.real, number.imag) if isinstance(number, complex) else (number, 0.0)


def _exact(number: Number) -> bool:
    return isinstance(number, (int, Fraction))


def _is_nan(number: int | float | Decimal | Fraction) -> bool:
    return (
        number.is_nan()
        if isinstance(number, Decimal)
        else isinstance(number, float) and math.isnan(number)
    )


def _is_infinite(number: int | float | Decimal | Fraction) -> bool:
    if isinstance(number, Decimal):
        return number.is_infinite()
    return isinstance(number, float) and math.isinf(number)


def _moderate(number: int | float | Decimal | Fraction) -> bool:
    """Return whether it is small enough to be brought together with a number of another type."""
    match number:
        case int():
            return number.bit_length() <= MAX_BITS
        case Fraction(numerator=top, denominator=bottom):
            return max(top.bit_length(), bottom.bit_length()) <= MAX_BITS
        case Decimal():
            _, digits, exponent = number.as_tuple()
            return isinstance(exponent, str) or (
                len(digits) <= MAX_DIGITS and abs(exponent) <= MAX_DIGITS
            )
        case _:
            return True
