"""The comparison of what a hostile program wrote with what is expected: never equal by a trick,
never an error, never long."""

import contextlib
import json
import pathlib
import sys
import time
import uuid
from collections.abc import Callable

import pytest

from assay.sandbox import Limits
from assay.sandbox.inside.codec import MAX_DEPTH, Undecodable, decode, encode
from assay.sandbox.inside.comparing import known
from assay.verifiers.code.compare import Comparison, same_text
from assay.verifiers.code.suites import Assertions, Calls
from assay.verifiers.code.verifier import Code

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
CODE = Code(limits=Limits(seconds=1, wall=3.0))
NEVER = [
    (1, True),
    (True, 1),
    (0, False),
    (0, None),
    (1, 1.0),
    (1.0, 1),
    (1, "1"),
    ("", None),
    ("a", b"a"),
    (b"a", bytearray(b"a")),
    ([], ()),
    ([1], (1,)),
    ([1, 2], {1, 2}),
    ({1}, frozenset({1})),
    ({}, []),
    ([1], [1, 1]),
    ({1, 2}, [1, 2]),
    (0.0, ""),
    (float("nan"), 0.0),
    (0.0, float("nan")),
    (2**53, float(2**53)),
    (2**53, 2**53 + 1),
    (10**400, 10**400 + 1),
    (1e308, float("inf")),
    ({1: 2}, {1: 3}),
    ({1: 2}, {True: 2}),
    ({1: 2}, {1.0: 2}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ([[1]], [[True]]),
    (range(3), [0, 1, 2]),
    (1 + 0j, 1),
    (1j, "1j"),
    ([None], []),
    ("1", 1),
    ("é", "e\u0301"),
    ({1, 2}, {1}),
]
SAME = [
    (float("nan"), float("nan")),
    ({1: [2, {3}]}, {1: [2, {3}]}),
    (2**200, 2**200),
    (-(2**70), -(2**70)),
    ({1, 2, 3}, {3, 2, 1}),
    ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
    (0.0, -0.0),
    ((1, (2, "x")), (1, (2, "x"))),
    (float("inf"), float("inf")),
    ("\ud800", "\ud800"),
]


@pytest.mark.parametrize("loose", [Comparison(), Comparison(absolute=1e-9, relative=1e-9)])
def test_values_that_are_not_the_same(loose: Comparison) -> None:
    for expected, actual in NEVER:
        pair = f"{expected!r} and {actual!r}"
        assert not loose.same(encode(expected), encode(actual)), pair
        assert not loose.same(encode([expected]), encode([actual])), pair
        assert not loose.same(encode({"k": expected}), encode({"k": actual})), pair


def test_values_that_are_the_same() -> None:
    for expected, actual in SAME:
        pair = f"{expected!r} and {actual!r}"
        assert Comparison().same(encode(expected), encode(actual)), pair
        assert Comparison().same(encode([expected]), encode([actual])), pair


def test_nothing_is_near_infinity() -> None:
    for actual in (float("-inf"), 0.0, 1e9):
        assert not Comparison(relative=1e-9).same(encode(float("inf")), encode(actual)), actual


def test_sets_of_sets_do_not_depend_on_the_order_of_iteration() -> None:
    one = ["set", ["frozenset", "a", "b"], ["frozenset", "c", "d"]]
    other = ["set", ["frozenset", "d", "c"], ["frozenset", "b", "a"]]
    assert Comparison().same(one, other)
    keyed, turned = ["dict", [["frozenset", "a", "b"], 1]], ["dict", [["frozenset", "b", "a"], 1]]
    assert Comparison().same(keyed, turned)


HOSTILE = [
    [],
    [[]],
    ["opaque"],
    ["opaque", "int"],
    ["opaque", 3],
    ["int"],
    ["int", 3],
    ["int", "3z"],
    ["int", None],
    ["int", "0x"],
    ["float", []],
    ["float"],
    ["float", "x"],
    ["float", {"a": 1}],
    ["dict", 1],
    ["dict", [1]],
    ["dict", [1, 2, 3]],
    ["dict", []],
    ["set", ["list"]],
    ["set", {}],
    {},
    {"list": 1},
    ["Decimal", "x"],
    ["Fraction", "0x1", "0x0"],
    ["complex", "x", "y"],
    ["range", 1],
    ["bytes", "zz"],
    [1, 2],
    [True],
    [None],
    ["list", ["list", ["opaque", "x"]]],
    ["nonsense", 1],
    [["list", 3]],
    ["int", "0x3", "more"],
    ["float", "nan", 1],
]


@pytest.mark.parametrize(
    "expected", [3, 3.0, "x", None, [3], {3}, {3: 4}, (3,), float("nan"), 2**80, b"x", 1j]
)
def test_malformed_encodings_equal_nothing(expected: object) -> None:
    lenient = Comparison(numbers="equal", sequences="equal", absolute=1.0, relative=0.5)
    for data in HOSTILE:
        if not (data == ["int", "0x3", "more"] and expected in (3, 3.0)) and not (
            data == ["float", "nan", 1] and expected != expected
        ):
            for comparison in (Comparison(), lenient):
                assert not comparison.same(encode(expected), data), data
        with contextlib.suppress(Undecodable):
            decode(data)


def _deep(depth: int, kind: str = "list") -> object:
    data: object = 1
    for _ in range(depth):
        data = [kind, data]
    return data


QUICK: dict[str, tuple[object, Callable[[], object]]] = {
    "many items in a set": (encode({1}), lambda: ["set", *range(200_000)]),
    "many keys that are one": (encode({1: 1}), lambda: ["dict", *([1, n] for n in range(100_000))]),
    "a number of a megabyte": (encode(3), lambda: ["int", "0x" + "f" * (1 << 20)]),
    "a number of a megabyte against a float": (
        encode(3.0),
        lambda: ["int", "0x" + "f" * (1 << 20)],
    ),
    "a text of a megabyte": (encode("x"), lambda: "x" * (1 << 20)),
    "deeper than Python's recursion": (_deep(5000), lambda: _deep(5000)),
    "a set deeper than that": (encode({1}), lambda: ["set", _deep(5000)]),
    "a tag that is a nest": (encode([1]), lambda: [_deep(5000), 1]),
    "a float with a long text": (encode(1.0), lambda: ["float", "1" * (1 << 20) + "x"]),
    "digits that the float takes": (encode(1.0), lambda: ["float", "9" * (1 << 20)]),
}


@pytest.mark.parametrize("name", QUICK)
def test_comparing_takes_no_time(name: str) -> None:
    expected, actual = QUICK[name]
    data, started = actual(), time.process_time()
    lenient = Comparison(numbers="equal", sequences="equal", absolute=1.0)
    assert not Comparison().same(expected, data)
    assert not lenient.same(expected, data)
    assert time.process_time() - started < 3


def test_cycles_and_depth_are_encoded_as_nothing() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    deep: list[object] = []
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    for value in (cycle, deep):
        assert not Comparison().same(encode(value), encode(value))
    with pytest.raises(Undecodable):
        decode(_deep(5000))


def test_subclasses_are_strangers() -> None:
    class Int(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    for value in (
        Int(3),
        type("S", (str,), {})("x"),
        type("L", (list,), {})([3]),
        type("D", (dict,), {})(),
        object(),
    ):
        assert encode(value)[0] == "opaque"


DIFFERENT_TEXTS = [
    ("1", "1.0"),
    ("3", "3 "[:1] + "3"),
    ("1 2", "12"),
    ("1\n2", "1 2"),
    ("", "0"),
    ("yes", "YES"),
    ("0.1", "0.1000001"),
    ("1", "nan"),
    ("inf", "1e999"),
    ("10", "1_0"),
    ("1", "True"),
    ("a\n\nb", "a\nb"),
]


def test_texts_that_are_not_the_same() -> None:
    for expected, printed in DIFFERENT_TEXTS:
        assert not same_text(expected, printed), (expected, printed)
        assert not same_text(expected, printed, Comparison()), (expected, printed)


LINES = {
    "a nest that JSON reads": b"[0," + b"[" * 900 + b"]" * 900 + b"]\n",
    "a nest that JSON does not read": b"[0," + b"[" * 200_000 + b"\n",
    "a nest in an error": b"[0,null," + b"[" * 900 + b"]" * 900 + b',"x"]\n',
    "a nest in an error of loading": b'["load",' + b"[" * 900 + b"]" * 900 + b',"x"]\n',
    "an error of another shape": b'[0,null,{"a":1},[1]]\n',
    "surrogates in an error": b'[0,null,"\\ud800","\\udfff"]\n',
    "surrogates in an error of loading": b'["load","\\ud800","\\udfff"]\n',
    "no list": b'{"0": 101}\n',
    "an index that is a boolean": b"[false, 7]\n[true, 7]\n",
    "an index that is a float": b"[0.0, 101]\n[1.0, 202]\n",
    "an index below": b"[-1, 101]\n[-2, 202]\n",
    "huge numbers": b"[0, " + b"9" * 100_000 + b"]\n",
    "a huge index": b"[" + b"9" * 4000 + b", 1]\n",
    "infinite numbers": b"[0, 1e999]\n[1, -Infinity]\n",
    "no number": b"[0, NaN]\n[1, NaN]\n",
    "duplicate keys": b'[0, {"a": 1, "a": 101}]\n',
    "zero bytes": b"[0, 1\x00]\n\x00\x00\n",
    "no text": b"\xff\xfe\xed\xa0\x80\n",
    "half a line": b"[0, 101",
    "many lines": b"[0, 7]\n" * 20_000,
    "many empty lines": b"\n" * 100_000,
    "a set of collisions": (
        b'[0, ["set", ' + b",".join(b"%d" % (n * (2**61 - 1)) for n in range(30_000)) + b"]]\n"
    ),
    "a wrong answer first, the right one then": b"[0, 1]\n[0, 101]\n[1, 202]\n",
}


@LINUX
@pytest.mark.parametrize("name", LINES)
def test_lines_that_no_honest_program_writes(name: str) -> None:
    suite = Calls.of("f", [((1,), 101), ((2,), 202)])
    write = f"import os\ndata = {LINES[name]!r}\nwhile data:\n    data = data[os.write(4, data):]\n"
    started = time.monotonic()
    verdict = CODE.check(f"```python\n{write}def f(x): os._exit(0)\n```", suite)
    assert verdict.outcome == "wrong"
    assert time.monotonic() - started < 3
    verdict.model_dump_json().encode()
    verdict.reason.encode()


@LINUX
@pytest.mark.parametrize("depth", range(940, 1000, 12))
def test_a_nest_at_the_edge_of_recursion_raises_nothing(depth: int) -> None:
    for line in (b"[0,%s]", b"[0,null,%s,1]", b'["load",%s,1]'):
        data = line % (b"[" * depth + b"]" * depth) + b"\n"
        code = f"import os\nos.write(4, {data!r})\ndef f(x): os._exit(0)"
        assert (
            CODE.check(f"```python\n{code}\n```", Calls.of("f", [((1,), 101)])).outcome == "wrong"
        )


ANSWERS = {
    "colliding keys": {"value": ["set", *(["int", hex(n * (2**61 - 1))] for n in range(20_000))]},
    "a fraction of nothing": {"value": ["Fraction", "0x1", "0x0"]},
    "a huge decimal": {"value": ["Decimal", "1e999999999"]},
    "a huge range": {"value": ["range", "0x0", "0x" + "f" * 40, "0x1"]},
    "no value": {},
    "arguments that are no list": {"value": 1, "changed": 5},
    "arguments of another length": {"value": 1, "changed": ["list", *range(1000)]},
    "an error with arguments": {"error": "ExceptionGroup", "said": "x"},
    "an error that is a function": {"error": "eval", "said": "1"},
    "an error that is no text": {"error": ["x"], "said": {"a": 1}},
    "the end of Python": {"error": "SystemExit", "said": "0"},
    "a known object": {"value": ["opaque", "int", "f"]},
    "an object that is no number": {"value": ["opaque", ["x"], {"a": 1}]},
}


@LINUX
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_over_the_channel_that_no_honest_program_gives(name: str) -> None:
    line = json.dumps(ANSWERS[name]).encode() + b"\n"
    code = (
        f'import os\nos.write(6, b\'{{"names": ["f"]}}\\n\')\nos.write(6, {line!r} * 3)\ndef f(x):'
        " return 0"
    )
    verdict = CODE.check(
        f"```python\n{code}\n```", Assertions(entry="f", tests=("xs = [3]\nassert f(xs) == 101",))
    )
    assert verdict.outcome != "right"
    verdict.model_dump_json().encode()


@pytest.mark.parametrize("kind", [int, pathlib.PosixPath, pathlib.PurePosixPath, uuid.UUID])
def test_a_type_of_pythons_own_says_nothing_of_its_own_whatever_module_it_is_in(kind: type) -> None:
    assert id(kind) in known(frozenset(), ()).plain
