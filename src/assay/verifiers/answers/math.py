r"""Mathematical final answers: exact where they are numbers, else compared by SymPy in a guarded
process.

The cascade, cheapest first, each with its stage in the verdict:

1. `extraction`, `several`, `withdrawn`, `reference`: nothing is stated, or different things are, or
   what is stated is taken back, or there is nothing to compare with
2. `refused`: what could not be checked in bounded time (`refusals`)
3. `spelling`: the same LaTeX but for dress is right
4. what needs no algebra (`settle`): `choice` letters, `time` of day, `fraction`, `tolerance`,
   `percent`, `units` of two numbers, exactly, and that is final; `base`, `ratio`, `list`, `words`,
   `letters`, `names`, `approximate`
5. `structure`, `sets`, `chain`, `points`, `math-verify`: sets, equations and expressions
   (`equivalence`), in a worker process that is killed at the deadline; `unreadable`, `timeout`,
   `memory`, `failed`, `died`

What is granted, as a careful teacher would who knows what the exercise asked for:

* a name before a value, "AB = 5", f(x) = x^2, (p, q) = (3, 2), A(1, 2), and one name of a variable
for another in f
* a unit of the table (`units`) or a thing of the list (`nouns`) left out or added; other units
  where they convert; dollars for a currency left out, and am or pm left out. Any other words behind
  a number make another answer
* a choice by its letter or by its text, `\textbf{(C) }12` for C and for 12
* the base of a number left out where the reference names it
* number words, ordinals, repeating decimals, thousands by comma, `,\!`, space or several points;
  "or" and "and" for commas; `\pm` for both values; "no solution" as "none"; articles

"Undecided" is said of what the exercise alone could tell (m + n = 12 for 12, 3.14... for 3.14), of
what two checks do not agree on, and where the reference is the trouble: it cannot be read, or not
in bounded time. An answer that cannot be read, or not in bounded time, is wrong: else gibberish
would be a way around a 0.

Known limits:

* a box that is never closed states no answer, since the text may be cut; the policy `open_box`
reads it
* a solution set {3} is 3
* (1, 2) is read as an open interval and as a pair alike, so (1, 2) as an interval passes for the
pair
* log(x^2) and 2 log(x), or (-1)^n and cos(n pi), whose equality depends on what x and n may be, are
undecided
* two answers that hold functions without values, such as f(x) and f(y), are undecided unless they
are spelled alike
* equations in several variables are compared by factors and by what SymPy solves; equations that
  have no solution are undecided
* numbers in another base are compared digit by digit with the base's own spelling: 11 (base 2) is
not 3
* nouns that are not in the list, "5 gizmos" for 5, are undecided; decimal commas, "0,5", are lists
"""

import contextlib
import functools
import importlib.util
import itertools
import os
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assay.errors import ConfigError, MissingExtra
from assay.fingerprint import ByContent
from assay.types import Prompt, Score, Unscored, Verdict
from assay.verifiers import batch
from assay.verifiers.answers import answer as answers
from assay.verifiers.answers.answer import Policy, Several
from assay.verifiers.answers.choices import letters
from assay.verifiers.answers.measures import measured
from assay.verifiers.answers.numeric import Tolerance, Units, check_settings
from assay.verifiers.answers.phrases import is_letters
from assay.verifiers.answers.places import DOUBTS
from assay.verifiers.answers.quantities import Percent
from assay.verifiers.answers.refusals import refusal, too_long
from assay.verifiers.answers.settle import Left, Rules, settle
from assay.verifiers.answers.spelling import normalise, squeezed, tight
from assay.verifiers.pool import Pool, Reply, Request

__all__ = ["Math"]

REMEMBERED: Final = 1 << 16
"""Comparisons whose verdicts are kept by content."""

_MARK: Final = re.compile(r"(?<=\d)\{,\}(?=\d{3})")
"""A comma that only a thousands separator is written as; a bare one may part a list."""
_TEXTED: Final = re.compile(r"\s*\$?\\(?:text|textbf|textit|textrm|mbox)\s*\{[^{}]*\}\$?\s*")


