import math
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.sandbox.inside.codec import encode
from assay.verifiers.code.compare import Comparison, same_text
from tests.verifiers.test_codec import values

STRICT, LOOSE = Comparison(), Comparison(numbers="equal", sequences="equal")


@given(values)
def test_every_value_is_itself(value: Any) -> None:
    assert STRICT.same(encode(value), encode(value))


@pytest.mark.parametrize(
    ("one", "other", "strict", "loose"),
    [
        (1, 1, True, True),
        (1, 2, False, False),
        (1, True, False, False),
        (0, False, False, False),
        (1, 1.0, False, True),
        (1, "1", False, False),
        (None, 0, False, False),
        ("", None, False, False),
        ((1, 2), [1, 2], False, True),
        ([1, (2, 3)], [1, [2, 3]], False, True),
        ([1, 2], [2, 1], False, False),
        ([1], [1, 1], False, False),
        ({1, 2}, {2, 1}, True, True),
        ({1, 2}, {1, 2, 3}, False, False),
        ({1}, frozenset({1}), False, False),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True, True),
        ({"a": 1}, {"a": 2}, False, False),
        ({"a": 1}, {"b": 1}, False, False),
        ({"a": 1}, {"a": 1, "b": 1}, False, False),
        ({1: "x"}, {True: "x"}, False, False),
        ({frozenset({1, 2}), frozenset({3})}, {frozenset({3}), frozenset({2, 1})}, True, True),
        ({frozenset({1, 2})}, {frozenset({1, 3})}, False, False),
        ({(1, frozenset({"a", "b"})): 1}, {(1, frozenset({"b", "a"})): 1}, True, True),
        (2**70, 2**70, True, True),
        (2**70, 2**70 + 1, False, False),
        (math.nan, math.nan, True, True),
        (math.nan, 0.0, False, False),
        (math.inf, math.inf, True, True),
        (math.inf, -math.inf, False, False),
        (b"x", bytearray(b"x"), False, False),
        (0.1 + 0.2, 0.3, False, False),
    ],
)
def test_types_and_values(one: Any, other: Any, strict: bool, loose: bool) -> None:
    for left, right in ((one, other), (other, one)):
        assert STRICT.same(encode(left), encode(right)) is strict
        assert LOOSE.same(encode(left), encode(right)) is loose


def test_tolerances() -> None:
    close = Comparison(absolute=0.01)
    assert close.same(encode([1.0, {"a": 2.0}]), encode([1.009, {"a": 1.995}]))
    assert not close.same(encode(1.0), encode(1.02))
    assert not close.same(encode(1), encode(1.0))
    assert not close.same(encode(3), encode(3.001))
    assert Comparison(relative=0.1).same(100.0, 109.0)
    assert not Comparison(relative=0.1).same(100.0, 111.0)
    assert not close.same(1.0, math.nan)
    assert not close.same(1.0, ["float", "nan"])
    assert not Comparison(absolute=1.0, numbers="equal").same(1.0, ["int", hex(10**400)])
    with pytest.raises(ConfigError, match="absolute"):
        Comparison(absolute=math.nan)


