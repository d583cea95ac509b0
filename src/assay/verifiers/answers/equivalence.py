"""Whether two LaTeX answers are the same mathematics: run in a worker process, because SymPy can
loop.

Sets, tuples, intervals, matrices and equations are taken apart. Expressions are compared by value
at random points (`points`), and where that is not conclusive math-verify
(https://github.com/huggingface/Math-Verify) has to agree, asked in both orders because its answer
depends on it. What only one of the two checks says is "undecided". The relation is reflexive and
symmetric by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from latex2sympy2_extended.logic import And
from math_verify import verify
from sympy import (
    Add,
    Derivative,
    E,
    Eq,
    Expr,
    FiniteSet,
    Ge,
    Gt,
    Integral,
    Intersection,
    Interval,
    Le,
    Limit,
    Lt,
    MatrixBase,
    Mul,
    NumberSymbol,
    Pow,
    Product,
    Rational,
    Set,
    Sum,
    Symbol,
    Tuple,
    Union,
    log,
    nan,
    oo,
    preorder_traversal,
    zoo,
)
from sympy.core.function import AppliedUndef
from sympy.core.numbers import ImaginaryUnit
from sympy.core.relational import Relational

from assay.verifiers.answers.antiderivatives import without_constants
from assay.verifiers.answers.latex import parse
from assay.verifiers.answers.points import agreement, analytic, digits_for, exact_value
from assay.verifiers.answers.prepare import alternatives, conditions
from assay.verifiers.answers.relations import (
    as_zero,
    assigned,
    chain_end,
    names_a_value,
    renamed,
    solutions,
    solved,
    unnamed,
)
from assay.verifiers.answers.setalgebra import same_sets

__all__ = ["Judgement", "compare"]

Outcome = Literal["right", "wrong", "undecided"]

OPERATORS = (Integral, Limit, Derivative)
"""What is still to be computed."""
INEQUALITIES = (Ge, Gt, Le, Lt, And)


@dataclass(frozen=True)
class Judgement:
    """An outcome, the check that decided, and why where it is not "right"."""

    outcome: Outcome
    stage: str
    reason: str = ""


def compare(
    gold: str, answer: str, *, intervals: bool = True, tolerance: float | None = None
) -> Judgement:
    """Compare two normalised LaTeX answers.

    intervals: whether `2 <= x < 3` is the interval [2, 3). tolerance: relative, between two
    numbers; None is exact. Raises whatever SymPy raises.
    """
    if (same := same_sets(gold, answer)) is not None:
        return Judgement("right", "sets") if same else Judgement("wrong", "sets", "the sets differ")
    golds, answers = _read(gold), _read(answer)
    if golds is None or golds.has(nan, zoo) or _divides_by_zero(golds):
        return Judgement(
            "undecided",
            "reference",
            f"the reference {gold[:60]!r} is not mathematics that can be read",
        )
    if answers is None or answers.has(nan, zoo) or _divides_by_zero(answers):
        return Judgement(
            "wrong", "unreadable", f"the answer {answer[:60]!r} is not mathematics that can be read"
        )
    judge = _Judge(digits_for(gold, answer), intervals, tolerance)
    return judge.same(golds, answers)


def _read(text: str) -> Any | None:
    """The mathematics of a text; of "x < 2 or x > 3" the solutions of either, of "x > 2 and x < 3"
    those of both."""
    if len(parts := alternatives(text)) > 1:
        return _joined(parts, Union, (Relational, And))
    if (
        len(parts := conditions(text)) > 1
        and (both := _joined(parts, Intersection, INEQUALITIES)) is not None
    ):
        return both
    return parse(text)


def _joined(parts: Sequence[str], join: Any, kinds: tuple[Any, ...]) -> Any | None:
    """The joined solutions of relations in one variable, or a list of values; None for anything
    else."""
    found = [whole for part in parts if (whole := parse(part)) is not None]
    if len(found) < len(parts):
        return None
    if join is Union and not any(isinstance(part, (Relational, And)) for part in found):
        return FiniteSet(*found)
    names = {name for part in found for name in part.free_symbols}
    if len(names) != 1 or not all(isinstance(part, kinds) for part in found):
        return None
    sets = [solutions(part) for part in found]
    return None if None in sets else join(*sets)


@dataclass(frozen=True)
class _Judge:
    digits: int
    intervals: bool
    tolerance: float | None

    def same(self, one: Any, other: Any) -> Judgement:
        if type(one) is type(other) and one == other:
            return Judgement("right", "structure")
        one, other = chain_end(one), chain_end(other)
        if one is None or other is None:
            return Judgement("wrong", "chain", "it says of different things that they are equal")
        if names_a_value(one) != names_a_value(other):  # "x = 5" beside "5"
            one, other = (
                unnamed(side, other_side) for side, other_side in ((one, other), (other, one))
            )
        if (named := self._assignments(one, other)) is not None:
            return named
        one, other = renamed(one, other)
        if _same_call(one, other):
            return self.same(one.rhs, other.rhs)
        relations = [isinstance(side, (Relational, And)) for side in (one, other)]
        if all(relations):
            return self._relations(one, other)
        if any(relations):
            return self._relation_and_set(one, other)
        if (alike := self._same_kind(one, other)) is not None:
            return alike
        return self._structures(one, other)

    def _same_kind(self, one: Any, other: Any) -> Judgement | None:
        """Two matrices, tuples, intervals, sets or unions, part by part; None for anything else."""
        if isinstance(one, MatrixBase) and isinstance(other, MatrixBase):
            if one.shape != other.shape:
                return Judgement("wrong", "structure", "the shapes differ")
            return self._pairwise(list(one), list(other))
        if isinstance(one, Tuple) and isinstance(other, Tuple):
            return self._pairwise(one.args, other.args)
        if isinstance(one, Interval) and isinstance(other, Interval):
            if (one.left_open, one.right_open) != (other.left_open, other.right_open):
                return Judgement("wrong", "structure", "one end is open here and closed there")
            return self._pairwise((one.start, one.end), (other.start, other.end))
        if _finite(one) and _finite(other):
            if any(map(_finite, one.args)) != any(map(_finite, other.args)):
                return Judgement("wrong", "structure", "a set of sets beside a set")
            return self._unordered(one.args, other.args)
        if isinstance(one, Union) and isinstance(other, Union):
            found = self._unordered(one.args, other.args)
            return found if found.outcome == "right" else self._by_library(one, other)
        return None

    def _structures(self, one: Any, other: Any) -> Judgement:
        """Two things of different kinds, or two expressions."""
        structures = (Set, Tuple, MatrixBase)
        if any(_finite(side) and side.has(Relational) for side in (one, other)):
            return Judgement("undecided", "structure", "a list of relations beside something else")
        if _finite(one) != _finite(other):  # the solution set {3} beside 3
            one, other = (_only_element(side) for side in (one, other))
        if not isinstance(one, structures) and not isinstance(other, structures):
            return self._expressions(one, other)
        if (_finite(one) and isinstance(other, Tuple)) or (
            _finite(other) and isinstance(one, Tuple)
        ):
            return self._list_and_tuple(one, other)
        if isinstance(one, MatrixBase) != isinstance(other, MatrixBase):
            vectors = _vector(one), _vector(other)
            if vectors[0] is not None and vectors[1] is not None:
                return self._vectors(vectors[0], vectors[1])
        kinds = {kind for kind in (_finite, _is_interval) for side in (one, other) if kind(side)}
        if len(kinds) == 2 or isinstance(one, structures) != isinstance(other, structures):
            # math-verify takes the open interval (1, 2) for the set {1, 2}.
            return Judgement("wrong", "structure", f"{_kind(one)} beside {_kind(other)}")
        return self._by_library(one, other)

    def _assignments(self, one: Any, other: Any) -> Judgement | None:
        """x = 1, y = 2 beside (y, x) = (2, 1): by the names. None where one side is something
        else."""
        first, second = assigned(one), assigned(other)
        if first is None or second is None:
            many = next(
                (side for side in (first, second) if side is not None and len(side) > 1), None
            )
            rest = other if second is None else one
            if many is not None and isinstance(rest, Expr):
                return Judgement("wrong", "structure", "values of several names beside one value")
            return None
        if first.keys() != second.keys():
            return Judgement("wrong", "structure", "values of different names")
        return _all_of([self.same(value, second[name]) for name, value in first.items()])

    def _expressions(self, one: Any, other: Any) -> Judgement:
        if one != other and one.has(*OPERATORS) != other.has(*OPERATORS):
            return self._computed(one, other)
        return self._values(one, other)

    def _computed(self, one: Any, other: Any) -> Judgement:
        """One side says what is to be computed: an exercise does, and an answer does not."""
        found = self._values(one, other)
        if found.outcome == "right":
            return Judgement(
                "undecided",
                "structure",
                "one of them says what is to be computed, the other is computed",
            )
        return found

    def _values(self, one: Any, other: Any) -> Judgement:
        if constants := without_constants(one, other):
            one, other = constants
        one, other = _evaluated(one), _evaluated(other)
        if one == other:
            return Judgement("right", "structure")
        if any(_divides_by_zero(side) for side in (one, other)):
            return Judgement("undecided", "unreadable", "a division by zero")
        if infinite := [side for side in (one, other) if _is_infinite(side)]:
            if all(side in (oo, -oo) for side in infinite):
                return Judgement("wrong", "structure", "one is infinite")
            return Judgement("undecided", "unreadable", "a division by zero")
        if self.tolerance is not None and not one.free_symbols and not other.free_symbols:
            gold, answer = one.evalf(30), other.evalf(30)
            if gold.is_number and answer.is_number:
                close = abs(gold - answer) <= self.tolerance * abs(gold)
                return Judgement(
                    "right" if close else "wrong",
                    "tolerance",
                    "" if close else "the numbers differ",
                )
        found = agreement(one, other, self.digits)
        if found == "different":
            return Judgement("wrong", "points", "the values differ")
        if found == "equal" and analytic(one) and analytic(other):
            return Judgement("right", "points")
        if found == "domain":
            return Judgement(
                "undecided", "points", "equal where both are real, but one is real in more places"
            )
        if found == "whole":
            return Judgement("undecided", "points", "equal at whole numbers, but not between them")
        library = self._by_library(one, other)
        if library.outcome == "right" and found == "equal":
            return library
        if library.outcome == "wrong" and found == "unknown" and _comparable(one, other):
            return library
        reason = "the values agree at the points tried, but math-verify calls them different"
        if found == "unknown":
            reason = "no value could be computed, and math-verify alone is not trusted"
        return Judgement("undecided", "math-verify", reason)

    def _by_library(self, one: Any, other: Any) -> Judgement:
        """math-verify's verdict, where it is the same in both orders."""
        forth, back = (
            verify(one, other, timeout_seconds=None),
            verify(other, one, timeout_seconds=None),
        )
        if forth != back:
            return Judgement(
                "undecided", "math-verify", "math-verify's verdict depends on the order"
            )
        reason = "" if forth else "math-verify calls them different"
        return Judgement("right" if forth else "wrong", "math-verify", reason)

    def _pairwise(self, one: Sequence[Any], other: Sequence[Any]) -> Judgement:
        if len(one) != len(other):
            return Judgement("wrong", "structure", f"{len(one)} parts beside {len(other)}")
        return _all_of([self.same(a, b) for a, b in zip(one, other, strict=True)])

    def _unordered(self, one: Sequence[Any], other: Sequence[Any]) -> Judgement:
        """Every element of either is in the other."""
        if len(one) != len(other):
            return Judgement("wrong", "structure", f"{len(one)} elements beside {len(other)}")
        rest, undecided = list(other), None
        for element in one:
            verdicts = [self.same(element, candidate) for candidate in rest]
            place = next((i for i, v in enumerate(verdicts) if v.outcome == "right"), None)
            if place is not None:
                del rest[place]
            elif maybe := next((v for v in verdicts if v.outcome == "undecided"), None):
                undecided = maybe
            else:
                return Judgement(
                    "wrong", "structure", f"{str(element)[:60]} is in one of them alone"
                )
        return undecided or Judgement("right", "structure")

    def _list_and_tuple(self, one: Any, other: Any) -> Judgement:
        """A list may be meant as a tuple; a set may not."""
        if self._unordered(one.args, other.args).outcome == "wrong":
            return Judgement("wrong", "structure", "a list or a set beside another tuple")
        return Judgement("undecided", "structure", "a list or a set beside a tuple")

    def _vectors(self, one: Sequence[Any], other: Sequence[Any]) -> Judgement:
        """A column or a row beside a tuple of the same numbers."""
        found = self._pairwise(one, other)
        if found.outcome == "right":
            return Judgement("undecided", "structure", "a matrix beside a tuple")
        return found

    def _relation_and_set(self, one: Any, other: Any) -> Judgement:
        relation, rest = (other, one) if isinstance(one, Set) else (one, other)
        if not isinstance(rest, Set):
            return Judgement("wrong", "structure", f"{_kind(one)} beside {_kind(other)}")
        if not self.intervals:
            return Judgement("wrong", "structure", "an inequality is not taken for an interval")
        if (found := solutions(relation)) is None:
            return Judgement(
                "undecided", "structure", "the set of an inequality cannot be computed"
            )
        return self.same(found, rest)

    def _relations(self, one: Any, other: Any) -> Judgement:
        """Equations and inequalities: the same but for a factor, else the same solutions."""
        if one.free_symbols != other.free_symbols:
            return Judgement("wrong", "structure", "they are about different variables")
        chains = [isinstance(side, And) for side in (one, other)]
        if not any(chains):
            first, second = as_zero(one), as_zero(other)
            if first[0] == second[0] and self._proportional(first, second):
                return Judgement("right", "points")
        elif all(chains) and len(one._unsorted_args) == len(other._unsorted_args):
            found = self._unordered(one._unsorted_args, other._unsorted_args)
            if found.outcome == "right":
                return found
        first_set, second_set = solutions(one), solutions(other)
        if first_set is not None and second_set is not None:
            found = self.same(first_set, second_set)
            if (
                found.outcome != "right" or not first_set.is_empty
            ):  # two equations without solutions are not the same
                return found
            return Judgement("undecided", "structure", "neither has a solution")
        library = self._by_library(one, other)
        if library.outcome == "right" and not any(chains) and not (solved(one) and solved(other)):
            return Judgement("undecided", "math-verify", "neither can be solved")
        return library

    def _proportional(self, one: tuple[str, Any], other: tuple[str, Any]) -> bool:
        """Return whether two left sides of "... = 0" or "... < 0" differ by a factor alone, of the
        right sign."""
        names = sorted(one[1].free_symbols | other[1].free_symbols, key=str)
        if not names:
            return False
        # f/g is constant where f(p) g(q) = f(q) g(p) for all points p and q.
        again = {name: Symbol(f"{name}'", real=True) for name in names}
        f, g = one[1], other[1]
        if agreement(f * g.xreplace(again), g * f.xreplace(again), self.digits) != "equal":
            return False
        if one[0] in ("=", "!="):
            return True
        values = [
            f.subs({name: 2 + place for place, name in enumerate(names)}).evalf() for f in (f, g)
        ]
        return bool(values[0] * values[1] > 0)


