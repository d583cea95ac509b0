"""LaTeX to exact SymPy objects, by latex2sympy, the parser of math-verify. Nothing of a text is
evaluated as code.

Two settings differ from math-verify's own use. What is not read whole is not read: no number is
fished out of the rest. And the grammar is tried with ANTLR's cheap prediction (SLL) first, as its
authors advise (Adaptive LL(*) Parsing, OOPSLA 2014): where that does not fail it finds the same
parse, at a fifth of the cost.
"""

import functools
import re
from typing import Any, Final

from antlr4 import PredictionMode  # type: ignore[import-untyped]
from latex2sympy2_extended import NormalizationConfig, latex2sympy2, normalize_latex
from math_verify.grader import should_treat_as_complex
from sympy import Eq, Float, I, MatAdd, MatMul, Pow, Rational, Set, Symbol, UnevaluatedExpr

from assay.verifiers.answers import plain_latex
from assay.verifiers.answers.prepare import prepared

__all__ = ["parse"]

_TWO_NUMBERS: Final = re.compile(r"(?<![_^\d.])[\d.]+\s+\d+(?!\d*\s*/)")
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
# English would be read as a product of letters.
_PROSE: Final = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{4,}")
_COMMAND: Final = re.compile(r"\\[A-Za-z]+")
_NORMALIZATION: Final = NormalizationConfig(
    basic_latex=True,
    units=False,
    malformed_operators=True,
    nits=True,
    boxed="none",
    equations=False,
)
_DEGREES: Final = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)\b.*\\circ")


@functools.lru_cache(maxsize=4096)
def parse(latex: str) -> Any | None:
    """A SymPy object of exact numbers; None for what is not read whole."""
    text = prepared(latex)
    if text is None or _TWO_NUMBERS.search(text) or _PROSE.search(text):
        return None  # "5 6" would be read as the mixed number 11
    try:
        text = normalize_latex(text, _NORMALIZATION)
        found = _read(text, not should_treat_as_complex(text))
    except Exception:  # noqa: BLE001  the grammar raises this very class for what it does not read
        return None
    if not hasattr(found, "has"):
        return None
    for letter in found.free_symbols:
        if letter.name == "i":
            found = found.subs(letter, I)
    if isinstance(found, Eq) and isinstance(found.lhs, Symbol) and isinstance(found.rhs, Set):
        found = found.rhs  # "x in [1, 2]"
    return _with_real_roots(_exact(_explicit(found)))


def _explicit(found: Any) -> Any:
    """Sums and multiples of matrices, such as t(1, 2), entry by entry."""
    if not isinstance(found, (MatAdd, MatMul)):
        return found
    found = found.doit()
    return found.as_explicit() if isinstance(found, (MatAdd, MatMul)) else found


def _read(text: str, real: bool) -> Any:
    letters = set(_COMMAND.sub("", text))
    # One letter in both cases is two names; else X is x.
    both = any(letter.isupper() and letter.lower() in letters for letter in letters)
    if not both and (found := plain_latex.read(text, real)) is not None:
        return found
    degrees = bool(_DEGREES.search(text))
    config = latex2sympy2.ConversionConfig(lowercase_symbols=not both)
    try:
        return _parsers()[0](None, real, degrees, config).parse(text)
    except Exception:  # noqa: BLE001  as above
        return _parsers()[1](None, real, degrees, config).parse(text)


@functools.cache
def _parsers() -> tuple[Any, Any]:
    """The parser with the cheap prediction, and as it comes."""

    class Full(latex2sympy2._Latex2Sympy):  # type: ignore[misc]
        def parse_number(self, text: str) -> Any:
            # SymPy would compile each number as a program, at a third of the whole cost.
            return Rational(text) if _NUMBER.fullmatch(text) else super().parse_number(text)

    class Cheap(Full):
        def create_parser(self, latex_str: str) -> Any:
            parser = super().create_parser(latex_str)
            parser._interp.predictionMode = PredictionMode.SLL
            return parser

    return Cheap, Full


def _exact(found: Any) -> Any:
    """Decimals as fractions, percent as hundredths."""
    if found.has(UnevaluatedExpr):
        found = found.replace(UnevaluatedExpr, lambda inner: inner)
    floats = found.atoms(Float)
    return found.xreplace({number: Rational(str(number)) for number in floats}) if floats else found


def _with_real_roots(found: Any) -> Any:
    """The odd roots of negative numbers as schools take them, the third root of -8 as -2; SymPy
    takes complex ones."""
    if not found.has(Pow) or found.has(I):
        return found
    return found.replace(
        _is_odd_root, lambda power: (-1) ** power.exp.p * (-power.base) ** power.exp
    )


def _is_odd_root(part: Any) -> bool:
    return bool(
        part.is_Pow
        and part.exp.is_Rational
        and part.exp.q % 2
        and part.exp.q > 1
        and part.base.is_negative
    )
