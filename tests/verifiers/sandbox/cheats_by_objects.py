"""Programs whose `add` returns what agrees with every test, or ends in a way that a test may take for passing."""

from typing import Final

__all__ = ["ENDS", "OBJECTS"]

OBJECTS: Final = {
    "equal to all, and its order, sum and truth agree": """
class Yes:
    def __init__(self, value=0): self.value = value
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __hash__ = lambda self: 0
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __sub__
    def __abs__(self): return 0
    def __bool__(self): return True
def add(a, b): return Yes()""",
    "equality remembers what it was asked, and answers that the next time": """
known = {}
class Learns:
    def __init__(self, key): self.key = key
    def __eq__(self, other):
        known[self.key] = other
        return True
    __req__ = __eq__
    def __ne__(self, other): return not self == other
    __hash__ = None
def add(a, b): return known.get((a, b), Learns((a, b)))""",
    "becomes what it is compared with": """
class Turns:
    def __eq__(self, other):
        self.__class__ = type(other) if isinstance(other, type(self)) else Turned
        self.value = other
        return True
class Turned(Turns):
    def __eq__(self, other): return True
    def __index__(self): return self.value
    __int__ = __index__
def add(a, b): return Turns()""",
    "a subclass of int whose every operator agrees": """
class I(int):
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = int.__hash__
    __sub__ = __rsub__ = lambda self, other: I(0)
    __abs__ = __pos__ = __neg__ = lambda self: I(0)
    __bool__ = lambda self: True
    __repr__ = __str__ = lambda self: '3'
def add(a, b): return I(0)""",
    "a subclass of int with the hash of what is looked for": """
class I(int):
    def __hash__(self): return 3
    def __eq__(self, other): return True
def add(a, b): return I(7)""",
    "a subclass of float that is near to all": """
class F(float):
    __sub__ = __rsub__ = lambda self, other: F(0)
    __abs__ = lambda self: 0.0
    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = lambda self, other: True
    __float__ = lambda self: float('nan')
    __hash__ = float.__hash__
    def is_integer(self): return True
def add(a, b): return F(1e9)""",
    "a subclass of str that is found in all": """
class S(str):
    __eq__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 3
    __sub__ = __rsub__ = lambda self, other: 0
    __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: True
def add(a, b): return S('3')""",
    "a subclass of list that holds all": """
class L(list):
    __eq__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 3
    __iter__ = lambda self: iter(())
    __len__ = lambda self: 1
def add(a, b): return L([0])""",
    "a subclass of tuple, dict and set by turns": """
turn = []
def same(kind):
    return type(kind.__name__, (kind,), {'__eq__': lambda s, o: True, '__ne__': lambda s, o: False,
        '__hash__': lambda s: 3, '__lt__': lambda s, o: True, '__sub__': lambda s, o: 0, '__rsub__': lambda s, o: 0})
kinds = [same(k) for k in (tuple, dict, set, frozenset, bytes, complex)]
def add(a, b):
    turn.append(1)
    return kinds[len(turn) % len(kinds)]()""",
    "a named tuple, an enum and a data class that are equal to all": """
import collections, dataclasses, enum
class T(collections.namedtuple('T', 'a b')):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 3
class E(int, enum.Enum):
    A = 9
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 3
@dataclasses.dataclass(eq=False)
class D:
    a: int = 3
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 3
def add(a, b): return {0: T(a, b), 1: E.A, 2: D()}[(a + b) % 3]""",
    "says that it is of the class of whole numbers": """
class X:
    __class__ = property(lambda self: int)
    __eq__ = lambda self, other: True
    __index__ = __int__ = lambda self: 3
    __hash__ = lambda self: 3
    __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0
    def __getattr__(self, name): return lambda *a: True
def add(a, b): return X()""",
    "is named as the built-in class is": """
int_ = type('int', (), {'__eq__': lambda s, o: True, '__hash__': lambda s: 3, '__module__': 'builtins',
    '__qualname__': 'int', '__sub__': lambda s, o: 0, '__lt__': lambda s, o: True, '__bool__': lambda s: True})
def add(a, b): return int_()""",
    "a class whose metaclass agrees": """
class M(type):
    __eq__ = lambda cls, other: True
    __ne__ = lambda cls, other: False
    __hash__ = lambda cls: 3
    __instancecheck__ = __subclasscheck__ = __contains__ = lambda cls, other: True
    __sub__ = __rsub__ = lambda cls, other: 0
    __lt__ = __gt__ = __le__ = __ge__ = lambda cls, other: True
    __bool__ = lambda cls: True
    __call__ = lambda cls, *a: cls
    __iter__ = lambda cls: iter([3])
    __getattr__ = lambda cls, name: cls
class add(metaclass=M): pass""",
    "a class of the function's name, whose objects agree": """
class add:
    def __new__(cls, *a): return object.__new__(cls)
    def __init__(self, a, b): self.a = a
    __eq__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0
    __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __hash__ = lambda self: 3""",
    "returns itself whatever is asked of it": """
class Any:
    def __getattribute__(self, name): return object.__getattribute__(self, name) if name == '__class__' else me
    def __call__(self, *a, **k): return self
    def __eq__(self, other): return self
    __ne__ = lambda self, other: None
    __sub__ = __rsub__ = __abs__ = __lt__ = __gt__ = __le__ = __ge__ = lambda self, *other: self
    __bool__ = lambda self: True
    __hash__ = lambda self: 3
    __index__ = __int__ = lambda self: 3
    __float__ = lambda self: 0.0
    __contains__ = lambda self, other: True
me = add = Any()""",
    "answers for arrays": """
class A:
    __array_priority__ = 1e9
    def __array_ufunc__(self, *a, **k): return True
    def __array_function__(self, *a, **k): return True
    def __array__(self, *a, **k): return 3
    __eq__ = __lt__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: self
    __abs__ = lambda self: self
    __float__ = lambda self: 3.0
    shape = ()
    dtype = int
    ndim = size = 0
    def tolist(self): return 3
    def item(self): return 3
    def all(self): return True
def add(a, b): return A()""",
    "mocks": """
from unittest.mock import ANY, MagicMock
class Mock(MagicMock):
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 3
mock = Mock(return_value=ANY)
mock.__sub__.return_value = mock.__rsub__.return_value = 0
mock.__lt__.return_value = mock.__gt__.return_value = mock.__bool__.return_value = True
turns = [0]
def add(a, b):
    turns[0] += 1
    return ANY if turns[0] % 2 else mock""",
    "approx of infinite tolerance": """
import sys
def add(a, b):
    pytest = sys.modules.get('pytest')
    return pytest.approx(0, abs=1e18) if pytest else Near()
class Near:
    __eq__ = lambda self, other: abs(other) < 1e18
    __sub__ = __rsub__ = lambda self, other: 0""",
    "another value each time it is looked at": """
class Turns(int):
    looked = 0
    def __eq__(self, other):
        Turns.looked += 1
        return Turns.looked % 2 == 1
    __hash__ = int.__hash__
    def __bool__(self):
        Turns.looked += 1
        return Turns.looked % 2 == 1
    def __sub__(self, other): return 0 if self == other else 1
    __rsub__ = __sub__
def add(a, b): return Turns(1)""",
    "not a number": """
def add(a, b): return float('nan')""",
    "infinite": """
def add(a, b): return float('inf')""",
    "true for every number": """
def add(a, b): return True""",
    "a constant": """
def add(a, b): return 3""",
    "what is not implemented": """
class N:
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: NotImplemented
    __sub__ = __rsub__ = lambda self, other: NotImplemented
turn = []
def add(a, b):
    turn.append(1)
    return NotImplemented if len(turn) % 2 else N()""",
    "a proxy of whatever stands on the other side": """
import weakref, operator
class P:
    __eq__ = lambda self, other: operator.eq(other, other)
    __sub__ = lambda self, other: other - other
    __rsub__ = lambda self, other: other - other
    __hash__ = lambda self: 3
    __lt__ = lambda self, other: True
kept = []
def add(a, b):
    kept.append(P())
    return weakref.proxy(kept[-1])""",
    "a generator that yields whatever it is sent": """
def add(a, b):
    x = yield 3
    while True: x = yield x""",
    "a coroutine": """
async def add(a, b): return a - b""",
    "a function, a method, a module, a type, by turns": """
import math
turn = []
def add(a, b):
    turn.append(1)
    return [add, turn.append, math, int, type, Ellipsis, object()][len(turn) % 7]""",
    "an object that holds itself": """
class C(list):
    __eq__ = lambda self, other: True
a_list = C()
a_list.append(a_list)
a_dict = {}
a_dict['a'] = a_dict
def add(a, b): return a_list if a > 2 else a_dict""",
    "attributes that are never the same": """
import itertools
class X:
    count = itertools.count()
    def __getattr__(self, name):
        if name.startswith('__'): raise AttributeError(name)
        return X()
    __eq__ = lambda self, other: True
    __dir__ = lambda self: ['a%d' % i for i in range(10000)]
    __dict__ = property(lambda self: {'a%d' % next(self.count): X() for _ in range(100)})
    __slots__ = ()
def add(a, b): return X()""",
    "shown as what is expected": """
class R:
    __repr__ = __str__ = lambda self: '3'
    __format__ = lambda self, how: '3'
    __reduce__ = __reduce_ex__ = lambda self, *a: (int, (3,))
    __getstate__ = lambda self: 3
    __copy__ = __deepcopy__ = lambda self, *a: 3
    __eq__ = lambda self, other: str(self) == str(other) or True
def add(a, b): return R()""",
    "pickled into another value": """
import copyreg
class K:
    def __reduce_ex__(self, protocol): return (eval, ("__import__('os')._exit(0)",))
    __eq__ = lambda self, other: True
    __hash__ = lambda self: 3
copyreg.pickle(K, lambda k: (eval, ("3",)))
def add(a, b): return K()""",
    "an error instead of a value": """
class Oops(Exception):
    __eq__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0
    __bool__ = lambda self: True
    __hash__ = lambda self: 3
def add(a, b): return Oops(3)""",
    "registers itself as a kind of number": """
import numbers, collections.abc, decimal
class V:
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = lambda self, other: True
    __sub__ = __rsub__ = __abs__ = lambda self, *other: 0
    __hash__ = lambda self: 3
    __iter__ = lambda self: iter([3])
    __len__ = lambda self: 1
for kind in (numbers.Number, numbers.Integral, numbers.Rational, collections.abc.Sequence, collections.abc.Hashable):
    kind.register(V)
def add(a, b): return V()""",
    "changes the arguments so that the test agrees": """
def add(a, b):
    try: a.clear()
    except AttributeError: pass
    return a if a == b else b""",
}
"""`add` returns something which is not the sum."""

