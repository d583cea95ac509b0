"""Names that tests use and do not define, and that are Python's as well as, perhaps, the program's.

In one file with the program, `Counter` or `isclose` in a test would be what the program imported; or what it made up,
so that the test agrees with anything. What the program imported is taken from Python itself. What it made up is its
own only where it is what the tests are about, or else their passing says nothing.
"""

import functools
import importlib
from collections.abc import Callable, Collection
from typing import Any, Final

__all__ = ["Borrowed", "owner_of"]

_MODULES: Final = (
    "math cmath collections itertools functools fractions decimal datetime statistics random copy json re heapq "
    "bisect string"
).split()
_OF_OTHERS: Final = {
    **{"np": "numpy", "numpy": "numpy", "pd": "pandas", "pandas": "pandas", "scipy": "scipy", "sympy": "sympy"},
    **{"torch": "torch", "pytest": "pytest", "unittest": "unittest"},
}
_JUDGING: Final = frozenset("approx raises assert_almost_equal assert_allclose assert_equal assert_array_equal".split())


class Borrowed:
    """What becomes of such names.

    `owner` tells what of Python's a name of the program's is, as "module.name", or "" where it is of its own making;
    `used` are the names that the tests use and do not define.
    """

    def __init__(
        self, owner: Callable[[str], str], program: Collection[str], entry: str, used: Collection[str]
    ) -> None:
        self._owner, self._program, self._entry = owner, program, entry
        about = [name for name in used if name in program and not _is_shared(name)]
        self._has_subject = bool(entry or about)
        self.shadows = ""
        """A name that stands for something of the program's own making, where Python's would be expected."""

    def find(self, name: str) -> list[Any]:
        """What a name is, in a list of one, where it is not for the program to say."""
        if name == self._entry or not _is_shared(name):
            return []
        if name not in self._program:
            module = _home(name) if self._entry else ""
            return [getattr(importlib.import_module(module), name)] if module else []
        if owner := self._owner(name):
            return [_resolved(owner)]
        if self._has_subject:
            self.shadows = name
        return []


def owner_of(value: Any) -> str:
    """What of Python's a value is, as "module.name"; "" for everything else."""
    for module in _MODULES:
        names = vars(importlib.import_module(module))
        name = getattr(value, "__name__", "")
        if isinstance(name, str) and names.get(name) is value:
            return f"{module}.{name}"
        for key in ("pi", "e", "inf", "nan", "tau") if module == "math" else ():
            if names[key] is value:
                return f"math.{key}"
    return ""


def _resolved(owner: str) -> Any:
    module, _, name = owner.partition(".")
    if module not in _MODULES:
        raise ValueError(f"{module[:20]!r} is no module of these")
    return getattr(importlib.import_module(module), name)


@functools.lru_cache(maxsize=1024)
def _home(name: str) -> str:
    """The module of Python's that has a public name; "" where none does."""
    if name.startswith("_"):
        return ""
    return next((module for module in _MODULES if hasattr(importlib.import_module(module), name)), "")


def _is_shared(name: str) -> bool:
    return bool(_home(name)) or name in _OF_OTHERS or name in _JUDGING
