"""In one process with the program: what the tests do with its objects, and what it may not do to those who judge it.

Nothing in one process is safe from all that runs in it. These are fences, not walls: objects that equal anything are
caught as in two processes (`decoys`), what judges must be as it was before the program came, and a program may not
look at frames, at memory or at other people's code. What is left is listed where the protocol is described.
"""

import array
import ast
import builtins
import collections
import datetime
import functools
import importlib
import operator
import os
import pathlib
import re
import secrets
import sys
import types
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

from .decoys import among, lies, refused

__all__ = ["guarded", "raise_guard", "watch"]

COMPARE, COMBINE, MEET = "__assay_compare__", "__assay_combine__", "__assay_meet__"
_COMPARISONS: Final[dict[type, str]] = {
    ast.Eq: "__eq__",
    ast.NotEq: "__ne__",
    ast.Lt: "__lt__",
    ast.LtE: "__le__",
    ast.Gt: "__gt__",
    ast.GtE: "__ge__",
    ast.In: "__contains__",
}
_COMBINED: Final[dict[type, str]] = {ast.Add: "__add__", ast.Sub: "__sub__"}
_FUNCTIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    name: getattr(operator, name) for name in (*_COMPARISONS.values(), *_COMBINED.values())
}
_DEEPEST: Final = 12
_HOLDING: Final[tuple[type, ...]] = (
    *(list, tuple, set, frozenset, dict, collections.deque, collections.OrderedDict, collections.defaultdict),
    *(collections.Counter, type({}.keys()), type({}.values()), type({}.items())),
)
_PLAIN: Final[tuple[type, ...]] = (
    *(int, float, complex, bool, str, bytes, bytearray, range, slice, type(None), type(...), type(NotImplemented)),
    *(type, object, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType),
    *(types.GeneratorType, types.CoroutineType, map, zip, filter, enumerate, reversed, memoryview, array.array),
    *(Decimal, Fraction, datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone),
    *(pathlib.PosixPath, pathlib.PurePosixPath, uuid.UUID, re.Match, re.Pattern),
    *_HOLDING,
)
"""Types whose objects say nothing of their own when they are compared."""
_OWN: Final = (str(__package__), "secrets", "random")
_JUDGES: Final = (
    "builtins math operator os importlib _frozen_importlib _frozen_importlib_external pytest _pytest pluggy unittest"
).split()


def guarded(tree: ast.Module) -> ast.Module:
    """A test in which comparisons, sums, differences and the arguments of calls are looked at."""
    changed: ast.Module = _Rewrite().visit(tree)
    return ast.fix_missing_locations(changed)


