from fractions import Fraction

import pytest

from assay.verifiers.answers.clock import read_clock
from assay.verifiers.answers.nouns import is_thing, singular
from assay.verifiers.answers.roman import roman
from assay.verifiers.answers.setalgebra import same_sets
from assay.verifiers.answers.units import behind, convert


@pytest.mark.parametrize(
    ("one", "other", "factor"),
    [
        ("cm", "m", Fraction(1, 100)),
        (r"\text{ meters}", "m", 1),
        ("square feet", "sq. in.", 144),
        ("m^2", "cm^{2}", 10_000),
        ("ml", "cm^3", 1),
        ("L", "ml", 1000),
        ("mph", "miles per hour", 1),
        ("m/s", "km/h", Fraction(18, 5)),
        ("dollars a day", "$ per day", 1),
        ("hours", "minutes", 60),
        ("£", "pounds", 1),
        ("lbs", "pounds", 1),
        ("cents", "$", Fraction(1, 100)),
        ("", "cm", 1),
        ("units^2", "cm^2", 1),
        ("feet", "meters", Fraction(3048, 10_000)),
    ],
)
def test_units_that_measure_the_same(one: str, other: str, factor: Fraction) -> None:
    assert convert(one, other) == factor
    assert convert(other, one) == 1 / Fraction(factor)


@pytest.mark.parametrize(
    ("one", "other"), [("cm", "kg"), ("cm", "cm^2"), ("€", "$"), ("mph", "miles")]
)
def test_units_that_do_not(one: str, other: str) -> None:
    assert convert(one, other) is False
    assert convert(other, one) is False


@pytest.mark.parametrize(
    ("one", "other"), [("apples", "pears"), ("years", "days"), ("gizmos", "cm")]
)
def test_units_of_which_it_is_not_known(one: str, other: str) -> None:
    assert convert(one, other) is None


def test_what_stands_behind_a_number() -> None:
    kinds = {
        "unit": [
            "",
            "cm",
            r"\text{ cm}^2",
            "miles per hour",
            "dollars",
            r"^{\circ}",
            "seconds",
            "kg m/s^2",
        ],
        "thing": [
            "apples",
            "red marbles",
            "children",
            "different ways",
            "cups of flour",
            "people",
            "boxes",
        ],
        "unknown": ["gizmos", "blue gizmos"],
        "words": [
            "halves",
            "is wrong",
            "or 6",
            "dozen",
            "factorial",
            "minutes past three",
            "squared",
            "of 7",
            "root",
        ],
    }
    assert {kind: {behind(text) for text in texts} for kind, texts in kinds.items()} == {
        kind: {kind} for kind in kinds
    }


def test_plurals() -> None:
    words = "apples boxes cherries children people buses pies leaves inches glass"
    assert [singular(word) for word in words.split()] == [
        "apple", "box", "cherry", "child", "person", "bus", "pie", "leaf", "inch", "glass",
    ]  # fmt: skip
    assert all(map(is_thing, "apple apples puppies potatoes shoes sandwiches horses".split()))
    assert not any(map(is_thing, "halves dozen thirds apply five is".split()))


def test_roman_numerals() -> None:
    numerals = {
        "I": 1,
        "IV": 4,
        "IX": 9,
        "XIV": 14,
        "XL": 40,
        "XCIX": 99,
        "CDXLIV": 444,
        "MMXXIV": 2024,
    }
    assert {text: int(roman(text) or 0) for text in numerals} == numerals
    assert [roman(text) for text in ("", "IIII", "VX", "IC", "xiv", "MIX it", "ABC")] == [None] * 7


def test_times() -> None:
    def same(one: str, other: str) -> bool:
        first, second = read_clock(one), read_clock(other)
        return first is not None and second is not None and first.is_same(second)

    assert same("3:30 pm", "3:30")
    assert same("15:30", "3:30 p.m.")
    assert same("12:00 am", "12:00 AM")
    assert not same("3:30 pm", "3:30 am")
    assert not same("3:30", "3:31")
    assert [read_clock(text) for text in ("3", "3:60", "25:00", "13:00 pm", "3:3", "pm")] == [
        None
    ] * 6


def test_sets_by_their_members() -> None:
    assert same_sets(r"A\cup B", r"B\cup A") is True
    assert same_sets(r"A\cap(B\cup C)", r"(A\cap B)\cup(A\cap C)") is True
    assert same_sets(r"(A\cup B)^c", r"A^c\cap B^c") is True
    assert same_sets(r"A\setminus B", r"A\cap \overline{B}") is True
    assert same_sets(r"A\cup B", r"A\cap B") is False
    assert same_sets(r"A\cup B", "5") is False
    assert same_sets(r"A\cup B\cap C", r"A\cup B\cap D") is None  # ambiguous without brackets
    assert same_sets("5", "6") is None
    assert same_sets(r"[1,2]\cup[3,4]", r"[1,4]") is None  # intervals
