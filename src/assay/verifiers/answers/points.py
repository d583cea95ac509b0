"""Two expressions, compared by their values at random points to many digits.

Unequal at one point proves them different. Equal at all of them proves nothing in general, but two
expressions made of analytic functions alone (sums, products, powers, exponentials, trigonometry)
that agree at random points to fifty digits are the same, but for a chance that does not matter:
that is the second, independent check beside math-verify.

Expressions are read as functions of real variables: a point counts where both values are real.
sqrt(1/n) and 1/sqrt(n) agree wherever they are real; sqrt(x^2) and x do not.
"""

import math
import random
import re
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final, Literal

from mpmath import mp, mpf  # type: ignore[import-untyped]
from sympy import (
    Add,
    I,
    Integer,
    Mul,
    Number,
    NumberSymbol,
    Pow,
    Rational,
    Symbol,
    exp,
    factorial,
    log,
    preorder_traversal,
)
from sympy.core.evalf import PrecisionExhausted
from sympy.core.expr import UnevaluatedExpr
from sympy.core.numbers import ImaginaryUnit
from sympy.functions.elementary.hyperbolic import HyperbolicFunction
from sympy.functions.elementary.trigonometric import (
    InverseTrigonometricFunction,
    TrigonometricFunction,
)

__all__ = ["Agreement", "agreement", "analytic", "digits_for", "exact_value", "same_values"]

Agreement = Literal["equal", "different", "domain", "whole", "unknown"]
"""domain: equal where both are real, but one is real in more places. whole: at whole numbers alone.
unknown: no value could be computed."""

FEWEST: Final = 3
MAX_EXACT_POWER: Final = 64
MAX_FACTORIAL: Final = 5_000
WHOLE_NUMBERS: Final = frozenset("ijkmnN")
"""Names by which whole numbers go."""


def digits_for(*texts: str) -> int:
    """Digits to compute so that a difference such as 10^-60 is seen: by the numbers that the texts
    hold."""
    # Nothing that is looked for goes over a semicolon, from one text into the next.
    joined = " ; ".join(texts)
    literals = re.findall(r"\d+", joined)
    powers = re.findall(r"(?:\^|\*\*)\s*[{(\s]*[-+]?(\d{1,9})", joined)
    sizes = [min(int(n), 20_000) for n in powers]
    return min(60 + 2 * sum(map(len, literals)) + 2 * max(sizes, default=0), 20_000)


def agreement(one: Any, other: Any, digits: int) -> Agreement:
    """Return how two SymPy expressions compare; at one point where neither has a free symbol."""
    names = sorted(one.free_symbols | other.free_symbols, key=str)
    if not names:
        return same_values(_value(one, {}, digits), _value(other, {}, digits), digits)
    found = _over(one, other, _points(names, f"{sorted(map(_spelled, (one, other)))}"), digits)
    if found == "different" and all(name.name in WHOLE_NUMBERS for name in names):
        whole = [
            {name: Integer(start + 3 * place) for place, name in enumerate(names)}
            for start in range(1, 8)
        ]
        return "whole" if _over(one, other, whole, digits) == "equal" else found
    return found


def same_values(one: Any, other: Any, digits: int) -> Agreement:
    """Return whether two computed values are the same, relative to their size, but for the last
    digits."""
    if one is None or other is None:
        return "unknown"
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return "equal" if one == other else "different"
    with mp.workdps(digits + 10):
        one, other = (_floating(value) for value in (one, other))
    close = abs(one - other) <= mpf(10) ** -(digits - 20) * max(abs(one), abs(other))
    return "equal" if close else "different"


def analytic(expression: Any) -> bool:
    """Return whether it is built from functions for which agreement at random points is
    conclusive."""
    allowed: tuple[Any, ...] = (
        Add,
        Mul,
        Pow,
        Number,
        NumberSymbol,
        ImaginaryUnit,
        Symbol,
        exp,
        log,
        UnevaluatedExpr,
    )
    allowed += (TrigonometricFunction, InverseTrigonometricFunction, HyperbolicFunction)
    return all(isinstance(part, allowed) for part in _parts(expression))


def _parts(expression: Any) -> Any:
    return preorder_traversal(expression)


def _over(one: Any, other: Any, points: Sequence[dict[Any, Any]], digits: int) -> Agreement:
    complex_too = one.has(I) or other.has(I)
    inner = [[], []] if complex_too else [_under_roots(side) for side in (one, other)]
    equal = lone = 0
    elsewhere: list[Agreement] = []
    for point in points:
        first, second = _value(one, point, digits), _value(other, point, digits)
        real = [
            value is not None
            and (complex_too or (_is_real(value) and _is_real_inside(parts, point)))
            for value, parts in zip((first, second), inner, strict=True)
        ]
        if all(real):
            if same_values(first, second, digits) == "different":
                return "different"
            equal += 1
        elif any(real):
            lone += 1
        else:
            elsewhere.append(same_values(first, second, digits))
    if lone:
        return (
            "domain"
            if equal >= FEWEST
            else "different"
            if lone >= FEWEST and not equal
            else "unknown"
        )
    # Real nowhere that was tried, such as sqrt(x - 100): then the complex values have to agree.
    everywhere = equal + elsewhere.count("equal")
    return "equal" if equal >= FEWEST or everywhere == len(points) else "unknown"


