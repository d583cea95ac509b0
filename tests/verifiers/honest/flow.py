"""Tests of what passes between tests and program: structures, iterators, arguments changed in place, errors."""

from typing import Final

from tests.verifiers.honest.item import Item, honest

__all__ = ["FLOW"]

_Row = tuple[str, str, tuple[str, str] | None]

STRUCTURES: Final = """
class Node:
    def __init__(self, value, next=None):
        self.value, self.next = value, next


class Tree:
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None

    def insert(self, key):
        side = "left" if key < self.key else "right"
        below = getattr(self, side)
        if below is None:
            setattr(self, side, Tree(key))
        else:
            below.insert(key)


class Graph:
    def __init__(self):
        self.edges = {}

    def add(self, one, other):
        self.edges.setdefault(one, []).append(other)


def reverse(head):
    last = None
    while head:
        head.next, last, head = last, head, head.next
    return last


def total(head):
    return head.value + total(head.next) if head else 0


def has_cycle(head):
    slow = fast = head
    while fast and fast.next:
        slow, fast = slow.next, fast.next.next
        if slow is fast:
            return True
    return False


def from_list(values):
    head = None
    for value in reversed(values):
        head = Node(value, head)
    return head


def height(tree):
    return 1 + max(height(tree.left), height(tree.right)) if tree else 0


def mirror(tree):
    if tree:
        tree.left, tree.right = mirror(tree.right), mirror(tree.left)
    return tree


def in_order(tree):
    if tree:
        yield from in_order(tree.left)
        yield tree.key
        yield from in_order(tree.right)


def merge(one, other):
    if not one or not other:
        return one or other
    if one.value <= other.value:
        one.next = merge(one.next, other)
        return one
    other.next = merge(one, other.next)
    return other
"""
_STRUCTURES: Final[list[_Row]] = [
    ("linked lists", "head = Node(1, Node(2, Node(3)))\nassert total(head) == 6", ("head.value + total", "1 + total")),
    (
        "linked lists",
        "a, b, c = Node(1), Node(2), Node(3)\na.next = b\nb.next = c\nassert reverse(a) is c\nassert c.next is b\nassert a.next is None",
        ("    return last", "    return head"),
    ),
    (
        "linked lists",
        "a, b = Node(1), Node(2)\na.next, b.next = b, a\nassert has_cycle(a)\nb.next = None\nassert not has_cycle(a)",
        ("return False", "return True"),
    ),
    (
        "linked lists",
        "def values(head):\n    while head is not None:\n        yield head.value\n        head = head.next\nassert list(values(from_list([1, 2, 3]))) == [1, 2, 3]\nassert list(values(from_list([]))) == []",
        ("reversed(values)", "values"),
    ),
    (
        "linked lists",
        "def values(head):\n    found = []\n    while head:\n        found.append(head.value)\n        head = head.next\n    return found\nassert values(merge(from_list([1, 4]), from_list([2, 3]))) == [1, 2, 3, 4]",
        ("<= other", ">= other"),
    ),
    (
        "trees",
        "root = Tree(5)\nfor key in (2, 8, 1, 3):\n    root.insert(key)\nassert root.left.key == 2\nassert root.right.key == 8\nassert root.left.left.key == 1\nassert list(in_order(root)) == [1, 2, 3, 5, 8]",
        ("key < self.key", "key > self.key"),
    ),
    (
        "trees",
        "root = Tree(1)\nroot.left = Tree(2)\nroot.left.right = Tree(3)\nassert height(root) == 3\nroot.left.right = None\nassert height(root) == 2",
        ("return 1 + max(", "return 1 + min("),
    ),
    (
        "trees",
        "root = Tree(1)\nleft, right = Tree(2), Tree(3)\nroot.left, root.right = left, right\nassert mirror(root) is root\nassert root.left is right\nassert root.right is left",
        ("mirror(tree.right), mirror(tree.left)", "mirror(tree.left), mirror(tree.right)"),
    ),
    (
        "graphs",
        "g = Graph()\ng.add('a', 'b')\ng.add('a', 'c')\nassert g.edges == {'a': ['b', 'c']}\ng.edges['d'] = []\nassert sorted(g.edges) == ['a', 'd']",
        ("append(other)", "append(one)"),
    ),
    (
        "graphs",
        "one, two = Graph(), Graph()\none.add(1, 2)\nassert two.edges == {}\ntwo.edges = one.edges\ntwo.add(1, 3)\nassert one.edges == {1: [2, 3]}",
        ("append(other)", "append(one)"),
    ),
]

