"""Values between two processes: what arrives is what was sent, and what changes on one side changes
on the other."""

import collections
import datetime
import json
from array import array
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.sandbox.inside.decoys import ASKED, among, lies
from assay.sandbox.inside.wire import Undecodable, Wire


def nothing(*_: Any) -> Any:
    raise Undecodable("of no kind")


class Pair:
    """Two ends, and messages between them as text."""

    def __init__(self) -> None:
        self.one, self.other = Wire(1, nothing, nothing), Wire(2, nothing, nothing)

    def send(self, value: Any, back: bool = False) -> Any:
        one, other = (self.other, self.one) if back else (self.one, self.other)
        written = one.encode(value)
        changes = json.loads(json.dumps(one.changes()))
        other.apply(changes)
        return other.decode(json.loads(json.dumps(written)))

    def update(self, back: bool = False) -> int:
        """Send what changed alone; how many containers that is."""
        one, other = (self.other, self.one) if back else (self.one, self.other)
        changes = one.changes()
        other.apply(json.loads(json.dumps(changes)))
        return len(changes)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.fractions(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
)
KEYS = st.one_of(st.integers(), st.text(), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.tuples(inner, inner),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
        st.lists(inner, max_size=3).map(collections.deque),
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_arrives_is_what_was_sent(value: Any) -> None:
    assert same(Pair().send(value), value)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple, collections.deque)):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(b=1, a=2),
        collections.Counter("abca"),
        collections.defaultdict(None, {1: [2]}),
        collections.deque([1, 2], maxlen=2),
        array("i", [1, -2]),
        bytearray(b"ab"),
        slice(1, None, 2),
        range(1, 9, 3),
        ...,
        NotImplemented,
        datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.UTC),
        datetime.time(1, 2),
        Decimal("1.50"),
        Fraction(10**40, 3),
        {(1, "a"): {"b": frozenset({2})}},
        10**30,
        float("inf"),
    ],
)
def test_kinds_of_pythons_own(value: Any) -> None:
    arrived = Pair().send(value)
    assert type(arrived) is type(value)
    assert arrived == value
    assert str(arrived) == str(value)


def test_views_arrive_as_views() -> None:
    keys = Pair().send({"a": 1}.keys())
    assert keys == {"a"}
    assert type(keys) is type({}.keys())
    assert list(Pair().send({"a": [1]}.values())) == [[1]]


def test_one_list_under_two_names_stays_one() -> None:
    inner: list[int] = []
    one, other = Pair().send((inner, [inner, inner]))
    assert one is other[0] is other[1]
    cycle: list[Any] = []
    cycle.append(cycle)
    arrived = Pair().send(cycle)
    assert arrived[0] is arrived


def test_changes_in_place_cross_in_both_directions() -> None:
    pair = Pair()
    ours: dict[str, Any] = {
        "a": [3, 1],
        "b": {1},
        "c": collections.Counter("a"),
        "d": bytearray(b"x"),
    }
    theirs = pair.send(ours)
    theirs["a"].sort()
    theirs["b"].add(2)
    theirs["c"]["a"] += 1
    theirs["d"].append(65)
    theirs["e"] = [theirs["a"]]
    assert pair.update(back=True) == 6
    assert ours["a"] == [1, 3]
    assert ours == {"a": [1, 3], "b": {1, 2}, "c": {"a": 2}, "d": bytearray(b"xA"), "e": [[1, 3]]}
    assert ours["e"][0] is ours["a"]
    assert type(ours["c"]) is collections.Counter
    ours["e"].clear()
    assert pair.update() == 1
    assert theirs["e"] == []
    assert pair.update() == pair.update(back=True) == 0


def test_what_nobody_holds_is_let_go_of() -> None:
    pair = Pair()
    kept = [1]
    pair.send((kept, [2], [[3]]))
    numbers = pair.one.unused()
    assert len(numbers) == 2  # the innermost goes with the next call
    assert len(pair.one.unused()) == 1
    pair.other.drop(numbers)
    kept.append(2)
    assert pair.update() == 1


@pytest.mark.parametrize(
    "data",
    [
        [],
        [1],
        ["no"],
        ["at", 99],
        ["int", "x"],
        ["Fraction", "0x1", "0x0"],
        {"a": 1},
        ["range", "1"],
        ["bytes", 3],
    ],
)
def test_what_is_no_encoding_is_refused(data: Any) -> None:
    with pytest.raises(Undecodable):
        Wire(1, nothing, nothing).decode(data)


@pytest.mark.parametrize(
    "content",
    [["list"], ["dict", None, [1]], ["set", None, ["at", 1]], ["no", None], [], ["array", "?"]],
)
def test_what_is_no_container_is_refused(content: Any) -> None:
    with pytest.raises((Undecodable, ValueError, LookupError)):
        Wire(1, nothing, nothing).apply({"7": content})


@pytest.mark.parametrize("value", [3, -2.5, "abc", "", [1, 2], (), True, None, {"a": 1}, 10**400])
def test_a_value_is_hidden_among_others(value: Any) -> None:
    found, place = among(value)
    assert found[place] is value
    assert len(found) >= 4
    assert not any(
        type(other) is type(value) and other == value for i, other in enumerate(found) if i != place
    )


def test_operators_that_do_not_look_at_their_operand_are_caught() -> None:
    found, place = among(7)
    assert lies("__eq__", found, [True] * len(found), place)
    assert not lies("__eq__", found, [other == 7 for other in found], place)
    assert lies("__ne__", found, [False] * len(found), place)
    assert lies("__lt__", found, [True] * len(found), place)
    assert not lies("__lt__", found, [other > 5 for other in found], place)
    assert lies("__contains__", found, [True] * len(found), place)
    assert lies("__sub__", found, [0.0] * len(found), place)
    assert not lies("__sub__", found, [9 - other for other in found], place)
    assert "__mul__" not in ASKED
