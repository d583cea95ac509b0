"""Tests that make objects of the program's classes and ask all that can be asked of an object."""

from typing import Final

from tests.verifiers.honest.item import Item, honest

__all__ = ["OBJECTS"]

POINT: Final = '''
import functools


@functools.total_ordering
class Point:
    """A point with whole coordinates."""

    dimensions = 2
    made = []

    def __init__(self, x, y=0):
        self.x, self.y = x, y
        self.tags = []

    def __eq__(self, other):
        if not isinstance(other, Point):
            return NotImplemented
        return (self.x, self.y) == (other.x, other.y)

    def __lt__(self, other):
        return (self.x, self.y) < (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __repr__(self):
        return f"Point({self.x}, {self.y})"

    def __str__(self):
        return f"<{self.x}, {self.y}>"

    def __format__(self, how):
        return f"{self.x:{how}}|{self.y:{how}}"

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Point(self.x - other.x, self.y - other.y)

    def __mul__(self, k):
        return Point(self.x * k, self.y * k)

    def __rmul__(self, k):
        return Point(k * self.x, k * self.y)

    def __rsub__(self, k):
        return Point(k - self.x, k - self.y)

    def __matmul__(self, other):
        return self.x * other.x + self.y * other.y

    def __truediv__(self, k):
        return Point(self.x / k, self.y / k)

    def __floordiv__(self, k):
        return Point(self.x // k, self.y // k)

    def __mod__(self, k):
        return Point(self.x % k, self.y % k)

    def __pow__(self, k):
        return Point(self.x**k, self.y**k)

    def __neg__(self):
        return Point(-self.x, -self.y)

    def __abs__(self):
        return abs(self.x) + abs(self.y)

    def __invert__(self):
        return Point(self.y, self.x)

    def __iadd__(self, other):
        self.x += other.x
        self.y += other.y
        return self

    def __bool__(self):
        return bool(self.x or self.y)

    def __int__(self):
        return self.x

    def __float__(self):
        return float(self.x)

    def __index__(self):
        return self.x

    def __complex__(self):
        return complex(self.x, self.y)

    def __round__(self, digits=0):
        return Point(round(self.x, digits), round(self.y, digits))

    def __len__(self):
        return 2

    def __iter__(self):
        return iter((self.x, self.y))

    def __reversed__(self):
        return iter((self.y, self.x))

    def __contains__(self, value):
        return value in (self.x, self.y)

    def __getitem__(self, index):
        return (self.x, self.y)[index]

    def __setitem__(self, index, value):
        setattr(self, "xy"[index], value)

    def __delitem__(self, index):
        setattr(self, "xy"[index], 0)

    def __call__(self, by):
        return Point(self.x + by, self.y + by)

    def __bytes__(self):
        return bytes([self.x, self.y])

    def __copy__(self):
        return Point(self.x, self.y)

    @property
    def norm(self):
        return self.x**2 + self.y**2

    @property
    def first(self):
        return self.x

    @first.setter
    def first(self, value):
        if value < 0:
            raise ValueError("below zero")
        self.x = value

    @first.deleter
    def first(self):
        self.x = 0

    @staticmethod
    def distance(one, other):
        return abs(one.x - other.x) + abs(one.y - other.y)

    @classmethod
    def diagonal(cls, n):
        return cls(n, n)

    def moved(self, dx, dy=0):
        return Point(self.x + dx, self.y + dy)

    def move(self, dx, dy=0):
        self.x += dx
        self.y += dy
        return self

    def me(self):
        return self


ORIGIN = Point(0, 0)


def middle(one, other):
    return Point((one.x + other.x) // 2, (one.y + other.y) // 2)


def farthest(points):
    return max(points, key=lambda p: p.norm)


def shift_all(points, by):
    for p in points:
        p.x += by


def sort_points(points):
    points.sort()


def same(one, other):
    return one is other


def grid(n):
    return {(x, y): Point(x, y) for x in range(n) for y in range(n)}
'''
_OFF = ("self.x, self.y = x, y", "self.x, self.y = x, y + 1")