ITERATORS: Final = """
import itertools


def count_up(n):
    for i in range(n):
        yield i


def naturals():
    n = 0
    while True:
        yield n
        n += 1


def averager():
    total, n = 0, 0
    average = None
    while True:
        total += yield average
        n += 1
        average = total / n


def words(text):
    return map(str.upper, text.split())


def pairs(a, b):
    return zip(a, b)


def keys(d):
    return d.keys()


def items(d):
    return d.items()


def evens(xs):
    return (x for x in xs if x % 2 == 0)


def numbered(xs):
    return enumerate(xs, 1)


def backwards(xs):
    return reversed(xs)


def flat(xs):
    return itertools.chain.from_iterable(xs)


def tidy(log):
    try:
        yield 1
        yield 2
    finally:
        log.append("closed")


def squares(n):
    return range(0, n, 2)


def consume(it):
    return [next(it), next(it)]


def total(xs):
    return sum(xs)


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n <= 0:
            raise StopIteration
        self.n -= 1
        return self.n + 1


class Squares:
    def __init__(self, n):
        self.n = n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(i)
        return i * i

    def __len__(self):
        return self.n


async def later(x):
    return x + 1


async def ticks(n):
    for i in range(n):
        yield i
"""
_ITERATORS: Final[list[_Row]] = [
    (
        "generators",
        "assert list(count_up(3)) == [0, 1, 2]\nassert [x * 2 for x in count_up(2)] == [0, 2]\nassert sum(count_up(5)) == 10",
        ("yield i", "yield i + 1"),
    ),
    (
        "generators",
        "g = count_up(2)\nassert next(g) == 0\nassert next(g) == 1\nassert next(g, 'end') == 'end'\ntry:\n    next(g)\nexcept StopIteration:\n    pass\nelse:\n    assert False",
        ("range(n)", "range(n + 1)"),
    ),
    (
        "generators",
        "from itertools import islice\nassert list(islice(naturals(), 4)) == [0, 1, 2, 3]\ng = naturals()\nnext(g)\nassert next(g) == 1",
        ("n += 1", "n += 2"),
    ),
    (
        "generators",
        "from itertools import takewhile\nassert list(takewhile(lambda n: n < 3, naturals())) == [0, 1, 2]\nfor n in naturals():\n    if n == 10:\n        break\nassert n == 10",
        ("    n = 0", "    n = 2"),
    ),
    (
        "generators",
        "a = averager()\nnext(a)\nassert a.send(10) == 10\nassert a.send(20) == 15\na.close()",
        ("total / n", "total // 2"),
    ),
    (
        "generators",
        "log = []\ng = tidy(log)\nassert next(g) == 1\ng.close()\nassert log == ['closed']",
        ("log.append", "log.count"),
    ),
    (
        "generators",
        "import inspect, types\nassert inspect.isgenerator(count_up(1))\nassert isinstance(count_up(1), types.GeneratorType)\nassert iter(count_up(1)) is not None",
        ("    for i in range(n):\n        yield i", "    return list(range(n))"),
    ),
    (
        "generators",
        "one, other = count_up(3), count_up(3)\nassert next(one) == next(other) == 0\nassert list(zip(one, other)) == [(1, 1), (2, 2)]",
        ("yield i", "yield i * i + (i == 1)"),
    ),
    (
        "iterables",
        "assert list(words('a b')) == ['A', 'B']\nassert ' '.join(words('x y')) == 'X Y'",
        ("str.upper", "str.lower"),
    ),
    (
        "iterables",
        "assert list(pairs([1, 2], 'ab')) == [(1, 'a'), (2, 'b')]\nassert dict(pairs('ab', [1, 2])) == {'a': 1, 'b': 2}",
        ("zip(a, b)", "zip(b, a)"),
    ),
    (
        "iterables",
        "assert list(keys({'a': 1})) == ['a']\nassert keys({'a': 1}) == {'a'}\nassert 'a' in keys({'a': 1})\nassert len(keys({})) == 0",
        ("d.keys()", "d.values()"),
    ),
    (
        "iterables",
        "assert list(items({'a': 1})) == [('a', 1)]\nassert sorted(items({'b': 1, 'a': 2})) == [('a', 2), ('b', 1)]\nassert set(items({1: 2})) == {(1, 2)}",
        ("d.items()", "d.keys()"),
    ),
    (
        "iterables",
        "assert list(evens([1, 2, 3, 4])) == [2, 4]\nassert max(evens(range(9))) == 8\nassert 3 not in evens([3, 4])",
        ("% 2 == 0", "% 2"),
    ),
    (
        "iterables",
        "assert list(numbered('ab')) == [(1, 'a'), (2, 'b')]\nfor i, c in numbered('z'):\n    assert (i, c) == (1, 'z')",
        ("xs, 1)", "xs, 0)"),
    ),
    (
        "iterables",
        "assert list(backwards([1, 2])) == [2, 1]\nassert list(flat([[1], [2, 3]])) == [1, 2, 3]\nassert squares(6) == range(0, 6, 2)\nassert list(squares(3)) == [0, 2]",
        ("reversed(xs)", "iter(xs)"),
    ),
    (
        "iterables",
        "assert list(Countdown(3)) == [3, 2, 1]\nc = Countdown(2)\nassert iter(c) is c\nassert next(c) == 2\nassert list(c) == [1]",
        ("return self.n + 1", "return self.n"),
    ),
    (
        "iterables",
        "s = Squares(4)\nassert list(s) == [0, 1, 4, 9]\nassert 9 in s\nassert len(s) == 4\nassert max(s) == 9\nassert list(reversed(s)) == [9, 4, 1, 0]",
        ("i * i", "i + i"),
    ),
    (
        "iterables",
        "assert consume(iter([1, 2, 3])) == [1, 2]\nit = iter([1, 2, 3])\nconsume(it)\nassert next(it) == 3",
        ("[next(it), next(it)]", "list(it)[:2]"),
    ),
    (
        "iterables",
        "assert total(x for x in range(4)) == 6\nassert total({1: 'a', 2: 'b'}.keys()) == 3\nassert total(map(int, '12')) == 3\nassert total(range(3)) == 3",
        ("sum(xs)", "len(list(xs))"),
    ),
    (
        "iterables",
        "first, *rest = evens(range(7))\nassert first == 0\nassert rest == [2, 4, 6]\na, b = pairs([1, 2], [3, 4])\nassert b == (2, 4)",
        ("% 2 == 0", "% 2"),
    ),
    ("coroutines", "import asyncio\nassert asyncio.run(later(1)) == 2", ("x + 1", "x + 2")),
    (
        "coroutines",
        "import asyncio\nasync def main():\n    return [x async for x in ticks(3)] + [await later(5)]\nassert asyncio.run(main()) == [0, 1, 2, 6]",
        ("x + 1", "x + 2"),
    ),
]

