from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.verifiers.answers.numberwords import fraction_word, ordinal, spoken

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen"
)
ONES += " eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def said(number: int) -> str:
    """The number in words, written here a second time."""
    if number < 20:
        return ONES.split()[number]
    if number < 100:
        ten, one = divmod(number, 10)
        return TENS.split()[ten - 2] + (f"-{ONES.split()[one]}" if one else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            many, rest = divmod(number, size)
            return f"{said(many)} {name}" + (f" {said(rest)}" if rest else "")
    raise AssertionError


@given(st.integers(0, 10**9 - 1))
def test_whole_numbers_are_read_as_they_are_said(number: int) -> None:
    assert spoken(said(number)) == number
    assert spoken(f"Negative {said(number)}") == -number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("one hundred and five", 105),
        ("a thousand", 1000),
        ("eleven hundred", 1100),
        ("two dozen", 24),
        ("two thirds", "2/3"),
        ("three-fifths", "3/5"),
        ("half", "1/2"),
        ("a quarter", "1/4"),
        ("five halves", "5/2"),
        ("one and a half", "3/2"),
        ("twenty-one and two thirds", "65/3"),
        ("three point one four", "3.14"),
    ],
)
def test_other_numbers(text: str, value: int | str) -> None:
    assert spoken(text) == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "and",
        "hundred",
        "five five",
        "one two",
        "one and two",
        "five hundred hundred",
        "twenty ten",
        "two million million",
        "three half dozen",
        "one and three halves",
        "five apples",
        "third",
        "point",
        "five point",
        "no one",
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert spoken(text) is None


def test_places_and_parts() -> None:
    assert [
        ordinal(text) for text in ("first", "twelfth", "twentieth", "Thirty-third", "five")
    ] == [
        1,
        12,
        20,
        33,
        None,
    ]
    assert [
        fraction_word(word) for word in ("half", "halves", "third", "tenths", "first", "apples")
    ] == [
        2,
        2,
        3,
        10,
        None,
        None,
    ]
