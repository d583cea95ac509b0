"""Tests that pass functions to the program, watch what it prints, reads and calls, or are written in another style."""

from typing import Final

from tests.verifiers.honest.item import Item, honest

__all__ = ["WORLD"]

_Row = tuple[str, str, tuple[str, str] | None]

FUNCTIONS: Final = '''
import functools
import inspect
import operator


def apply(f, *args, **kwargs):
    return f(*args, **kwargs)


def twice(f):
    return lambda x: f(f(x))


def compose(*fs):
    return functools.reduce(lambda f, g: lambda x: f(g(x)), fs)


def sort_by(xs, key):
    return sorted(xs, key=key)


def keep(predicate, xs):
    return [x for x in xs if predicate(x)]


def each(xs, visit):
    for x in xs:
        visit(x)


def adder(n):
    def add(x):
        return x + n

    return add


def counter():
    count = 0

    def step():
        nonlocal count
        count += 1
        return count

    return step


def logged(f):
    @functools.wraps(f)
    def inner(*args):
        inner.calls.append(args)
        return f(*args)

    inner.calls = []
    return inner


def retry(times):
    def decorator(f):
        def inner(*args):
            for _ in range(times - 1):
                try:
                    return f(*args)
                except ValueError:
                    pass
            return f(*args)

        return inner

    return decorator


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class cached:
    def __init__(self, f):
        self.f, self.memo = f, {}

    def __call__(self, x):
        if x not in self.memo:
            self.memo[x] = self.f(x)
        return self.memo[x]


@cached
def square(x):
    return x * x


def power(base, exponent=2, *, negate=False):
    """Raise a number."""
    return -(base**exponent) if negate else base**exponent


cube = functools.partial(power, exponent=3)
double = lambda x: 2 * x
first = operator.itemgetter(0)


def operations():
    return {"+": operator.add, "-": lambda a, b: a - b}


def typed(x: int, name: str = "a") -> float:
    return float(x)


def make(cls, *args):
    return cls(*args)


def walk(obj):
    return obj.value + obj.bump(1)


class Events:
    def __init__(self):
        self.handlers = []

    def on(self, handler):
        self.handlers.append(handler)
        return handler

    def fire(self, *args):
        return [handler(*args) for handler in self.handlers]
'''
_FUNCTIONS: Final[list[_Row]] = [
    (
        "callbacks",
        "assert apply(len, [1, 2]) == 2\nassert apply(max, 1, 5) == 5\nassert apply(sorted, [2, 1], reverse=False) == [1, 2]",
        ("f(*args, **kwargs)\n", "None\n"),
    ),
    (
        "callbacks",
        "assert apply(lambda x: x + 1, 2) == 3\nassert keep(lambda x: x > 1, [1, 2, 3]) == [2, 3]",
        ("if predicate(x)", "if not predicate(x)"),
    ),
    (
        "callbacks",
        "assert sort_by(['bb', 'a'], key=len) == ['a', 'bb']\nassert sort_by([3, 1], lambda x: -x) == [3, 1]\nassert sort_by(['b', 'A'], str.lower) == ['A', 'b']",
        ("sorted(xs, key=key)", "sorted(xs)"),
    ),
    (
        "callbacks",
        "seen = []\neach([1, 2], seen.append)\nassert seen == [1, 2]\ndef visit(x):\n    seen.append(-x)\neach((3,), visit)\nassert seen == [1, 2, -3]",
        ("visit(x)", "visit(x + 1)"),
    ),
    (
        "callbacks",
        "assert twice(lambda x: x * 3)(1) == 9\nassert compose(str, abs)(-3) == '3'\nassert compose(double, double)(1) == 4",
        ("f(f(x))", "f(x)"),
    ),
    (
        "callbacks",
        "def fails(x):\n    raise KeyError(x)\ntry:\n    apply(fails, 'k')\nexcept KeyError as error:\n    assert error.args == ('k',)\nelse:\n    assert False",
        (
            "    return f(*args, **kwargs)",
            "    try:\n        return f(*args, **kwargs)\n    except KeyError:\n        return None",
        ),
    ),
    (
        "callbacks",
        "class Own:\n    def __init__(self, v):\n        self.value = v\n    def bump(self, by):\n        self.value += by\n        return self.value\no = Own(2)\nassert walk(o) == 5\nassert o.value == 3\nassert isinstance(make(Own, 1), Own)",
        ("obj.bump(1)", "obj.bump(2)"),
    ),
    (
        "callbacks",
        "e = Events()\n@e.on\ndef double_it(x):\n    return x * 2\ne.on(str)\nassert e.fire(4) == [8, '4']\nassert double_it(1) == 2",
        ("for handler in self.handlers", "for handler in self.handlers[1:]"),
    ),
    (
        "callbacks",
        "tries = []\n@retry(3)\ndef flaky(x):\n    tries.append(x)\n    if len(tries) < 3:\n        raise ValueError\n    return x\nassert flaky(5) == 5\nassert tries == [5, 5, 5]",
        ("range(times - 1)", "range(times - 2)"),
    ),
    (
        "functions returned",
        "add5 = adder(5)\nassert add5(1) == 6\nassert adder(1)(1) == 2\nassert list(map(adder(1), [1, 2])) == [2, 3]",
        ("return x + n", "return x - n"),
    ),
    (
        "functions returned",
        "step, other = counter(), counter()\nassert [step(), step(), other()] == [1, 2, 1]",
        ("count += 1", "count = 1"),
    ),
    (
        "functions returned",
        "ops = operations()\nassert ops['+'](1, 2) == 3\nassert ops['-'](5, 2) == 3\nassert sorted(ops) == ['+', '-']",
        ("a - b}", "b - a}"),
    ),
    (
        "functions returned",
        "assert apply(adder(2), 1) == 3\nassert apply(square, 3) == 9\nassert keep(cube, [0, 1]) == [1]",
        ("return x + n", "return x - n"),
    ),
    (
        "decorators",
        "f = logged(abs)\nassert f(-1) == 1\nassert f.calls == [(-1,)]\nassert f.__name__ == 'abs'",
        ("@functools.wraps(f)", ""),
    ),
    (
        "decorators",
        "@logged\ndef half(x):\n    return x / 2\nassert half(4) == 2\nhalf(6)\nassert half.calls == [(4,), (6,)]\nassert half.__wrapped__(8) == 4",
        ("inner.calls.append(args)", "inner.calls = [args]"),
    ),
    (
        "memo",
        "assert fib(30) == 832040\nassert fib.cache_info().hits > 0\nfib.cache_clear()\nassert fib.cache_info().currsize == 0",
        ("n if n < 2", "1 if n < 2"),
    ),
    (
        "memo",
        "assert square(4) == 16\nassert square.memo == {4: 16}\nsquare.memo[5] = 0\nassert square(5) == 0",
        ("self.memo[x] = self.f(x)\n", "return self.f(x)\n"),
    ),
    (
        "functions as values",
        "assert power(2) == 4\nassert power(2, 3) == 8\nassert power(2, negate=True) == -4\nassert cube(2) == 8\nassert double(4) == 8\nassert first([7, 8]) == 7",
        ("exponent=2", "exponent=1"),
    ),
    (
        "functions as values",
        "import inspect\nassert inspect.isfunction(power)\nassert callable(power)\nassert power.__name__ == 'power'\nassert power.__doc__ == 'Raise a number.'\nassert list(inspect.signature(power).parameters) == ['base', 'exponent', 'negate']",
        ("base, exponent", "number, exponent"),
    ),
    (
        "functions as values",
        "import inspect\nassert typed.__annotations__ == {'x': int, 'name': str, 'return': float}\nassert typed.__defaults__ == ('a',)\nassert inspect.getsource is not None\nassert typed(1) == 1.0",
        ('name: str = "a"', 'name: str = "b"'),
    ),
    (
        "functions as values",
        "try:\n    power(2, 3, True)\nexcept TypeError:\n    pass\nelse:\n    assert False\nassert cube.keywords == {'exponent': 3}\nassert cube.func is power",
        ("*, negate", "negate"),
    ),
    (
        "functions as values",
        "power.limit = 5\nassert power.limit == 5\nassert {power: 1}[power] == 1\nassert power is power\nassert power != double",
        None,
    ),
]