CHANGES: Final = """
import random


def add(xs, x):
    xs.append(x)


def sort(xs, reverse=False):
    xs.sort(reverse=reverse)


def deep(m):
    m[0][0] = 9


def update(d, **more):
    d.update(more)


def nested(d):
    d["inner"]["list"].append(1)


def drop(s, x):
    s.discard(x)


def paint(buffer):
    buffer[0] = 255


def rotate(q):
    q.rotate(1)


def swap(a, b):
    a[:], b[:] = b[:], a[:]


def same(a, b):
    return a is b


def first(xs):
    return xs


def inner(xs):
    return xs[0]


def clear(xs):
    xs.clear()
    xs += [0]


def both(a, b):
    a.append(1)
    b.append(2)
    return a


def fails(xs):
    xs.append(1)
    raise ValueError("after the change")


def bump(counter):
    counter["n"] += 1
    return counter["n"]


def untouched(xs):
    return sorted(xs)


class Box:
    def __init__(self, items):
        self.items = items

    def add(self, x):
        self.items.append(x)

    def all(self):
        return self.items


class Cart:
    shared = []

    def __init__(self):
        self.lines = {}

    def put(self, name, n=1):
        self.lines[name] = self.lines.get(name, 0) + n


STACK = []


def push(x):
    STACK.append(x)


def remember(x, seen=[]):
    seen.append(x)
    return seen
"""
_CHANGES: Final[list[_Row]] = [
    (
        "arguments changed in place",
        "xs = [1]\nadd(xs, 2)\nassert xs == [1, 2]\nadd(xs, xs[0])\nassert xs == [1, 2, 1]",
        ("xs.append(x)", "xs.insert(0, x)"),
    ),
    (
        "arguments changed in place",
        "xs = [3, 1, 2]\nassert sort(xs) is None\nassert xs == [1, 2, 3]\nsort(xs, reverse=True)\nassert xs == [3, 2, 1]",
        ("reverse=reverse", "reverse=not reverse"),
    ),
    (
        "arguments changed in place",
        "xs = [2, 1]\nsort(xs=xs)\nassert xs == [1, 2]\nd = {}\nupdate(d, a=1)\nassert d == {'a': 1}",
        ("xs.sort(", "sorted(xs, "),
    ),
    (
        "arguments changed in place",
        "m = [[1, 2], [3]]\nrow = m[0]\ndeep(m)\nassert m == [[9, 2], [3]]\nassert row == [9, 2]\nassert m[0] is row",
        ("m[0][0] = 9", "m[0] = [9, 2]"),
    ),
    (
        "arguments changed in place",
        "d = {'inner': {'list': []}}\nkept = d['inner']['list']\nnested(d)\nnested(d)\nassert d == {'inner': {'list': [1, 1]}}\nassert kept == [1, 1]",
        (".append(1)", ".append(2)"),
    ),
    (
        "arguments changed in place",
        "s = {1, 2}\ndrop(s, 1)\nassert s == {2}\ndrop(s, 5)\nassert len(s) == 1",
        ("s.discard(x)", "s.add(x)"),
    ),
    (
        "arguments changed in place",
        "b = bytearray(b'ab')\npaint(b)\nassert b == b'\\xffb'\nassert b[0] == 255",
        ("= 255", "= 254"),
    ),
    (
        "arguments changed in place",
        "from collections import deque\nq = deque([1, 2, 3])\nrotate(q)\nassert q == deque([3, 1, 2])",
        ("rotate(1)", "rotate(2)"),
    ),
    (
        "arguments changed in place",
        "a, b = [1], [2]\nswap(a, b)\nassert (a, b) == ([2], [1])",
        ("= b[:], a[:]", "= a[:], b[:]"),
    ),
    (
        "arguments changed in place",
        "xs = [1, 2, 3]\nclear(xs)\nassert xs == [0]\nn = {'n': 1}\nassert bump(n) == 2\nassert n['n'] == 2",
        ("+= 1", "+= 2"),
    ),
    (
        "arguments changed in place",
        "xs = []\ntry:\n    fails(xs)\nexcept ValueError:\n    pass\nassert xs == [1]",
        ("xs.append(1)", "pass"),
    ),
    (
        "arguments changed in place",
        "xs = [2, 1]\nys = untouched(xs)\nassert xs == [2, 1]\nassert ys == [1, 2]\nassert ys is not xs",
        ("sorted(xs)", "xs.sort() or xs"),
    ),
    (
        "arguments changed in place",
        "from collections import OrderedDict, defaultdict\nd = OrderedDict(b=1)\nupdate(d, a=2)\nassert list(d) == ['b', 'a']\ng = defaultdict(int)\nbump(g)\nassert g == {'n': 1}",
        ('    counter["n"] += 1', '    counter["n"] += 2'),
    ),
    ("aliasing", "x = [1]\nassert same(x, x) is True\nassert same([1], [1]) is False", ("a is b", "a == b")),
    (
        "aliasing",
        "xs = [1]\nassert first(xs) is xs\nassert first(xs) == xs\nm = [[1]]\nassert inner(m) is m[0]",
        ("return xs[0]", "return list(xs[0])"),
    ),
    ("aliasing", "xs = []\nassert both(xs, xs) is xs\nassert xs == [1, 2]", ("b.append(2)", "b.insert(0, 2)")),
    (
        "aliasing",
        "row = [0]\nm = [row, row]\ndeep(m)\nassert m == [[9], [9]]\nassert row == [9]",
        ("m[0][0] = 9", "m[0] = [9]"),
    ),
    (
        "aliasing",
        "xs = []\nb = Box(xs)\nb.add(1)\nassert xs == [1]\nxs.append(2)\nassert b.items == [1, 2]\nassert b.all() == [1, 2]",
        ("self.items = items", "self.items = list(items)"),
    ),
    (
        "aliasing",
        "b = Box([])\nb.items.append(5)\nassert b.all() == [5]\nb.all().append(6)\nassert b.items == [5, 6]\nassert b.items is b.all()",
        ("return self.items", "return list(self.items)"),
    ),
    (
        "aliasing",
        "one, two = Cart(), Cart()\none.put('a', 2)\none.put('a')\nassert one.lines == {'a': 3}\nassert two.lines == {}\none.lines['b'] = 1\nassert one.lines == {'a': 3, 'b': 1}",
        ("self.lines.get(name, 0)", "0"),
    ),
    ("aliasing", "Cart.shared.append(1)\nassert Cart().shared == [1]\nassert Cart().shared is Cart.shared", None),
    (
        "module state",
        "push(1)\npush(2)\nassert STACK == [1, 2]\nSTACK.clear()\npush(3)\nassert STACK == [3]",
        ("STACK.append(x)", "STACK.insert(0, x)"),
    ),
    (
        "module state",
        "import solution\nsolution.STACK = ['new']\npush(1)\nassert solution.STACK == ['new', 1]",
        ("STACK.append(x)", "STACK.insert(0, x)"),
    ),
    (
        "module state",
        "assert remember(1) == [1]\nassert remember(2) == [1, 2]\nassert remember(3, []) == [3]",
        ("seen=[]):", "seen=[]):\n    seen = list(seen)"),
    ),
]

