r"""Mathematical final answers: exact where they are numbers, else compared by SymPy in a guarded process.

The cascade, cheapest first, each with its stage in the verdict:

1. `extraction`, `several`, `reference`: nothing is stated, or different things are, or there is nothing to compare with
2. `refused`: what could not be checked in bounded time (`refusals`)
3. `spelling`: the same LaTeX but for dress is right; `choice`: letters; `words`: plain words differ if they are others,
   and are no mathematics
4. `fraction`, `tolerance`, `percent`, `units`, `base`, `list`: two numbers, exactly, and that is final
5. `structure`, `chain`, `points`, `math-verify`: sets, equations and expressions (`equivalence`), in a worker
   process that is killed at the deadline; `unreadable`, `timeout`, `memory`, `failed`, `died` where there is no verdict

"Undecided" is said of what could not be read or computed, not "wrong": an answer is wrong without having been read only
where it is clearly no mathematics, that is empty, punctuation or plain words.

Known limits:

* a box that is never closed states no answer, since the text may be cut; the policy `open_box` reads it
* `x = 5` passes for 5, f(x) = x^2 for x^2, and a solution set {3} for 3
* (1, 2) is read as an open interval and as a pair alike, so (1, 2) as an interval passes for the pair
* log(x^2) and 2 log(x), or (-1)^n and cos(n pi), whose equality depends on what x and n may be, are undecided
* two answers that hold functions without values, such as f(x) and f(y), are undecided unless they are spelled alike
* equations in several variables are compared by factors and by what SymPy solves; equations that have no solution are
  undecided
* numbers in another base are compared digit by digit with the base's own spelling: 11 (base 2) is not 3
"""

import contextlib
import functools
import importlib.util
import itertools
import os
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from assay.errors import ConfigError, MissingExtra
from assay.types import Prompt, Score, Unscored, Verdict
from assay.verifiers import answer as answers
from assay.verifiers import batch
from assay.verifiers.answer import Policy, Several
from assay.verifiers.numeric import Tolerance, Units, check_settings, decide
from assay.verifiers.pool import Pool, Reply, Request
from assay.verifiers.quantities import Percent, read
from assay.verifiers.refusals import refusal, too_long
from assay.verifiers.spelling import is_blank, normalise, squeezed
from assay.verifiers.units import convert, measured

__all__ = ["Math"]

REMEMBERED: Final = 1 << 16
"""Comparisons whose verdicts are kept by content."""

_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+")
_BASE: Final = re.compile(r"([0-9A-Za-z]+)_\{?(\d+)\}?")
_WORDS: Final = re.compile(r"(?=.*[A-Za-z]{3})[A-Za-z][A-Za-z ,'-]{3,500}")
_LETTER: Final = re.compile(r"\(?\s*(?:\\text\s*\{)?\(?([A-Za-z])\)?\}?\s*\)?\.?")
_UNIT: Final = re.compile(r"(?P<body>.*\S)\s*(?P<unit>\\(?:text|mathrm|mbox)\s*\{[^{}]*\}(?:\^\{?[23]\}?)?)")


