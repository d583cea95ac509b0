"""Every text gets its verdict in time that grows with its length, and no faster."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.verifiers
from assay.verifiers import Math, Numeric
from assay.verifiers.answers.answer import POLICIES, find
from assay.verifiers.answers.numerals import stated_number
from assay.verifiers.answers.quantities import number, quantity
from assay.verifiers.answers.refusals import MAX_BYTES, refusal
from assay.verifiers.answers.spelling import is_blank, normalise, squeezed
from assay.verifiers.code import program
from assay.verifiers.rules import checks as rules
from tests.verifiers.pumps import attacks, of_pattern, pumps

NUMERIC, LINE = Numeric(), Numeric(find=("final_line",), several="refuse")
PUMPS = pumps(assay.verifiers)

READERS: dict[str, Callable[[str], object]] = {
    **{
        policy: (lambda text, policy=policy: find(text, (policy,)))
        for policy in (*POLICIES, "field")
    },
    "a numeric verdict": lambda text: NUMERIC.check(text, "5"),
    "a stated number": lambda text: NUMERIC.check(f"The answer is {text}", "5"),
    "behind a statement": lambda text: NUMERIC.check(f"The answer is 5. {text}", "5"),
    "between two numbers": lambda text: NUMERIC.check(f"5 {text} 5", "5"),
    "a last line": lambda text: LINE.check(text, "5"),
    "a reference": lambda text: NUMERIC.check("5", text),
    "a vote": NUMERIC.canonical,
    "a sentence": stated_number,
    "a box": lambda text: (
        Math().check(rf"\boxed{{{text}}}", "5") if len(text) > MAX_BYTES else None
    ),
    "a number": number,
    "a quantity": quantity,
    "spelling": lambda text: (normalise(text), squeezed(text), is_blank(text)),
    "refusals": lambda text: refusal(text[:MAX_BYTES]),
    "a program": lambda text: program.program(text, "auto", "f", "def f():"),
    "a format": rules.Format().check,
    "sentences": rules.Length(unit="sentences", min=1).check,
}


def slow(text: str, limit: float) -> list[str]:
    """The readers that take longer than `limit` seconds of processor time, at each of three tries:
    a machine that does other work adds to some."""
    found = []
    for name, read in READERS.items():
        tries = []
        while len(tries) < 3 and (not tries or tries[-1] > limit):
            tries.append(seconds_of(lambda read=read: read(text)))
        if min(tries) > limit:
            found.append(f"{name}: {min(tries):.2f} s")
    return found


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize(
    "text",
    [
        "12" + ",34" * 33_000,
        "1" * 100_000,
        "1" * 99_998 + ":1",
        "1 111" * 20_000,
        "1,111," * 16_000,
        "1/" * 50_000,
        "1 1/" * 25_000,
        "1.1" * 33_000,
        "1^" * 50_000,
        "-$" * 50_000,
        "answer is " * 10_000,
        "answer is not " * 7_000,
        "answer is $" * 9_000,
        ("The answer is " + "no, " * 300 + "\n") * 80,
        "answer is 5. wait, no, " * 4_000,
        "A or " * 20_000,
        "Answer: A" + " or B" * 20_000,
        "(A) or " * 14_000,
        r"\boxed{" * 14_000,
        r"\boxed{1}, " * 9_000,
        r"not \boxed{1} " * 7_000,
        "<think>" * 14_000,
        "</think>" * 12_000,
        "$$" * 50_000,
        r"\[" * 50_000,
        "####" * 25_000,
        '{"answer": ' * 9_000,
        r"\frac{1" * 14_000,
        r"\sqrt(" * 16_000,
        "```a\n" * 20_000,
        "1^" + " " * 100_000,
        " " * 100_000,
        "\n" * 100_000,
        "." * 100_000,
    ],
    ids=lambda text: repr(text[:16]),
)
def test_no_long_text_takes_a_second(text: str) -> None:
    assert slow(text, 1.0) == []


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(PUMPS), st.integers(0, 2))
def test_no_part_of_any_pattern_repeated_is_slow(pump: tuple[str, str], form: int) -> None:
    """A tenth of the length, in which what is linear takes 0.04 s and what is quadratic 0.4 s and
    more."""
    assert slow(attacks(pump, 10_000)[form], 0.2) == []


def test_the_attacks_find_what_is_quadratic() -> None:
    numbers = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}|\d+")
    times = []
    for text in {text for pump in of_pattern(numbers) for text in attacks(pump, 10_000)}:
        start = time.process_time()
        numbers.findall(text)
        times.append(time.process_time() - start)
    assert max(times) > 0.2
