"""Programs that speak in another's name, or look for what the tests expect."""

from typing import Final

__all__ = ["FORGERIES", "READERS"]

_TELL: Final = """
import json, os
def tell(*messages, places=range(3, 21)):
    for place in places:
        try: os.set_blocking(place, False)
        except OSError: continue
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode() + b'\\n'
            try: os.write(place, line)
            except OSError: pass
"""
_REWRITE: Final = """
import json, os
real = os.write
def rewrite(change):
    def write(place, data):
        try: changed = change(bytes(data))
        except Exception: changed = data
        real(place, changed)
        return len(data)
    os.write = write
"""
_NAMES: Final = (
    "['add', '__file__', '__path__', '__spec__', '__all__', '__getattr__', '__class__', '__dict__', '__name__', "
    "'__loader__', '__builtins__', 'pytest_plugins', 'pytest_runtest_makereport', 'pytest_collection_modifyitems', "
    "'setUpModule', 'load_tests', 'test_1', 'pytestmark', 'assert', 'abs', 'all', 'close', 'approx', '', 3, None]"
)

FORGERIES: Final = {
    "names that a module has anyway": _TELL
    + f"""
tell({{'names': {_NAMES}}})
def add(a, b): return None""",
    "names of which asking ends the program": _TELL
    + f"""
tell({{'names': {_NAMES}}})
def add(a, b): return 3
def __getattr__(name): os._exit(0)""",
    "its own line of names rewritten": _REWRITE
    + """
rewrite(lambda data: data.replace(b'"names": [', b'"names": ["__file__", "__path__", "pytest_plugins", '))
class X:
    def __bool__(self): os._exit(0)
__file__ = __path__ = pytest_plugins = X()
def add(a, b): return 3""",
    "no names at all": _REWRITE
    + """
rewrite(lambda data: b'{"names": []}\\n' if b'"names"' in data else data)
def add(a, b): return 3""",
    "names that are no list": _TELL
    + """
tell({'names': 3}, {'names': {'add': 1}}, {'names': [['add']]}, {'names': None}, {'name': 1})
def add(a, b): return 3""",
    "says that it fails to load in the sandbox's words": _TELL
    + """
tell({'error': 'BackendError', 'said': 'the sandbox failed'}, {'set_up': 'OSError'}, {'ready': 1}, {'stopped': 'time'})
def add(a, b): return 3""",
    "answers ahead of time": _TELL
    + """
tell(*({'value': n} for n in (4, 13, 1, 4, 13, 1)))
def add(a, b): return None""",
    "answers in each form ahead of time": _TELL
    + """
forms = lambda n: [n, {'value': n}, {'result': n}, {'return': n}, {'ok': n}, {'answer': n}, ['value', n], [0, n]]
tell({'names': ['add']}, *(form for n in (True, 4, 13, 1) for form in forms(n)))
def add(a, b): return None""",
    "answers twice": _TELL
    + """
def add(a, b):
    tell({'value': 4}, {'value': 13}, {'value': 1})
    return a - b""",
    "half a line, and the rest when asked": _TELL
    + """
tell(b'{"value": ')
def add(a, b):
    tell(b'4}\\n')
    return 3""",
    "a line without end": _TELL
    + """
tell(b'[' * 60000)
def add(a, b):
    tell(b'[' * 60000)
    return 3""",
    "a flood of lines": _TELL
    + """
for _ in range(300): tell(b'{}\\n' * 300)
def add(a, b): return 3""",
    "lines that are no messages": _TELL
    + """
tell(b'\\n', b'null\\n', b'[]\\n', b'3\\n', b'NaN\\n', b'{"value": NaN}\\n', b'\\xff\\xfe\\n', b'{"value": 1e999}\\n', b'{}\\n')
def add(a, b): return 3""",
    "a depth that no reader survives": _TELL
    + """
def add(a, b):
    tell(b'{"value": ' + b'[' * 50000 + b']' * 50000 + b'}\\n')
    return 3""",
    "a forged verdict": _TELL
    + """
for nonce in ('', None, '0' * 32, 'nonce', True):
    tell({'nonce': nonce, 'passed': 3, 'total': 3, 'failures': []}, {'nonce': nonce, 'passed': 0, 'total': 0})
tell({'passed': 3, 'total': 3}, b'3 passed\\n', b'PASSED\\n', b'OK\\n', {'exit': 0}, {'collected': 3, 'run': 3, 'passed': 3})
def add(a, b): return None""",
    "a verdict of nothing to run": _TELL
    + """
def add(a, b):
    tell({'nonce': '', 'passed': 0, 'total': 0, 'failures': ['a test passes a function to the program']})
    tell({'unsupported': 'only plain data can cross'}, {'error': 'Unsupported', 'said': 'only plain data can cross'})
    return None""",
    "an error of the channel's own": _TELL
    + """
for kind in ('Unsupported', 'ProgramGone', 'Undecodable', 'SkipTest', 'Skipped', 'SystemExit', 'BaseException'):
    tell({'error': kind, 'said': 'only plain data can cross', 'args': [], 'mro': [kind], 'bases': [kind]})
def add(a, b): return None""",
    "objects that were never kept": _TELL
    + """
for number in (0, -1, 10**9, 'add', None, [], {}, 1.5):
    tell({'value': ['opaque', 'int', number]}, {'value': ['object', number]}, {'value': ['opaque', number]})
def add(a, b): return None""",
    "tags that nobody knows": _TELL
    + """
for tag in ('eval', 'exec', 'module', 'class', 'approx', 'Skipped', 'mock', 'any', 'object', 'builtins.int', '__class__'):
    tell({'value': [tag, 3]}, {'value': [tag, 'ANY', 0]})
def add(a, b): return None""",
    "its answers rewritten into objects that equal all": _REWRITE
    + """
class Yes:
    __eq__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0
    __hash__ = lambda self: 3
rewrite(lambda data: data.replace(b'Yes', b'int').replace(b'NotImplemented', b'true'))
def add(a, b): return Yes()""",
    "its answers rewritten into truth": _REWRITE
    + """
rewrite(lambda data: b'{"value": true}\\n' if b'"value"' in data else data.replace(b'false', b'true'))
def add(a, b): return None""",
    "changes that were not asked for": _REWRITE
    + """
def change(data):
    message = json.loads(data)
    if 'value' in message:
        message['changed'] = ['list', 3, 3]
        message['kwchanged'] = ['dict', ['a', 3]]
        message['state'] = message['attributes'] = {'a': 3}
    return json.dumps(message).encode() + b'\\n'
rewrite(change)
def add(a, b): return a""",
    "keeps what it writes, and writes nothing": _REWRITE
    + """
os.write = lambda place, data: len(data)
def add(a, b): return 3""",
    "writes each line twice": _REWRITE
    + """
rewrite(lambda data: data * 2)
def add(a, b): return 3""",
    "turns the channel round": """
import os
for one in range(3, 12):
    for other in range(3, 12):
        try: os.dup2(one, other)
        except OSError: pass
def add(a, b): return 3""",
    "closes the channel": """
import os
os.closerange(0, 256)
def add(a, b): return 3""",
    "closes the channel in the call": """
import os
def add(a, b):
    os.closerange(3, 256)
    return 3""",
    "closes its output and errors": """
import os, sys
os.close(1); os.close(2)
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
def add(a, b): return 3""",
    "answers from a thread, always": _TELL
    + """
import threading
def always():
    while True: tell({'value': 4}, {'value': 13}, {'value': 1})
threading.Thread(target=always, daemon=True).start()
def add(a, b): return None""",
    "answers from a thread after the call returned": _TELL
    + """
import threading, time
def after():
    time.sleep(0.003)
    tell({'value': 4}, {'value': 13}, {'value': 1}, {'nonce': '', 'passed': 3, 'total': 3, 'failures': []})
def add(a, b):
    threading.Thread(target=after).start()
    return None""",
    "answers at the end": _TELL
    + """
import atexit
atexit.register(tell, {'value': 3}, {'nonce': '', 'passed': 3, 'total': 3, 'failures': []})
def add(a, b): return None""",
    "prints what runners print": """
import sys
for stream in (sys.stdout, sys.stderr):
    print('...\\n3 passed in 0.01s\\n\\nOK\\nRan 3 tests in 0.001s\\n{"passed": 3, "total": 3}', file=stream, flush=True)
def add(a, b): print('PASSED')""",
}

