"""Functions that return what they should are right, also where a test is large, loose or expects an
error."""

import json
from typing import Any

import pytest

from assay.sandbox import Limits
from assay.verifiers.code.raised import raised
from assay.verifiers.code.suites import Call, Calls, Input, Reference, Stream, Streams
from assay.verifiers.code.verifier import Code

pytest.importorskip("pyseccomp")

CODE = Code()
TIGHT = Code(limits=Limits(seconds=1, wall=10.0, memory=128 << 20, output=1 << 10, disk=1 << 12))


def expecting(error: str) -> Calls:
    return Calls(
        entry="f", cases=(Call(arguments=("a",), raises=error), Call(arguments=("",), expected=0))
    )


OWN = "class Own(KeyError): pass\nclass Owner(Own): pass\n"
RAISES = [
    ("KeyError", "{}[x]", True),
    ("LookupError", "{}[x]", True),
    ("Exception", "{}[x]", True),
    ("BaseException", "{}[x]", True),
    ("IndexError", "{}[x]", False),
    ("OSError", "open(x)", True),
    ("IOError", "open(x)", True),
    ("EnvironmentError", "open(x)", True),
    ("FileNotFoundError", "open(x)", True),
    ("PermissionError", "open(x)", False),
    ("ArithmeticError", "1 / 0", True),
    ("ZeroDivisionError", "1 // 0", True),
    ("ValueError", "json.loads(x)", True),
    ("JSONDecodeError", "json.loads(x)", True),
    ("json.JSONDecodeError", "json.loads(x)", True),
    ("TypeError", "json.loads(x)", False),
    ("ValueError", "x.encode('ascii').decode('utf-16')", True),
    ("UnicodeError", "x.encode('ascii').decode('utf-16')", True),
    ("KeyError", "fail(Own())", True),
    ("LookupError", "fail(Owner())", True),
    ("Own", "fail(Owner())", True),
    ("Owner", "fail(Owner())", True),
    ("Owner", "fail(Own())", False),
    ("module.Owner", "fail(Owner())", True),
    ("IndexError", "fail(Owner())", False),
    ("RuntimeError", "fail(RecursionError())", True),
    ("Exception", "fail(ExceptionGroup('', [ValueError()]))", True),
    ("Exception", "sys.exit(1)", False),
    ("SystemExit", "sys.exit(1)", True),
    ("Exception", "fail(KeyboardInterrupt())", False),
    ("decimal.InvalidOperation", "decimal.Decimal(x)", True),
    ("ArithmeticError", "decimal.Decimal(x)", True),
    ("StopIteration", "next(iter(()))", True),
    ("ValueError", "x", False),
]


@pytest.mark.parametrize(("error", "does", "right"), RAISES)
def test_an_error_is_of_the_kinds_of_its_class(error: str, does: str, right: bool) -> None:
    code = (
        f"import decimal, json, sys\n{OWN}def fail(error): raise error\ndef f(x): return {does} if"
        " x else 0"
    )
    verdict = CODE.check(code, expecting(error))
    assert verdict.outcome == ("right" if right else "wrong"), verdict.reason


def test_one_error_is_not_all_errors() -> None:
    """Neither a class that is made from many, nor one that says so, is what a program does not know
    to raise."""
    errors = ("ValueError", "TypeError", "KeyError")
    suite = Calls(
        entry="f", cases=tuple(Call(arguments=(i,), raises=error) for i, error in enumerate(errors))
    )
    many = f"class E({', '.join(errors)}): pass\ndef f(x): raise E"
    line = json.dumps([0, None, "E", "", *errors, "Exception"])
    forged = (
        f"import os\nfor i in range(3): os.write(4, {line!r}.replace('0', str(i), 1).encode() +"
        " b'\\n')\ndef f(x): 0"
    )
    for cheat in (many, many.replace("E(", "ValueError("), forged):
        assert CODE.check(cheat, suite).outcome == "wrong"
    hostile: list[Any] = [
        [["ValueError"]],
        [{}],
        [None, 3],
        ["x"] * 10_000,
        [],
        ["exit"],
        ["__build_class__"],
    ]
    assert not any(raised("ValueError", kinds) for kinds in hostile)