_POINT: Final[list[tuple[str, str, tuple[str, str] | None]]] = [
    ("attributes", "p = Point(3, 4)\nassert p.x == 3\nassert p.y == 4", _OFF),
    ("attributes", "p = Point(3)\np.x = 10\nassert p.x == 10\nassert p.norm == 100", ("self.x**2", "self.x**3")),
    ("attributes", "p = Point(1, 2)\ndel p.y\nassert not hasattr(p, 'y')\nassert hasattr(p, 'x')", None),
    ("attributes", "p = Point(1, 2)\nsetattr(p, 'colour', 'red')\nassert getattr(p, 'colour') == 'red'", None),
    ("attributes", "p = Point(1, 2)\nassert getattr(p, 'z', 7) == 7\nassert Point.dimensions == 2", ("= 2\n", "= 3\n")),
    ("attributes", "p = Point(1, 2)\nassert vars(p) == {'x': 1, 'y': 2, 'tags': []}", _OFF),
    ("attributes", "p = Point(1, 2)\np.x += 4\np.y *= 3\nassert (p.x, p.y) == (5, 6)", _OFF),
    ("attributes", "Point.dimensions = 3\nassert Point(1, 1).dimensions == 3", None),
    (
        "attributes",
        "try:\n    Point(1, 2).z\nexcept AttributeError:\n    pass\nelse:\n    assert False",
        ("    def me(self)", "    def __getattr__(self, name):\n        return 0\n\n    def me(self)"),
    ),
    ("nested attributes", "p = Point(1, 2)\np.tags.append('a')\np.tags.append('b')\nassert p.tags == ['a', 'b']", None),
    ("nested attributes", "p = Point(Point(1, 2), Point(3, 4))\nassert p.x.y == 2\np.x.y = 9\nassert p.x.y == 9", _OFF),
    (
        "nested attributes",
        "p = Point({}, [])\np.x['k'] = 1\np.y.extend([1, 2])\nassert (p.x, p.y) == ({'k': 1}, [1, 2])",
        None,
    ),
    (
        "equality",
        "assert Point(1, 2) == Point(1, 2)\nassert not Point(1, 2) == Point(2, 1)",
        ("self.x, self.y = x, y", "self.x, self.y = 1, 2"),
    ),
    (
        "equality",
        "assert Point(1, 2) != Point(1, 3)\nassert not Point(1, 2) != Point(1, 2)",
        ("(self.x, self.y) == (other", "self.x == other.x or (other"),
    ),
    ("equality", "assert [Point(1, 2), Point(3, 4)] == [Point(1, 2), Point(3, 4)]", None),
    (
        "equality",
        "assert middle(Point(0, 0), Point(4, 6)) == Point(2, 3)",
        ("(one.y + other.y) // 2", "one.y + other.y"),
    ),
    ("equality", "assert Point(1, 2) != (1, 2)\nassert Point(1, 2) != None\nassert Point(0, 0) is not None", None),
    (
        "equality",
        "assert grid(2) == {(0, 0): Point(0, 0), (0, 1): Point(0, 1), (1, 0): Point(1, 0), (1, 1): Point(1, 1)}",
        ("Point(x, y) for", "Point(y, y) for"),
    ),
    ("equality", "assert {'a': Point(1, 1)} == {'a': Point.diagonal(1)}", ("cls(n, n)", "cls(n, 0)")),
    (
        "equality",
        "assert (Point(1), 2) == (Point(1), 2)\nassert Point(1) in [Point(1)]\nassert [Point(0), Point(1)].index(Point(1)) == 1",
        None,
    ),
    (
        "order",
        "assert Point(1, 2) < Point(2, 0)\nassert Point(3) > Point(2, 9)\nassert Point(1) <= Point(1) >= Point(1)",
        (") < (other", ") > (other"),
    ),
    (
        "order",
        "ps = sorted([Point(3), Point(1), Point(2)])\nassert [p.x for p in ps] == [1, 2, 3]",
        (") < (other", ") > (other"),
    ),
    (
        "order",
        "assert max([Point(1), Point(5), Point(2)]).x == 5\nassert min(Point(2), Point(0)).x == 0",
        (") < (other", ") > (other"),
    ),
    (
        "order",
        "assert sorted([Point(2, 1), Point(1, 5)], key=lambda p: p.y)[0].x == 2",
        ("self.x, self.y = x, y", "self.x, self.y = x, -y"),
    ),
    (
        "order",
        "ps = [Point(2), Point(1)]\nps.sort(reverse=True)\nassert ps == [Point(2), Point(1)]",
        (") < (other", ") > (other"),
    ),
    ("order", "assert sorted([Point(2), Point(1)]) == [Point(1), Point(2)]", (") < (other", ") > (other")),
    (
        "order",
        "import heapq\nh = [Point(3), Point(1), Point(2)]\nheapq.heapify(h)\nassert heapq.heappop(h) == Point(1)",
        (") < (other", ") > (other"),
    ),
    ("hashing", "assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2", ("hash((self.x, self.y))", "id(self)")),
    (
        "hashing",
        "d = {Point(1, 2): 'a'}\nassert d[Point(1, 2)] == 'a'\nassert Point(2, 1) not in d",
        ("hash((self.x, self.y))", "id(self)"),
    ),
    ("hashing", "p, q = Point(1, 2), Point(1, 2)\nassert hash(p) == hash(q)", ("hash((self.x, self.y))", "id(self)")),
    (
        "hashing",
        "assert Point(1, 2) in {Point(1, 2)}\nassert {Point(1)} | {Point(1)} == {Point(1)}",
        ("hash((self.x, self.y))", "id(self)"),
    ),
    ("arithmetic", "p = Point(1, 2) + Point(3, 4)\nassert (p.x, p.y) == (4, 6)", ("self.y + other.y)", "self.y)")),
    (
        "arithmetic",
        "assert Point(1, 2) + Point(3, 4) == Point(4, 6)\nassert Point(5, 5) - Point(1, 2) == Point(4, 3)",
        ("self.x - other.x", "self.x + other.x"),
    ),
    (
        "arithmetic",
        "assert Point(1, 2) * 3 == Point(3, 6)\nassert Point(7, 9) // 2 == Point(3, 4)\nassert Point(7, 9) % 4 == Point(3, 1)",
        ("self.y * k", "self.y"),
    ),
    (
        "arithmetic",
        "assert Point(1, 2) @ Point(3, 4) == 11\nassert Point(2, 3) ** 2 == Point(4, 9)\nassert (Point(1, 2) / 2).x == 0.5",
        ("self.x * other.x +", "self.x * other.x -"),
    ),
    (
        "arithmetic",
        "assert -Point(1, 2) == Point(-1, -2)\nassert abs(Point(-3, 4)) == 7\nassert ~Point(1, 2) == Point(2, 1)",
        ("abs(self.x) + ", ""),
    ),
    ("arithmetic", "assert abs(Point(1, 2) + Point(2, 2)) == 7", ("self.x + other.x,", "self.x,")),
    (
        "arithmetic",
        "assert sum([Point(1, 1), Point(2, 2)], Point(0, 0)) == Point(3, 3)",
        ("self.x + other.x,", "self.x,"),
    ),
    (
        "reflected arithmetic",
        "assert 3 * Point(1, 2) == Point(3, 6)\nassert 10 - Point(1, 2) == Point(9, 8)",
        ("k - self.x", "self.x - k"),
    ),
    (
        "operators in place",
        "p = q = Point(1, 2)\np += Point(1, 1)\nassert p is q\nassert q.x == 2",
        ("self.x += other.x", "self.x = other.x"),
    ),
    (
        "operators in place",
        "p = Point(1, 2)\np *= 2\np -= Point(1, 1)\nassert p == Point(1, 3)",
        ("self.y * k", "self.y"),
    ),
    ("text", "assert repr(Point(1, 2)) == 'Point(1, 2)'\nassert str(Point(1, 2)) == '<1, 2>'", ('"<{', '"[{')),
    ("text", "assert f'{Point(1, 2)!r} {Point(1, 2)!s} {Point(1, 2):03d}' == 'Point(1, 2) <1, 2> 001|002'", ("|", ",")),
    ("text", "assert '%s and %r' % (Point(1, 2), Point(3)) == '<1, 2> and Point(3, 0)'", ('"<{', '"[{')),
    (
        "text",
        "assert str([Point(1, 2)]) == '[Point(1, 2)]'\nassert '{}'.format({'a': Point(1)}) == \"{'a': Point(1, 0)}\"",
        ('"Point(', '"P('),
    ),
    ("text", "assert ' '.join(map(str, [Point(1), Point(2)])) == '<1, 0> <2, 0>'", ('"<{', '"[{')),
    ("text", "assert Point.__doc__.startswith('A point')", ("A point", "The point")),
    (
        "containers",
        "p = Point(5, 6)\nassert len(p) == 2\nassert list(p) == [5, 6]\nx, y = p\nassert (x, y) == (5, 6)",
        ("iter((self.x, self.y))", "iter((self.x, 0))"),
    ),
    ("containers", "assert 5 in Point(5, 6)\nassert 7 not in Point(5, 6)", ("value in (self.x, self.y)", "True")),
    (
        "containers",
        "p = Point(5, 6)\nassert p[0] == 5\nassert p[-1] == 6\nassert p[:] == (5, 6)\np[1] = 8\nassert p.y == 8",
        ('"xy"[index]', '"yx"[index]'),
    ),
    ("containers", "p = Point(5, 6)\ndel p[0]\nassert p.x == 0", ('"xy"[index], 0)', '"xy"[index], 1)')),
    (
        "containers",
        "try:\n    Point(1, 2)[5]\nexcept IndexError:\n    pass\nelse:\n    raise AssertionError",
        ("(self.x, self.y)[index]", "(self.x, self.y)[index % 2]"),
    ),
    (
        "containers",
        "assert list(reversed(Point(1, 2))) == [2, 1]\nassert list(zip(Point(1, 2), 'ab')) == [(1, 'a'), (2, 'b')]",
        ("iter((self.y, self.x))", "iter((self.x, self.y))"),
    ),
    (
        "containers",
        "assert [*Point(1, 2), 3] == [1, 2, 3]\nassert dict(a=1, **{'b': Point(2)[0]}) == {'a': 1, 'b': 2}",
        _OFF,
    ),
    (
        "containers",
        "assert sum(Point(3, 4)) == 7\nassert max(Point(3, 4)) == 4\nassert sorted(Point(4, 3)) == [3, 4]\nassert any(Point(0, 1))",
        _OFF,
    ),
    (
        "containers",
        "assert tuple(Point(1, 2)) == (1, 2)\nassert set(Point(1, 1)) == {1}\nassert [v for v in Point(1, 2)] == [1, 2]",
        _OFF,
    ),
    (
        "conversions",
        "p = Point(3, 4)\nassert int(p) == 3\nassert float(p) == 3.0\nassert complex(p) == 3 + 4j",
        ("return self.x\n", "return self.y\n"),
    ),
    (
        "conversions",
        "assert bytes(Point(1, 2)) == b'\\x01\\x02'\nassert ['a', 'b', 'c'][Point(2)] == 'c'\nassert round(Point(1.26, 2), 1) == Point(1.3, 2)",
        ("bytes([self.x, self.y])", "bytes([self.x])"),
    ),
    (
        "conversions",
        "assert bool(Point(0, 1)) is True\nassert not Point(0, 0)\nassert Point(1) and True",
        ("self.x or self.y", "self.x and self.y"),
    ),
    (
        "callables",
        "assert Point(1, 2)(3) == Point(4, 5)\nassert callable(Point(1, 2))\nassert callable(Point)",
        ("self.y + by", "self.y"),
    ),
    (
        "callables",
        "move = Point(1, 2).moved\nassert move(1).x == 2\nassert move(dy=1, dx=0).y == 3",
        ("self.y + dy", "self.y"),
    ),
    ("callables", "assert [p.x for p in map(Point.diagonal, [1, 2])] == [1, 2]", ("cls(n, n)", "cls(0, n)")),
    ("callables", "assert Point.moved(Point(1, 2), 5) == Point(6, 2)", ("self.x + dx", "self.x")),
    ("properties", "assert Point(3, 4).norm == 25", ("self.x**2", "self.x")),
    (
        "properties",
        "p = Point(3, 4)\np.first = 8\nassert p.x == 8\ndel p.first\nassert p.x == 0",
        ("self.x = value", "self.y = value"),
    ),
    (
        "properties",
        "p = Point(3, 4)\ntry:\n    p.first = -1\nexcept ValueError as error:\n    assert str(error) == 'below zero'\nelse:\n    assert False",
        ("below zero", "no"),
    ),
    (
        "properties",
        "try:\n    Point(1, 2).norm = 5\nexcept AttributeError:\n    pass\nelse:\n    assert False, 'set'",
        None,
    ),
    (
        "static and class methods",
        "assert Point.distance(Point(0), Point(3, 4)) == 7\nassert Point.diagonal(2) == Point(2, 2)",
        ("cls(n, n)", "cls(n)"),
    ),
    (
        "static and class methods",
        "assert Point(9, 9).diagonal(1) == Point(1, 1)\nassert Point(1).distance(Point(1), Point(2)) == 1",
        ("cls(n, n)", "cls(n)"),
    ),
    (
        "identity",
        "p = Point(1, 2)\nassert p.me() is p\nassert p.move(1) is p\nassert Point(1, 2) is not Point(1, 2)",
        ("return self\n\n\nORIGIN", "return Point(self.x, self.y)\n\n\nORIGIN"),
    ),
    (
        "identity",
        "p, q = Point(1, 2), Point(1, 2)\nassert same(p, p) is True\nassert same(p, q) is False",
        ("one is other", "one == other"),
    ),
    ("identity", "ps = [Point(1), Point(5)]\nassert farthest(ps) is ps[1]", ("max(points", "min(points")),
    (
        "identity",
        "import copy\np = Point(1, 2)\nq = copy.copy(p)\nassert q == p\nassert q is not p\nassert copy.deepcopy(p) == p",
        ("return Point(self.x, self.y)\n", "return Point(self.y, self.x)\n"),
    ),
    (
        "types",
        "p = Point(1, 2)\nassert isinstance(p, Point)\nassert type(p) is Point\nassert not isinstance(p, int)",
        None,
    ),
    (
        "types",
        "assert Point.__name__ == 'Point'\nassert type(Point(1)).__name__ == 'Point'\nassert isinstance(Point, type)",
        None,
    ),
    (
        "types",
        "assert issubclass(Point, object)\nassert not issubclass(Point, int)\nassert Point(1).__class__ is Point",
        None,
    ),
    (
        "types",
        "assert isinstance(middle(Point(1), Point(2)), Point)\nassert isinstance(grid(1), dict)",
        ("return Point((one", "return ((one"),
    ),
    (
        "types",
        "assert hasattr(Point, 'moved')\nassert not hasattr(Point, 'jumped')\nassert 'moved' in dir(Point(1))",
        ("def moved", "def shifted"),
    ),
    ("arguments", "assert middle(Point(0, 0), other=Point(2, 2)).x == 1", ("(one.x + other.x) // 2", "one.x")),
    ("arguments", "assert Point(1, y=5).y == 5\nassert Point(y=2, x=1).x == 1\nassert Point(1).y == 0", ("y=0", "y=1")),
    (
        "arguments",
        "assert farthest([Point(1), Point(-7), Point(3)]).x == -7\nassert farthest((Point(1, 1), Point(0))).y == 1",
        ("max(points", "min(points"),
    ),
    (
        "arguments",
        "ps = [Point(1), Point(2)]\nshift_all(ps, 10)\nassert [p.x for p in ps] == [11, 12]",
        ("p.x += by", "p.x += 1"),
    ),
    (
        "arguments",
        "ps = [Point(2), Point(1)]\nfirst = ps[0]\nsort_points(ps)\nassert ps[1] is first\nassert ps[0].x == 1",
        ("points.sort()", "points.reverse(); points.reverse()"),
    ),
    (
        "arguments",
        "try:\n    Point()\nexcept TypeError:\n    pass\nelse:\n    assert False",
        ("def __init__(self, x, y=0)", "def __init__(self, x=0, y=0)"),
    ),
    (
        "constants",
        "assert ORIGIN == Point(0, 0)\nassert ORIGIN.x == 0",
        ("ORIGIN = Point(0, 0)", "ORIGIN = Point(1, 0)"),
    ),
    ("constants", "import solution\nassert solution.ORIGIN is ORIGIN\nassert solution.Point is Point", None),
]

OBJECTS: Final[list[Item]] = [honest(feature, POINT, test, bug=bug, entry="Point") for feature, test, bug in _POINT]