def _all_of(verdicts: Sequence[Judgement]) -> Judgement:
    for outcome in ("wrong", "undecided"):
        for verdict in verdicts:
            if verdict.outcome == outcome:
                return verdict
    return Judgement("right", verdicts[0].stage if verdicts else "structure")


def _same_call(one: Any, other: Any) -> bool:
    """Return whether both say what the same function is, f(x) = ..."""
    return all(
        isinstance(side, Eq) and isinstance(side.lhs, AppliedUndef) for side in (one, other)
    ) and (one.lhs == other.lhs)


def _evaluated(side: Any) -> Any:
    """Without the sums, products, integrals and limits that can be computed."""
    return side.doit() if side.has(Sum, Product, Integral, Limit, Derivative) else side


def _divides_by_zero(side: Any) -> bool:
    """Asked of the value: of 1/sqrt(0) SymPy says now that it is infinite and now that it is
    not."""
    parts = side if isinstance(side, MatrixBase) else (side,)
    every = chain.from_iterable(map(preorder_traversal, parts))
    powers = (part for part in every if getattr(part, "is_Pow", False))
    bases = (power.base for power in powers if power.exp.is_negative and not power.base.is_Rational)
    return any(base.is_number and _is_zero(base) for base in bases)


def _is_zero(number: Any) -> bool:
    """Exactly where that can be: SymPy doubles its work with each level of a continued fraction."""
    exact = exact_value(number)
    return bool(number.evalf() == 0) if exact is None else exact == 0