COMPARED: list[tuple[dict[str, Any], Any, str, bool]] = [
    ({}, {0.0}, "{-0.0}", True),
    ({}, {0.0: "x"}, "{-0.0: 'x'}", True),
    ({}, {1.0}, "{1}", False),
    ({"numbers": "equal"}, {1.0}, "{1}", True),
    ({"numbers": "equal"}, {1}, "{True}", False),
    ({"numbers": "equal"}, {1: 2}, "{1.0: 2.0}", True),
    ({"numbers": "equal"}, 1, "fractions.Fraction(2, 2)", True),
    ({"numbers": "equal"}, 2**53 + 1, "2.0**53", False),
    ({"absolute": 1e-6}, {0.1, 0.3}, "{0.1, 0.1 + 0.2}", True),
    ({"absolute": 1e-6}, {(0.3, "a")}, "{(0.1 + 0.2, 'a')}", True),
    ({"absolute": 1e-6}, {(0.3, "a")}, "{(0.1 + 0.2, 'b')}", False),
    ({"absolute": 1e-6}, {0.1, 0.3}, "{0.1, 0.2}", False),
    ({"absolute": 1e-6}, 1 + 2j, "1.0000001 + 2j", True),
    ({"absolute": 1e-6}, 1 + 2j, "1.1 + 2j", False),
    ({"absolute": 1e-6}, [{"a": (1 + 2j,)}], "[{'a': (1.0000001 + 2j,)}]", True),
    ({"absolute": 1e-6, "numbers": "equal"}, 1e16, "10**16 + 1", False),
    ({"absolute": 1e-6, "numbers": "equal"}, 10**16, "10**16 + 1", False),
    ({"relative": 1e-6, "numbers": "equal"}, 10**16, "1e16 + 2", False),
    ({"relative": 1e-6}, 1e16, "1e16 + 2", True),
]


@pytest.mark.parametrize(("settings", "expected", "returns", "right"), COMPARED)
def test_results_are_compared_as_what_they_are(
    settings: dict[str, Any], expected: Any, returns: str, right: bool
) -> None:
    suite = Calls.of("f", [((), expected)]).model_copy(update=settings)
    verdict = CODE.check(f"import fractions\ndef f(): return {returns}", suite)
    assert verdict.outcome == ("right" if right else "wrong"), verdict.reason


def printing(stdin: str, stdout: str) -> Streams:
    return Streams(cases=(Stream(stdin=stdin, stdout=stdout),))


def test_a_test_may_be_larger_than_the_limits() -> None:
    """What the suite brings is not the program's: neither its input nor the length of the right
    answer."""
    count = "import sys\nprint(len(sys.stdin.read()))"
    assert TIGHT.check(count, printing("1234567 " * 500_000, "4000000")).outcome == "right"
    assert TIGHT.check(count, printing("é\n" * 100_000, "200000")).outcome == "right"
    assert (
        TIGHT.check(
            "for i in range(30_000): print(i)", printing("", "\n".join(map(str, range(30_000))))
        ).outcome
        == "right"
    )
    assert TIGHT.check("print('x' * 20_000)", printing("", "x" * 20_000)).outcome == "right"
    numbers = list(range(100_000))
    assert (
        TIGHT.check("def f(xs): return xs", Calls.of("f", [((numbers,), numbers)])).outcome
        == "right"
    )
    errors = Calls(
        entry="f", cases=tuple(Call(arguments=(i,), raises="ValueError") for i in range(300))
    )
    assert TIGHT.check("def f(x): raise ValueError('no ' * 100)", errors).outcome == "right"


def test_a_program_is_given_no_more_than_its_limits_besides() -> None:
    one = printing("1234567 " * 500_000, "1")
    for code in (
        "open('x', 'wb').write(bytes(1 << 20))\nprint(1)",
        "print('x' * 2000)",
        "bytearray(2 << 30)\nprint(1)",
    ):
        assert TIGHT.check(code, one).outcome == "wrong"
        assert TIGHT.check(code, printing("", "1")).outcome == "wrong"
    assert (
        TIGHT.check("while True: print('x' * 1000)", printing("", "x" * 20_000)).stage == "output"
    )
    assert (
        TIGHT.check("def f(x): return 'x' * 10**6", Calls.of("f", [((1,), "x")])).stage == "output"
    )