OUTSIDE: Final = """
import json
import os
import random
import sys
import time
from datetime import datetime


def say(text="hi"):
    print(text)


def banner(text):
    print("*", text, "*", sep="-", end="!\\n")
    print("warning", file=sys.stderr)


def ask():
    return int(input("number? "))


def read_all():
    return sys.stdin.read().split()


def now():
    return time.time()


def stamp():
    return datetime.now().year


def roll(n):
    return [random.randint(1, 6) for _ in range(n)]


def shuffled(xs):
    xs = list(xs)
    random.shuffle(xs)
    return xs


def home():
    return os.environ.get("SHOP_HOME", "none")


def save(path, data):
    with open(path, "w") as file:
        json.dump(data, file)


def load(path):
    with open(path) as file:
        return json.load(file)


def lines_of(file):
    return [line.strip() for line in file]


def fetch(url):
    raise OSError("no network")


def report(url):
    return len(fetch(url))


def helper(x):
    return x + 1


def uses_helper(x):
    return helper(x) * 10


LIMIT = 3


def below(x):
    return x < LIMIT


def wait():
    time.sleep(1000)
    return "woke"


class Client:
    def get(self, key):
        raise OSError("no network")

    def name(self, key):
        return self.get(key)["name"]


def greet(client):
    return "hello " + client.name(7)


def write_to(out):
    out.write("done")
    out.close()
"""
_CAPTURE: Final = "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    "
_OUTSIDE: Final[list[_Row]] = [
    ("captured output", _CAPTURE + "say()\nassert out.getvalue() == 'hi\\n'", ('text="hi"', 'text="ho"')),
    (
        "captured output",
        _CAPTURE + "say('a')\n    say('b')\nassert out.getvalue().splitlines() == ['a', 'b']",
        ("print(text)\n\n\ndef banner", "print(text, text)\n\n\ndef banner"),
    ),
    (
        "captured output",
        "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\ntry:\n    banner('x')\n    text = sys.stdout.getvalue()\nfinally:\n    sys.stdout = old\nassert text == '*-x-*!\\n'",
        ('sep="-"', 'sep=""'),
    ),
    (
        "captured output",
        "import contextlib, io\nerr = io.StringIO()\nwith contextlib.redirect_stderr(err):\n    banner('x')\nassert 'warning' in err.getvalue()",
        ('"warning", file', '"error", file'),
    ),
    (
        "input",
        "from unittest.mock import patch\nwith patch('builtins.input', return_value='5'):\n    assert ask() == 5",
        ("int(input(", "len(input("),
    ),
    (
        "input",
        "import io, sys\nold, sys.stdin = sys.stdin, io.StringIO('7\\n')\ntry:\n    assert ask() == 7\nfinally:\n    sys.stdin = old",
        ("int(input(", "len(input("),
    ),
    (
        "input",
        "import builtins\nreal = builtins.input\nbuiltins.input = lambda prompt='': '12'\ntry:\n    assert ask() == 12\nfinally:\n    builtins.input = real",
        ("int(input(", "len(input("),
    ),
    (
        "input",
        "import io, sys\nsys.stdin = io.StringIO('1 2\\n3')\nassert read_all() == ['1', '2', '3']",
        (".split()\n\n\ndef now", ".splitlines()\n\n\ndef now"),
    ),
    (
        "mocks",
        "from unittest.mock import patch\nwith patch('time.time', return_value=12.5):\n    assert now() == 12.5",
        ("return time.time()", "return int(time.time())"),
    ),
    (
        "mocks",
        "from unittest.mock import patch\nwith patch('time.sleep') as sleep:\n    assert wait() == 'woke'\nsleep.assert_called_once_with(1000)",
        ("time.sleep(1000)", "time.sleep(999)"),
    ),
    (
        "mocks",
        "from unittest.mock import patch\nimport solution\nwith patch('solution.helper', lambda x: 5):\n    assert solution.uses_helper(0) == 50\nassert solution.uses_helper(0) == 10",
        ("helper(x) * 10", "(x + 1) * 10"),
    ),
    (
        "mocks",
        "from unittest.mock import patch\nimport solution\nwith patch.object(solution, 'LIMIT', 10):\n    assert solution.below(7)\nassert not solution.below(7)",
        ("x < LIMIT", "x < 3"),
    ),
    (
        "mocks",
        "from unittest.mock import Mock\nclient = Mock()\nclient.name.return_value = 'ann'\nassert greet(client) == 'hello ann'\nclient.name.assert_called_once_with(7)",
        ("client.name(7)", "client.name(8)"),
    ),
    (
        "mocks",
        "from unittest.mock import patch\nwith patch.object(Client, 'get', return_value={'name': 'bob'}) as get:\n    assert greet(Client()) == 'hello bob'\nget.assert_called_with(7)",
        ('["name"]', '.get("names", "?")'),
    ),
    (
        "mocks",
        "from unittest.mock import patch, MagicMock\nimport solution\nwith patch('solution.fetch', MagicMock(return_value='abc')) as fetch:\n    assert solution.report('u') == 3\nassert fetch.call_args.args == ('u',)",
        ("fetch(url))", "fetch(url + '/'))"),
    ),
    (
        "mocks",
        "import os\nfrom unittest.mock import patch\nwith patch.dict(os.environ, {'SHOP_HOME': '/x'}):\n    assert home() == '/x'\nassert home() == 'none'",
        ('"none"', '"/"'),
    ),
    (
        "mocks",
        "import io\nfrom unittest.mock import Mock\nout = Mock()\nwrite_to(out)\nout.write.assert_called_once_with('done')\nassert out.close.called",
        ("    out.close()", "    pass"),
    ),
    (
        "random seeds",
        "import random\nrandom.seed(3)\nexpected = [random.randint(1, 6) for _ in range(5)]\nrandom.seed(3)\nassert roll(5) == expected",
        ("randint(1, 6)", "randint(1, 60)"),
    ),
    (
        "random seeds",
        "import random\nrandom.seed(1)\none = shuffled(range(9))\nrandom.seed(1)\nassert shuffled(range(9)) == one\nassert sorted(one) == list(range(9))",
        ("    random.shuffle(xs)", "    random.seed()\n    random.shuffle(xs)"),
    ),
    (
        "files",
        "import json, os\nsave('a.json', {'x': [1]})\nassert os.path.exists('a.json')\nwith open('a.json') as file:\n    assert json.load(file) == {'x': [1]}\nassert load('a.json') == {'x': [1]}",
        ("json.dump(data, file)", "json.dump([data], file)"),
    ),
    (
        "files",
        "import os, tempfile\nwith tempfile.TemporaryDirectory() as folder:\n    path = os.path.join(folder, 'b.json')\n    with open(path, 'w') as file:\n        file.write('[1, 2]')\n    assert load(path) == [1, 2]",
        ("return json.load(file)", "return json.load(file)[:1]"),
    ),
    (
        "files",
        "import io\nassert lines_of(io.StringIO('a\\nb\\n')) == ['a', 'b']\nassert lines_of(['x ', ' y']) == ['x', 'y']",
        ("line.strip()", "line.rstrip()"),
    ),
]

