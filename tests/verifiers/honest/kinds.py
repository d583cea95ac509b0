"""Tests of classes that are of a particular kind, and of values of the standard library."""

from typing import Final

from tests.verifiers.honest.item import Item, honest

__all__ = ["KINDS"]

CLASSES: Final = '''
import abc
import collections
import enum
import typing
from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float = 1.0
    tags: list = field(default_factory=list)

    def total(self, count):
        return self.price * count


@dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int = 0


Pair = collections.namedtuple("Pair", "left right")


class Edge(typing.NamedTuple):
    source: str
    target: str
    weight: int = 1

    def reversed(self):
        return Edge(self.target, self.source, self.weight)


class Color(enum.Enum):
    RED = 1
    GREEN = 2

    def next(self):
        return Color.GREEN if self is Color.RED else Color.RED


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Flag(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Name(enum.StrEnum):
    ALPHA = "alpha"


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

    def describe(self):
        return f"{type(self).__name__} of {self.area()}"


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side**2


class Cube(Square):
    def area(self):
        return 6 * super().area()


class Whole(int):
    def double(self):
        return Whole(self * 2)


class Text(str):
    def shout(self):
        return self.upper() + "!"


class Stack(list):
    def push(self, item):
        self.append(item)
        return self


class Table(dict):
    def __missing__(self, key):
        return f"no {key}"


class Ratio(float):
    pass


class Bag(set):
    pass


class Both(tuple):
    def swapped(self):
        return Both((self[1], self[0]))


class Money:
    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return self.cents == (other.cents if isinstance(other, Money) else other)

    def __lt__(self, other):
        return self.cents < (other.cents if isinstance(other, Money) else other)

    def __add__(self, other):
        return Money(self.cents + (other.cents if isinstance(other, Money) else other))

    __radd__ = __add__
    __hash__ = None


class Account:
    """Counts what goes in and out."""

    interest = 0.5
    opened = 0

    def __init__(self, owner, balance=0):
        self.owner, self._balance, self.history = owner, balance, []
        type(self).opened += 1

    @property
    def balance(self):
        return self._balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("must be positive")
        self._balance += amount
        self.history.append(("in", amount))
        return self._balance

    class Closed(Exception):
        pass


def cheapest(items):
    return min(items, key=lambda item: item.price)


def paint(name):
    return Color[name]


def whole(n):
    return Whole(n)


def text(s):
    return Text(s)


def stack(*items):
    return Stack(items)


def divide(a, b):
    return Pair(a // b, a % b)


def red(color):
    return color is Color.RED
'''