@dataclass(frozen=True)
class _Question:
    """What is left for a worker: two normalised answers."""

    gold: str
    answer: str
    tolerance: float | None
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Math:
    r"""Checks a final answer that is mathematics: numbers, expressions, sets, intervals, equations, matrices.

    By default the answer is taken from the last complete `\boxed{}`, else the last "#### x", else the last "the answer
    is x". Needs the 'math' extra, but only for answers that are not plain numbers. Threads may share it.
    """

    find: tuple[Policy, ...] = ("boxed", "hashes", "phrase")
    """Where an answer is looked for; the first policy that finds one decides."""
    key: str = "answer"
    """Key of the policy `field`."""
    several: Several = "last"
    """Of different answers in the same way: the last is judged, or the response is wrong."""
    percent: Percent = "drop"
    """drop: 50% is 50. divide: 50% is 1/2. strict: 50% is 50% alone."""
    units: Units = "strict"
    """strict: 10 cm is not 10 m, 1 m is 100 cm, and 10 is either. strip: units do not count."""
    intervals: bool = True
    """Whether an inequality may answer an interval, and an interval an inequality: 2 <= x < 3 is [2, 3)."""
    tolerance: Tolerance = None
    """None: exact. A number: relative, for references that are decimals. digits: to the reference's last digit."""
    timeout: float = 5.0
    """Seconds for one comparison; past it the answer is undecided."""
    workers: int = 2
    """Processes at most; one is started when first needed and stays warm."""

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.workers < 1:
            raise ConfigError(f"timeout={self.timeout:g} and workers={self.workers} must be positive")
        check_settings(self.find, self.tolerance)

    def extract(self, text: str) -> str | None:
        """The final answer, as written; None when the text states none, and then it has no vote."""
        found = answers.find(text, self.find, self.key)
        return found.text if found else None

    def canonical(self, answer: str) -> str:
        """The exact fraction of a number, else the normalised LaTeX.

        Votes are counted under this key, so `2/\\sqrt{2}` and `\\sqrt{2}`, though equal, are two answers.
        """
        found = measured(normalise(answer))
        if found is None:
            return squeezed(answer)
        sign = "%" if found.percent and self.percent == "strict" else ""
        return f"{found.value / 100 if found.percent and self.percent == 'divide' else found.value}{sign}"

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = the same mathematics, 0 = not, or the text states no answer; `Unscored` when it cannot be decided."""
        return self.check(text, reference).score

    def check(self, text: str, reference: str) -> Verdict:
        """The verdict on a response, and the stage that came to it.

        A text without an answer is wrong, not undecided: it was asked for one. Undecided are: a reference that cannot
        be read, an input refused for its size (bytes, nesting, towers of exponents, factorials), a time-out, and what
        two checks do not agree on. Raises `MissingExtra` without math-verify and `BackendError` when a worker cannot
        start; never anything because of a text.
        """
        (verdict,) = self.check_all([(text, reference)])
        return verdict

    def check_all(
        self,
        pairs: Sequence[tuple[str, str]],
        show: Callable[[int], None] = lambda _: None,
        reached: Callable[[int, Verdict], None] = lambda _, __: None,
    ) -> list[Verdict]:
        """One verdict a pair of text and reference, in order, by all workers; the same pair is judged once.

        As they are reached, in another order, `reached` is told the place and the verdict, `show` how many there are.
        """
        return batch.check_all(pairs, self._at_once, self._asked, show, reached)

    def validate(self, records: Iterable[str | Prompt]) -> dict[str, int]:
        """Check references (or prompts that have one): each passes in a box, and planted wrong ones do not.

        Returns counts. Raises `DataError` that lists the first records on which this is not so.
        """
        return batch.validate(records, self.check_all, _stated)

    def _at_once(self, text: str, reference: str) -> Verdict | _Question:
        """The verdict where it needs no algebra; else what to ask."""
        found = answers.find(text, self.find, self.key)
        about: dict[str, Any] = {}
        if found is not None:
            about = {"answer": found.text, "source": found.policy, "span": found.span}

        def verdict(outcome: Any, stage: str, reason: str = "") -> Verdict:
            return Verdict(outcome=outcome, stage=stage, reason=reason, **about)

        gold = _stated(reference)
        if not gold:
            return verdict("undecided", "reference", "the reference is empty")
        if found is None:
            return verdict("wrong", "extraction", "the text states no answer")
        if self.several == "refuse" and (n := len({self.canonical(t) for t in (*found.earlier, found.text)})) > 1:
            return verdict("wrong", "several", f"the text states {n} different answers")
        if found.policy == "choice":
            return self._choice(gold, found.text, verdict)
        for who, what in (("reference", gold), ("answer", found.text)):
            if why := too_long(what):
                return verdict("undecided", "refused", f"the {who} {why}")
        one, other = normalise(gold), normalise(found.text)
        if squeezed(one) == squeezed(other) or _letter(one) == _letter(other) is not None:
            return verdict("right", "spelling")
        for who, what in (("reference", gold), ("answer", found.text)):
            if why := refusal(what):
                return verdict("undecided", "refused", f"the {who} {why}")
        if exact := self._exact(one, other):
            return verdict(*exact)
        if self.percent != "divide" and (one.endswith("%") or other.endswith("%")):
            if self.percent == "strict" and one.endswith("%") != other.endswith("%"):
                return verdict("wrong", "percent", "one is a percentage and the other is not")
            one, other = one.removesuffix("%"), other.removesuffix("%")
        (one, gold_unit), (other, unit) = _unit(one), _unit(other)
        if self.units == "strict":
            factor = convert(unit, gold_unit)
            if factor is None:
                return verdict("undecided", "units", f"whether {unit!r} is {gold_unit!r} is not known")
            if factor is False:
                return verdict("wrong", "units", f"{unit!r} does not measure what {gold_unit!r} does")
            if factor != 1:
                other = rf"\frac{{{Fraction(factor).numerator}}}{{{Fraction(factor).denominator}}}({other})"
        question = _Question(one, other, self._relative(one), about)
        _pool(self.workers, os.getpid())  # without the extra it is told, whatever is known already
        known = _known.get(self._key(question))
        return question if known is None else _verdict(question, known)

    def _choice(self, gold: str, letter: str, verdict: Callable[..., Verdict]) -> Verdict:
        stated = answers.find(gold, ("choice",))
        if stated is None:
            return verdict("undecided", "reference", f"the reference {gold[:60]!r} is no letter from A to J")
        same = stated.text.upper() == letter.upper()
        return verdict(*(("right", "choice") if same else ("wrong", "choice", "another letter")))

    def _exact(self, gold: str, answer: str) -> tuple[str, str, str] | None:
        """Outcome, stage and reason where numbers, words or bases settle it."""
        if is_blank(answer):
            return "wrong", "words", "the answer is no mathematics"
        numbers = measured(gold, answer), measured(answer, gold)
        if numbers[0] is not None and numbers[1] is not None:
            return decide(numbers[0], numbers[1], self.percent, self.units, self.tolerance)
        for number, rest in ((gold, answer), (answer, gold)):
            if _THOUSANDS.fullmatch(number) and sorted(re.findall(r"\d+", rest)) == sorted(number.split(",")):
                return "undecided", "list", f"{number} may be one number or a list"
        words = [_is_words(text) for text in (gold, answer)]
        if all(words):
            same = gold.lower() == answer.lower()
            return ("right", "spelling", "") if same else ("wrong", "words", "the words differ")
        if any(words):
            return "wrong", "words", "one is plain words and the other is not"
        bases = [_BASE.fullmatch(text.replace(" ", "")) for text in (gold, answer)]
        if any(match and match[1][0].isdigit() for match in bases):
            return self._bases(gold, answer, bases)
        return None

    def _bases(self, gold: str, answer: str, bases: Sequence[re.Match[str] | None]) -> tuple[str, str, str] | None:
        """1011_2 is neither 1011_3 nor 11; 1011 alone is taken for it, for the question named the base."""
        digits, named = zip(
            *((m[1], m[2]) if m else (text, None) for m, text in zip(bases, (gold, answer), strict=True)), strict=True
        )
        if not all(re.fullmatch(r"[0-9A-Za-z]+", part) for part in digits):
            return "undecided", "base", "a number in another base beside an expression"
        if None not in named and named[0] != named[1]:
            return "wrong", "base", "the bases differ"
        same = digits[0].lstrip("0").lower() == digits[1].lstrip("0").lower()
        return ("right", "base", "") if same else ("wrong", "base", "the digits differ")

    def _relative(self, gold: str) -> float | None:
        """The tolerance for a comparison of numbers with this reference."""
        found = read(gold, "marked")
        if self.tolerance is None or found is None or found.step is None:
            return None
        if self.tolerance == "digits":
            return float(found.step / 2 / abs(found.value)) if found.value else 0.0
        return self.tolerance

    def _asked(
        self, questions: Iterable[tuple[batch.Pair, _Question]]
    ) -> Generator[tuple[batch.Pair, Verdict], None, None]:
        """The workers' verdicts, as they come."""
        questions = iter(questions)
        if (first := next(questions, None)) is None:
            return
        pool = _pool(self.workers, os.getpid())
        requests = (((pair, asked), self._request(asked)) for pair, asked in itertools.chain([first], questions))
        with contextlib.closing(pool.ask_all(requests, self.timeout)) as replies:
            for (pair, asked), reply in replies:
                if reply["stage"] not in ("timeout", "died", "memory", "failed"):
                    if len(_known) >= REMEMBERED:
                        _known.clear()
                    _known[self._key(asked)] = reply
                yield pair, _verdict(asked, reply)

    def _request(self, question: _Question) -> Request:
        request: Request = {"gold": question.gold, "answer": question.answer, "intervals": self.intervals}
        return {**request, "tolerance": question.tolerance}

    def _key(self, question: _Question) -> tuple[Any, ...]:
        return question.gold, question.answer, self.intervals, question.tolerance


_known: dict[tuple[Any, ...], Reply] = {}


def _verdict(question: _Question, reply: Reply) -> Verdict:
    return Verdict(outcome=reply["outcome"], stage=reply["stage"], reason=reply["reason"], **question.about)


def _stated(reference: str) -> str:
    """A reference's answer: its box, what stands behind its "####", or the whole."""
    found = answers.find(reference, ("boxed", "hashes"))
    return found.text if found else reference.strip()


def _unit(text: str) -> tuple[str, str]:
    match = _UNIT.fullmatch(text)
    return (match["body"], match["unit"]) if match else (text, "")


def _letter(text: str) -> str | None:
    match = _LETTER.fullmatch(text)
    return match[1] if match else None


def _is_words(text: str) -> bool:
    """Plain words, such as "Monday" or "no solution"; not "abc", which may be a product."""
    return _WORDS.fullmatch(text) is not None


@functools.cache
def _pool(size: int, pid: int) -> Pool:
    """One pool a process: `pid` makes a fork start its own, because two cannot read one pipe."""
    if importlib.util.find_spec("math_verify") is None:
        raise MissingExtra("comparing mathematics that is not a plain number", "math")
    return Pool("assay.verifiers.worker", size)
