"""Equations and inequalities: what a chain of them says, what an assignment names, which numbers
satisfy them."""

import itertools
from typing import Any

from latex2sympy2_extended.logic import And
from math_verify.grader import unwrap_fcs
from sympy import (
    Eq,
    FiniteSet,
    Ge,
    Gt,
    Intersection,
    Interval,
    Le,
    Lt,
    Ne,
    S,
    Set,
    Symbol,
    Tuple,
    oo,
    solve,
)
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from assay.verifiers.answers.points import agreement, digits_for

__all__ = [
    "as_zero",
    "assigned",
    "chain_end",
    "names_a_value",
    "renamed",
    "solutions",
    "solved",
    "unnamed",
]


def chain_end(side: Any) -> Any | None:
    """x = 2 + 3 = 5 as x = 5; None where it says of different numbers that they are equal: 1 = 2 =
    3."""
    links = side._unsorted_args if isinstance(side, And) else (side,)
    if not links or not all(isinstance(link, Eq) for link in links):
        return side
    chained = all(a.rhs == b.lhs for a, b in itertools.pairwise(links))
    if not chained:
        return side  # x = 1 and y = 2
    members = [links[0].lhs, *(link.rhs for link in links)]
    numbers = [member for member in members if getattr(member, "is_number", False)]
    digits = digits_for(*map(str, numbers))
    if any(agreement(numbers[0], number, digits) == "different" for number in numbers[1:]):
        return None
    if len(numbers) == len(members):
        return members[-1]  # 6/2 = 3
    return Eq(members[0], members[-1], evaluate=False) if len(links) > 1 else side


def names_a_value(side: Any) -> bool:
    """Return whether it is an equation such as x = 5 or f(x) = x^2: a name and what it stands
    for."""
    return (
        isinstance(side, Eq)
        and _is_name(side.lhs)
        and not (isinstance(side.rhs, Set) and not side.rhs.is_FiniteSet)
    )


def _is_name(side: Any) -> bool:
    return isinstance(side, (Symbol, AppliedUndef))


def unnamed(side: Any, other: Any) -> Any:
    """5 for "x = 5", where the other side is no equation."""
    return side.rhs if names_a_value(side) and not isinstance(other, (Relational, And)) else side


def assigned(side: Any) -> dict[str, Any] | None:
    """The values of "x = 1, y = 2" and of "(x, y) = (1, 2)" by their names, which must be
    different."""
    if (
        isinstance(side, Eq)
        and isinstance(side.lhs, Tuple)
        and isinstance(side.rhs, (Tuple, Interval))
    ):
        values = side.rhs.args if isinstance(side.rhs, Tuple) else (side.rhs.start, side.rhs.end)
        pairs = list(zip(side.lhs.args, values, strict=False))
        complete = len(side.lhs.args) == len(values)
    elif isinstance(side, FiniteSet):
        complete = all(isinstance(part, Eq) for part in side.args)
        pairs = [(part.lhs, part.rhs) for part in side.args] if complete else []
    else:
        return None
    names = {str(name) for name, _ in pairs}
    if (
        not complete
        or len(names) != len(pairs)
        or not all(isinstance(name, Symbol) for name, _ in pairs)
    ):
        return None
    return {str(name): value for name, value in pairs}


def renamed(one: Any, other: Any) -> tuple[Any, Any]:
    """f(t) = t^2 with the variable of f(x) = x^2."""
    calls = [
        side.lhs
        for side in (one, other)
        if isinstance(side, Eq) and isinstance(side.lhs, AppliedUndef)
    ]
    if len(calls) == 2 and calls[0].func == calls[1].func:
        variables = [call.args for call in calls]
        if len(variables[0]) == len(variables[1]) and all(
            isinstance(name, Symbol) for name in sum(variables, ())
        ):
            # Of f(x) = n + 1 the n is another one, and stays so beside f(n) = n + 1.
            free = other.rhs.free_symbols - {*variables[1]}
            if free & {*variables[0]}:
                return one, other
            return one, other.xreplace(dict(zip(variables[1], variables[0], strict=True)))
    return one, other


def solutions(relation: Any) -> Any | None:
    """The set of real numbers that satisfy it; None where it has several variables or cannot be
    solved."""
    names = relation.free_symbols
    if len(names) != 1:
        return None
    (name,) = names
    if (ray := _ray(relation, name)) is not None:
        return ray
    links = relation._unsorted_args if isinstance(relation, And) else (relation,)
    try:
        sets = [unwrap_fcs(link).as_set() for link in links if link not in (S.true,)]
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    found = Intersection(*sets) if len(sets) > 1 else sets[0]
    return None if found.free_symbols - {name} or found.has(name) else found


def _ray(relation: Any, name: Any) -> Any | None:
    """The numbers of x >= 5, without solving; None for what is not as simple."""
    if relation.func not in (Ge, Gt, Le, Lt) or relation.lhs != name or not relation.rhs.is_number:
        return None
    end, strict = relation.rhs, relation.func in (Gt, Lt)
    return (
        Interval(end, oo, strict, True)
        if relation.func in (Ge, Gt)
        else Interval(-oo, end, True, strict)
    )


def solved(relation: Any) -> bool:
    """Return whether SymPy finds a solution."""
    try:
        return bool(solve(relation, relation.free_symbols))
    except NotImplementedError:
        return False


def as_zero(relation: Any) -> tuple[str, Any]:
    """The relation as (sign, left side) of "left side = 0", "!= 0", "< 0" or "<= 0"."""
    difference = relation.lhs - relation.rhs
    if isinstance(relation, (Gt, Ge)):
        return ("<" if isinstance(relation, Gt) else "<="), -difference
    signs = ((Eq, "="), (Ne, "!="), (Le, "<="))
    return next((sign for kind, sign in signs if isinstance(relation, kind)), "<"), difference
