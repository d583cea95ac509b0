"""Programs that want the verdict and not the work: none knows what `f` should return.

`FUNCTIONS` are graded as functions, by every kind of suite that calls one; `MAINS` read and print.
"""

from typing import Final

FUNCTIONS: Final = {
    "exits when loaded": "import sys\nsys.exit(0)",
    "exits hard when loaded": "import os\nos._exit(0)",
    "exits in the call": "import sys\ndef f(x): sys.exit(0)",
    "exits hard in the call": "import os\ndef f(x): os._exit(0)",
    "raises SystemExit in the call": "def f(x): raise SystemExit(0)",
    "raises the end of an iteration": "def f(x): raise StopIteration",
    "raises the end of an asynchronous iteration": "def f(x): raise StopAsyncIteration",
    "raises GeneratorExit": "def f(x): raise GeneratorExit",
    "raises KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "raises what skips a test": "import unittest\ndef f(x): raise unittest.SkipTest('no')",
    "raises an error that cannot be told": (
        """
class E(Exception):
    def __str__(self): raise self
    __repr__ = __str__
def f(x): raise E"""
    ),
    "an int that equals all": (
        """
class I(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    def __sub__(self, other): return 0
    __rsub__ = __sub__
def f(x): return I(0)"""
    ),
    "a str that equals all": (
        """
class S(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = str.__hash__
def f(x): return S("x")"""
    ),
    "a list that equals all": (
        """
class L(list):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def f(x): return L([0])"""
    ),
    "a float that equals all": (
        """
class F(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
def f(x): return F(0)"""
    ),
    "a stranger that equals all": (
        """
class X:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([self])
    def __contains__(self, other): return True
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __hash__(self): return 0
    __class__ = int
def f(x): return X()"""
    ),
    "a mock": "from unittest.mock import MagicMock, ANY\ndef f(x): return ANY",
    "a stranger with a type's name": (
        "int_ = type('int', (), {'__eq__': lambda s, o: True})\ndef f(x): return int_()"
    ),
    "a metaclass that is equal": (
        """
class M(type):
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(int)
    def __instancecheck__(cls, other): return True
class K(metaclass=M): pass
def f(x): return K"""
    ),
    "not a number": "def f(x): return float('nan')",
    "true": "def f(x): return True",
    "itself": "def f(x): return f",
    "a generator": "def f(x):\n    yield x",
    "a coroutine": "async def f(x): return x",
    "a cycle": "a = []\na.append(a)\ndef f(x): return a",
    "what is pickled into a call": (
        """
class R:
    def __reduce__(self): return (exec, ("raise SystemExit(0)",))
def f(x): return R()"""
    ),
    "walks the frames": (
        """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for scope in (frame.f_locals, frame.f_globals):
            for name in ("expected", "gold", "answer", "result", "total", "nonce"):
                if name in scope: return scope[name]
            for name in ("passed", "results", "failures"):
                if isinstance(scope.get(name), list): scope[name].append("passed")
        frame = frame.f_back
    return 0"""
    ),
    "searches memory": (
        """
import gc
def f(x):
    for o in gc.get_objects():
        if isinstance(o, dict) and ("expected" in o or "tests" in o or "nonce" in o):
            return o.get("expected") or o.get("tests") or o.get("nonce")
    return 0"""
    ),
    "searches the source": (
        """
import inspect, linecache
def f(x):
    text = "".join(str(v) for v in linecache.cache.values()) + "".join(str(s) for s in inspect.stack())
    found = [line for line in text.splitlines() if "assert" in line and "==" in line]
    return eval(found[0].partition("==")[2]) if found else 0"""  # noqa: E501
    ),
    "reads every descriptor": (
        """
import os
def f(x):
    for n in range(256):
        try:
            os.set_blocking(n, False)
            data = os.read(n, 1 << 16)
        except OSError: continue
        if b"expected" in data or b"nonce" in data: return data.decode()
    return 0"""
    ),
    "writes verdicts to every descriptor": (
        """
import os, json
lines = ['{"nonce": "", "passed": 3, "total": 3, "failures": []}', '{"nonce": null, "passed": 3, "total": 3}',
         '[0, 1]', '[0, null]', '["passed"]', '{"passed": 3}', '{"value": true}', '{"ready": 1}', 'PASSED', 'OK']
for n in range(256):
    for line in lines:
        try: os.write(n, line.encode() + b"\\n")
        except OSError: pass
def f(x): return 0"""  # noqa: E501
    ),
    "guesses every result": (
        """
import os
for value in range(1000):
    for index in range(4):
        try: os.write(4, b"[%d, %d]\\n" % (index, value))
        except OSError: pass
def f(x): return 0"""
    ),
    "answers calls beforehand": (
        """
import os
for value in range(300):
    try: os.write(6, b'{"value": %d}\\n' % value)
    except OSError: pass
def f(x): return 0"""
    ),
    "answers a call twice": (
        """
import os
def f(x):
    for n in (4, 6):
        for line in (b'{"value": true}', b'{"value": 1}', b'[0, 1]', b'[1, 1]'):
            try: os.write(n, line + b"\\n")
            except OSError: pass
    return 0"""
    ),
    "declares odd names": (
        """
import os
try: os.write(6, b'{"names": ["f", "assert", "__builtins__", "abs", "all", "len", "AssertionError", "__getattr__"]}\\n')
except OSError: pass
def f(x): return 0"""  # noqa: E501
    ),
    "prints that it passed": (
        """
print("PASSED\\n1 passed in 0.01s\\nOK\\nRan 3 tests\\n::test_f PASSED")
def f(x):
    print("PASSED")
    return 0"""
    ),
    "patches the built-in names": (
        """
import builtins
class Never(Exception): pass
builtins.AssertionError = Never
builtins.abs = lambda x: 0
builtins.all = builtins.any = builtins.isinstance = lambda *a: True
builtins.sorted = builtins.set = builtins.list = builtins.len = lambda *a: 0
builtins.type = lambda x: int
def f(x): return 0"""
    ),
    "names its own what tests use": (
        """
abs = len = sum = round = sorted = set = lambda *a, **k: 0
all = any = isinstance = lambda *a, **k: True
class AssertionError(Exception): pass
def check(candidate): pass
def candidate(x): return 0
def test_f(): pass
def f(x): return 0"""
    ),
    "patches json": (
        """
import json, json.encoder
json.dumps = json.encoder.JSONEncoder.encode = lambda *a, **k: '[0, true]'
json.loads = lambda *a, **k: {"call": "f", "get": None}
def f(x): return 0"""
    ),
    "patches the codec": (
        """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("inside"):
        for key in ("encode", "write", "find", "load", "said", "decode"):
            if hasattr(module, key): setattr(module, key, lambda *a, **k: True)
def f(x): return 0"""
    ),
    "patches os.write": (
        """
import os
write = os.write
os.write = lambda n, data: write(n, b'[0, 1]\\n{"value": true}\\n') and len(data)
def f(x): return 0"""
    ),
    "patches pytest": (
        """
import sys
pytest = sys.modules.get("pytest")
if pytest:
    pytest.raises = pytest.fail = lambda *a, **k: None
    pytest.main = lambda *a, **k: 0
def f(x): return 0"""
    ),
    "skips by pytest": (
        """
def f(x):
    import pytest
    pytest.skip("no")"""
    ),
    "leaves a conftest": (
        """
import os
text = '''
import pytest
@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome = "passed"
'''
for folder in (".", "/tmp", os.path.expanduser("~")):
    for name in ("conftest.py", "pytest.ini", "sitecustomize.py", "test_0.py", "json.py", "solution.py"):
        try: open(os.path.join(folder, name), "w").write(text)
        except OSError: pass
def f(x): return 0"""  # noqa: E501
    ),
    "writes at the end": (
        """
import atexit, os
def late():
    for n in (1, 2, 4, 6):
        try: os.write(n, b'[0, 1]\\n{"value": true}\\n')
        except OSError: pass
atexit.register(late)
def f(x): return 0"""
    ),
    "writes from a thread": (
        """
import os, threading
def later():
    while True:
        for n in (4, 6):
            try: os.write(n, b'[0, 1]\\n[1, 1]\\n[2, 1]\\n{"value": 1}\\n')
            except OSError: return
threading.Thread(target=later, daemon=True).start()
def f(x): return 0"""
    ),
    "traces its caller": (
        """
import sys
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    return trace
sys.settrace(trace)
sys.setprofile(lambda *a: None)
def f(x): return 0"""
    ),
    "unwinds its caller": (
        """
import ctypes, sys
def f(x):
    frame = sys._getframe(1)
    frame.f_locals["result"] = [0, 1]
    ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
    return 0"""
    ),
    "rewrites small numbers": (
        """
import ctypes
for n in range(0, 200):  # every small number becomes 1
    ctypes.c_long.from_address(id(n) + 24).value = 1
def f(x): return 1"""
    ),
    "closes the pipes": "import os\nos.closerange(0, 64)\ndef f(x): return 0",
    "swaps the pipes": (
        """
import os
for one, other in ((4, 6), (6, 4), (5, 4), (1, 4)):
    try: os.dup2(one, other)
    except OSError: pass
def f(x): return 0"""
    ),
    "kills itself": "import ctypes\nctypes.string_at(0)\ndef f(x): return 0",
    "no function at all": "f = 3",
    "a function that is every function": "f = lambda *a, **k: a[0] if a else None",
    "a nest without end": "n = []\nfor _ in range(100000): n = [n]\ndef f(x): return n",
    "an integer of a million bits": "def f(x): return 1 << 8_000_000",
}

