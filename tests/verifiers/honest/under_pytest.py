"""Files of tests for pytest: functions, classes of unittest, fixtures, tables of cases, what pytest hands to a test."""

from typing import Final

from tests.verifiers.honest.flow import CHANGES, ERRORS, ITERATORS, STRUCTURES
from tests.verifiers.honest.item import Item, honest
from tests.verifiers.honest.kinds import CLASSES, VALUES
from tests.verifiers.honest.objects import POINT
from tests.verifiers.honest.world import ADD, FUNCTIONS, OUTSIDE

__all__ = ["UNDER_PYTEST"]

_Row = tuple[str, str, str, tuple[str, str] | None]
_OFF: Final = ("return a + b", "return a + b + (a == 5)")

_FILES: Final[list[_Row]] = [
    (
        "pytest functions",
        ADD,
        "from solution import add\n\ndef test_one():\n    assert add(1, 2) == 3\n\ndef test_two():\n    assert add(5, 7) == 12\n",
        _OFF,
    ),
    (
        "pytest functions",
        ADD,
        "import solution\n\ndef test_one():\n    assert solution.add(5, 2) == 7\n    assert solution.LIMIT == 10\n",
        _OFF,
    ),
    (
        "pytest functions",
        ADD,
        "from solution import *\n\ndef expect(args, want):\n    assert add(*args) == want\n\ndef test_one():\n    expect((5, 2), 7)\n    assert area(2, 3) == 6\n",
        _OFF,
    ),
    (
        "pytest functions",
        ADD,
        "from __future__ import annotations\nfrom solution import add as plus, Result\n\ndef test_one() -> None:\n    value: Result = Result(plus(5, 1))\n    assert value.value == 6\n",
        _OFF,
    ),
    (
        "pytest classes",
        ADD,
        "from solution import add\n\nclass TestAdd:\n    start = 5\n\n    def setup_method(self):\n        self.value = add(self.start, 1)\n\n    def test_one(self):\n        assert self.value == 6\n\n    def test_two(self):\n        assert add(self.value, 1) == 7\n",
        _OFF,
    ),
    (
        "pytest parametrize",
        ADD,
        "import pytest\nfrom solution import add\n\n@pytest.mark.parametrize('a, b, want', [(1, 2, 3), (5, 7, 12), (0, 0, 0)])\ndef test_add(a, b, want):\n    assert add(a, b) == want\n",
        _OFF,
    ),
    (
        "pytest parametrize",
        ADD,
        "import pytest\nfrom solution import add, area\n\n@pytest.mark.parametrize('f', [add, area], ids=['add', 'area'])\n@pytest.mark.parametrize('x', [0, 2])\ndef test_both(f, x):\n    assert f(x, x) == (x + x if x == 0 else 4)\n",
        ("return w * h", "return w + h + 1"),
    ),
    (
        "pytest parametrize",
        ERRORS,
        "import pytest\nfrom solution import divide, item, lookup\n\n@pytest.mark.parametrize('call, error', [(lambda: divide(1, 0), ZeroDivisionError), (lambda: item([], 1), IndexError), (lambda: lookup({}, 1), KeyError)])\ndef test_raises(call, error):\n    with pytest.raises(error):\n        call()\n",
        ("return a / b", "return a / b if b else 0"),
    ),
    (
        "pytest raises",
        ERRORS,
        "import pytest\nfrom solution import OutOfStock, ShopError, buy\n\ndef test_raises():\n    with pytest.raises(OutOfStock, match=r'no t.a') as info:\n        buy({}, 'tea')\n    assert info.value.code == 7\n    assert info.type is OutOfStock\n\ndef test_parent():\n    with pytest.raises(ShopError):\n        buy({}, 'x')\n    with pytest.raises(LookupError):\n        buy({}, 'x')\n",
        ("code=7", "code=8"),
    ),
    (
        "pytest raises",
        ERRORS,
        "import pytest\nfrom solution import check_age\n\ndef test_raises():\n    with pytest.raises(ValueError, match='too young: 3'):\n        check_age(3)\n\ndef test_fine():\n    assert check_age(40)\n",
        ("age < 18", "age < 2"),
    ),
    (
        "pytest raises",
        ERRORS,
        "import pytest\nfrom solution import lookup, wrapped, ShopError\n\ndef test_key():\n    with pytest.raises(KeyError) as info:\n        lookup({}, 'q')\n    assert info.value.args[0] == 'q'\n\ndef test_cause():\n    with pytest.raises(ShopError) as info:\n        wrapped('x')\n    assert isinstance(info.value.__cause__, ValueError)\n",
        ("from error", "from None"),
    ),
    (
        "pytest raises",
        ERRORS,
        "import pytest\nfrom solution import leave, positive\n\ndef test_exit():\n    with pytest.raises(SystemExit) as info:\n        leave(2)\n    assert info.value.code == 2\n\ndef test_assertion():\n    with pytest.raises(AssertionError, match='positive'):\n        positive(-1)\n",
        ("SystemExit(status)", "SystemExit(0)"),
    ),
    (
        "pytest approx",
        ADD,
        "import pytest\nfrom solution import add\n\ndef test_near():\n    assert add(0.1, 0.2) == pytest.approx(0.3)\n    assert [add(5, 0.1)] == pytest.approx([5.1])\n    assert {'a': add(1, 1)} == pytest.approx({'a': 2})\n",
        _OFF,
    ),
    (
        "pytest approx",
        CLASSES,
        "from pytest import approx\nfrom solution import Item, Ratio\n\ndef test_near():\n    assert Item('a', 0.1).total(3) == approx(0.3)\n    assert Ratio(0.5) == approx(0.5, abs=1e-6)\n",
        ("self.price * count", "self.price + count"),
    ),
    (
        "pytest fixtures",
        CLASSES,
        "import pytest\nfrom solution import Account\n\n@pytest.fixture\ndef account():\n    return Account('ann', 10)\n\ndef test_deposit(account):\n    account.deposit(5)\n    assert account.balance == 15\n\ndef test_fresh(account):\n    assert account.balance == 10\n    assert account.history == []\n",
        ("self._balance += amount", "self._balance = amount"),
    ),
    (
        "pytest fixtures",
        POINT,
        "import pytest\nfrom solution import Point\n\n@pytest.fixture(params=[1, 2])\ndef point(request):\n    p = Point(request.param, 0)\n    yield p\n    assert p.y == 9\n\ndef test_move(point):\n    point.move(0, 9)\n    assert point.norm == point.x**2 + 81\n",
        ("self.y += dy", "self.y = 9 * dy"),
    ),
    (
        "pytest fixtures",
        CHANGES,
        "import pytest\nfrom solution import Box, add, deep\n\n@pytest.fixture(scope='module')\ndef shared():\n    return []\n\ndef test_first(shared):\n    add(shared, 1)\n    assert shared == [1]\n\ndef test_second(shared):\n    Box(shared).add(2)\n    assert shared == [1, 2]\n",
        ("self.items = items", "self.items = list(items)"),
    ),
    (
        "pytest fixtures",
        OUTSIDE,
        "from solution import banner, say\n\ndef test_prints(capsys):\n    say('ho')\n    assert capsys.readouterr().out == 'ho\\n'\n    banner('x')\n    out, err = capsys.readouterr()\n    assert out == '*-x-*!\\n'\n    assert err == 'warning\\n'\n",
        ('sep="-"', 'sep=""'),
    ),
    (
        "pytest fixtures",
        OUTSIDE,
        "from solution import ask\n\ndef test_asks(monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda _='': '41')\n    assert ask() + 1 == 42\n",
        ("int(input(", "len(input("),
    ),
    (
        "pytest fixtures",
        OUTSIDE,
        "import io\nfrom solution import ask, home, read_all\n\ndef test_reads(monkeypatch):\n    monkeypatch.setattr('sys.stdin', io.StringIO('7\\n8 9'))\n    assert ask() == 7\n    assert read_all() == ['8', '9']\n\ndef test_home(monkeypatch):\n    monkeypatch.setenv('SHOP_HOME', '/x')\n    assert home() == '/x'\n",
        ("int(input(", "len(input("),
    ),
    (
        "pytest fixtures",
        OUTSIDE,
        "import solution\n\ndef test_below(monkeypatch):\n    monkeypatch.setattr(solution, 'LIMIT', 10)\n    assert solution.below(7)\n\ndef test_restored():\n    assert not solution.below(7)\n\ndef test_time(monkeypatch):\n    monkeypatch.setattr('time.time', lambda: 5)\n    assert solution.now() == 5\n",
        ("x < LIMIT", "x < 3"),
    ),
    (
        "pytest fixtures",
        OUTSIDE,
        "import json\nfrom solution import load, save\n\ndef test_files(tmp_path):\n    path = tmp_path / 'a.json'\n    save(path, {'x': 1})\n    assert json.loads(path.read_text()) == {'x': 1}\n    path.write_text('[3]')\n    assert load(str(path)) == [3]\n",
        ("json.dump(data, file)", "json.dump([data], file)"),
    ),
    (
        "unittest",
        ADD,
        "import unittest\nfrom solution import add\n\nclass AddTest(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(add(1, 2), 3)\n\n    def test_two(self):\n        self.assertEqual(add(5, 7), 12, 'five and seven')\n        self.assertTrue(add(1, 0))\n        self.assertIsInstance(add(1, 1), int)\n\n\nif __name__ == '__main__':\n    unittest.main()\n",
        _OFF,
    ),
    (
        "unittest",
        POINT,
        "import unittest\nfrom solution import Point, middle\n\nclass PointTest(unittest.TestCase):\n    def setUp(self):\n        self.p = Point(1, 2)\n\n    def test_equal(self):\n        self.assertEqual(self.p, Point(1, 2))\n        self.assertNotEqual(self.p, Point(2, 1))\n        self.assertIs(self.p.me(), self.p)\n        self.assertIsInstance(middle(self.p, self.p), Point)\n\n    def test_order(self):\n        self.assertLess(self.p, Point(3))\n        self.assertIn(1, self.p)\n        self.assertEqual(str(self.p), '<1, 2>')\n",
        ('"<{', '"[{'),
    ),
    (
        "unittest",
        ERRORS,
        "import unittest\nfrom solution import OutOfStock, buy, check_age\n\nclass ShopTest(unittest.TestCase):\n    def test_raises(self):\n        with self.assertRaises(OutOfStock) as caught:\n            buy({}, 'tea')\n        self.assertEqual(caught.exception.code, 7)\n        self.assertRaises(ValueError, check_age, 3)\n        with self.assertRaisesRegex(ValueError, 'young: 3'):\n            check_age(3)\n",
        ("too young: {", "too young {"),
    ),
    (
        "unittest",
        ADD,
        "import unittest\nfrom solution import add\n\nclass SubTests(unittest.TestCase):\n    def test_all(self):\n        for a, b, want in [(1, 2, 3), (5, 5, 10)]:\n            with self.subTest(a=a):\n                self.assertEqual(add(a, b), want)\n        self.assertAlmostEqual(add(0.1, 0.2), 0.3)\n",
        _OFF,
    ),
    (
        "unittest",
        CHANGES,
        "import unittest\nfrom solution import add, both, sort\n\nclass InPlace(unittest.TestCase):\n    def test_changes(self):\n        xs = [2, 1]\n        self.assertIsNone(sort(xs))\n        self.assertListEqual(xs, [1, 2])\n        add(xs, 3)\n        self.assertCountEqual(xs, [3, 2, 1])\n        self.assertIs(both(xs, []), xs)\n",
        ("xs.append(x)", "pass"),
    ),
    (
        "unittest",
        OUTSIDE,
        "import unittest\nfrom unittest.mock import MagicMock, patch\nfrom solution import greet, report, wait\n\nclass Mocks(unittest.TestCase):\n    @patch('time.sleep')\n    def test_sleep(self, sleep):\n        self.assertEqual(wait(), 'woke')\n        sleep.assert_called_once_with(1000)\n\n    @patch('solution.fetch', return_value='abcd')\n    def test_fetch(self, fetch):\n        self.assertEqual(report('u'), 4)\n        fetch.assert_called_with('u')\n\n    def test_client(self):\n        client = MagicMock()\n        client.name.return_value = 'z'\n        self.assertEqual(greet(client), 'hello z')\n",
        ("fetch(url))", "fetch(url + '/'))"),
    ),
    (
        "unittest",
        OUTSIDE,
        "import io\nimport unittest\nfrom unittest.mock import patch\nfrom solution import ask, say\n\nclass Talks(unittest.TestCase):\n    @patch('sys.stdout', new_callable=io.StringIO)\n    def test_says(self, out):\n        say('yes')\n        self.assertEqual(out.getvalue(), 'yes\\n')\n\n    @patch('builtins.input', side_effect=['1', '2'])\n    def test_asks(self, asked):\n        self.assertEqual([ask(), ask()], [1, 2])\n        self.assertEqual(asked.call_count, 2)\n",
        ("int(input(", "len(input("),
    ),
    (
        "unittest",
        VALUES,
        "import datetime\nimport unittest\nfrom fractions import Fraction\nfrom solution import counted, day, half, ordered\n\nclass Values(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n        cls.day = day()\n\n    def test_values(self):\n        self.assertEqual(self.day, datetime.date(2024, 2, 29))\n        self.assertEqual(half(), Fraction(1, 2))\n        self.assertDictEqual(dict(ordered()), {'a': 2, 'b': 1})\n        self.assertEqual(counted('aa').most_common(), [('a', 2)])\n",
        ("Fraction(1, 2)", "Fraction(1, 3)"),
    ),
    (
        "unittest",
        CLASSES,
        "import unittest\nfrom solution import Color, Cube, Item, Shape, paint, stack\n\nclass Kinds(unittest.TestCase):\n    def test_kinds(self):\n        self.assertIs(paint('RED'), Color.RED)\n        self.assertEqual(Item('a'), Item('a'))\n        self.assertTrue(issubclass(Cube, Shape))\n        self.assertEqual(stack(1, 2), [1, 2])\n        self.assertEqual(Cube(2).describe(), 'Cube of 24')\n        self.assertRaises(TypeError, Shape)\n",
        ("6 * super", "4 * super"),
    ),
    (
        "objects under pytest",
        POINT,
        "from solution import ORIGIN, Point, farthest, grid\n\ndef test_equality():\n    assert Point(1, 2) == Point(1, 2)\n    assert ORIGIN == Point(0)\n    assert grid(1) == {(0, 0): ORIGIN}\n\ndef test_sets():\n    assert {Point(1), Point(1)} == {Point(1)}\n    assert sorted([Point(2), Point(1)]) == [Point(1), Point(2)]\n\ndef test_identity():\n    ps = [Point(1), Point(7)]\n    assert farthest(ps) is ps[1]\n",
        ("max(points", "min(points"),
    ),
    (
        "objects under pytest",
        POINT,
        "import copy\nfrom solution import Point\n\nclass TestPoint:\n    def test_arithmetic(self):\n        assert Point(1, 2) + Point(3, 4) == Point(4, 6)\n        assert 2 * Point(1, 2) == Point(2, 4)\n        assert abs(-Point(3, 4)) == 7\n\n    def test_text(self):\n        assert f'{Point(1, 2)}'.startswith('1|2')\n        assert repr(copy.copy(Point(1))) == 'Point(1, 0)'\n\n    def test_items(self):\n        p = Point(1, 2)\n        p[0] = 9\n        x, y = p\n        assert (x, y) == (9, 2) and len(p) == 2\n",
        ("self.y + other.y)", "self.y)"),
    ),
    (
        "structures under pytest",
        STRUCTURES,
        "import pytest\nfrom solution import Node, Tree, height, in_order, reverse\n\n@pytest.fixture\ndef root():\n    root = Tree(5)\n    for key in (2, 8, 1):\n        root.insert(key)\n    return root\n\ndef test_tree(root):\n    assert list(in_order(root)) == [1, 2, 5, 8]\n    assert height(root) == 3\n    root.left.left = None\n    assert height(root) == 2\n\ndef test_list():\n    a = Node(1, Node(2))\n    head = reverse(a)\n    assert head.value == 2 and head.next is a\n",
        ("return 1 + max(", "return 2 + max("),
    ),
    (
        "iterators under pytest",
        ITERATORS,
        "from itertools import islice\nimport pytest\nfrom solution import Countdown, averager, count_up, naturals, words\n\ndef test_lazy():\n    assert list(islice(naturals(), 3)) == [0, 1, 2]\n    assert list(words('a b')) == ['A', 'B']\n    assert list(Countdown(2)) == [2, 1]\n\ndef test_ends():\n    g = count_up(1)\n    next(g)\n    with pytest.raises(StopIteration):\n        next(g)\n\ndef test_send():\n    a = averager()\n    next(a)\n    assert a.send(4) == 4\n",
        ("range(n)", "range(n + 1)"),
    ),
    (
        "callbacks under pytest",
        FUNCTIONS,
        "import pytest\nfrom solution import Events, adder, apply, fib, keep, logged\n\ndef test_functions():\n    assert apply(len, 'abc') == 3\n    assert keep(str.isupper, ['A', 'b']) == ['A']\n    assert adder(3)(4) == 7\n    assert fib(20) == 6765\n\ndef test_events():\n    seen = []\n    e = Events()\n    e.on(seen.append)\n    e.fire(1)\n    assert seen == [1]\n",
        ("if predicate(x)", "if not predicate(x)"),
    ),
    (
        "changes under pytest",
        CHANGES,
        "import pytest\nfrom solution import Box, bump, deep, paint, swap, update\n\n@pytest.mark.parametrize('n', [0, 5])\ndef test_counter(n):\n    counter = {'n': n}\n    assert bump(counter) == n + 1\n    assert counter == {'n': n + 1}\n\ndef test_deep():\n    m = [[1], [2]]\n    deep(m)\n    assert m == [[9], [2]]\n    b = bytearray(2)\n    paint(b)\n    assert b == bytearray([255, 0])\n    d = {}\n    update(d, x=1)\n    assert d == {'x': 1}\n",
        ("= 255", "= 254"),
    ),
    (
        "marks",
        ADD,
        "import sys\nimport pytest\nfrom solution import add\n\n@pytest.mark.skipif(sys.platform == 'win32', reason='not there')\ndef test_here():\n    assert add(5, 2) == 7\n\n@pytest.mark.xfail(reason='known to be unequal')\ndef test_known():\n    assert add(1, 1) == 3\n\n@pytest.mark.skip(reason='slow')\ndef test_slow():\n    assert False\n",
        _OFF,
    ),
    (
        "marks",
        ADD,
        "import pytest\nfrom solution import add\n\npytestmark = pytest.mark.filterwarnings('ignore')\n\n@pytest.mark.parametrize('a', [pytest.param(1, id='one'), pytest.param(2, marks=pytest.mark.skip), 5])\ndef test_some(a):\n    assert add(a, 1) == a + 1\n",
        _OFF,
    ),
    (
        "doctests and mains",
        ADD,
        "from solution import add\n\ndef helper_that_is_no_test():\n    raise RuntimeError\n\nclass Helper:\n    def test_not_collected(self):\n        raise RuntimeError\n\ndef test_only():\n    assert add(5, 1) == 6\n\nif __name__ == '__main__':\n    import pytest\n    raise SystemExit(pytest.main([__file__]))\n",
        _OFF,
    ),
]