def _under_roots(expression: Any) -> list[Any]:
    """Return what has to be positive for it to be real all through: the square root of a times that
    of b may look real."""
    found = []
    for part in _parts(expression):
        if part.is_Pow and not part.exp.is_integer and part.base.free_symbols:
            found.append(part.base)
        elif isinstance(part, log) and part.free_symbols:
            found.append(part.args[0])
    return found


def _is_real_inside(parts: Sequence[Any], point: dict[Any, Any]) -> bool:
    """Return whether none of what has to be positive is negative or complex."""
    values = [part.evalf(15, subs=point) for part in parts]
    return all(
        not value.is_negative if value.is_Number else not value.is_number for value in values
    )


def _points(names: Sequence[Any], seed: str) -> list[dict[Any, Any]]:
    """Rational points in all quarters; which ones depends on the expressions alone."""
    draw = random.Random(seed)
    signs = [[1] * len(names)] * 3 + [[-1] * len(names)]
    if len(names) > 1:
        signs += [[1, -1] * len(names), [-1, 1] * len(names), [1] * len(names)]
    signs += [[draw.choice((1, -1)) for _ in names] if len(names) > 1 else [-1] for _ in range(2)]
    return [
        {
            name: sign * Rational(draw.randint(200, 4000), 1009)
            for name, sign in zip(names, row, strict=False)
        }
        for row in signs
    ]


def _spelled(expression: Any) -> str:
    """Return what an expression is made of, for a seed: SymPy's printer takes longer than all the
    values do."""
    parts = (str(part) if part.is_Atom else part.func.__name__ for part in _parts(expression))
    return " ".join(parts)


def _value(expression: Any, point: dict[Any, Any], digits: int) -> Any:
    """The value, exact where it is rational, else as an mpmath number.

    None where there is none, or its digits could not be computed.
    """
    with suppress(_NotRational, ZeroDivisionError):
        return _rational(expression, point)
    try:
        value = expression.evalf(digits, subs=point, maxn=4 * digits + 400, strict=True)
    except PrecisionExhausted:
        value = expression.evalf(digits, subs=point, maxn=4 * digits + 400)
        if not value.is_number or abs(value) > Rational(1, 10 ** (digits // 2)):
            return None
        return mp.zero  # a zero such as sin(pi), of which no digit can be computed
    except (ValueError, TypeError, ArithmeticError, NotImplementedError, AttributeError):
        return None
    real, imaginary = value.as_real_imag()
    if not (real.is_Number and imaginary.is_Number and real.is_finite and imaginary.is_finite):
        return None
    with mp.workdps(digits + 10):
        return (
            mp.mpc(real._to_mpmath(mp.prec), imaginary._to_mpmath(mp.prec))
            if imaginary
            else real._to_mpmath(mp.prec)
        )


def _floating(value: Any) -> Any:
    return mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


class _NotRational(Exception):
    """It is not made of rational numbers by sums, products and small whole powers."""


def _rational(expression: Any, point: dict[Any, Any]) -> Fraction:
    """The exact value of a rational function, in a fiftieth of the time of fifty digits."""
    if expression.is_Rational:
        return Fraction(expression.p, expression.q)
    if expression.is_Symbol:
        return _rational(point[expression], {})
    if expression.is_Add:
        return sum((_rational(part, point) for part in expression.args), start=Fraction(0))
    if expression.is_Mul:
        return math.prod((_rational(part, point) for part in expression.args), start=Fraction(1))
    if expression.is_Pow and expression.exp.is_Integer and abs(expression.exp.p) <= MAX_EXACT_POWER:
        return Fraction(_rational(expression.base, point) ** expression.exp.p)
    if (
        isinstance(expression, factorial)
        and expression.args[0].is_Integer
        and 0 <= expression.args[0] <= MAX_FACTORIAL
    ):
        return Fraction(math.factorial(int(expression.args[0])))
    raise _NotRational


def exact_value(expression: Any) -> Fraction | None:
    """The value of a number that is made of rational ones; None where it is not, or holds a
    division by zero."""
    with suppress(_NotRational, ZeroDivisionError):
        return _rational(expression, {})
    return None


def _is_real(value: Any) -> bool:
    return not getattr(value, "imag", 0)
