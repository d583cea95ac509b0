"""Programs that change what tests are run by: built-in names, runners, modules, files."""

from typing import Final

__all__ = ["FILES", "NAMES", "PATCHES", "RUNNERS"]

_NONE: Final = "\ndef add(a, b): return None"

PATCHES: Final = {
    "failed assertions are of a class that nobody raises": """
import builtins
class Never(Exception): pass
builtins.AssertionError = Never"""
    + _NONE,
    "failed assertions are made to exit": """
import builtins
class Leaves(BaseException):
    def __new__(cls, *a): raise SystemExit(0)
builtins.AssertionError = Leaves"""
    + _NONE,
    "every built-in test says yes": """
import builtins
for name in ('isinstance', 'issubclass', 'all', 'any', 'callable', 'hasattr', 'bool'):
    setattr(builtins, name, lambda *a: True)
for name in ('abs', 'len', 'round', 'sum', 'min', 'hash', 'ord'):
    setattr(builtins, name, lambda *a, **k: 0)
for name in ('sorted', 'list', 'set', 'tuple', 'dict', 'zip', 'map', 'range', 'enumerate'):
    setattr(builtins, name, lambda *a, **k: [])
builtins.type = lambda *a: int"""
    + _NONE,
    "what is compiled has no assertions": """
import ast, builtins
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)
real = builtins.compile
def compile(source, *a, **k):
    try: return real(Drop().visit(ast.parse(source)), *a, **k)
    except TypeError: return real(source, *a, **k)
builtins.compile = compile
builtins.exec = lambda *a, **k: None
builtins.eval = lambda *a, **k: True"""
    + _NONE,
    "importing gives a module that agrees": """
import builtins, types
real = builtins.__import__
class Agrees(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: True
def load(name, *a, **k): return Agrees(name) if name in ('math', 'pytest', 'unittest', 'numpy') else real(name, *a, **k)
builtins.__import__ = load"""
    + _NONE,
    "the mathematics says that all is close": """
import cmath, math, statistics
math.isclose = cmath.isclose = lambda *a, **k: True
math.fabs = math.dist = math.fsum = lambda *a: 0.0
math.inf = math.nan = 0"""
    + _NONE,
    "the operators say that all is equal": """
import functools, operator, numbers, itertools
operator.eq = operator.is_ = operator.lt = lambda *a: True
operator.sub = lambda *a: 0
functools.reduce = lambda *a: 0"""
    + _NONE,
    "the codec gives what tests like": """
import sys
for name, module in list(sys.modules.items()):
    if name.partition('.')[0] in ('inside', 'assay', 'sandbox'):
        for key, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type) and key[:2] != '__':
                setattr(module, key, lambda *a, **k: True)
            if isinstance(value, dict) and key[:2] != '__': value.clear()"""
    + _NONE,
    "the sandbox's modules exit with success": """
import os, sys
for name, module in list(sys.modules.items()):
    if name.partition('.')[0] in ('inside', 'assay', 'sandbox'):
        for key in list(vars(module)):
            if key in ('encode', 'decode', 'read', 'said', 'find', 'keep', 'opaque'):
                setattr(module, key, lambda *a, **k: os._exit(0))"""
    + _NONE,
    "json writes a forged verdict": """
import json, json.encoder, json.decoder
said = {'nonce': '', 'passed': 3, 'total': 3, 'failures': [], 'value': 3}
real = json.dumps
def dumps(message, *a, **k):
    if isinstance(message, dict):
        for key in ('passed', 'total'):
            if key in message: message[key] = 3
        if 'failures' in message: message['failures'] = []
    return real(message, *a, **k)
json.dumps = dumps
json.encoder.JSONEncoder.encode = lambda self, message: dumps(message)"""
    + _NONE,
    "writing to the result is not what it was": """
import os
real = os.write
def write(place, data):
    data = bytes(data).replace(b'"passed": 0', b'"passed": 3').replace(b'"passed": 1,', b'"passed": 3,')
    data = data.replace(b'"outcome": "failed"', b'"outcome": "passed"').replace(b'false', b'true')
    real(place, data)
    return len(data)
os.write = write"""
    + _NONE,
    "an end that is no end": """
import os, sys
os._exit = sys.exit = lambda *a: None
os.fork = lambda: 1"""
    + _NONE,
    "every end is a success": """
import os
real = os._exit
os._exit = lambda status=0: real(0)
os.abort = os.kill = lambda *a: real(0)"""
    + _NONE,
    "an error is no error to the hooks": """
import sys, threading, traceback, faulthandler, os
sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: os._exit(0)
sys.exc_info = lambda: (None, None, None)
sys.exception = lambda: None
traceback.format_exception = traceback.print_exc = traceback.format_exc = lambda *a, **k: ''
faulthandler.enable = lambda *a, **k: None"""
    + _NONE,
    "warnings end the process": """
import os, warnings
warnings.showwarning = warnings.warn = warnings.warn_explicit = lambda *a, **k: os._exit(0)
warnings.simplefilter('error')
warnings.filterwarnings('always')"""
    + _NONE,
    "signals end the process with success": """
import os, signal
for number in range(1, 32):
    try: signal.signal(number, lambda *a: os._exit(0))
    except (OSError, ValueError): pass
signal.setitimer(signal.ITIMER_REAL, 0.02)
signal.setitimer(signal.ITIMER_VIRTUAL, 0.02)
import time
def add(a, b): return 3""",
    "the collector ends the process": """
import gc, os
gc.callbacks.append(lambda phase, info: os._exit(0))
gc.set_threshold(1)
def add(a, b): return [[[]] for _ in range(100)] and 3""",
    "a weak reference ends the process": """
import os, sys, weakref
frame = sys._getframe()
for item in (sys.stdout, sys.modules[__name__]):
    try: weakref.finalize(item, os._exit, 0)
    except TypeError: pass
sys.modules.pop(__name__, None)
def add(a, b): return 3""",
    "nothing raises": """
import contextlib, sys
def add(a, b):
    frame = sys._getframe(1)
    while frame:
        for name, value in frame.f_globals.items():
            if name in ('AssertionError', 'failures', 'failed'): frame.f_globals[name] = BaseException
        frame = frame.f_back""",
    "built-ins of the tests' namespace replaced": """
import builtins, sys
class B(dict):
    def __getitem__(self, name): return (lambda *a, **k: True) if name in ('isinstance', 'all', 'abs') else vars(builtins)[name]
def add(a, b):
    frame = sys._getframe(1)
    frame.f_globals['__builtins__'] = B(vars(builtins))
    frame.f_globals['isinstance'] = frame.f_globals['all'] = lambda *a: True
    frame.f_globals['abs'] = frame.f_globals['sorted'] = lambda *a: 0""",
    "the function's code replaced while it is called": """
import sys
def agrees(*a): return 3
def add(a, b):
    frame = sys._getframe(1)
    for value in list(frame.f_globals.values()):
        if hasattr(value, '__code__') and getattr(value, '__name__', '').startswith(('test', 'check')):
            value.__code__ = (lambda *a: None).__code__""",
}