@dataclass(frozen=True)
class _Question:
    """What is left for a worker: two normalised answers."""

    gold: str
    answer: str
    tolerance: float | None
    unsure: str
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Math:
    r"""Checks a final answer that is mathematics: numbers, expressions, sets, intervals, equations,
    matrices.

    By default the answer is taken from the last complete `\boxed{}`, else the last "#### x", else
    the last "the answer is x". Needs the 'math' extra, but only for answers that are not plain
    numbers. Threads may share it.
    """

    find: tuple[Policy, ...] = ("boxed", "hashes", "phrase")
    """Places of an answer; the first policy that finds one decides."""
    key: str = "answer"
    """Key of the policy `field`."""
    several: Several = "last"
    """Rule for different answers stated alike: the last is judged, or the response is wrong."""
    percent: Percent = "drop"
    """drop: 50% is 50. divide: 50% is 1/2. strict: 50% is 50% alone."""
    units: Units = "strict"
    """strict: 10 cm is not 10 m, 1 m is 100 cm, and 10 is either. strip: units and nouns do not
    count."""
    roman: bool = False
    """Roman numerals: XIV is 14."""
    intervals: bool = True
    """Whether an inequality may answer an interval, and an interval an inequality: 2 <= x < 3 is
    [2, 3)."""
    tolerance: Tolerance = None
    """None: exact. A number: relative, for references that are decimals. digits: to the reference's
    last digit."""
    timeout: float = 5.0
    """Seconds for one comparison; past it the answer is undecided."""
    workers: int = 2
    """Processes at most; one is started when first needed and stays warm."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.workers < 1:
            raise ConfigError(
                f"timeout={self.timeout:g} and workers={self.workers} must be positive"
            )
        check_settings(self.find, self.tolerance)

    def extract(self, text: str) -> str | None:
        """The final answer, as written; None when the text states none, and then it has no vote."""
        found = answers.find(text, self.find, self.key)
        return found.text if found and not found.doubt else None

    def canonical(self, answer: str) -> str:
        """The exact fraction of a number, else the normalised LaTeX.

        Votes are counted under this key, so `2/\\sqrt{2}` and `\\sqrt{2}`, though equal, are two
        answers.
        """
        found = measured(normalise(answer))
        if found is None or found.behind == "words":
            return squeezed(answer)
        number = found.quantity
        sign = "%" if number.percent and self.percent == "strict" else ""
        divided = number.percent and self.percent == "divide"
        return f"{number.value / 100 if divided else number.value}{sign}"

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = the same mathematics, 0 = not, or the text states no answer; `Unscored` when it
        cannot be decided."""
        return self.check(text, reference).score

    def check(self, text: str, reference: str) -> Verdict:
        """The verdict on a response, and the stage that came to it.

        A text without an answer is wrong, not undecided: it was asked for one; so is one whose
        answer cannot be read or is refused for its size (bytes, nesting, towers of exponents,
        factorials). Undecided are: a reference that cannot be read or is refused, a time-out, what
        two checks do not agree on, and what the exercise alone could tell. Raises `MissingExtra`
        without math-verify and `BackendError` when a worker cannot start; never anything because of
        a text.
        """
        (verdict,) = self.check_all([(text, reference)])
        return verdict

    def check_all(
        self,
        pairs: Sequence[tuple[str, str]],
        show: Callable[[int], None] = lambda _: None,
        reached: Callable[[int, Verdict], None] = lambda _, __: None,
    ) -> list[Verdict]:
        """One verdict a pair of text and reference, in order, by all workers; the same pair is
        judged once.

        As they are reached, in another order, `reached` is told the place and the verdict, `show`
        how many there are.
        """
        return batch.check_all(pairs, self._at_once, self._asked, show, reached)

    def validate(self, records: Iterable[str | Prompt]) -> dict[str, int]:
        """Check references (or prompts that have one): each passes in a box, and planted wrong ones
        do not.

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
        if found.doubt:
            return verdict("wrong", found.doubt, DOUBTS[found.doubt])
        if (
            self.several == "refuse"
            and (n := len({self.canonical(t) for t in (*found.earlier, found.text)})) > 1
        ):
            return verdict("wrong", "several", f"the text states {n} different answers")
        if found.policy == "choice":
            return self._choice(gold, found.text, verdict)
        if why := too_long(gold):
            return verdict("undecided", "refused", f"the reference {why}")
        if why := too_long(found.text):
            return verdict("wrong", "refused", f"the answer {why}")
        one, other = (normalise(_MARK.sub("", side)) for side in (gold, found.text))
        if tight(one) == tight(other):
            return verdict("right", "spelling")
        if why := refusal(one):
            return verdict("undecided", "refused", f"the reference {why}")
        if why := refusal(other):
            return verdict("wrong", "refused", f"the answer {why}")
        texted = _TEXTED.fullmatch(gold) or _TEXTED.fullmatch(found.text)
        if (
            texted
            and is_letters(one)
            and sorted(one.lower()) == sorted(other.lower())
            and one.lower() != other.lower()
        ):
            return verdict("wrong", "words", "the same letters in another order")
        ruling = settle(one, other, Rules(self.percent, self.units, self.tolerance, self.roman))
        if not isinstance(ruling, Left):
            return verdict(*ruling)
        question = _Question(
            ruling.gold, ruling.answer, self._relative(ruling.gold), ruling.unsure, about
        )
        _pool(self.workers, os.getpid())  # without the extra it is told, whatever is known already
        known = _known.get(self._key(question))
        return question if known is None else _verdict(question, known)

    def _choice(self, gold: str, letter: str, verdict: Callable[..., Verdict]) -> Verdict:
        stated = answers.find(gold, ("choice",))
        if stated is None:
            return verdict("undecided", "reference", f"the reference {gold[:60]!r} is no letter")
        same = letters(stated.text) == letters(letter)
        return verdict(*(("right", "choice") if same else ("wrong", "choice", "another letter")))

    def _relative(self, gold: str) -> float | None:
        """The tolerance for a comparison of numbers with this reference."""
        found = measured(gold)
        if self.tolerance is None or found is None or found.quantity.step is None:
            return None
        if self.tolerance == "digits":
            value = found.quantity.value
            return float(found.quantity.step / 2 / abs(value)) if value else 0.0
        return self.tolerance

    def _asked(
        self, questions: Iterable[tuple[batch.Pair, _Question]]
    ) -> Generator[tuple[batch.Pair, Verdict], None, None]:
        """The workers' verdicts, as they come."""
        questions = iter(questions)
        if (first := next(questions, None)) is None:
            return
        pool = _pool(self.workers, os.getpid())
        requests = (
            ((pair, asked), self._request(asked))
            for pair, asked in itertools.chain([first], questions)
        )
        with contextlib.closing(pool.ask_all(requests, self.timeout)) as replies:
            for (pair, asked), reply in replies:
                if reply["stage"] not in ("timeout", "died", "memory", "failed"):
                    if len(_known) >= REMEMBERED:
                        _known.clear()
                    _known[self._key(asked)] = reply
                yield pair, _verdict(asked, reply)

    def _request(self, question: _Question) -> Request:
        request: Request = {
            "gold": question.gold,
            "answer": question.answer,
            "intervals": self.intervals,
        }
        return {**request, "tolerance": question.tolerance}

    def _key(self, question: _Question) -> tuple[Any, ...]:
        return question.gold, question.answer, self.intervals, question.tolerance


_known: dict[tuple[Any, ...], Reply] = {}


def _verdict(question: _Question, reply: Reply) -> Verdict:
    if question.unsure and reply["outcome"] == "right":
        return Verdict(outcome="undecided", stage="names", reason=question.unsure, **question.about)
    return Verdict(
        outcome=reply["outcome"], stage=reply["stage"], reason=reply["reason"], **question.about
    )


def _stated(reference: str) -> str:
    """A reference's answer: its box, what stands behind its "####", or the whole."""
    found = answers.find(reference, ("boxed", "hashes"))
    return found.text if found else reference.strip()


@functools.cache
def _pool(size: int, pid: int) -> Pool:
    """One pool a process: `pid` makes a fork start its own, because two cannot read one pipe."""
    if importlib.util.find_spec("math_verify") is None:
        raise MissingExtra("comparing mathematics that is not a plain number", "math")
    return Pool("assay.verifiers.answers.worker", size)
