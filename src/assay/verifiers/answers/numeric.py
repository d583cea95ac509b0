r"""Numeric final answers, compared exactly as fractions.

What a number is, is in `quantities`. A sentence that is stated as the answer ("540 / 3 = 180
dollars a day") is searched for its number: the first one after the last equals sign (`numerals`). A
stated answer without a number ("cannot be determined"), with several ("2 or 3") or with an
expression ("2x") is wrong, and nothing else is searched then. Of "3 and 2/3 hours" and "3 hours and
20 minutes" the first number counts.

Stages of a verdict: extraction (nothing is stated), several, withdrawn, reference, number (the
answer is none), percent, units, fraction (exact), tolerance.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, Literal

from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.types import Prompt, Score, Unscored, Verdict
from assay.verifiers import batch
from assay.verifiers.answers import answer as answers
from assay.verifiers.answers.announcements import VALUE
from assay.verifiers.answers.answer import Found, Policy, Several
from assay.verifiers.answers.numerals import NUMBER, is_expression, stated_number
from assay.verifiers.answers.places import DOUBTS
from assay.verifiers.answers.quantities import Percent, Quantity, read
from assay.verifiers.answers.spelling import normalise
from assay.verifiers.answers.statements import MAX_ANSWER, sentence_end
from assay.verifiers.answers.units import convert
from assay.verifiers.reasoning import outside_reasoning

__all__ = ["Numeric", "Tolerance", "Units", "decide", "check_settings"]

Units = Literal["strip", "strict"]
"""strip: 10 cm is 10 m. strict: it is not, 1 m is 100 cm, and 10 is either, for the question may
have named the unit; two units of which one is not known are undecided."""

Tolerance = float | Literal["digits"] | None
"""None: exact. A number: relative, where the reference is a decimal. digits: half of the last place
of a reference that is a decimal, so that 0.3333 passes for 0.333."""

_PARENTHESES: Final = re.compile(r"\(\s*(-?[\d.][^()]*)\)")
_SPACED: Final = re.compile(r"-?\$?-?\d{1,3}(?:, \d{3})+(?:\.\d+)?\.?")
"""Thousands in groups that a space parts too: "$3, 750, 000"."""


@dataclass(frozen=True, kw_only=True)
class Numeric:
    r"""Checks a final answer that is a number, exactly.

    By default the answer is taken from the last complete `\boxed{}`, else the last "#### x", else
    the last "the answer is x", else the last number in the text.
    """

    find: tuple[Policy, ...] = ("boxed", "hashes", "phrase", "last_number")
    """Places of an answer; the first policy that finds one decides."""
    key: str = "answer"
    """Key of the policy `field`."""
    several: Several = "last"
    """Rule for different answers stated alike: the last is judged, or the response is wrong."""
    percent: Percent = "drop"
    """drop: 50% is 50, the way GSM8K's answers are written. divide: 50% is 1/2. strict: 50% is 50%
    alone."""
    units: Units = "strip"
    """strip: 10 cm is 10 m. strict: it is not, and 1 m is 100 cm."""
    tolerance: Tolerance = None
    """None: exact. A number: relative, for references that are decimals. digits: to the reference's
    last digit."""

    fingerprint = ByContent()

    def __post_init__(self) -> None:
        check_settings(self.find, self.tolerance)

    def extract(self, text: str) -> str | None:
        """The final answer, as written; None when the text has none, and then it has no vote."""
        found = self._find(text)
        return found.text if found and not found.doubt else None

    def canonical(self, answer: str) -> str:
        """The exact fraction, "1/2" for "0.50"; what is no number is its own normalised text."""
        found = read(answer)
        if found is None:
            return normalise(answer)
        sign = "%" if found.percent and self.percent == "strict" else ""
        divided = found.percent and self.percent == "divide"
        return f"{found.value / 100 if divided else found.value}{sign}"

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = the numbers are equal, 0 = they are not; `Unscored` for a reference that is no
        number."""
        return self.check(text, reference).score

    def check(self, text: str, reference: str) -> Verdict:
        """Right when the numbers are equal, wrong when they are not, or when the text gives no
        number.

        A text without an answer is wrong, not undecided: it was asked for one. Undecided is what
        has a reference that is not a number itself; a whole solution that ends in "#### 18" or a
        box serves as one. Raises nothing.
        """
        gold = _reference(reference)
        if gold is None:
            reason = f"the reference {reference[:60]!r} is not a number"
            return Verdict(outcome="undecided", reason=reason, stage="reference")
        found = self._find(text)
        if found is None:
            return Verdict(outcome="wrong", reason="the text gives no number", stage="extraction")
        about: dict[str, Any] = {"answer": found.text, "source": found.policy, "span": found.span}
        if found.doubt:
            return Verdict(outcome="wrong", reason=DOUBTS[found.doubt], stage=found.doubt, **about)
        if (
            self.several == "refuse"
            and (number := len({self.canonical(t) for t in (*found.earlier, found.text)})) > 1
        ):
            reason = f"the text states {number} different answers"
            return Verdict(outcome="wrong", reason=reason, stage="several", **about)
        value = read(found.text) or _enclosed(found.text)
        if value is None:
            reason = f"{found.text[:60]!r} is not one number"
            return Verdict(outcome="wrong", reason=reason, stage="number", **about)
        outcome, stage, reason = decide(gold, value, self.percent, self.units, self.tolerance)
        return Verdict(outcome=outcome, stage=stage, reason=reason, **about)

    def check_all(
        self,
        pairs: Sequence[tuple[str, str]],
        show: Callable[[int], None] = lambda _: None,
        reached: Callable[[int, Verdict], None] = lambda _, __: None,
    ) -> list[Verdict]:
        """One verdict a pair of text and reference, in order; the same pair is judged once.

        As they are reached, `reached` is told the place and the verdict, `show` how many there are.
        """
        return batch.check_all(pairs, self.check, batch.never_asked, show, reached)

    def validate(self, records: Iterable[str | Prompt]) -> dict[str, int]:
        """Check references (or prompts that have one): each passes in a box, and planted wrong
        numbers do not.

        Returns counts. Raises `DataError` that lists the first records on which this is not so.
        """
        return batch.validate(records, self.check_all, _stated)

    def _find(self, text: str) -> Found | None:
        """Return what is stated, and of a sentence its number."""
        found = answers.find(text, self.find, self.key)
        if found is None or found.policy in ("boxed", "open_box", "last_number"):
            return found
        if found.text.isdecimal() or (
            read(found.text) is not None and len(NUMBER.findall(found.text)) <= 1
        ):
            return found
        earlier = tuple(part[slice(*stated_number(part))] for part in found.earlier)
        at, sentence = found.span[0], found.text
        if (
            text[slice(*found.span)] != sentence
        ):  # a JSON string with escapes: its place is the whole value
            return replace(found, text=sentence[slice(*stated_number(sentence))], earlier=earlier)
        if found.policy == "phrase":
            sentence = _widened(text, at, sentence)
        start, end = stated_number(sentence)
        number = sentence[start:end]
        number = number.replace(", ", ",") if _SPACED.fullmatch(number) else number
        return replace(found, text=number, span=(at + start, at + end), earlier=earlier)