HOSTILE: list[Any] = [
    *(
        [],
        ["dict"],
        ["dict", 1],
        ["dict", [1, 2], [1, 2]],
        ["dict", [1]],
        ["set", 1, 1],
        ["int"],
        ["int", "zz"],
    ),
    *(
        ["int", 5],
        ["float", "x"],
        ["opaque"],
        ["opaque", "int"],
        [["int"]],
        {},
        {"int": 5},
        ["list", ["opaque", "x"]],
    ),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_data_equals_nothing(hostile: Any) -> None:
    for expected in (5, {1: 2}, {1}, [1], "x", None, 1.5, {}, set(), []):
        for comparison in (STRICT, LOOSE):
            if hostile == ["dict"] and expected == {}:
                continue  # the encoding of just that
            assert not comparison.same(encode(expected), hostile)


def test_sets_in_sets_are_compared_in_no_order() -> None:
    one = ["set", ["frozenset", 1, 2, ["tuple", "a"]], ["frozenset", 3]]
    other = ["set", ["frozenset", 3], ["frozenset", ["tuple", "a"], 2, 1]]
    assert STRICT.same(one, other)
    assert not STRICT.same(one, ["set", ["frozenset", 3], ["frozenset", ["tuple", "b"], 2, 1]])
    assert not STRICT.same(["set", ["tuple", 1, 2]], ["set", ["tuple", 2, 1]])


@pytest.mark.parametrize(
    ("expected", "actual", "strict", "equal", "close"),
    [
        ({0.0}, {-0.0}, True, True, True),
        ({(0.0, "a")}, {(-0.0, "a")}, True, True, True),
        ({-0.0: 1}, {0.0: 1}, True, True, True),
        ({1.0, 2.0}, {1, 2}, False, True, True),
        ({1: "a"}, {1.0: "a"}, False, True, True),
        ({1: "a"}, {1.0: "b"}, False, False, False),
        ({1, 2}, {1.0, 3.0}, False, False, False),
        ({True}, {1}, False, False, False),
        ({0.5, 1.5}, {0.5000000001, 1.5}, False, False, True),
        ({(0.5, "a"), (0.5, "b")}, {(0.5000000001, "b"), (0.4999999999, "a")}, False, False, True),
        ({(0.5, "a"), (0.5, "b")}, {(0.5000000001, "a"), (0.4999999999, "a")}, False, False, False),
        ({frozenset({0.5})}, {frozenset({0.5000000001})}, False, False, True),
        ({0.5: [1.5]}, {0.5000000001: [1.5000000001]}, False, False, True),
        ({0.5: [1.5]}, {0.5000000001: [1.6]}, False, False, False),
        ({0.5, 0.6}, {0.5000000001}, False, False, False),
        ({2**53 + 1}, {2.0**53}, False, False, False),
        ([1j], [1.0000000001j], False, False, True),
        ({1j}, {1.0000000001j}, False, False, True),
        ([1 + 0j], [1], False, True, True),
        ([complex(0.0, -0.0)], [0j], True, True, True),
        ({complex(0.0, -0.0)}, {0j}, True, True, True),
        (Decimal("1.50"), Decimal("1.5"), True, True, True),
        ({Decimal("1.50")}, {Decimal("1.5")}, True, True, True),
        ({Decimal("0.0")}, {Decimal("-0")}, True, True, True),
        ({Decimal("100")}, {Decimal("1e2")}, True, True, True),
        ({Decimal("100")}, {Decimal("10")}, False, False, False),
        (Decimal(1) / 3, Decimal("0.3333333333"), False, False, True),
        (Decimal("0.5"), 0.5, False, True, True),
        (Fraction(1, 2), 0.5, False, True, True),
        (Fraction(1, 3), Fraction(1, 3), True, True, True),
        ([10**16], [1e16 + 2], False, False, False),
    ],
)
def test_numbers_in_whatever_they_are_in(
    expected: Any, actual: Any, strict: bool, equal: bool, close: bool
) -> None:
    near = Comparison(numbers="equal", absolute=1e-6)
    for one, other in ((expected, actual), (actual, expected)):
        assert STRICT.same(encode(one), encode(other)) is strict
        assert Comparison(numbers="equal").same(encode(one), encode(other)) is equal
        assert near.same(encode(one), encode(other)) is close


@given(st.sets(st.floats(-1e6, 1e6), max_size=20), st.randoms(use_true_random=False))
def test_a_set_is_close_to_itself_moved_a_little(items: set[float], random: Any) -> None:
    near = Comparison(absolute=1e-6)
    pairs = ["set", *(["tuple", item, "x"] for item in items)]
    moved = ["set", *(["tuple", item + 1e-7, "x"] for item in items)]
    moved[1:] = random.sample(moved[1:], len(items))
    assert near.same(["set", *items], ["set", *(item + 1e-7 for item in items)])
    assert near.same(pairs, moved)
    if items:
        far = [*moved[:-1], ["tuple", 1e7, "x"]]
        assert not near.same(pairs, far)


def test_pairs_are_found_where_sorting_does_not_find_them() -> None:
    near = Comparison(absolute=0.1)
    expected = {(1.0, 1.0), (1.05, 9.0)}
    assert near.same(encode(expected), encode({(1.06, 1.0), (1.0, 9.0)}))
    assert not near.same(encode(expected), encode({(1.06, 1.0), (1.0, 8.0)}))


def test_what_is_opaque_does_not_even_equal_itself() -> None:
    assert not STRICT.same(encode(object()), encode(object()))


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("1\n2\n", "1\n2", True),
        ("1\n2", "\n1  \n2\n\n", True),
        ("1\n2", "1 2", False),
        ("1\n2", "1", False),
        ("1", "1\n2", False),
        ("", "", True),
        ("", "x", False),
        ("a b", "a  b", False),
        ("0.5", "0.50", False),
        ("  *\n ***", "  *  \n ***\n", True),
        ("  *\n ***", "*\n ***", False),
        ("*\n ***", " *\n ***", False),
        ("\n\n  a\n\n", "  a", True),
        ("a\n\nb", "a\nb", False),
        ("a\r\nb\r\n", "a\nb", True),
        ("\ufeffa", "a", True),
        ("a\tb", "a b", False),
        ("   ", "\n", True),
    ],
)
def test_texts(expected: str, actual: str, same: bool) -> None:
    assert same_text(expected, actual) is same
    assert same_text(expected, actual, STRICT) is same