class _Rewrite(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        name = _COMPARISONS.get(type(node.ops[0]))
        if len(node.ops) > 1 or (name is None and not isinstance(node.ops[0], ast.NotIn)):
            return node
        pair = [node.left, node.comparators[0]]
        call = _call(COMPARE, ast.Constant(name or "__contains__"), *(reversed(pair) if "In" in _kind(node) else pair))
        made = ast.UnaryOp(ast.Not(), call) if isinstance(node.ops[0], ast.NotIn) else call
        return ast.copy_location(made, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = _COMBINED.get(type(node.op))
        return ast.copy_location(_call(COMBINE, ast.Constant(name), node.left, node.right), node) if name else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        plain = [arg for arg in node.args if not isinstance(arg, (ast.Starred, ast.Constant, ast.GeneratorExp))]
        meets = {id(arg): ast.copy_location(_call(MEET, arg), arg) for arg in plain}
        node.args = [meets.get(id(arg), arg) for arg in node.args]
        return node


def _kind(node: ast.Compare) -> str:
    return type(node.ops[0]).__name__


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def raise_guard(packages: str, tests: Iterable[str]) -> Callable[[], str]:
    """Hold what judges as it is, and give the tests what looks at their values; before the program is loaded.

    What is returned names a part of what judges that has changed since, "" where none has. `packages` is the folder of
    packages that judge, if any; `tests` are the sources. What runs later is held here, not looked up in a module,
    where the program could change it.
    """
    plain = {id(kind): kind for kind in _PLAIN}
    if any("ANY" in source for source in tests):  # they may say that they do not care
        any_type = type(importlib.import_module("unittest.mock").ANY)
        plain[id(any_type)] = any_type
    own, judges, end, functions = _parts(_OWN), _judges(), os._exit, dict(_FUNCTIONS)
    look, find_lies, list_judges, comes_from = _compared, _lies_within, _judges, _from

    def seal() -> None:
        for holder, key, value in own:
            if holder.get(key) is not value:
                end(1)

    def changed() -> str:
        seal()
        now = list_judges()
        for name, value in judges.items():
            # Plugins of pytest's wrap its functions when they are loaded.
            if (other := now.get(name)) is not value and not comes_from(other, packages):
                return name
        return ""

    def compare(name: str, one: Any, other: Any) -> Any:
        seal()
        return look(plain, functions[name], name, one, other)

    def meet(value: Any) -> Any:
        seal()
        if find_lies(plain, value):
            raise AssertionError("an object that equals anything")
        return value

    for name, function in ((COMPARE, compare), (COMBINE, compare), (MEET, meet)):
        vars(builtins)[name] = judges[f"builtins.{name}"] = _hidden(function)
    return changed


def _hidden(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as an object of C's, through which nothing of it can be reached."""
    wrapped = functools.lru_cache(maxsize=0)(function)
    vars(wrapped).clear()
    return wrapped


def _compared(plain: Mapping[int, type], operate: Callable[[Any, Any], Any], name: str, one: Any, other: Any) -> Any:
    """What an operator says, where it looks at its operand."""
    if _lies_within(plain, one) or _lies_within(plain, other):
        return refused(name)
    foreign = id(type(one)) not in plain, id(type(other)) not in plain
    if not any(foreign):
        return operate(one, other)
    # Only what is asked of the program's object is hidden among decoys.
    swapped = not foreign[0]
    operands, place = among(one if swapped else other)
    results, errors = list[Any](), dict[int, Exception]()
    for index, operand in enumerate(operands):
        try:
            results.append(operate(operand, other) if swapped else operate(one, operand))
        except Exception as error:  # noqa: BLE001  of a decoy it means nothing
            results.append(NotImplemented)
            errors[index] = error
    if not all(foreign) and lies(name, operands, results, place):
        return refused(name)
    if place in errors:
        raise errors[place]
    return results[place]


def _lies_within(plain: Mapping[int, type], value: Any, depth: int = 0) -> bool:
    """Whether a value is, or holds, an object that equals whatever it is compared with."""
    if id(type(value)) not in plain:
        try:
            return bool(value == secrets.token_hex(8)) or bool(value == secrets.randbits(64))
        except Exception:  # noqa: BLE001  it has no word on what it is not made for
            return False
    kind = type(value)
    if kind not in _HOLDING or depth > _DEEPEST:
        return False
    items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return any(_lies_within(plain, item, depth + 1) for item in items)


def _parts(modules: Iterable[str]) -> list[tuple[Any, str, Any]]:
    """What is in modules, in their classes and in their tables: each with what holds it and its name."""
    found: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in modules or not isinstance(module, ModuleType):
            continue
        for key, value in list(vars(module).items()):
            found.append((vars(module), key, value))
            if isinstance(value, type):
                found += [(vars(value), part, own) for part, own in list(vars(value).items()) if callable(own)]
            elif isinstance(value, dict) and not key.startswith("__"):
                found += [(value, part, own) for part, own in list(value.items())]
    return found


def _judges() -> dict[str, Any]:
    """Every function and class in the modules that judge, and in their classes."""
    found: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in _JUDGES or type(module) is not ModuleType:
            continue
        found[name] = module
        for key, value in list(vars(module).items()):
            if not callable(value):
                continue  # what is no function changes while tests run
            found[f"{name}.{key}"] = value
            if isinstance(value, type) and value.__module__ == name:
                found |= {f"{name}.{key}.{part}": own for part, own in list(vars(value).items()) if callable(own)}
    return found


def _from(value: Any, folder: str) -> bool:
    """Whether it is a function of a file in the folder."""
    code = getattr(value, "__code__", None)
    return bool(folder) and isinstance(code, CodeType) and code.co_filename.startswith(folder)


# Python's own functions that look at the caller's frame and do not hand it on.
_DISCREET: Final = frozenset(
    "namedtuple _create_ _caller make_dataclass findCaller print_exc format_exc print_exception format_exception "
    "print_tb format_tb extract_tb print_stack format_stack _find_and_load".split()
)
_PRYING: Final = (
    "sys._getframe sys._current_frames sys._current_exceptions sys.settrace sys.setprofile gc.get_objects "
    "gc.get_referrers gc.get_referents code.__new__ sys.addaudithook object.__getattr__ object.__setattr__ "
    "compile open"
).split()


def watch(judges: tuple[str, ...], program: dict[str, Any]) -> None:
    """End the process when code of the program's looks at frames or memory. It cannot be undone.

    Of the program is all code that does not come from Python's own files or from those of `judges`; of functions it
    may look into those alone whose names are in `program`.
    """
    end, get_frame, prying, pries = os._exit, sys._getframe, frozenset(_PRYING), _pries
    python = (os.path.dirname(os.__file__), "<frozen")
    busy = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or not (event in prying or event.startswith("ctypes.")):
            return
        busy = True
        try:
            reads_own = event == "object.__getattr__" and getattr(arguments[0], "__globals__", None) is program
            if not reads_own and pries(event, arguments, get_frame(1), python, judges):
                end(1)
        finally:
            busy = False

    sys.addaudithook(hook)


def _pries(
    event: str, arguments: tuple[Any, ...], frame: FrameType | None, python: tuple[str, ...], judges: tuple[str, ...]
) -> bool:
    """Whether the program is behind an event, and is up to no good."""
    if event == "compile" and not str(arguments[1]).startswith((*python, *judges)):
        return False  # in a name of its own
    if event == "open" and not str(arguments[0]).startswith("/proc/"):
        return False
    if event == "object.__getattr__" and not str(arguments[1]).endswith(("_frame", "__code__")):
        return False
    if event == "object.__setattr__" and arguments[1] != "__code__":
        return False
    through = set[str]()
    while frame is not None and frame.f_code.co_filename.startswith(python):
        through.add(frame.f_code.co_name)
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename.startswith(judges):
        return False
    return not through & _DISCREET  # without a frame: a thread that runs nothing else
