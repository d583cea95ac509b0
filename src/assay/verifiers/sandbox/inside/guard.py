"""In one process with the program: what the tests do with its objects, and what it may not do to those who judge it.

Nothing in one process is safe from all that runs in it. These are fences, not walls: objects that equal anything are
caught as in two processes (`decoys`), what judges must be as it was before the program came, and a program may not
look at frames, at memory or at other people's code. What is left is listed where the protocol is described.
"""

import ast
import builtins
import operator
import os
import secrets
import sys
from collections.abc import Callable
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

from .decoys import among, lies, refused

__all__ = ["Guard", "guarded", "watch"]

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


class Guard:
    """What was there before the program: types, and what judges. `packages` is the folder of what judges, if any."""

    def __init__(self, packages: str) -> None:
        self._packages = packages
        self._types = frozenset(map(id, _types(object)))
        vars(builtins).update({COMPARE: self.compare, COMBINE: self.compare, MEET: self.meet})
        self._before = _judges()

    def changed(self) -> str:
        """What the program has changed of what judges it; "" where it is as it was."""
        now = _judges()
        for name, value in self._before.items():
            # Plugins of pytest's wrap its functions when they are loaded.
            if (other := now.get(name)) is not value and not _from(other, self._packages):
                return name
        return ""

    def compare(self, name: str, one: Any, other: Any) -> Any:
        """What an operator says, where it looks at its operand."""
        operate = _FUNCTIONS[name]
        if self._lies_within(one) or self._lies_within(other):
            return refused(name)
        if not self._foreign(one) and not self._foreign(other):
            return operate(one, other)
        # Only what is asked of the program's object is hidden among decoys.
        swapped = not self._foreign(one)
        operands, place = among(one if swapped else other)
        results, raised = [], None
        for index, operand in enumerate(operands):
            try:
                results.append(operate(operand, other) if swapped else operate(one, operand))
            except Exception as error:  # noqa: BLE001  of a decoy it means nothing
                results.append(NotImplemented)
                raised = error if index == place else raised
        if not self._foreign(one if swapped else other) and lies(name, operands, results, place):
            return refused(name)
        if raised is not None:
            raise raised
        return results[place]

    def meet(self, value: Any) -> Any:
        """A value that the tests pass on, unless it equals whatever it is compared with."""
        if self._lies_within(value):
            raise AssertionError("an object that equals anything")
        return value

    def _foreign(self, value: Any) -> bool:
        return id(type(value)) not in self._types

    def _lies_within(self, value: Any, depth: int = 0) -> bool:
        if self._foreign(value):
            try:
                return bool(value == secrets.token_hex(8)) or bool(value == secrets.randbits(64))
            except Exception:  # noqa: BLE001  it has no word on what it is not made for
                return False
        kind = type(value)
        if kind not in (list, tuple, set, frozenset, dict) or depth > _DEEPEST:
            return False
        items = [*value.keys(), *value.values()] if kind is dict else value
        return any(self._lies_within(item, depth + 1) for item in items)


def _types(root: type) -> set[type]:
    found, waiting = set[type](), [root]
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            waiting.extend(type.__subclasses__(kind))
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


def watch(judges: tuple[str, ...]) -> None:
    """End the process when code of the program's looks at frames or memory. It cannot be undone.

    Of the program is all code that does not come from Python's own files or from those of `judges`.
    """
    end, get_frame, prying = os._exit, sys._getframe, frozenset(_PRYING)
    python = (os.path.dirname(os.__file__), "<frozen")
    busy = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or not (event in prying or event.startswith("ctypes.")):
            return
        busy = True
        try:
            if _pries(event, arguments, get_frame(1), python, judges):
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
    if event == "object.__getattr__" and not str(arguments[1]).endswith("_frame"):
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
