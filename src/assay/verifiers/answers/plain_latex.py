r"""The LaTeX that most answers are written in, read without latex2sympy's grammar, at a tenth of
its cost.

Numbers, single letters, + - * / ^, fractions, roots, logarithms and trigonometry; of these
equations, inequalities, lists, sets, tuples, intervals and their unions. What is read is the object
that latex2sympy makes of the same text, to the last argument; a text that holds anything else, or
that its grammar could take in two ways, is None, and is left to it. So this file says nothing about
what a text means. It is a translation of a part of that grammar
(https://github.com/huggingface/latex2sympy2_extended, PS.g4), in which an error can only be a
difference from it.
"""

import functools
import itertools
import re
from typing import Any, Final

from latex2sympy2_extended.logic import And
from latex2sympy2_extended.sets import FiniteSet
from latex2sympy2_extended.symbols import get_symbol
from sympy import (
    Add,
    Eq,
    Ge,
    Gt,
    Integer,
    Le,
    Lt,
    Mul,
    Ne,
    Pow,
    Rational,
    S,
    Tuple,
    Union,
    exp,
    factorial,
    log,
)
from sympy.core.relational import Relational
from sympy.functions.elementary import hyperbolic, trigonometric

from assay.verifiers.answers.latex_objects import (
    beside,
    flat,
    interval,
    is_collection,
    negative,
    ratio,
    related,
)

__all__ = ["read"]