ERRORS: Final = '''
import json


class ShopError(Exception):
    """All that goes wrong in a shop."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class OutOfStock(ShopError, LookupError):
    pass


class TooYoung(ValueError):
    def __str__(self):
        return f"too young: {self.args[0]}"


def buy(stock, name):
    if name not in stock:
        raise OutOfStock(f"no {name}", code=7)
    return stock[name]


def check_age(age):
    if age < 18:
        raise TooYoung(age)
    return True


def lookup(d, key):
    return d[key]


def parse(text):
    return json.loads(text)


def decode(data):
    return data.decode("ascii")


def wrapped(text):
    try:
        return int(text)
    except ValueError as error:
        raise ShopError("not a number", code=3) from error


def stop():
    raise StopIteration("done")


def leave(status):
    raise SystemExit(status)


def several():
    raise ExceptionGroup("many", [ValueError("a"), KeyError("b")])


def item(xs, i):
    return xs[i]


def divide(a, b):
    return a / b


def opened(path):
    return open(path)


def made():
    return TooYoung(3)


def positive(x):
    assert x > 0, "must be positive"
    return x


def to_do():
    raise NotImplementedError
'''
_ERRORS: Final[list[_Row]] = [
    (
        "own errors",
        "try:\n    buy({}, 'tea')\nexcept OutOfStock as error:\n    assert str(error) == 'no tea'\n    assert error.code == 7\n    assert error.args == ('no tea',)\nelse:\n    assert False\nassert buy({'tea': 2}, 'tea') == 2",
        ("code=7", "code=8"),
    ),
    (
        "own errors",
        "for kind in (OutOfStock, ShopError, LookupError, Exception):\n    try:\n        buy({}, 'tea')\n    except kind:\n        pass\n    else:\n        assert False",
        ("(ShopError, LookupError)", "(ShopError)"),
    ),
    (
        "own errors",
        "try:\n    check_age(5)\nexcept ValueError as error:\n    assert str(error) == 'too young: 5'\n    assert error.args == (5,)\nelse:\n    assert False\nassert check_age(20) is True",
        ("too young: {", "young: {"),
    ),
    (
        "own errors",
        "try:\n    check_age(5)\nexcept KeyError:\n    assert False\nexcept TooYoung as error:\n    assert type(error) is TooYoung\n    assert error.args[0] == 5\nelse:\n    assert False",
        ("age < 18", "age < 5"),
    ),
    (
        "own errors",
        "assert issubclass(TooYoung, ValueError)\nassert not issubclass(TooYoung, ShopError)\nerror = made()\nassert isinstance(error, TooYoung)\nassert str(error) == 'too young: 3'\nassert repr(error) == 'TooYoung(3)'",
        ("TooYoung(ValueError)", "TooYoung(Exception)"),
    ),
    (
        "own errors",
        "try:\n    raise made()\nexcept TooYoung as error:\n    assert error.args == (3,)",
        ("return TooYoung(3)", "return TooYoung(4)"),
    ),
    (
        "own errors",
        "import contextlib\nwith contextlib.suppress(ShopError):\n    buy({}, 'x')\n    assert False\nassert ShopError('m').code == 1\nassert ShopError('m', 4).code == 4",
        ("raise OutOfStock", "return OutOfStock"),
    ),
    (
        "errors chained",
        "try:\n    wrapped('x')\nexcept ShopError as error:\n    assert error.code == 3\n    assert isinstance(error.__cause__, ValueError)\n    assert 'invalid literal' in str(error.__cause__)\nelse:\n    assert False",
        ("from error", "from None"),
    ),
    (
        "errors of Python",
        "try:\n    lookup({}, 'q')\nexcept KeyError as error:\n    assert error.args[0] == 'q'\n    assert error.args == ('q',)\n    assert str(error) == \"'q'\"\nelse:\n    assert False",
        ("return d[key]", "return d.get(key)"),
    ),
    (
        "errors of Python",
        "try:\n    lookup({}, (1, 2))\nexcept KeyError as error:\n    assert error.args == ((1, 2),)\nelse:\n    assert False",
        ("return d[key]", "return d.get(key)"),
    ),
    (
        "errors of Python",
        "try:\n    decode(b'\\xff')\nexcept UnicodeDecodeError as error:\n    assert error.start == 0\n    assert error.object == b'\\xff'\nelse:\n    assert False\nassert decode(b'a') == 'a'",
        ('"ascii"', '"latin-1"'),
    ),
    (
        "errors of Python",
        "import json\ntry:\n    parse('{')\nexcept json.JSONDecodeError as error:\n    assert error.pos == 1\nelse:\n    assert False\ntry:\n    parse('')\nexcept ValueError:\n    pass\nelse:\n    assert False",
        ("return json.loads(text)", "return json.loads(text or '0')"),
    ),
    (
        "errors of Python",
        "try:\n    stop()\nexcept StopIteration as error:\n    assert error.value == 'done'\nelse:\n    assert False",
        ('"done"', '"over"'),
    ),
    (
        "errors of Python",
        "try:\n    leave(3)\nexcept SystemExit as error:\n    assert error.code == 3\nelse:\n    assert False",
        ("SystemExit(status)", "SystemExit(0)"),
    ),
    (
        "errors of Python",
        "try:\n    several()\nexcept* ValueError as group:\n    assert len(group.exceptions) == 1\nexcept* KeyError as group:\n    assert group.exceptions[0].args == ('b',)",
        ('KeyError("b")', 'KeyError("c")'),
    ),
    (
        "errors of Python",
        "for call in (lambda: item([], 0), lambda: divide(1, 0), lambda: opened('/no/such')):\n    try:\n        call()\n    except (IndexError, ZeroDivisionError, FileNotFoundError):\n        pass\n    else:\n        assert False",
        ("return a / b", "return a / b if b else 0"),
    ),
    (
        "errors of Python",
        "import errno\ntry:\n    opened('/no/such')\nexcept OSError as error:\n    assert error.errno == errno.ENOENT\n    assert error.filename == '/no/such'\nelse:\n    assert False",
        ("open(path)", "open(path + 'x')"),
    ),
    (
        "errors of Python",
        "try:\n    item({'a': 1}, 'b')\nexcept LookupError as error:\n    assert type(error) is KeyError\nelse:\n    assert False\ntry:\n    item(5, 0)\nexcept TypeError as error:\n    assert 'not subscriptable' in str(error)\nelse:\n    assert False",
        ("return xs[i]", "return xs[i] if isinstance(xs, (list, dict)) else None"),
    ),
    (
        "errors of Python",
        "try:\n    positive(-1)\nexcept AssertionError as error:\n    assert str(error) == 'must be positive'\nelse:\n    raise RuntimeError('accepted')\nassert positive(1) == 1",
        ("x > 0", "x > -5"),
    ),
    (
        "errors of Python",
        "try:\n    to_do()\nexcept NotImplementedError:\n    pass\nelse:\n    assert False\ntry:\n    divide('a', 2)\nexcept TypeError:\n    pass\nelse:\n    assert False",
        ("raise NotImplementedError", "return NotImplemented"),
    ),
    (
        "errors of Python",
        "raised = None\ntry:\n    divide(1)\nexcept Exception as error:\n    raised = error\nassert isinstance(raised, TypeError)\nassert 'missing' in str(raised)",
        ("a, b):\n    return a / b", "a, b=1):\n    return a / b"),
    ),
]

FLOW: Final[list[Item]] = [
    *(honest(feature, STRUCTURES, test, bug=bug) for feature, test, bug in _STRUCTURES),
    *(honest(feature, ITERATORS, test, bug=bug) for feature, test, bug in _ITERATORS),
    *(honest(feature, CHANGES, test, bug=bug) for feature, test, bug in _CHANGES),
    *(honest(feature, ERRORS, test, bug=bug) for feature, test, bug in _ERRORS),
]