_CLASSES: Final[list[tuple[str, str, tuple[str, str] | None]]] = [
    (
        "dataclasses",
        "assert Item('a', 2.0) == Item('a', 2.0)\nassert Item('a') != Item('b')",
        ("@dataclass\nclass Item", "@dataclass(eq=False)\nclass Item"),
    ),
    (
        "dataclasses",
        "assert repr(Item('a', 2.0)) == \"Item(name='a', price=2.0, tags=[])\"",
        ("price: float", "cost: float"),
    ),
    (
        "dataclasses",
        "i = Item('a', 2.5, ['x'])\nassert i.total(2) == 5.0\ni.price = 1\nassert i.total(3) == 3",
        ("self.price * count", "self.price + count"),
    ),
    (
        "dataclasses",
        "a, b = Item('a'), Item('b')\na.tags.append(1)\nassert b.tags == []\nassert a.tags == [1]",
        ("field(default_factory=list)", "field(default_factory=(lambda shared=[]: shared))"),
    ),
    (
        "dataclasses",
        "import dataclasses\nassert dataclasses.asdict(Item('a')) == {'name': 'a', 'price': 1.0, 'tags': []}\nassert dataclasses.replace(Item('a'), name='b').name == 'b'",
        ("= 1.0", "= 2.0"),
    ),
    (
        "dataclasses",
        "v = Version(1, 2)\ntry:\n    v.major = 3\nexcept AttributeError:\n    pass\nelse:\n    assert False",
        ("frozen=True, ", ""),
    ),
    (
        "dataclasses",
        "assert Version(1, 2) < Version(1, 3) <= Version(2)\nassert sorted([Version(2), Version(1)])[0] == Version(1)\nassert len({Version(1), Version(1, 0)}) == 1",
        ("minor: int = 0", "minor: int = 5"),
    ),
    (
        "dataclasses",
        "import dataclasses\nassert [f.name for f in dataclasses.fields(Version)] == ['major', 'minor']\nassert dataclasses.is_dataclass(Item)",
        ("    minor: int", "    lesser: int"),
    ),
    (
        "dataclasses",
        "assert cheapest([Item('a', 3), Item('b', 2)]).name == 'b'\nassert cheapest([Item('a', 3), Item('b', 2)]) == Item('b', 2)",
        ("return min(items", "return max(items"),
    ),
    (
        "dataclasses",
        "match Item('a', 2.0):\n    case Item(name=n, price=p):\n        assert (n, p) == ('a', 2.0)\n    case _:\n        assert False",
        None,
    ),
    (
        "named tuples",
        "assert Pair(1, 2) == (1, 2)\nassert Pair(left=1, right=2).right == 2\nassert Pair(1, 2)._replace(left=5) == Pair(5, 2)",
        ("left right", "right left"),
    ),
    (
        "named tuples",
        "q = divide(7, 2)\nassert q == (3, 1)\nassert q.left == 3\nassert q[1] == 1\na, b = q\nassert a + b == 4",
        ("a % b", "b"),
    ),
    (
        "named tuples",
        "q = divide(7, 2)\nassert isinstance(q, tuple)\nassert q._asdict() == {'left': 3, 'right': 1}\nassert repr(q) == 'Pair(left=3, right=1)'",
        ("a % b", "b"),
    ),
    (
        "named tuples",
        "e = Edge('a', 'b')\nassert e.reversed() == Edge('b', 'a', 1)\nassert e.weight == 1\nassert Edge._fields == ('source', 'target', 'weight')",
        ("weight: int = 1", "weight: int = 2"),
    ),
    (
        "enums",
        "assert paint('RED') == Color.RED\nassert paint('RED') is Color.RED\nassert paint('GREEN') != Color.RED",
        ("Color[name]", "Color.RED"),
    ),
    (
        "enums",
        "assert Color.RED.value == 1\nassert Color.RED.name == 'RED'\nassert Color(2) is Color.GREEN\nassert Color['GREEN'].value == 2",
        ("GREEN = 2", "GREEN = 3"),
    ),
    (
        "enums",
        "assert list(Color) == [Color.RED, Color.GREEN]\nassert len(Color) == 2\nassert [c.name for c in Color] == ['RED', 'GREEN']",
        ("    GREEN = 2\n", "    GREEN = 2\n    BLUE = 3\n"),
    ),
    (
        "enums",
        "assert Color.RED.next() is Color.GREEN\nassert red(Color.RED)\nassert not red(Color.GREEN)",
        ("color is Color.RED", "color in Color"),
    ),
    (
        "enums",
        "assert {Color.RED: 'r'}[paint('RED')] == 'r'\nassert Color.RED in Color\nassert isinstance(Color.RED, Color)",
        None,
    ),
    (
        "enums",
        "assert Level.HIGH == 10\nassert Level.LOW < Level.HIGH\nassert Level.LOW + 1 == 2\nassert max(Level) is Level.HIGH",
        ("HIGH = 10", "HIGH = 11"),
    ),
    (
        "enums",
        "both = Flag.READ | Flag.WRITE\nassert Flag.READ in both\nassert both & Flag.WRITE == Flag.WRITE\nassert Flag.READ not in Flag.WRITE",
        ("WRITE = enum.auto()", "WRITE = 1"),
    ),
    (
        "enums",
        "assert Name.ALPHA == 'alpha'\nassert str(Color.RED) == 'Color.RED'\nassert repr(Color.RED) == '<Color.RED: 1>'",
        ('"alpha"', '"beta"'),
    ),
    (
        "enums",
        "try:\n    Color(9)\nexcept ValueError:\n    pass\nelse:\n    assert False",
        (
            "class Color(enum.Enum):",
            "class Color(enum.Enum):\n    @classmethod\n    def _missing_(cls, value):\n        return cls.RED\n",
        ),
    ),
    (
        "slots",
        "s = Slotted(1, 2)\nassert (s.a, s.b) == (1, 2)\ns.a = 5\nassert s.a == 5",
        ("self.a, self.b = a, b", "self.a, self.b = b, a"),
    ),
    (
        "slots",
        "s = Slotted(1, 2)\ntry:\n    s.c = 1\nexcept AttributeError:\n    pass\nelse:\n    assert False",
        ('("a", "b")', '("a", "b", "c")'),
    ),
    (
        "inheritance",
        "assert Square(3).area() == 9\nassert Cube(2).area() == 24\nassert Cube(1).describe() == 'Cube of 6'",
        ("6 * super", "4 * super"),
    ),
    (
        "inheritance",
        "assert issubclass(Cube, Square)\nassert isinstance(Cube(1), Shape)\nassert not issubclass(Square, Cube)\nassert Cube.__mro__[1] is Square",
        ("class Cube(Square)", "class Other(Square): pass\n\n\nclass Cube(Other)"),
    ),
    (
        "inheritance",
        "assert Cube.__bases__ == (Square,)\nassert type(Cube(1)) is Cube\nassert type(Cube(1)) is not Square",
        ("class Cube(Square)", "class Other(Square): pass\n\n\nclass Cube(Other)"),
    ),
    (
        "inheritance",
        "class Mine(Square):\n    def area(self):\n        return 1 + super().area()\nassert Mine(2).area() == 5\nassert Mine(2).describe() == 'Mine of 5'",
        ("self.side**2", "self.side"),
    ),
    (
        "abstract classes",
        "try:\n    Shape()\nexcept TypeError:\n    pass\nelse:\n    assert False, 'made'",
        ("    @abc.abstractmethod\n", ""),
    ),
    (
        "abstract classes",
        "import inspect\nassert inspect.isabstract(Shape)\nassert not inspect.isabstract(Square)",
        ("    @abc.abstractmethod\n", ""),
    ),
    (
        "subclasses of built-ins",
        "assert whole(3) == 3\nassert whole(3) + 1 == 4\nassert whole(3).double() == 6\nassert isinstance(whole(3), int)",
        ("return Whole(n)", "return Whole(n + 1)"),
    ),
    (
        "subclasses of built-ins",
        "assert whole(3) in [1, 2, 3]\nassert [10, 20, 30, 40][whole(3)] == 40\nassert range(5)[whole(2)] == 2\nassert f'{whole(7):03d}' == '007'",
        ("return Whole(n)", "return Whole(n + 1)"),
    ),
    (
        "subclasses of built-ins",
        "assert text('ab') == 'ab'\nassert text('ab').shout() == 'AB!'\nassert text('ab') + 'c' == 'abc'\nassert text('a,b').split(',') == ['a', 'b']",
        ("return Text(s)", "return Text(s[::-1])"),
    ),
    (
        "subclasses of built-ins",
        "assert isinstance(text('a'), str)\nassert type(text('a')) is not str\nassert ''.join([text('a'), 'b']) == 'ab'\nassert text('k') in {'k': 1}",
        ("return Text(s)", "return s"),
    ),
    (
        "subclasses of built-ins",
        "s = stack(1, 2)\nassert s == [1, 2]\ns.push(3)\nassert s[-1] == 3\nassert len(s) == 3\nassert s.pop() == 3",
        ("self.append(item)", "self.insert(0, item)"),
    ),
    (
        "subclasses of built-ins",
        "s = stack(2, 1)\nassert isinstance(s, list)\nassert sorted(s) == [1, 2]\nassert s + [5] == [2, 1, 5]\nassert s.push(1) is s",
        ("return self\n", "return Stack(self)\n"),
    ),
    (
        "subclasses of built-ins",
        "t = Table(a=1)\nassert t['a'] == 1\nassert t['b'] == 'no b'\nassert t == {'a': 1}\nassert 'b' not in t\nassert t.get('b') is None",
        ('f"no {key}"', "None"),
    ),
    (
        "subclasses of built-ins",
        "assert Ratio(0.5) * 2 == 1.0\nassert abs(Ratio(0.25) - 0.25) < 1e-9\nassert isinstance(Ratio(1), float)",
        None,
    ),
    (
        "subclasses of built-ins",
        "assert Bag([1, 1, 2]) == {1, 2}\nassert Bag('ab') | {'c'} == {'a', 'b', 'c'}\nassert 1 in Bag([1])",
        None,
    ),
    (
        "subclasses of built-ins",
        "assert Both((1, 2)).swapped() == (2, 1)\na, b = Both((1, 2))\nassert (a, b) == (1, 2)",
        ("self[1], self[0]", "self[0], self[1]"),
    ),
    (
        "equality with plain values",
        "assert Money(300) == 300\nassert Money(300) != 200\nassert Money(1) + 2 == 3",
        ("return self.cents ==", "return 0 !="),
    ),
    (
        "equality with plain values",
        "assert sum([Money(1), Money(2)]) == Money(3)\nassert Money(1) < 2\nassert 5 + Money(1) == Money(6)",
        ("self.cents + (", "self.cents - ("),
    ),
    (
        "equality with plain values",
        "try:\n    {Money(1): 1}\nexcept TypeError:\n    pass\nelse:\n    assert False",
        ("__hash__ = None", "__hash__ = object.__hash__"),
    ),
    (
        "state",
        "a = Account('ann')\nassert a.deposit(5) == 5\nassert a.deposit(7) == 12\nassert a.balance == 12\nassert a.history == [('in', 5), ('in', 7)]",
        ("self._balance += amount", "self._balance = amount"),
    ),
    (
        "state",
        "before = Account.opened\nAccount('a')\nAccount('b')\nassert Account.opened == before + 2",
        ("type(self).opened += 1", "self.opened = 1"),
    ),
    (
        "state",
        "a = Account('ann', 3)\na.owner = 'bob'\nassert a.owner == 'bob'\nassert a._balance == 3\nassert Account.interest == 0.5\nassert a.interest == 0.5",
        ("interest = 0.5", "interest = 0.6"),
    ),
    (
        "state",
        "a = Account('ann')\ntry:\n    a.deposit(-1)\nexcept ValueError as error:\n    assert 'positive' in str(error)\nelse:\n    assert False\nassert a.balance == 0",
        ("amount <= 0", "amount == 0"),
    ),
    (
        "nested classes",
        "assert issubclass(Account.Closed, Exception)\ntry:\n    raise Account.Closed('x')\nexcept Account.Closed as error:\n    assert str(error) == 'x'",
        ("class Closed(Exception)", "class Closed(BaseException)"),
    ),
]