# No E, I or T, and no d before a letter: to the grammar a power of ten, a transposed matrix, a
# differential.
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d*\.\d+|\d+)
      |(?P<letter>[a-cf-zA-DF-HJ-SU-Ze]|d(?!\s*[A-Za-z\\]))
      |(?P<sign>\\[A-Za-z]+|\\[{}]|[-+*/^_=<>,()\[\]{}]|!(?![!=])))""",
    re.VERBOSE,
)
# Names that the grammar has, where their letters stand beside each other; the others are four
# letters or more.
_NAMES: Final = re.compile(r"tr|lcm|gcd|eig|eye|svd|SVD|[A-Za-z]{4,}")
_COMMAND: Final = re.compile(r"\\[A-Za-z]+")
_ONE_NUMBER: Final = re.compile(r"\s*-?\d{1,3}(?:,\d{3})+(?:\.\d+)?\s*")

_GREEK: Final = frozenset(
    r"""\alpha \beta \delta \Delta \epsilon \varepsilon \zeta \eta \theta \Theta \vartheta \iota \kappa \lambda
    \Lambda \mu \nu \xi \Xi \pi \Pi \rho \varrho \sigma \Sigma \tau \phi \Phi \varphi \chi \psi \Psi
    \omega
    \Omega""".split()  # noqa: E501
)
_RELATIONS: Final = {
    "=": Eq,
    "<": Lt,
    ">": Gt,
    r"\lt": Lt,
    r"\gt": Gt,
    r"\le": Le,
    r"\leq": Le,
    r"\leqslant": Le,
    r"\ge": Ge,
    r"\geq": Ge,
    r"\geqslant": Ge,
    r"\ne": Ne,
    r"\neq": Ne,
}
_FUNCTIONS: Final = {
    **{
        rf"\{name}": getattr(trigonometric, name)
        for name in ("sin", "cos", "tan", "csc", "sec", "cot")
    },
    **{rf"\arc{name}": getattr(trigonometric, f"a{name}") for name in ("sin", "cos", "tan")},
    **{rf"\{name}": getattr(hyperbolic, name) for name in ("sinh", "cosh", "tanh")},
}
_TIMES: Final = frozenset({"*", r"\times", r"\cdot"})
_OVER: Final = frozenset({"/", r"\div"})
_OPEN, _CLOSE = frozenset({"(", "[", "{", r"\{"}), frozenset({")", "]", "}", r"\}"})
_PAIRS: Final = {"(": ")", "[": "]", r"\{": r"\}"}
_END: Final = ""


def read(text: str, real: bool) -> Any | None:
    """A SymPy object; None where it has to be left to the grammar. `real`: what is assumed of
    letters."""
    if _NAMES.search(_COMMAND.sub(" ", text)) or _ONE_NUMBER.fullmatch(text):
        return None
    tokens = _tokens(text)
    try:
        return _Reader(tokens, real).whole() if tokens else None
    except Exception:  # noqa: BLE001  SymPy raises anything at all; then the grammar may have its try
        return None


class _NotPlain(Exception):
    """Something else, or something of two readings."""


def _tokens(text: str) -> list[str]:
    """Numbers, letters, commands and signs; none where the text holds anything else."""
    found, at, text = [], 0, text.rstrip()
    while at < len(text):
        if (match := _TOKEN.match(text, at)) is None:
            return []
        found.append(match[match.lastgroup or 0])
        at = match.end()
    return found


class _Reader:
    """Reads from left to right; each method is a rule of the grammar, and takes its tokens."""

    def __init__(self, tokens: list[str], real: bool) -> None:
        self._tokens = [*tokens, _END]
        self._at = 0
        self._real = real
        self._closing = _closing(self._tokens)

    def whole(self) -> Any:
        """Everything: x = ..., x in ..., a union, or a list of elements."""
        first = self._tokens[0]
        relations = sum(token in _RELATIONS for token in self._tokens)
        if first != "e" and (_is_letter(first) or first in _GREEK):
            self._at = 1
            name = self._letter(first + self._subscript())
            if (self._next(), relations) in (("=", 1), (r"\in", 0)):
                self._at += 1
                return Eq(name, self._value(), evaluate=False)
            self._at = 0
        if relations == 1 and "=" in self._tokens and "," in self._tokens:
            raise _NotPlain  # of x^2 = 1, 2 both are meant
        return self._value()

    def _value(self) -> Any:
        parts = [self._element()]
        separator = self._next()
        while self._next() == separator and separator in (",", r"\cup"):
            self._at += 1
            parts.append(self._element())
        self._take(_END)
        if separator != r"\cup":
            return parts[0] if len(parts) == 1 else FiniteSet(*parts)
        if not all(map(is_collection, parts)):
            raise _NotPlain
        sets = (FiniteSet(*part) if isinstance(part, Tuple) else part for part in parts)
        return functools.reduce(lambda left, right: Union(left, right, evaluate=False), sets)

    def _element(self) -> Any:
        """A set, a tuple or an interval that stands for itself, else a chain of relations."""
        opening, start = self._next(), self._at
        if opening in _PAIRS:
            end = self._closing[start]
            after = self._tokens[end + 1]
            alone = after in (_END, ",", r"\cup") or after in _CLOSE
            if alone and (opening == r"\{" or self._commas(start, end)):
                self._at += 1
                return self._collection(opening, end)
        found = self._sum()
        while (relation := _RELATIONS.get(self._next())) is not None:
            self._at += 1
            found = related(found, relation, self._sum())
        return found

    def _collection(self, opening: str, end: int) -> Any:
        parts = [self._element()]
        while self._next() == ",":
            self._at += 1
            parts.append(self._element())
        if self._at != end:
            raise _NotPlain
        closing = self._tokens[end]
        self._at += 1
        if any(isinstance(part, (Relational, And)) for part in parts):
            raise _NotPlain
        if opening == r"\{" and closing == r"\}":
            return FiniteSet(*parts)
        if (
            len(parts) == 2
            and opening in "(["
            and closing in ")]"
            and not any(map(is_collection, parts))
        ):
            left, right = parts
            return interval(left, right, opening == "(", closing == ")")
        if _PAIRS[opening] != closing:
            raise _NotPlain
        return Tuple(*parts)

    def _sum(self) -> Any:
        terms = [self._product()]
        while (sign := self._next()) in ("+", "-"):
            self._at += 1
            term = self._product()
            terms.append(term if sign == "+" else negative(term))
        return flat(Add, terms)

    def _product(self) -> Any:
        factors = [self._signed()]
        while (sign := self._next()) in _TIMES or sign in _OVER:
            self._at += 1
            factor = self._signed()
            if sign in _TIMES:
                factors.append(factor)
            else:
                factors = [ratio(flat(Mul, factors), factor)]
        return flat(Mul, factors)

    def _signed(self) -> Any:
        if (sign := self._next()) in ("+", "-"):
            self._at += 1
            return self._signed() if sign == "+" else negative(self._signed())
        return self._factors(functions=True)

    def _factors(self, functions: bool) -> Any:
        """Things beside each other: 2x, 2 1/2, (x+1)(x+2)."""
        factors = [self._postfixed()]
        while self._starts(functions):
            factors.append(self._postfixed())
        return beside(factors)

    def _starts(self, functions: bool) -> bool:
        """Return whether another factor follows. Raises where the grammar could read a function of
        it: f(x)."""
        token = self._next()
        if token == "(":
            end = self._closing[self._at]
            depth = itertools.accumulate(
                (t in _OPEN) - (t in _CLOSE) for t in self._tokens[self._at : end]
            )
            inside = zip(self._tokens[self._at : end], depth, strict=True)
            if sum(t in ("+", "-") and d == 1 for t, d in itertools.islice(inside, 2, None)) == 0:
                raise _NotPlain
            return True
        if token in ("[", "{", r"\{") or (
            _is_number(token) and _is_number(self._tokens[self._at - 1])
        ):
            raise _NotPlain
        function = token in _FUNCTIONS or token in (r"\sqrt", r"\log", r"\ln", "e")
        if function and not functions:
            raise _NotPlain
        return (
            function
            or _is_number(token)
            or _is_letter(token)
            or token in _GREEK
            or token in (r"\frac", r"\infty")
        )

    def _power(self) -> Any:
        if self._next() == "e":  # to the grammar a function
            self._at += 1
            return exp(self._exponent() if self._next() == "^" else S.One)
        base = self._base()
        if self._next() != "^":
            return base
        power = Pow(base, self._exponent(), evaluate=False)
        if self._next() == "^":
            raise _NotPlain
        return power

    def _postfixed(self) -> Any:
        found = self._power()
        if self._next() == "!":
            self._at += 1
            found = factorial(found, evaluate=False)
            if self._next() in ("^", "!"):
                raise _NotPlain
        return found

    def _exponent(self) -> Any:
        self._take("^")
        token = self._next()
        if token == "{":
            return self._braced()
        self._at += 1
        if _is_number(token):
            found = _number(token)
        elif (_is_letter(token) and token != "e") or token in _GREEK:
            found = self._letter(token)
        else:
            raise _NotPlain
        if self._next() in ("^", "_"):
            raise _NotPlain
        return found

    def _base(self) -> Any:
        token = self._next()
        self._at += 1
        if _is_number(token):
            found = _number(token)
        elif _is_letter(token) or token in _GREEK:
            found = self._letter(token + self._subscript())
        elif token == "(" or token == "[":
            found = self._sum()
            self._take(_PAIRS[token])
        elif token == r"\frac":
            found = ratio(self._braced(), self._braced())
        elif token == r"\sqrt":
            found = self._root()
        elif token == r"\infty":
            found = S.Infinity
        elif token in _FUNCTIONS or token in (r"\log", r"\ln"):
            return self._function(token)
        else:
            raise _NotPlain
        if self._next() == "_":
            raise _NotPlain
        return found

    def _root(self) -> Any:
        degree = None
        if self._next() == "[":
            self._at += 1
            degree = self._sum()
            self._take("]")
        inside = self._braced()
        return Pow(inside, S.Half if degree is None else 1 / degree, evaluate=False)

    def _function(self, name: str) -> Any:
        base = power = None
        if self._next() == "_" and name == r"\log":
            self._at += 1
            base = self._braced() if self._next() == "{" else self._digits()
        elif self._next() == "^" and name in _FUNCTIONS:
            self._at += 1
            power = self._digits()
        argument = self._argument()
        if self._next() in _TIMES or self._next() in _OVER or self._next() == "^":
            raise _NotPlain  # is sin x / 2 the sine of a half?
        if name in _FUNCTIONS:
            found = _FUNCTIONS[name](argument, evaluate=False)
            return found if power is None else Pow(found, power, evaluate=False)
        if base is None:
            base = S.Exp1 if name == r"\ln" else Integer(10)
        return log(argument, base, evaluate=False)

    def _argument(self) -> Any:
        if self._next() == "{":
            found = self._braced()
            if self._next() == "^" or self._starts(functions=True):
                raise _NotPlain
            return found
        if self._next() == "(":
            self._at += 1
            found = self._sum()
            self._take(")")
            if self._next() == "^" or self._next() in _OPEN or self._starts(functions=True):
                raise _NotPlain
            return found
        if self._next() in _FUNCTIONS or self._next() in (r"\log", r"\ln", "e", "[", r"\infty"):
            raise _NotPlain
        return self._factors(functions=False)

    def _subscript(self) -> str:
        """As it belongs to a letter's name: x_1, x_{12}."""
        if self._next() != "_":
            return ""
        token = self._tokens[self._at + 1]
        if token == "{":
            token = self._tokens[self._at + 2]
            if self._tokens[self._at + 3] != "}":
                raise _NotPlain
            self._at += 2
        if not (token.isdecimal() or (_is_letter(token) and token not in "ed")):
            raise _NotPlain
        self._at += 2
        return f"_{token}" if len(token) == 1 else f"_{{{token}}}"

    def _digits(self) -> Any:
        token = self._next()
        if not token.isdecimal():
            raise _NotPlain
        self._at += 1
        return _number(token)

    def _braced(self) -> Any:
        self._take("{")
        found = self._sum()
        self._take("}")
        return found

    def _letter(self, token: str) -> Any:
        return _symbol(token, self._real)

    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self, token: str) -> None:
        if self._tokens[self._at] != token:
            raise _NotPlain
        self._at += 1

    def _commas(self, start: int, end: int) -> bool:
        """Return whether the bracket holds a comma that is its own."""
        at = start + 1
        while at < end:
            if self._tokens[at] == ",":
                return True
            at = self._closing.get(at, at) + 1
        return False


def _closing(tokens: list[str]) -> dict[int, int]:
    """Return where each bracket closes; an interval may close with a bracket of another kind."""
    found, open_ = {}, list[int]()
    for at, token in enumerate(tokens):
        if token in _OPEN:
            open_.append(at)
        elif token in _CLOSE:
            if not open_:
                raise _NotPlain
            found[open_.pop()] = at
    if open_:
        raise _NotPlain
    return found


def _is_number(token: str) -> bool:
    return token[-1:].isdigit()


def _is_letter(token: str) -> bool:
    return len(token) == 1 and token.isalpha()


@functools.lru_cache(maxsize=1024)
def _number(token: str) -> Any:
    return Rational(token)


@functools.lru_cache(maxsize=1024)
def _symbol(token: str, real: bool) -> Any:
    return get_symbol(token, real, lowercase_symbols=True)