_ONE: Final = "from solution import add\n\ndef test_one():\n    assert add(1, 2) == 3\n"
_TWO: Final = (
    "from solution import add, area\n\ndef test_two():\n    assert add(5, 7) == 12\n    assert area(2, 2) == 4\n"
)
UNDER_PYTEST: Final[list[Item]] = [
    *(honest(feature, program, test, bug=bug, pytest=True) for feature, program, test, bug in _FILES),
    honest("several files", ADD, _ONE, _TWO, bug=_OFF, pytest=True, entry="add"),
    honest(
        "several files",
        ADD,
        _TWO,
        "from solution import Result\n\ndef test_one():\n    assert Result(1).value == 1\n",
        bug=_OFF,
        pytest=True,
    ),
    honest(
        "helpers under pytest",
        ADD,
        "from __future__ import annotations\n" + _TWO,
        before="import math\n",
        bug=_OFF,
        pytest=True,
    ),
    honest(
        "helpers under pytest",
        ADD,
        "from solution import add\n\ndef test_one():\n    assert near(add(5, 2), 7)\n",
        before="def near(a, b):\n    return abs(a - b) < 1e-9",
        bug=_OFF,
        pytest=True,
    ),
    honest(
        "helpers under pytest",
        ADD,
        "from shop import add\nimport shop\n\ndef test_one():\n    assert add(5, 2) == shop.add(2, 5) == 7\n",
        bug=_OFF,
        pytest=True,
        module="shop",
    ),
]