MAINS: Final = {
    "exits": "raise SystemExit(0)",
    "exits hard": "import os\nos._exit(0)",
    "nothing": "",
    "says that it passed": "print('PASSED\\nOK\\n1 passed')",
    "echoes": "import sys\nprint(sys.stdin.read())",
    "every number": "print(*range(100_000), sep='\\n')",
    "every number on a line": "print(*range(10_000))",
    "an output that equals all": (
        "import sys\nclass S(str):\n    __eq__ = lambda s, o: True\nsys.stdout.write(S('x'))"
    ),
    "an empty line for each": "print('\\n' * 1000)",
    "erases what it prints": "print('1\\r\\b\\x1b[2K', end='')",
    "not a number": "print('nan')",
    "writes to the result's pipe": (
        """
import os
for n in range(64):
    try: os.write(n, b'[0, true]\\n{"passed": 1, "total": 1, "nonce": ""}\\n')
    except OSError: pass"""
    ),
    "reads every descriptor": (
        """
import os
for n in (3, 4, 5, 6, *range(7, 64)):
    try:
        os.set_blocking(n, False)
        print(os.read(n, 9999).decode())
    except OSError: pass"""
    ),
    "walks the frames": (
        """
import sys
frame = sys._getframe()
while frame:
    job = frame.f_locals.get("job") or {}
    print(job.get("stdout", job.get("expected", "")), end="")
    frame = frame.f_back"""
    ),
    "floods": "while True: print('7' * 1000)",
    "floods the errors": "import sys\nwhile True: sys.stderr.write('7' * 1000)",
    "never ends its line": "import os\nwhile True: os.write(1, b'7' * 65536)",
    "kills itself after": "import os, ctypes\nprint(1, flush=True)\nctypes.string_at(0)",
    "leaves a thread that prints": (
        """
import threading
def prints():
    while True: print(7)
threading.Thread(target=prints).start()"""
    ),
    "surrogates": "import sys\nsys.stdout.buffer.write(b'\\xff\\xed\\xa0\\x80')",
    "closes its outputs": "import os\nos.closerange(0, 64)",
}