def test_numbers_in_texts_may_be_close() -> None:
    close = Comparison(absolute=1e-6)
    assert same_text("x 0.5 1", "x 0.5000001 1.0", close)
    assert not same_text("x 0.5", "x 0.6", close)
    assert not same_text("x 0.5", "y 0.5", close)
    assert not same_text("0.5", "nan", close)
    assert not same_text("0.5", "0.5 0.5", close)


@pytest.mark.parametrize(
    ("expected", "actual", "equal", "close"),
    [
        ("2.50 x", "2.5 x", True, True),
        ("9007199254740993", "9007199254740992", False, False),
        ("9007199254740993", "9007199254740993.0", True, True),
        ("9007199254740993", "9007199254740992.0", False, False),
        ("9007199254740993.0", "9007199254740992.0", False, False),
        ("1e16", "10000000000000001", False, False),
        ("1e16", "10000000000000000", True, True),
        ("12345678901234567890.5", "12345678901234567891.5", False, False),
        ("3", "2.9999999", False, True),
        ("5", "6", False, False),
        ("0.5", "0_0.5", False, False),
        ("1000", "1_000", False, False),
        ("1000", "1,000", False, False),
        ("16", "0x10", False, False),
        ("1", "\u0661", False, False),  # a digit of another script
        ("0.5", "nan", False, False),
        ("nan", "NaN", True, True),
        ("-nan", "nan", True, True),
        ("inf", "Infinity", True, True),
        ("inf", "-inf", False, False),
        ("1e308", "inf", False, False),
        ("infinite", "infinity", False, False),
        ("+5", "5.", True, True),
        (".5", "0.5e0", True, True),
        ("-0.0", "0", True, True),
        ("0.3", "0.30000000000000004", False, True),
        ("1", "True", False, False),
        ("(0.5)", "(0.50)", False, False),
        ("  1\n 1 1", "1\n 1 1", False, False),  # a triangle is a picture
        ("  *\n 1.0", "*\n 1.0", False, False),
        ("a  1.0", "a 1", True, True),  # a column is as wide as its numbers
        ("a  b 1.0", "a b 1", False, False),
        ("   1.0", "1", True, True),
        ("1 2", "12", False, False),
        ("", "0", False, False),
    ],
)
def test_numbers_in_texts(expected: str, actual: str, equal: bool, close: bool) -> None:
    near = Comparison(absolute=1e-6)
    for one, other in ((expected, actual), (actual, expected)):
        assert same_text(one, other, Comparison(numbers="equal")) is equal
        assert same_text(one, other, near) is close
        assert not same_text(one, other)


@given(st.text(max_size=30))
def test_every_text_is_itself_and_no_other(text: str) -> None:
    near = Comparison(numbers="equal", absolute=1e-6)
    assert same_text(text, text, near)
    assert same_text(text, f"{text}  \n\n")
    assert not same_text(text, f"{text}\nx", near)
    assert not same_text(f"x{text}", f" x{text}", near)


@pytest.mark.parametrize("unit", ["1 ", " ", "1.0\n", "1" * 50 + " ", "\t \n", "_1", "1e9 "])
def test_texts_are_compared_in_linear_time(unit: str) -> None:
    text, near = unit * (200_000 // len(unit)), Comparison(numbers="equal", absolute=1e-6)
    start = time.process_time()
    assert not same_text(text, text.replace("1", "1.5") + "\nx", near)
    same_text(text, text.replace("1", "1.0"), near)
    assert time.process_time() - start < 2.0