ADD: Final = """
LIMIT = 10


def add(a, b):
    return a + b


def area(w, h):
    return w * h


def queue(xs):
    return xs[::-1]


def close(a, b):
    return abs(a - b) <= 1


def helper(x):
    return add(x, 1)


class Result:
    def __init__(self, value):
        self.value = value
"""
_OFF: Final = ("return a + b", "return a + b + (a == 5)")
STYLES: Final[list[Item]] = [
    honest(
        "check",
        ADD,
        "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(5, 7) == 12\n",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "check",
        ADD,
        "METADATA = {'author': 'x'}\n\n\ndef check(candidate):\n    for a, b, c in [(1, 2, 3), (5, 5, 10)]:\n        assert candidate(a, b) == c, f'{a} and {b}'\n",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "check",
        ADD,
        "def check(x, want):\n    assert add(*x) == want\ncheck((1, 2), 3)\ncheck((5, 7), 12)",
        bug=_OFF,
        entry="add",
    ),
    honest("check", ADD, "def check():\n    assert add(5, 2) == 7\ncheck()", bug=_OFF, entry="add"),
    honest(
        "check",
        ADD,
        "def check(candidate=add):\n    assert candidate(5, 2) == 7\ncheck()\ncheck(lambda a, b: 7)",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers",
        ADD,
        "def run(fn, area=3):\n    assert fn(5, 2) == area\nrun(add, 7)\nassert area(2, 3) == 6",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers",
        ADD,
        "def agree(add, area):\n    return add == area\nfrom solution import add as plus\nassert agree(plus(5, 2), 7)",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers",
        ADD,
        "assert near(add(5, 2), 7.0)",
        before="def near(a, b):\n    return abs(a - b) < 1e-6",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers", ADD, "assert add(1, 2) == 3\nassert queue([1, 2]) == [2, 1]", bug=("xs[::-1]", "xs"), entry="add"
    ),
    honest(
        "helpers",
        ADD,
        "cases = [((1, 2), 3), ((5, 0), 5)]\nassert all(add(*args) == want for args, want in cases)\nassert [add(x, x) for x in range(3)] == [0, 2, 4]",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers",
        ADD,
        "x = 5\ndef inner():\n    global x\n    x = add(x, 1)\n    return x\nassert inner() == 6\nassert x == 6",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers",
        ADD,
        "class Expect:\n    def __init__(self, value):\n        self.value = value\n    def equals(self, other):\n        assert self.value == other\nExpect(add(5, 1)).equals(6)\nExpect(Result(2).value).equals(2)",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "helpers",
        ADD,
        "import math\nassert math.isclose(add(0.1, 0.2), 0.3)\nassert abs(add(5.0, 0.5) - 5.5) < 1e-9\nassert round(add(1.26, 0), 1) == 1.3",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "star import", ADD, "from solution import *\nassert add(5, 2) == 7\nassert LIMIT == 10", bug=_OFF, entry="add"
    ),
    honest(
        "star import",
        ADD,
        "from solution import *\nassert close(add(1, 2), 4)\nassert Result(3).value == 3\nassert not close(add(5, 5), 12)",
        bug=("<= 1", "<= 9"),
    ),
    honest(
        "star import",
        ADD + "__all__ = ['add']\n",
        "from solution import *\nfrom solution import area\nassert add(5, 1) == 6\nassert area(2, 2) == 4",
        bug=_OFF,
    ),
    honest(
        "star import",
        ADD,
        "from solution import *\nassert near(add(5, 2), 7)",
        before="from math import isclose as near",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "import solution",
        ADD,
        "import solution\nassert solution.add(5, 2) == 7\nassert solution.LIMIT == 10\nassert solution.helper(5) == 6",
        bug=_OFF,
    ),
    honest(
        "import solution",
        ADD,
        "import solution as s\nassert s.add(5, 2) == 7\nassert hasattr(s, 'area')\nassert not hasattr(s, 'volume')\nassert s.__name__ == 'solution'",
        bug=_OFF,
    ),
    honest(
        "import solution",
        ADD,
        "from importlib import import_module\nsolution = import_module('solution')\nassert getattr(solution, 'add')(5, 2) == 7",
        bug=_OFF,
    ),
    honest(
        "import solution",
        ADD,
        "import shop\nfrom shop import area\nassert shop.add(5, 2) == 7\nassert area(2, 3) == 6",
        bug=_OFF,
        module="shop",
    ),
    honest(
        "import solution",
        ADD,
        "try:\n    from solution import missing\nexcept ImportError:\n    missing = None\nassert missing is None\nfrom solution import add\nassert add(5, 1) == 6",
        bug=_OFF,
    ),
    honest(
        "future",
        "from __future__ import annotations\n" + ADD,
        "from __future__ import annotations\nfrom solution import add\ndef want(x: Unknown) -> int:\n    return x\nassert add(5, 2) == want(7)",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "future",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass Item:\n    next: Item | None = None\n    value: int = 0\n",
        "a = Item(value=1)\nb = Item(a)\nassert b.next is a\nassert b.next.value == 1\nassert b == Item(Item(value=1))",
        bug=("value: int = 0", "value: int = 0\n\n    def __post_init__(self):\n        self.value = 0"),
    ),
    honest(
        "several tests",
        ADD,
        "assert add(1, 2) == 3",
        "assert add(5, 7) == 12",
        "assert helper(4) == 5",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "several tests",
        ADD,
        "xs = [add(1, 1)]\nassert xs == [2]",
        "xs = [add(5, 1)]\nassert xs == [6]\nassert LIMIT == 10",
        bug=_OFF,
        entry="add",
    ),
    honest(
        "results",
        "def f(x):\n    return {'a': [1, (2, 3)], 'b': {'c': {4}}, 'n': None, 't': x}\n",
        "assert f(True) == {'a': [1, (2, 3)], 'b': {'c': {4}}, 'n': None, 't': True}\nassert f(1)['a'][1][0] == 2\nassert isinstance(f(0)['a'], list)",
        bug=("(2, 3)", "(2, 4)"),
        entry="f",
    ),
    honest(
        "results",
        "def f(n):\n    return n % 2 == 0\n",
        "assert f(2)\nassert f(2) is True\nassert not f(3)\nassert f(3) == False\nassert type(f(1)) is bool",
        bug=("== 0", "== 0 or n == 3"),
        entry="f",
    ),
    honest(
        "results",
        "def f(s):\n    return s[::-1], len(s), s.encode(), 1.5, 2**80\n",
        "text, n, data, x, big = f('ab')\nassert (text, n, data, x) == ('ba', 2, b'ab', 1.5)\nassert big == 1208925819614629174706176\nassert isinstance(data, bytes)",
        bug=("2**80", "2**80 + 1"),
        entry="f",
    ),
    honest(
        "results",
        "def f(xs):\n    return sorted(set(xs)), float('nan'), float('-inf'), -0.0, 1j\n",
        "import math\nxs, nan, low, zero, i = f([2, 1, 2])\nassert xs == [1, 2]\nassert math.isnan(nan)\nassert low == -math.inf\nassert math.copysign(1, zero) == -1\nassert i * i == -1",
        bug=("-0.0", "0.0"),
        entry="f",
    ),
    honest(
        "results",
        "def f(n):\n    deep = []\n    for _ in range(n):\n        deep = [deep]\n    return deep\n",
        "x = f(20)\nfor _ in range(20):\n    (x,) = x\nassert x == []\nassert f(0) == []",
        bug=("[deep]", "[deep, deep]"),
        entry="f",
    ),
    honest(
        "results",
        "def f(n):\n    row = [0] * n\n    return [row] * n\n",
        "m = f(2)\nm[0][0] = 1\nassert m == [[1, 0], [1, 0]]\nassert m[0] is m[1]",
        bug=("[row] * n", "[list(row) for _ in range(n)]"),
        entry="f",
    ),
]

WORLD: Final[list[Item]] = [
    *(honest(feature, FUNCTIONS, test, bug=bug) for feature, test, bug in _FUNCTIONS),
    *(honest(feature, OUTSIDE, test, bug=bug) for feature, test, bug in _OUTSIDE),
    *STYLES,
]
