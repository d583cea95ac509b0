"""In one process with the program: what judges is held as it was before the program came.

Nothing in one process is safe from all that runs in it. These are fences, not walls: what judges
must be unchanged, the values that tests compare are looked at (`comparing`), and the program is
watched (`watching`). What is left is listed where the protocol is described.
"""

import ast
import builtins
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, ModuleType
from typing import Any, Final

from .comparing import combined, compared, known, lies_within
from .rewriting import COMBINE, COMPARE, MEET
from .sources import names

__all__ = ["raise_guard"]

_OWN: Final = (str(__package__), "secrets", "random")
_JUDGES: Final = (
    "builtins math cmath operator os importlib _frozen_importlib _frozen_importlib_external pytest"
    " _pytest pluggy unittest collections itertools functools fractions decimal datetime statistics"
    " json re heapq bisect textwrap difflib copy traceback logging contextlib"
).split()


def raise_guard(packages: str, tests: Sequence[str]) -> Callable[[], str]:
    """Hold what judges as it is, and give the tests what looks at their values; before the program
    is loaded.

    What is returned names a part of what judges that has changed since, "" where none has.
    `packages` is the folder of packages that judge, if any; `tests` are the sources. What runs
    later is held here, not looked up in a module, where the program could change it.
    """
    said = " ".join(tests)
    trees = [ast.parse(source) for source in tests]
    used = frozenset[str]().union(*(names(tree).read | names(tree).made for tree in trees))
    # Tests may say that they do not care.
    there = known(
        used, (type(importlib.import_module("unittest.mock").ANY),) if "ANY" in used else ()
    )
    own, judges, end, python = _parts(_OWN), _judges(), os._exit, os.path.dirname(os.__file__)
    chain, operate, find_lies, list_judges, comes_from = (
        compared,
        combined,
        lies_within,
        _judges,
        _from,
    )

    def seal() -> None:
        for holder, key, value in own:
            if holder.get(key) is not value:
                end(1)

    def changed() -> str:
        seal()
        now = list_judges()
        for name, value in judges.items():
            # Plugins of pytest's wrap its functions when they are loaded; tests may leave behind
            # what they replaced.
            if (
                (other := now.get(name)) is not value
                and not comes_from(other, packages)
                and name not in said
            ):
                return name
        for name, value in now.items():
            new_in_class = name not in judges and type(judges.get(name.rpartition(".")[0])) is type
            if new_in_class and not comes_from(value, packages) and not comes_from(value, python):
                return name
        return ""

    def compare(operators: tuple[str, ...], *values: Any) -> Any:
        seal()
        return chain(there, operators, values)

    def combine(name: str, one: Any, other: Any) -> Any:
        seal()
        return operate(there, name, one, other)

    def meet(value: Any) -> Any:
        seal()
        if find_lies(there, value):
            raise AssertionError("an object that equals anything")
        return value

    for name, function in ((COMPARE, compare), (COMBINE, combine), (MEET, meet)):
        vars(builtins)[name] = judges[f"builtins.{name}"] = _hidden(function)
    return changed


def _hidden(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as an object of C's, through which nothing of it can be reached."""
    wrapped = functools.lru_cache(maxsize=0)(function)
    vars(wrapped).clear()
    return wrapped


def _parts(modules: Iterable[str]) -> list[tuple[Any, str, Any]]:
    """Return what is in modules, in their classes and in their tables: each with what holds it and
    its name."""
    found: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in modules or not isinstance(module, ModuleType):
            continue
        for key, value in list(vars(module).items()):
            found.append((vars(module), key, value))
            if isinstance(value, type):
                found += [
                    (vars(value), part, own)
                    for part, own in list(vars(value).items())
                    if _acts(own)
                ]
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
            if not callable(value) and not isinstance(value, (tuple, frozenset)):
                continue  # what else there is changes while tests run
            found[f"{name}.{key}"] = value
            if isinstance(value, type) and value.__module__ == name:
                found |= {
                    f"{name}.{key}.{part}": own
                    for part, own in list(vars(value).items())
                    if _acts(own)
                }
    return found


def _acts(value: Any) -> bool:
    """Return whether it is a function or does something when it is read; what is neither changes
    while tests run."""
    return callable(value) or isinstance(value, (property, classmethod, staticmethod))


def _from(value: Any, folder: str) -> bool:
    """Return whether it is a function of a file in the folder."""
    code = getattr(value, "__code__", None)
    return bool(folder) and isinstance(code, CodeType) and code.co_filename.startswith(folder)
