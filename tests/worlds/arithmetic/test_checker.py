import itertools

import pytest

from assay.protocols import Verifier
from assay.types import Response, Score, Unscored
from assay.worlds.arithmetic.checker import Checker, check_steps
from assay.worlds.arithmetic.task import ANSWER, prompt_of, split_steps, step_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" +3=3 +5=8 +2=0 +7=7 ans=7", "11111"),
        (" +3=3 +0=3 +5=8 +2=0 +7=7 +0=7 ans=7", "1111111"),
        # After an error, steps are judged from what was written.
        (" +3=4 +5=9 +2=1 +7=8 ans=8", "01111"),
        # Two errors that cancel: a right answer in spite of wrong steps.
        (" +3=4 +5=8 +2=0 +7=7 ans=7", "00111"),
        # A digit left out: the digit after it is not the next one, and the answer comes too early.
        (" +3=3 +2=5 +7=2 ans=2", "1000"),
        (" +3=3 +5=8 ans=8", "110"),
        # Digits used up.
        (" +3=3 +5=8 +2=0 +7=7 +3=0 ans=0", "111101"),
        # A wrong answer step, and nothing right after an answer.
        (" +3=3 +5=8 +2=0 +7=7 ans=6", "11110"),
        (" +3=3 +5=8 +2=0 +7=7 ans=7 ans=7 +0=7", "1111100"),
        # Garbage changes nothing.
        (" +3=3 +x=3 +5=8 +2=0 +7=7 ans=7", "101111"),
        (" +3=3 +0=4", "10"),
    ],
)
def test_steps_by_hand(text: str, expected: str) -> None:
    assert (
        "".join("01"[right] for right in check_steps((3, 5, 2, 7), split_steps(text))) == expected
    )


def test_right_steps_are_exactly_the_valid_chains() -> None:
    """Over every chain of up to three steps on every problem of one digit, and some of two, against
    a plain rule."""
    steps = [(op, r) for op in range(ANSWER + 1) for r in range(10)]
    for digits in [(4,), (9,), (1,)]:
        for length in (1, 2):
            for chain in itertools.product(steps, repeat=length):
                texts = [step_text(*step) for step in chain]
                whole = all(check_steps(digits, texts)) and chain[-1][0] == ANSWER
                assert whole == (list(chain) in _valid(digits, length)), texts
    for digits in itertools.product(range(1, 10), repeat=2):
        for chain in _valid(digits, 3) + _valid(digits, 4):
            assert all(check_steps(digits, [step_text(*step) for step in chain]))
            # Any one result changed breaks that step and no step before it.
            for i, (op, result) in enumerate(chain):
                broken = [step_text(*step) for step in chain]
                broken[i] = step_text(op, (result + 1) % 10)
                verdicts = check_steps(digits, broken)
                assert list(verdicts[: i + 1]) == [True] * i + [False]


def _valid(digits: tuple[int, ...], length: int) -> list[list[tuple[int, int]]]:
    """Chains that add the digits in order, with no-ops anywhere, and then answer."""
    found = []
    for places in itertools.combinations(range(length - 1), len(digits)):
        ops = [0] * (length - 1)
        for place, digit in zip(places, digits, strict=True):
            ops[place] = digit
        totals = list(itertools.accumulate(ops))
        found.append(
            [*((op, t % 10) for op, t in zip(ops, totals, strict=True)), (ANSWER, sum(digits) % 10)]
        )
    return found


@pytest.mark.parametrize(
    ("text", "answer", "value"),
    [
        (" +3=3 +5=8 +2=0 +7=7 ans=7", "7", 1.0),
        (" ans=6", "6", 0.0),
        (" +3=3", None, 0.0),
        ("", None, 0.0),
        (" ans=7 +0=7", None, 0.0),
        (" ans=77", None, 0.0),
    ],
)
def test_answers(text: str, answer: str | None, value: float) -> None:
    checker = Checker()
    assert isinstance(checker, Verifier)
    assert checker.extract(text) == answer
    assert checker.verify(text, "7") == Score(value=value)


def test_a_reference_that_is_no_digit_decides_nothing() -> None:
    assert isinstance(Checker().verify(" ans=7", "17"), Unscored)
    assert isinstance(Checker().verify(" ans=7", ""), Unscored)


def test_labels_are_a_record() -> None:
    record = Checker().label(prompt_of([1, 1]), Response(steps=(" +1=1", " +1=3", " ans=3")))
    assert record.labels == (1.0, 0.0, 1.0)