VALUES: Final = """
import array
import collections
import datetime
import decimal
import fractions
import pathlib
import re
import types
import uuid


def half():
    return fractions.Fraction(1, 2)


def price():
    return decimal.Decimal("1.10")


def day():
    return datetime.date(2024, 2, 29)


def moment():
    return datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)


def week():
    return datetime.timedelta(days=7)


def clock():
    return datetime.time(8, 15)


def later(when, days):
    return when + datetime.timedelta(days=days)


def folder():
    return pathlib.PurePosixPath("/a/b.txt")


def counted(s):
    return collections.Counter(s)


def ordered():
    return collections.OrderedDict([("b", 1), ("a", 2)])


def grouped(words):
    found = collections.defaultdict(list)
    for word in words:
        found[word[0]].append(word)
    return found


def queue():
    return collections.deque([1, 2, 3], maxlen=3)


def numbers():
    return array.array("i", [1, 2, 3])


def matched(s):
    return re.match(r"(?P<key>\\w+)=(\\d+)", s)


def pattern():
    return re.compile("a+")


def chained():
    return collections.ChainMap({"a": 1}, {"b": 2})


def space():
    return types.SimpleNamespace(a=1)


def identity():
    return uuid.UUID(int=5)


def nothing():
    return None


def raw():
    return bytearray(b"abc")


def view():
    return memoryview(b"abc")


def mapping():
    return types.MappingProxyType({"a": 1})
"""
_VALUES: Final[list[tuple[str, str, tuple[str, str] | None]]] = [
    (
        "fractions and decimals",
        "from fractions import Fraction\nassert half() == Fraction(1, 2)\nassert half() == 0.5\nassert half() + 1 == Fraction(3, 2)\nassert half().numerator == 1",
        ("Fraction(1, 2)", "Fraction(1, 3)"),
    ),
    (
        "fractions and decimals",
        "from decimal import Decimal\nassert price() == Decimal('1.1')\nassert str(price()) == '1.10'\nassert isinstance(price(), Decimal)",
        ('"1.10"', '"1.1"'),
    ),
    (
        "dates",
        "import datetime\nassert day() == datetime.date(2024, 2, 29)\nassert day().year == 2024\nassert day().isoformat() == '2024-02-29'",
        ("2, 29)\n\n\ndef moment", "2, 28)\n\n\ndef moment"),
    ),
    (
        "dates",
        "from datetime import datetime, timezone\nassert moment() == datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc)\nassert moment().hour == 12\nassert isinstance(moment(), datetime)",
        ("12, 30", "13, 30"),
    ),
    (
        "dates",
        "from datetime import timedelta\nassert week() == timedelta(weeks=1)\nassert week().total_seconds() == 604800\nassert week() * 2 == timedelta(14)",
        ("days=7", "days=8"),
    ),
    (
        "dates",
        "import datetime as dt\nassert later(dt.date(2023, 12, 31), 1) == dt.date(2024, 1, 1)\nassert clock() < dt.time(9)\nassert str(clock()) == '08:15:00'",
        ("when + ", "when - "),
    ),
    (
        "dates",
        "assert (day() - day()).days == 0\nassert f'{day():%d.%m.%Y}' == '29.02.2024'\nassert day().strftime('%Y') == '2024'",
        ("2, 29)\n\n\ndef moment", "2, 28)\n\n\ndef moment"),
    ),
    (
        "paths",
        "from pathlib import PurePosixPath\nassert folder() == PurePosixPath('/a/b.txt')\nassert str(folder()) == '/a/b.txt'\nassert folder().suffix == '.txt'\nassert folder().parent.name == 'a'",
        ("b.txt", "b.csv"),
    ),
    (
        "collections",
        "from collections import Counter\nassert counted('aab') == Counter(a=2, b=1)\nassert counted('aab').most_common(1) == [('a', 2)]\nassert counted('a')['z'] == 0",
        ("Counter(s)", "Counter(s + 'b')"),
    ),
    (
        "collections",
        "assert counted('aab') == {'a': 2, 'b': 1}\nassert counted('ab') + counted('b') == {'a': 1, 'b': 2}\nassert sum(counted('abc').values()) == 3",
        ("Counter(s)", "Counter(s + 'b')"),
    ),
    (
        "collections",
        "from collections import OrderedDict\nassert list(ordered()) == ['b', 'a']\nassert ordered() == OrderedDict(b=1, a=2)\nassert ordered() != OrderedDict(a=2, b=1)",
        ('("b", 1), ("a", 2)', '("a", 2), ("b", 1)'),
    ),
    (
        "collections",
        "assert ordered() == {'a': 2, 'b': 1}\no = ordered()\no.move_to_end('b')\nassert list(o.items()) == [('a', 2), ('b', 1)]",
        ('("b", 1)', '("b", 3)'),
    ),
    (
        "collections",
        "g = grouped(['apple', 'bee', 'ant'])\nassert g == {'a': ['apple', 'ant'], 'b': ['bee']}\nassert g['z'] == []\nassert dict(g).keys() == {'a', 'b', 'z'}",
        ("word[0]", "word[-1]"),
    ),
    (
        "collections",
        "from collections import deque\nq = queue()\nassert q == deque([1, 2, 3])\nq.append(4)\nassert list(q) == [2, 3, 4]\nassert q.maxlen == 3",
        ("maxlen=3", "maxlen=4"),
    ),
    (
        "collections",
        "c = chained()\nassert c['b'] == 2\nassert dict(c) == {'a': 1, 'b': 2}\nassert 'a' in c",
        ('{"b": 2}', '{"b": 3}'),
    ),
    (
        "library values",
        "import array\nassert numbers() == array.array('i', [1, 2, 3])\nassert list(numbers()) == [1, 2, 3]\nassert numbers().tolist()[1] == 2\nassert numbers().typecode == 'i'",
        ("[1, 2, 3])\n\n\ndef matched", "[1, 2, 4])\n\n\ndef matched"),
    ),
    (
        "library values",
        "m = matched('ab=12')\nassert m.group(2) == '12'\nassert m['key'] == 'ab'\nassert m.groups() == ('ab', '12')\nassert m.span() == (0, 5)\nassert matched('?') is None",
        ("(\\d+)", "(\\d)"),
    ),
    (
        "library values",
        "assert matched('a=1')\nassert not matched('=1')\nassert pattern().findall('aabaa') == ['aa', 'aa']\nassert pattern().pattern == 'a+'",
        ('"a+"', '"a"'),
    ),
    (
        "library values",
        "assert space().a == 1\ns = space()\ns.b = 2\nassert vars(s) == {'a': 1, 'b': 2}\nassert repr(s) == 'namespace(a=1, b=2)'",
        ("a=1)", "a=2)"),
    ),
    (
        "library values",
        "import uuid\nassert identity() == uuid.UUID('00000000-0000-0000-0000-000000000005')\nassert identity().int == 5\nassert str(identity()).endswith('05')",
        ("int=5", "int=6"),
    ),
    (
        "library values",
        "r = raw()\nassert r == b'abc'\nr.append(100)\nassert r == bytearray(b'abcd')\nassert bytes(view()) == b'abc'\nassert view()[0] == 97",
        ('bytearray(b"abc")', 'bytearray(b"abb")'),
    ),
    (
        "library values",
        "assert mapping()['a'] == 1\nassert dict(mapping()) == {'a': 1}\ntry:\n    mapping()['b'] = 1\nexcept TypeError:\n    pass\nelse:\n    assert False",
        ('types.MappingProxyType({"a": 1})', '{"a": 1}'),
    ),
    (
        "library values",
        "assert nothing() is None\nassert nothing() == None\nassert not nothing()",
        ("return None", "return 0"),
    ),
]

KINDS: Final[list[Item]] = [
    *(honest(feature, CLASSES, test, bug=bug) for feature, test, bug in _CLASSES),
    *(honest(feature, VALUES, test, bug=bug) for feature, test, bug in _VALUES),
]
