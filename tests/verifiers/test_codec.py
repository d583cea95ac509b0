import collections
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.sandbox.inside.codec import MAX_DEPTH, Undecodable, decode, encode, opaque

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)
hashable = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=3)
        | st.frozensets(hashable, max_size=3)
    ),
    max_leaves=12,
)


def through(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


def same(one: Any, other: Any) -> bool:
    """Equal in type too, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one == other and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


@given(values)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    assert same(through(value), value)


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**200),
        0.1,
        -0.0,
        float("inf"),
        1 + 2j,
        Decimal("1.50"),
        Fraction(1, 3),
        range(1, 9, 2),
        bytearray(b"x"),
    ],
)
def test_numbers_come_back_exactly(value: Any) -> None:
    assert repr(through(value)) == repr(value)


def test_kin_of_plain_types_become_plain() -> None:
    point = collections.namedtuple("point", "x y")(1, 2)
    assert through(point) == (1, 2)
    assert through(collections.Counter("aab")) == {"a": 2, "b": 1}
    assert through(collections.deque([1])) == collections.deque([1])


def test_numbers_of_numpy_become_pythons_own() -> None:
    numpy = pytest.importorskip("numpy")
    for value, plain in (
        (numpy.float64(0.5), 0.5),
        (numpy.int32(3), 3),
        (numpy.bool_(True), True),
        (numpy.str_("x"), "x"),
    ):
        assert same(through([value]), [plain])
    assert opaque(encode(numpy.longdouble(1)))
    assert opaque(encode(numpy.array([1])))


def test_what_is_no_plain_data_is_opaque() -> None:
    class Fake(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    for value in (Fake(3), object(), len, (x for x in ()), Fake):
        assert encode(value)[0] == "opaque"
        assert opaque(encode([value]))
    assert not opaque(encode(["opaque", {"opaque": 1}]))
    with pytest.raises(Undecodable):
        decode(encode(object()))


def test_what_has_no_end_is_cut() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert opaque(encode(loop))
    deep: list[Any] = []
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    assert opaque(encode(deep))


HOSTILE: list[Any] = [
    *(
        [],
        {},
        [1],
        ["no such tag", 1],
        ["int"],
        ["int", "xyz"],
        ["int", 3],
        ["dict", 1],
        ["dict", [1]],
    ),
    *(
        ["set", ["list"]],
        ["Fraction", "0x1", "0x0"],
        ["range", "0x1", "0x2", "0x0"],
        ["bytes", "zz"],
    ),
    *(["opaque", "x", 1], ["Decimal", "x"]),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_what_nobody_encoded_is_refused(data: Any) -> None:
    with pytest.raises(Undecodable):
        decode(data)