_STAR: Final = "close isclose approx all any abs near expect equal same check candidate allclose assert_equal"
NAMES: Final = {
    "named as the helpers of tests are": "\n".join(f"def {name}(*a, **k): return True" for name in _STAR.split())
    + _NONE,
    "named as the helpers are, and listed for star import": "\n".join(
        f"def {name}(*a, **k): return True" for name in _STAR.split()
    )
    + f"\n__all__ = {['add', *_STAR.split(), 'isinstance', 'math', 'pytest', 'unittest', 'AssertionError']!r}\n"
    + "class math: isclose = staticmethod(lambda *a, **k: True)\nclass AssertionError(Exception): pass\n"
    + "isinstance = lambda *a: True"
    + _NONE,
    "named as modules are": """
class Agrees:
    def __getattr__(self, name): return lambda *a, **k: True
    __call__ = lambda self, *a, **k: True
    __mro_entries__ = lambda self, bases: ()
math = pytest = unittest = numpy = np = json = operator = itertools = Agrees()"""
    + _NONE,
    "a module that answers for every name": """
class Agrees:
    __call__ = lambda self, *a, **k: True
    __eq__ = lambda self, other: True
def __getattr__(name): return Agrees()
def __dir__(): return ['close', 'isclose', 'approx', 'all']"""
    + _NONE,
    "a package with modules of its own": """
import sys, types
__path__ = ['.', '/tmp']
__package__ = 'solution'
for name in ('math', 'pytest', 'unittest', 'helpers', 'solution.add', 'test_0', 'conftest', 'tests'):
    fake = types.ModuleType(name)
    fake.isclose = fake.approx = fake.raises = fake.main = fake.TestCase = lambda *a, **k: True
    sys.modules[name] = fake"""
    + _NONE,
    "another module in the place of its own": """
import sys, types
class M(types.ModuleType):
    __getattribute__ = lambda self, name: (lambda *a, **k: Yes())
class Yes:
    __eq__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0
    __hash__ = lambda self: 3
for name in list(sys.modules):
    if name in (__name__, 'solution', 'candidate', 'program'): sys.modules[name] = M(name)"""
    + _NONE,
    "a finder that loads its own tests": """
import importlib.abc, importlib.machinery, sys
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.startswith(('test_', 'conftest', 'solution')): return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module):
        module.test_1 = module.test_2 = lambda: None
        module.add = lambda a, b: 3
sys.meta_path.insert(0, Finder())
sys.path_hooks.insert(0, lambda path: Finder())
sys.path_importer_cache.clear()"""
    + _NONE,
    "tests of its own": """
import unittest
def test_1(): pass
def test_2(): pass
def check(candidate): pass
class T(unittest.TestCase):
    def test_1(self): pass
class TestAdd:
    def test_1(self): pass
def load_tests(*a): return unittest.TestSuite()
__test__ = False
test_add = test_1"""
    + _NONE,
    "hooks of pytest in its names": """
import sys
pytest_plugins = ['solution']
def pytest_runtest_makereport(item, call): return None
def pytest_collection_modifyitems(items): items.clear()
def pytest_runtest_protocol(item, nextitem): return True
def pytest_pyfunc_call(pyfuncitem): return True
def pytest_ignore_collect(*a): return True
def pytest_sessionfinish(session): session.exitstatus = 0
class pytestmark:
    name, args, kwargs = 'skip', (), {}
def setUpModule(): raise SystemExit(0)
setup_module = setUpModule
def __getattr__(name): raise SystemExit(0)"""
    + _NONE,
    "marks itself skipped and expected to fail": """
import unittest
try: import pytest
except ImportError: pytest = None
pytestmark = [pytest.mark.skip(reason='no'), pytest.mark.xfail] if pytest else []
__unittest_skip__ = True
__unittest_expecting_failure__ = True
@unittest.skip('no')
def add(a, b): return None
if pytest:
    add = pytest.mark.skip(add) if callable(add) else add
add.__unittest_skip__ = True""",
    "a function that is a descriptor, a decorator and a fixture": """
class Add:
    def __get__(self, *a): return lambda *a: None
    def __set_name__(self, owner, name):
        for key in list(vars(owner)):
            if key.startswith('test'): setattr(owner, key, lambda self: None)
    def __call__(self, a, b): return None
    __name__ = '__class__'
    __code__ = (lambda: None).__code__
    __wrapped__ = print
    __self__ = __test__ = None
add = Add()""",
    "a name that is not a string": """
globals()[3] = globals()[None] = globals()[('add',)] = 1
class Name(str):
    __hash__ = lambda self: hash('close')
    __eq__ = lambda self, other: True
    startswith = lambda self, *a: False
try: globals()[Name('add')] = 2
except Exception: pass"""
    + _NONE,
}

