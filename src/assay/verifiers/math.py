r"""Mathematical final answers: exact where they are numbers, else math-verify in a guarded process.

The cascade, cheapest first: (1) refuse what could not be checked in bounded time; (2) the same normalised LaTeX is
right; (3) two numbers are compared exactly as fractions, and that is final; (4) two answers in plain words differ if
their spelling does; (5) the rest goes to math-verify (https://github.com/huggingface/Math-Verify) in a worker process
that is killed at the deadline.

Known limits of (5): units are ignored (10 cm is 10 m), `x = 5` passes for 5, and equal forms that SymPy cannot bring
together are called different.
"""

import functools
import importlib.util
import os
import re
from dataclasses import dataclass
from typing import Final

from assay.errors import ConfigError, MissingExtra
from assay.types import Score, Unscored
from assay.verifiers import answer as answers
from assay.verifiers.numeric import MAX_DIGITS, Percent, quantity
from assay.verifiers.pool import Pool

__all__ = ["Math"]

MAX_BYTES: Final = 4096
MAX_NESTING: Final = 40
MAX_EXPONENT: Final = 10_000
MAX_FACTORIAL: Final = 5_000

_LONG_NUMBER: Final = re.compile(rf"\d{{{MAX_DIGITS + 1},}}")
_FACTORIAL: Final = re.compile(r"(\d+)[)}\s]*!")
_EXPONENT: Final = re.compile(r"(?:\^|\*\*)\s*[{(\[\s]*[-+]?(\d+)")
_TOWER: Final = re.compile(r"\d\s*(?:\^|\*\*)[\s{(+-]*\d+[\s})]*(?:\^|\*\*)[\s{(+-]*\d")
_BASE: Final = re.compile(r"\d\s*_\s*\{?(\d+)\}?$")
_WORDS: Final = re.compile(r"[A-Za-z][A-Za-z '-]+")


@dataclass(frozen=True, kw_only=True)
class Math:
    r"""Checks a final answer that is mathematics: numbers, expressions, sets, intervals, equations, matrices.

    The answer is taken from the last complete `\boxed{}`, else the last "#### x", else the last "the answer is x".
    Needs the 'math' extra, but only for answers that are not plain numbers. Threads may share it.
    """

    timeout: float = 5.0
    """Seconds for one comparison; past it the answer is `Unscored`."""
    workers: int = 2
    """Processes at most; one is started when first needed and stays warm."""
    percent: Percent = "drop"
    """drop: 50% is 50. divide: 50% is 1/2."""

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.workers < 1:
            raise ConfigError(f"timeout={self.timeout:g} and workers={self.workers} must be positive")

    def extract(self, text: str) -> str | None:
        """The final answer, as written; None when the text states none, and then it has no vote."""
        found = answers.find(text, ("boxed", "hashes", "phrase"))
        return found.text if found else None

    def canonical(self, answer: str) -> str:
        """The exact fraction of a number, else the normalised LaTeX.

        Votes are counted under this key, so `2/\\sqrt{2}` and `\\sqrt{2}`, though equal, are two answers.
        """
        value = self._number(answer)
        return _key(answer) if value is None else value

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = the same mathematics, 0 = not, or the text states no answer; `Unscored` when it cannot be decided.

        A text without an answer is wrong, not unscored: it was asked for one. Undecided are: a reference that cannot be
        read, an input refused for its size (bytes, nesting, towers of exponents, factorials), and a timeout. Raises
        `MissingExtra` without math-verify and `BackendError` when a worker cannot start.
        """
        stated = answers.find(reference, ("boxed", "hashes"))
        gold = stated.text if stated else reference.strip()
        answer = self.extract(text)
        if not gold:
            return Unscored(reason="the reference is empty")
        if answer is None:
            return Score(value=0.0)
        for who, what in (("reference", gold), ("answer", answer)):
            if why := _refusal(what):
                return Unscored(reason=f"the {who} {why}")
        if (verdict := self._without_sympy(gold, answer)) is not None:
            return Score(value=float(verdict))
        request = {"gold": answers.normalise(gold), "answer": answers.normalise(answer)}
        reply = _pool(self.workers, os.getpid()).ask(request, self.timeout)
        if isinstance(reply, Unscored) or reply["verdict"] == "undecided":
            return reply if isinstance(reply, Unscored) else Unscored(reason=reply["reason"])
        return Score(value=float(reply["verdict"] == "right"))

    def _without_sympy(self, gold: str, answer: str) -> bool | None:
        """The verdict where it needs no algebra; None where it does."""
        keys, numbers = (_key(gold), _key(answer)), (self._number(gold), self._number(answer))
        if keys[0] == keys[1]:
            return True
        if None not in numbers:
            return numbers[0] == numbers[1]
        if all(map(_WORDS.fullmatch, map(answers.normalise, (gold, answer)))):
            return keys[0].lower() == keys[1].lower()
        bases = [match[1] if (match := _BASE.search(key)) else None for key in keys]
        return False if bases[0] != bases[1] and None not in bases else None

    def _number(self, answer: str) -> str | None:
        value = quantity(answer, self.percent, units="marked")
        return None if value is None else str(value)


def _key(answer: str) -> str:
    return answers.normalise(answer).replace(" ", "")


def _refusal(text: str) -> str | None:
    """Why an answer is not even tried; None when it may be. These only save time: the deadline is the guard."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    if _LONG_NUMBER.search(text):
        return f"holds a number of more than {MAX_DIGITS} digits"
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        return f"is nested more than {MAX_NESTING} deep"
    if any(int(n) > MAX_FACTORIAL for n in _FACTORIAL.findall(text)):
        return f"holds a factorial above {MAX_FACTORIAL}!"
    if any(int(n) > MAX_EXPONENT for n in _EXPONENT.findall(text)):
        return f"holds an exponent or a bound above {MAX_EXPONENT}"
    if _TOWER.search(text):
        return "holds a tower of exponents"
    return None


@functools.cache
def _pool(size: int, pid: int) -> Pool:
    """One pool a process: `pid` makes a fork start its own, because two cannot read one pipe."""
    if importlib.util.find_spec("math_verify") is None:
        raise MissingExtra("comparing mathematics that is not a plain number", "math")
    return Pool("assay.verifiers.worker", size)