def test_a_test_that_cannot_be_run_is_told_and_nobody_is_condemned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assay.verifiers.code.room.MOST", 1000)
    for code, suite in (
        ("print(input()[0])", printing("x" * 2000, "x")),
        ("def f(x): return 1", Calls.of("f", [(("x" * 2000,), 1)])),
    ):
        verdict = CODE.check(code, suite)
        assert verdict.outcome == "undecided"
        assert "1,000 is the most" in verdict.reason


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"arguments": [["nonsense", 1]], "expected": 1}, "an argument"),
    ({"keywords": {"x": ["set", ["list"]]}, "expected": 1}, "an argument"),
    ({"arguments": [1], "expected": ["opaque", "A"]}, "the expected value"),
    ({"arguments": [1], "expected": ["Decimal", "x"]}, "the expected value"),
    (
        {"arguments": [1], "expected": json.loads('["list",' * 90 + "1" + "]" * 90)},
        "the expected value",
    ),
]


@pytest.mark.parametrize(("case", "what"), UNFIT)
def test_a_case_that_no_program_can_pass_is_no_word_on_any(case: dict[str, Any], what: str) -> None:
    sound = {"arguments": [1], "expected": 1}
    suite = Calls.model_validate({"entry": "f", "values": "tagged", "cases": [sound, case]})
    verdict = CODE.check("def f(x): return 1", suite)
    assert verdict.outcome == "undecided"
    assert f"call 2 of the suite: {what} is no plain data" in verdict.reason
    assert CODE.check("def f(x): return 2", suite).outcome == "wrong"  # by the other case


def test_a_nest_deeper_than_what_crosses_is_no_word_on_a_program() -> None:
    nest: list[Any] = []
    for _ in range(80):
        nest = [nest]
    suite = Calls(entry="f", cases=(Call(arguments=(1,), expected=nest),))
    deep = "def f(x):\n    nest = []\n    for _ in range(80): nest = [nest]\n    return nest"
    assert CODE.check(deep, suite).outcome == "undecided"


HONEST = {
    "its own path": ("import os\ndef f(x): return os.path.basename(__file__)[:3]", "sol"),
    "a recursion as deep as it may": ("def f(x): return x if x == 980 else f(x + 1)", 980),
    "a byte order mark": ("\ufeffdef f(x): return x", 0),
    "output": (
        "import sys\ndef f(x):\n    print('x' * 10**6)\n    sys.stderr.write('y')\n    return x",
        0,
    ),
    "a class beside it": ("class A:\n    def g(self, x): return x\ndef f(x): return A().g(x)", 0),
    "a named tuple": (
        "import collections as c\nP = c.namedtuple('P', 'x y')\ndef f(x): return P(x, 1)",
        (0, 1),
    ),
    "a default dict": (
        "import collections as c\ndef f(x):\n  d = c.defaultdict(int)\n  d[x]\n  return d",
        {0: 0},
    ),
    "a counter": (
        "from collections import Counter\ndef f(x): return Counter('aab')",
        {"a": 2, "b": 1},
    ),
    "an ordered dict": (
        "import collections as c\ndef f(x): return c.OrderedDict(b=1, a=2)",
        {"a": 2, "b": 1},
    ),
    "a main guarded": ("def f(x): return x\nif __name__ == '__main__': print(f(int(input())))", 0),
    "state that is kept": ("seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)", 1),
    "a decorated one": ("import functools\n@functools.cache\ndef f(x): return x", 0),
    "a callable object": ("class F:\n    def __call__(self, x): return x\nf = F()", 0),
    "a partial": ("import functools, operator\nf = functools.partial(operator.add, 5)", 5),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_function_is_right(name: str) -> None:
    code, expected = HONEST[name]
    suite = Calls.of("f", [((0,), expected)])
    verdict = CODE.check(code, suite)
    assert verdict.outcome == "right", verdict.reason
    inputs = (Input(arguments=(0,)),)
    same = Reference(entry="f", solution=code.removeprefix("\ufeff"), cases=inputs, distinct=1)
    assert CODE.check(code, same).outcome == "right"
    near = Calls.of("f", [((0,), [expected])])
    assert CODE.check(code, near).outcome == "wrong"