def _widened(text: str, at: int, stated: str) -> str:
    """More of the text where the number is still to come: an explanation ("his age, which is 6"),
    or more sentences."""
    text = outside_reasoning(text)
    if re.match(VALUE, stated) and "=" not in stated and not is_expression(stated):
        return stated
    if not NUMBER.search(stated):
        stated = text[at : sentence_end(text, at, min(len(text), at + MAX_ANSWER))]
    return text[at : at + MAX_ANSWER].split("\n", 1)[0] if NUMBER.search(stated) else stated


def decide(
    gold: Quantity, answer: Quantity, percent: Percent, units: Units, tolerance: Tolerance
) -> tuple[Literal["right", "wrong", "undecided"], str, str]:
    """Outcome, stage and reason for two numbers."""
    if percent == "strict" and gold.percent != answer.percent:
        return "wrong", "percent", "one is a percentage and the other is not"
    one, other = gold.value, answer.value
    if percent == "divide":
        one, other = one / (100 if gold.percent else 1), other / (100 if answer.percent else 1)
    if units == "strict":
        factor = convert(answer.unit, gold.unit)
        if factor is None:
            return "undecided", "units", f"whether {answer.unit!r} is {gold.unit!r} is not known"
        if factor is False:
            return "wrong", "units", f"{answer.unit!r} does not measure what {gold.unit!r} does"
        other *= factor
    if one == other:
        return "right", "fraction", ""
    reason = f"{_shown(other)} is not {_shown(one)}"
    if tolerance is None or gold.step is None:
        return "wrong", "fraction", reason
    step = gold.step / (100 if gold.percent and percent == "divide" else 1)
    slack = step / 2 if tolerance == "digits" else abs(one) * Fraction(tolerance)
    return (
        ("right", "tolerance", "") if abs(one - other) <= slack else ("wrong", "tolerance", reason)
    )


def check_settings(find: Sequence[Policy], tolerance: Tolerance) -> None:
    """Raises `ConfigError` for a setting that cannot be."""
    unknown = [policy for policy in find if policy not in (*answers.POLICIES, "field")]
    if unknown or not find:
        known = ", ".join((*answers.POLICIES, "field"))
        raise ConfigError(f"find={tuple(find)} must name at least one of: {known}")
    if isinstance(tolerance, (int, float)) and not 0 <= tolerance < 1:
        raise ConfigError(f"tolerance={tolerance:g} is relative and must be in [0, 1)")


@functools.lru_cache(maxsize=1 << 14)
def _reference(reference: str) -> Quantity | None:
    stated = _stated(reference)
    return None if stated is None else read(stated)


def _stated(reference: str) -> str | None:
    """The number that a reference is, or that the solution which serves as one ends in."""
    if read(reference) is not None:
        return reference
    found = answers.find(reference, ("boxed", "hashes"))
    return found.text if found and read(found.text) is not None else None


def _enclosed(text: str) -> Quantity | None:
    """A number in parentheses, (18) or (-18)."""
    inside = _PARENTHESES.fullmatch(normalise(text)) if len(text) <= MAX_ANSWER else None
    return read(inside[1]) if inside else None


def _shown(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