def _is_infinite(side: Any) -> bool:
    """Return whether SymPy knows it to be; of what it fails at, such as sin(0 + 0), the values
    tell."""
    try:
        return not _surely_finite(side) and bool(side.is_infinite)
    except ZeroDivisionError:
        return False


def _surely_finite(side: Any) -> bool:
    """Tell whether such parts make only finite values, which SymPy takes long to find out."""
    return all(map(_keeps_finite, preorder_traversal(side)))


def _keeps_finite(part: Any) -> bool:
    """A number, a letter, a sum, a product, a power, or the logarithm of a number above 1 to such a
    base."""
    if isinstance(part, log):
        return all(
            argument is E or (argument.is_Rational and argument > 1) for argument in part.args
        )
    return isinstance(part, (Add, Mul, Pow, Rational, NumberSymbol, Symbol, ImaginaryUnit))


def _comparable(one: Any, other: Any) -> bool:
    """Return whether exactly one of them has values: a number beside something unknown."""
    return bool(one.is_number) != bool(other.is_number)


def _finite(side: Any) -> bool:
    return bool(getattr(side, "is_FiniteSet", False))


def _only_element(side: Any) -> Any:
    return side.args[0] if _finite(side) and len(side.args) == 1 else side


def _is_interval(side: Any) -> bool:
    return bool(getattr(side, "is_Interval", False))


def _vector(side: Any) -> list[Any] | None:
    """The parts of a column, a row, or a tuple, which for two numbers is read as an interval."""
    if isinstance(side, MatrixBase):
        return list(side) if 1 in side.shape else None
    if _is_interval(side):
        return [side.start, side.end] if side.left_open and side.right_open else None
    return list(side.args) if isinstance(side, Tuple) else None


def _kind(side: Any) -> str:
    names: tuple[tuple[Any, str], ...] = (
        ((Relational, And), "relation"),
        (MatrixBase, "matrix"),
        (Tuple, "tuple"),
        (Set, "interval" if _is_interval(side) else "set"),
        (Expr, "number" if getattr(side, "is_number", False) else "expression"),
    )
    return next((name for kind, name in names if isinstance(side, kind)), type(side).__name__)
