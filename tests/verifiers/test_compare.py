import math
from typing import Any

import pytest
from hypothesis import given

from assay.errors import ConfigError
from assay.verifiers.compare import Comparison, same_text
from assay.verifiers.sandbox.inside.codec import encode
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
    *([], ["dict"], ["dict", 1], ["dict", [1, 2], [1, 2]], ["dict", [1]], ["set", 1, 1], ["int"], ["int", "zz"]),
    *(["int", 5], ["float", "x"], ["opaque"], ["opaque", "int"], [["int"]], {}, {"int": 5}, ["list", ["opaque", "x"]]),
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