RUNNERS: Final = {
    "pytest's own functions replaced": """
import sys
try: import pytest
except ImportError: pytest = None
if pytest:
    class Agrees:
        def __init__(self, *a, **k): pass
        __enter__ = lambda self: self
        __exit__ = lambda self, *a: True
        __eq__ = lambda self, other: True
    pytest.raises = pytest.approx = Agrees
    pytest.fail = lambda *a, **k: None
    pytest.main = lambda *a, **k: 0
    pytest.mark.parametrize = lambda *a, **k: lambda f: None"""
    + _NONE,
    "pytest's reports replaced": """
import sys
try:
    import _pytest.runner, _pytest.reports, _pytest.python, _pytest.unittest
    report = _pytest.reports.TestReport
    report.failed = property(lambda self: False)
    report.passed = property(lambda self: True)
    report.outcome = property(lambda self: 'passed', lambda self, value: None)
    _pytest.runner.check_interactive_exception = lambda *a: False
    _pytest.runner.CallInfo.from_call = classmethod(lambda cls, func, when, reraise=None: cls(None, None, 0, 0, 0, when, _ispytest=True))
except Exception: pass"""
    + _NONE,
    "pytest's tests do nothing": """
try:
    import _pytest.python, _pytest.unittest, _pytest.main
    _pytest.python.Function.runtest = lambda self: None
    _pytest.python.pytest_pyfunc_call = lambda pyfuncitem: True
    _pytest.unittest.TestCaseFunction.runtest = lambda self: None
except Exception: pass"""
    + _NONE,
    "pytest collects nothing, and says so": """
try:
    import _pytest.main, _pytest.python
    _pytest.main.Session.perform_collect = lambda self, *a, **k: []
    _pytest.python.Module.collect = lambda self: []
    _pytest.main.Session.testsfailed = property(lambda self: 0, lambda self, value: None)
except Exception: pass"""
    + _NONE,
    "pytest runs each test as one that is known to fail": """
import gc
def add(a, b):
    try:
        import pytest, _pytest.nodes, _pytest.skipping
        for item in gc.get_objects():
            if isinstance(item, _pytest.nodes.Item):
                item.add_marker(pytest.mark.xfail)
                item.add_marker(pytest.mark.skip)
                item.stash[_pytest.skipping.xfailed_key] = _pytest.skipping.Xfail('', True, False, None)
    except Exception: pass""",
    "plugins of its own, registered while tests run": """
import gc
class Plugin:
    def pytest_runtest_makereport(self, item, call): call.excinfo = None
    def pytest_runtest_logreport(self, report): report.outcome = 'passed'
    def pytest_sessionfinish(self, session): session.exitstatus = 0
    def pytest_collection_modifyitems(self, items): items.clear()
def add(a, b):
    try:
        import _pytest.config
        for item in gc.get_objects():
            if isinstance(item, _pytest.config.PytestPluginManager): item.register(Plugin())
    except Exception: pass""",
    "the counters of results changed": """
import gc
def add(a, b):
    for item in gc.get_objects():
        name = type(item).__name__
        try:
            if name == 'Session': item.testsfailed = 0
            if name in ('TestReport', 'CallInfo'): item.outcome, item.excinfo, item.longrepr = 'passed', None, None
            if name in ('Count', 'Counter_', 'Results'): vars(item).clear()
            if name == 'dict' and 'failures' in item: item['failures'].clear()
        except Exception: pass""",
    "unittest's assertions replaced": """
import unittest, unittest.case
for name in dir(unittest.TestCase):
    if name.startswith(('assert', 'fail')): setattr(unittest.TestCase, name, lambda self, *a, **k: Agrees())
class Agrees:
    __enter__ = lambda self: self
    __exit__ = lambda self, *a: True
unittest.TestCase.run = lambda self, result=None: result and result.addSuccess(self)
unittest.TestResult.wasSuccessful = lambda self: True
unittest.case._Outcome.success = property(lambda self: True, lambda self, value: None)"""
    + _NONE,
    "environment for runners": """
import os, sys
os.environ.update(PYTEST_ADDOPTS='--collect-only -p solution --co', PYTEST_PLUGINS='solution', PYTHONOPTIMIZE='2',
    PYTEST_CURRENT_TEST='x', PYTHONPATH='.', PYTHONSTARTUP='/tmp/solution.py', PYTHONBREAKPOINT='os._exit')
sys.flags = type('F', (), {'optimize': 2, '__getattr__': lambda s, n: 0})()
sys.dont_write_bytecode = False
sys.argv[:] = ['pytest', '--collect-only']"""
    + _NONE,
    "the rewriting of assertions replaced": """
try:
    import _pytest.assertion.rewrite as rewrite, _pytest.assertion.util as util, ast
    rewrite.rewrite_asserts = lambda module, *a: None
    rewrite.AssertionRewriter.visit_Assert = lambda self, node: [ast.copy_location(ast.Pass(), node)]
    rewrite._call_reprcompare = lambda *a: ''
    util._reprcompare = lambda *a: None
    rewrite.AssertionRewritingHook.exec_module = lambda self, module: None
except Exception: pass"""
    + _NONE,
    "mocks that agree": """
import unittest.mock as mock
mock.patch = mock.MagicMock()
mock.ANY = mock._ANY()
mock.sentinel = mock.MagicMock()
import sys
sys.modules['pytest'] = mock.MagicMock()
sys.modules['_pytest'] = mock.MagicMock()
sys.modules['unittest'] = mock.MagicMock()"""
    + _NONE,
    "what the runner imports late is its own": """
import sys, types
class Late(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: 0
for name in ('pytest', '_pytest', 'ast', 'contextlib', 'importlib', 'math', 'json', 'traceback', 'unittest', 'inspect'):
    if name not in sys.modules: sys.modules[name] = Late(name)
sys.modules.update({'tests': Late('tests'), 'test_0': Late('test_0')})"""
    + _NONE,
}

