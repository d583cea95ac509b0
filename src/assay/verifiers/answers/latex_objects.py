"""SymPy objects put together as latex2sympy puts them: as they are written, without evaluating
them."""

import itertools
from collections.abc import Sequence
from typing import Any

from latex2sympy2_extended.logic import And
from latex2sympy2_extended.sets import FiniteSet
from sympy import Interval, Mul, Pow, Rational, S, Tuple, Union
from sympy.core.relational import Relational

__all__ = ["beside", "flat", "interval", "is_collection", "negative", "ratio", "related"]


def is_collection(part: Any) -> bool:
    """Return whether it is a set or a tuple."""
    return isinstance(part, (Tuple, Interval, FiniteSet, Union))


def flat(kind: Any, parts: Sequence[Any]) -> Any:
    """A sum or a product of the parts, without another of its kind among them; a single part as it
    is."""
    if len(parts) == 1:
        return parts[0]
    return kind(
        *itertools.chain.from_iterable(_opened(kind, part) for part in parts), evaluate=False
    )


def _opened(kind: Any, part: Any) -> tuple[Any, ...]:
    return part.args if part.func is kind else (part,)


def negative(term: Any) -> Any:
    """Minus the term."""
    return -term if term.is_Number else flat(Mul, [S.NegativeOne, term])


def ratio(top: Any, bottom: Any) -> Any:
    """One divided by the other."""
    if top.is_Integer and bottom.is_Integer:
        return Rational(top, bottom)
    return Mul(top, Pow(bottom, S.NegativeOne, evaluate=False), evaluate=False)


def beside(factors: Sequence[Any]) -> Any:
    """A product of what stands beside each other; at its end, a whole number before a fraction is a
    mixed number."""
    *rest, last = factors
    while rest and rest[-1].is_Integer and last.is_Rational and last.p > 0:
        whole = rest.pop()
        last = Rational(whole * last.q + (-last.p if whole < 0 else last.p), last.q)
    return flat(Mul, [*rest, last])


def related(left: Any, relation: Any, right: Any) -> Any:
    """A relation, or one more link of a chain."""
    if isinstance(left, And):
        return And(
            *left._unsorted_args, relation(left._unsorted_args[-1].rhs, right, evaluate=False)
        )
    if isinstance(left, Relational):
        return And(left, relation(left.rhs, right, evaluate=False))
    return relation(left, right, evaluate=False)


def interval(left: Any, right: Any, left_open: bool, right_open: bool) -> Any:
    """A pair where it would be an empty interval, such as (2, 1)."""
    try:
        if (left_open and right_open and right <= left) or (
            not left_open and not right_open and right < left
        ):
            return Tuple(left, right)
    except TypeError:
        pass
    return Interval(left, right, left_open=left_open, right_open=right_open)