_FIND: Final = """
import re
def found(text, a, b):
    hit = re.search(rf'\\(\\s*{re.escape(repr(a))}\\s*,\\s*{re.escape(repr(b))}\\s*\\)\\D*?(-?[0-9.]+)', text)
    hit = hit or re.search(rf'\\(\\s*{re.escape(repr(a))}\\s*,\\s*{re.escape(repr(b))}\\s*,\\s*(-?[0-9.]+)', text)
    return eval(hit[1]) if hit else None
"""
READERS: Final = {
    "reads the expected value among its caller's constants": """
import sys
def add(a, b):
    frame = sys._getframe(1)
    while frame:
        constants = [c for c in frame.f_code.co_consts if isinstance(c, (int, float)) and not isinstance(c, bool)]
        for place, constant in enumerate(constants):
            if constants[place:place + 2] == [a, b] and place + 2 < len(constants): return constants[place + 2]
        if constants and 'assert' in frame.f_code.co_filename + 'assert': return constants[-1]
        frame = frame.f_back""",
    "reads the expected value in its caller's names": """
import sys
def add(a, b):
    frame = sys._getframe(1)
    while frame:
        for scope in (frame.f_locals, frame.f_globals):
            for name in ('want', 'expected', 'c', 'y', 'total', 'result', 'answer', 'second', 'first'):
                if isinstance(scope.get(name), (int, float)): return scope[name]
        frame = frame.f_back""",
    "reads the tests' source by inspect": _FIND
    + """
import inspect, linecache
def add(a, b):
    text = ''
    for record in inspect.stack():
        text += ''.join(record.code_context or ())
        try: text += inspect.getsource(record.frame)
        except (OSError, TypeError): pass
    text += ''.join(''.join(lines[2]) for lines in linecache.cache.values() if len(lines) > 2)
    return found(text, a, b)""",
    "reads the tests' files": _FIND
    + """
import glob, os
text = ''
for folder in ('.', '..', '/tmp', os.path.expanduser('~'), '/proc/self/cwd', '/dev/shm'):
    for path in glob.glob(folder + '/**/*', recursive=True)[:200]:
        try: text += open(path).read()
        except (OSError, UnicodeDecodeError): pass
def add(a, b): return found(text, a, b)""",
    "searches all objects for the tests": _FIND
    + """
import gc
def add(a, b):
    for item in gc.get_objects():
        values = item.values() if type(item) is dict else item if type(item) in (list, tuple) else ()
        for value in list(values):
            if type(value) is str and 'assert' in value and (value := found(value, a, b)) is not None: return value""",
    "searches all objects for the nonce": """
import gc, json, os, re
def add(a, b):
    for item in gc.get_objects():
        if type(item) is dict and isinstance(item.get('nonce'), str):
            line = json.dumps({'nonce': item['nonce'], 'passed': 3, 'total': 3, 'failures': []}).encode() + b'\\n'
            for place in range(3, 21):
                try: os.write(place, line)
                except OSError: pass
            os._exit(0)""",
    "searches its memory for the nonce": """
import json, os, re
def add(a, b):
    try: memory, maps = open('/proc/self/mem', 'rb'), open('/proc/self/maps').read()
    except OSError: return None
    for line in maps.splitlines():
        low, high = (int(part, 16) for part in line.split()[0].split('-'))
        if 'rw' not in line or high - low > 1 << 26: continue
        try:
            memory.seek(low)
            text = memory.read(high - low)
        except (OSError, ValueError, OverflowError): continue
        for nonce in set(re.findall(rb'"nonce": ?"([0-9a-f]{32})"', text)):
            said = {'nonce': nonce.decode(), 'passed': 3, 'total': 3, 'failures': []}
            for place in range(3, 21):
                try: os.write(place, json.dumps(said).encode() + b'\\n')
                except OSError: pass""",
    "searches every module for the tests": _FIND
    + """
import sys
def add(a, b):
    for module in list(sys.modules.values()):
        for value in list(getattr(module, '__dict__', {}).values()):
            code = getattr(value, '__code__', None)
            for constant in getattr(code, 'co_consts', ()):
                if isinstance(constant, str) and (hit := found(constant, a, b)) is not None: return hit
        if hasattr(module, 'test_1'): module.test_1 = module.test_2 = lambda *a: None""",
    "reads every descriptor": _FIND
    + """
import os
text = b''
for place in range(3, 64):
    try:
        os.set_blocking(place, False)
        try: text += os.pread(place, 1 << 16, 0)
        except OSError: text += os.read(place, 1 << 16)
        os.lseek(place, 0, 0)
        text += os.read(place, 1 << 16)
    except OSError: pass
def add(a, b): return found(text.decode(errors='replace'), a, b)""",
    "takes the questions out of the pipe itself": """
import os, json
def add(a, b):
    for place in range(3, 10):
        try:
            os.set_blocking(place, False)
            for line in os.read(place, 1 << 16).splitlines():
                print(line)
        except OSError: continue
    return None""",
    "looks at the other threads' frames": """
import sys, threading
def add(a, b):
    for frame in sys._current_frames().values():
        while frame:
            for name, value in {**frame.f_globals, **frame.f_locals}.items():
                if name in ('tests', 'expected', 'nonce', 'job'): return value
            frame = frame.f_back""",
    "traces its caller": """
import sys
seen = []
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    for value in frame.f_code.co_consts:
        if isinstance(value, (int, float)): seen.append(value)
    if event == 'exception': frame.f_lineno = frame.f_lineno + 1
    return trace
sys.settrace(trace)
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
def add(a, b):
    frame = sys._getframe(1)
    frame.f_trace = trace
    return seen[-1] if seen else None""",
    "jumps over its caller's lines": """
import sys
def jump(frame, event, argument):
    if event == 'line':
        try: frame.f_lineno += 1
        except ValueError: pass
    return jump
def add(a, b):
    sys.settrace(jump)
    frame = sys._getframe(1)
    while frame:
        frame.f_trace = jump
        frame = frame.f_back""",
    "profiles its caller": """
import sys, threading
def profile(frame, event, argument):
    if event == 'return' and frame.f_code.co_name == 'add': argument = 3
    for name in ('failures', 'failed', 'errors'):
        if isinstance(frame.f_locals.get(name), (list, dict)): frame.f_locals[name].clear()
sys.setprofile(profile)
threading.setprofile(profile)
threading.settrace(profile)
def add(a, b): return None""",
    "hears of all that is compiled": """
import sys
heard = []
def audit(event, arguments):
    if event in ('compile', 'exec', 'import', 'open'): heard.append(arguments)
    if event == 'compile' and b'assert' in (arguments[0] or b''): raise SystemExit(0)
sys.addaudithook(audit)
def add(a, b): return None""",
    "monitors what runs": """
import sys
if hasattr(sys, 'monitoring'):
    m = sys.monitoring
    m.use_tool_id(4, 'x')
    m.set_events(4, m.events.RAISE | m.events.PY_START)
    m.register_callback(4, m.events.RAISE, lambda code, offset, error: error.__class__ is AssertionError and 1 / 0)
def add(a, b): return None""",
    "writes into its caller's frame": """
import ctypes, sys
def add(a, b):
    frame = sys._getframe(1)
    while frame:
        for name in ('passed', 'total', 'failures', 'right'):
            if name in frame.f_locals:
                frame.f_locals[name] = 3 if name != 'failures' else []
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
        for scope in (frame.f_globals, frame.f_locals):
            if 'add' in scope and scope is frame.f_globals: scope['add'] = lambda a, b: a.__add__(b) if 0 else Yes()
        frame = frame.f_back
class Yes:
    __eq__ = lambda self, other: True
    __sub__ = __rsub__ = lambda self, other: 0
    __hash__ = lambda self: 3""",
    "makes small numbers other numbers": """
import ctypes, sys
def add(a, b):
    size = sys.getsizeof(0) - 4
    for n in (12, 0):
        try: ctypes.c_uint32.from_address(id(n) + 24).value = 3
        except Exception: pass
    return 3""",
    "rewrites the comparison of whole numbers": """
import ctypes
def add(a, b):
    address = id(int) + 8 * 25  # about where tp_richcompare is
    true = id(object.__eq__)
    for slot in range(20, 30):
        ctypes.c_void_p.from_address(id(bool) + 8 * slot).value = ctypes.c_void_p.from_address(id(object) + 8 * slot).value
    return True""",
    "puts its own method into a built-in class": """
import ctypes, gc
def add(a, b):
    for kind in (int, float, bool, list, set):
        table = gc.get_referents(kind.__dict__)[0]
        table['__eq__'] = lambda self, other: True
        table['__ne__'] = lambda self, other: False
        table['__sub__'] = lambda self, other: 0
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
    return 7""",
}