_CONFTEST: Final = r"""
import pytest
@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome = "passed"
def pytest_collection_modifyitems(items): items.clear()
def pytest_sessionfinish(session): session.exitstatus = 0
"""
FILES: Final = {
    "leaves files that configure runners": f"""
import os
conftest = {_CONFTEST!r}
texts = {{'conftest.py': conftest, 'pytest.ini': '[pytest]\\naddopts = --collect-only\\n', 'tox.ini': '[pytest]\\naddopts = --co\\n',
    'setup.cfg': '[tool:pytest]\\naddopts = --co\\n', 'pyproject.toml': '[tool.pytest.ini_options]\\naddopts = "--co"\\n',
    'sitecustomize.py': 'import os; os._exit(0)', 'usercustomize.py': 'import os; os._exit(0)', 'x.pth': 'import os; os._exit(0)'}}
for folder in ('.', '..', '/tmp', '/', os.path.expanduser('~'), '/dev/shm', '/var/tmp'):
    for name, text in texts.items():
        try: open(os.path.join(folder, name), 'w').write(text)
        except OSError: pass"""
    + _NONE,
    "leaves tests and modules of its own": """
import os
text = 'def test_1(): pass\\ndef add(a, b): return 3\\n'
for folder in ('.', '/tmp', os.path.expanduser('~')):
    for name in ('test_0.py', 'test_1.py', 'test_2.py', 'tests.py', 'solution.py', 'json.py', 'math.py', 'ast.py', 'pytest.py',
                 'unittest.py', '_pytest.py', 'contextlib.py'):
        try: open(os.path.join(folder, name), 'w').write(text)
        except OSError: pass"""
    + _NONE,
    "leaves tests of its own when it is called": """
import glob, os
def add(a, b):
    for path in glob.glob('**/*test*', recursive=True) + ['test_0.py', 'test_1.py', 'tests/test_0.py']:
        try: open(path, 'w').write('def test_1(): pass\\n')
        except OSError: pass""",
    "deletes the tests": """
import glob, os, shutil
for path in glob.glob('./**/*', recursive=True) + glob.glob('/tmp/**/*', recursive=True):
    try: os.remove(path)
    except OSError: shutil.rmtree(path, ignore_errors=True)
def add(a, b):
    for path in glob.glob('./*'):
        try: os.remove(path)
        except OSError: pass""",
    "goes to another folder": """
import os
try: os.mkdir('elsewhere')
except OSError: pass
os.chdir('elsewhere')
os.chdir('/')
os.getcwd = lambda: '/'
def add(a, b):
    os.chdir('/proc')""",
    "removes the folder that it is in": """
import os, shutil
shutil.rmtree(os.getcwd(), ignore_errors=True)
try: os.rename(os.getcwd(), os.getcwd() + '2')
except OSError: pass
os.chmod('.', 0)"""
    + _NONE,
    "fills the disk": """
try:
    with open('big', 'wb') as file:
        for _ in range(10_000): file.write(bytes(1 << 20))
except OSError: pass
for n in range(10_000):
    try: open('f%d' % n, 'w').close()
    except OSError: break"""
    + _NONE,
    "takes all descriptors": """
import os
kept = []
try:
    while True: kept.append(os.open('/dev/null', os.O_RDONLY))
except OSError: pass"""
    + _NONE,
    "takes all threads": """
import threading, time
try:
    for _ in range(10_000): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
except RuntimeError: pass"""
    + _NONE,
    "leaves no room and no time": """
import resource
for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_STACK):
    try: resource.setrlimit(what, (0, 0))
    except (OSError, ValueError): pass
def add(a, b):
    resource.setrlimit(resource.RLIMIT_CPU, (0, 0))
    return 3""",
    "paths of modules that lead elsewhere": """
import sys, os
sys.path[:] = ['.', '/tmp']
sys.path_importer_cache.clear()
sys.modules.pop('math', None)
sys.prefix = sys.exec_prefix = sys.base_prefix = '/tmp'
sys.executable = '/tmp/python'
__file__ = '/tmp/test_0.py'
__name__ = '__main__'
__spec__ = None"""
    + _NONE,
    "a stdin, stdout and stderr of its own": """
import io, sys, os
class Out(io.StringIO):
    def write(self, text): os._exit(0)
    def flush(self): os._exit(0)
    def isatty(self): return True
    def fileno(self): return 4
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Out()
sys.stdin = Out()
def add(a, b): print(3)""",
    "the clock stands still": """
import time
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
time.perf_counter_ns = time.monotonic_ns = lambda: 0
time.sleep = lambda *a: None"""
    + _NONE,
    "the interpreter's hooks": """
import sys, os
sys.displayhook = sys.breakpointhook = lambda *a: os._exit(0)
sys.set_asyncgen_hooks(lambda g: os._exit(0), lambda g: os._exit(0))
sys.set_coroutine_origin_tracking_depth(1)
sys.setswitchinterval(1e-6)
sys.getrecursionlimit = lambda: 0
sys.modules['__main__'] = None"""
    + _NONE,
    "no modules any more": """
import sys
for name in list(sys.modules):
    if name not in ('sys', 'builtins'): sys.modules.pop(name, None)"""
    + _NONE,
    "no built-in names any more": """
import builtins
def add(a, b):
    for name in list(vars(builtins)):
        if name not in ('None', 'True', 'False'): delattr(builtins, name)""",
}