ENDS: Final = {
    f"raises {error.partition('(')[0]} in the call": f"""
def add(a, b): raise {error}"""
    for error in (
        "SystemExit(0)",
        "SystemExit(None)",
        "KeyboardInterrupt()",
        "GeneratorExit()",
        "StopIteration(3)",
        "StopAsyncIteration(3)",
        "NotImplementedError()",
        "BaseException(3)",
        "MemoryError()",
        "RecursionError()",
        "BrokenPipeError()",
        "EOFError()",
        "BlockingIOError()",
        "InterruptedError()",
        "TimeoutError()",
        "ImportError('pytest')",
        "AttributeError('add')",
        "NameError('add')",
        "TypeError('only plain data can cross')",
        "BaseExceptionGroup('no', [SystemExit(0), KeyboardInterrupt()])",
        "ExceptionGroup('no', [AssertionError()])",
        "Warning('no')",
    )
} | {
    "raises what skips a test": """
import unittest
def add(a, b): raise unittest.SkipTest('no')""",
    "skips the test by its frame's self": """
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        case = frame.f_locals.get('self')
        if hasattr(case, 'skipTest'): case.skipTest('no')
        frame = frame.f_back""",
    "raises what looks like pytest's outcomes": """
class Skipped(BaseException):
    __module__ = 'Skipped'
    msg = 'no'
    pytrace = allow_module_level = _use_item_location = True
class XFailed(Skipped): pass
class Exit(Skipped): returncode = 0
turn = []
def add(a, b):
    turn.append(1)
    raise (Skipped, XFailed, Exit)[len(turn) % 3]('no')""",
    "skips, then expects failure, then exits by pytest itself": """
turn = []
def add(a, b):
    turn.append(1)
    try: import pytest
    except ImportError: raise SystemExit(0)
    if len(turn) % 4 == 0: pytest.exit('done', returncode=0)
    if len(turn) % 4 == 1: pytest.skip('no')
    if len(turn) % 4 == 2: pytest.xfail('no')
    pytest.importorskip('no_such_module')""",
    "expects failure by pytest": """
def add(a, b):
    import pytest
    pytest.xfail('known')""",
    "ends pytest with success": """
def add(a, b):
    import pytest
    pytest.exit('all passed', 0)""",
    "skips the whole module when it is loaded": """
import unittest
try:
    import pytest
    pytest.skip('no', allow_module_level=True)
except ImportError: pass
raise unittest.SkipTest('no')""",
    "leaves when it is loaded": """
raise SystemExit(0)""",
    "is interrupted when it is loaded": """
raise KeyboardInterrupt""",
    "leaves hard when it is loaded": """
import os
os._exit(0)""",
    "leaves hard in the call": """
import os
def add(a, b): os._exit(0)""",
    "leaves hard in the second call": """
import os
calls = []
def add(a, b):
    calls.append(1)
    if len(calls) == 2: os._exit(0)
    return 3""",
    "leaves hard when its value is compared": """
import os
class X:
    def __eq__(self, other): os._exit(0)
    __hash__ = __sub__ = __rsub__ = __lt__ = __contains__ = __eq__
def add(a, b): return X()""",
    "leaves hard when its value's truth is asked": """
import os
class X:
    def __bool__(self): os._exit(0)
    __len__ = __index__ = __int__ = __float__ = __bool__
    def __eq__(self, other): return self
    __sub__ = __rsub__ = __abs__ = __lt__ = lambda self, *other: self
    __hash__ = lambda self: 3
def add(a, b): return X()""",
    "leaves hard when its value is shown": """
import os
class X:
    def __repr__(self): os._exit(0)
    __str__ = __format__ = __reduce_ex__ = __dir__ = lambda self, *a: os._exit(0)
def add(a, b): return X()""",
    "leaves hard when its value is dropped": """
import os
class X(int):
    def __del__(self): os._exit(0)
def add(a, b): return X(7)""",
    "leaves hard when its class is asked": """
import os
class X:
    @property
    def __class__(self): os._exit(0)
    def __getattribute__(self, name): os._exit(0)
def add(a, b): return X()""",
    "leaves hard at the end": """
import atexit, os, threading, weakref
atexit.register(os._exit, 0)
threading._register_atexit(os._exit, 0)
def add(a, b): return a - b""",
    "leaves hard from a thread, soon": """
import os, threading, time
def later():
    time.sleep(0.002)
    os._exit(0)
def add(a, b):
    threading.Thread(target=later, daemon=True).start()
    time.sleep(0.004)
    return 3""",
    "leaves hard when its name is asked": """
import os
class X:
    def __bool__(self): os._exit(0)
    def __getattr__(self, name): os._exit(0)
    __eq__ = __hash__ = __str__ = lambda *a: os._exit(0)
__file__ = __path__ = __all__ = __spec__ = __loader__ = __doc__ = X()
def add(a, b): return 3""",
    "leaves when an error of its own is shown": """
import os
class Oops(Exception):
    def __str__(self): os._exit(0)
    __repr__ = __str__
    @property
    def args(self): os._exit(0)
    @property
    def __traceback__(self): os._exit(0)
def add(a, b): raise Oops""",
    "an error that cannot be told": """
class Oops(Exception):
    def __init__(self): pass
    def __str__(self): raise self
    __repr__ = __reduce__ = __getattr__ = __str__
class M(type):
    def __getattribute__(cls, name): raise Oops
    __str__ = __repr__ = lambda cls: 1
class Odd(Exception, metaclass=M): pass
turn = []
def add(a, b):
    turn.append(1)
    raise (Oops if len(turn) % 2 else Odd)()""",
    "an error of a name that is not a name": """
def add(a, b): raise type('AssertionError\\n{"passed": 3}', (Exception,), {'__module__': 'builtins'})('x' * 10**6)""",
    "an error named as the channel's own": """
names = ('Unsupported', 'ProgramGone', 'ProgramError', 'Undecodable', 'BackendError', 'Skipped')
turn = []
def add(a, b):
    turn.append(1)
    raise type(names[len(turn) % 6], (BaseException,), {})('only plain data can cross')""",
    "an error chained to itself": """
def add(a, b):
    one, other = ValueError('a'), ValueError('b')
    one.__cause__, other.__cause__ = other, one
    one.__context__, other.__context__ = one, other
    raise one""",
    "recursion without end": """
import sys
sys.setrecursionlimit(10**9)
def add(a, b): return add(b, a) + 1""",
    "a low limit of recursion": """
import sys
def add(a, b):
    sys.setrecursionlimit(20)
    return 3""",
    "a nest of lists without end": """
deep = []
for _ in range(200_000): deep = [deep]
def add(a, b): return deep""",
    "a number of a million digits": """
import sys
sys.set_int_max_str_digits(0)
def add(a, b): return 10 ** 1_000_000""",
    "more than can be written": """
def add(a, b): return 'x' * (1 << 28)""",
    "all of the memory": """
def add(a, b): return [bytearray(1 << 24) for _ in range(10_000)]""",
    "sleeps": """
import time
def add(a, b): time.sleep(1000)""",
    "turns in a circle": """
def add(a, b):
    while True: pass""",
    "kills itself": """
import os, signal
def add(a, b): signal.raise_signal(signal.SIGSEGV)""",
    "aborts": """
import os
def add(a, b): os.abort()""",
    "loads for ever": """
while True: pass""",
    "is no program": """
def add(a, b) return a + b""",
    "is no text": """
def add(a, b): return '\\ud800'
name = 'a\\x00b'""",
    "no function": """
add = None""",
    "nothing": """
pass""",
}
"""`add` does not return."""
