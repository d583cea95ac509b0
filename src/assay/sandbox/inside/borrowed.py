"""Names that tests use and do not define, and that are Python's as well as, perhaps, the program's.

In one file with the program, `Counter` or `isclose` in a test would be what the program imported;
or what it made up, so that the test agrees with anything. What the program imported is taken from
Python itself. What it made up is its own only where it is what the tests are about, or else their
passing says nothing.
"""

import importlib
import math
from collections.abc import Callable, Collection
from typing import Any, Final

__all__ = ["Borrowed", "owner_of"]

_NAMES: Final = {
    "math": [name for name in vars(math) if not name.startswith("_")],
    "collections": "Counter OrderedDict defaultdict deque namedtuple".split(),
    "itertools": (
        "accumulate combinations groupby islice permutations starmap takewhile zip_longest".split()
    ),
    "functools": "partial reduce".split(),
    "fractions": ["Fraction"],
    "decimal": ["Decimal"],
    "datetime": "datetime timedelta".split(),
    "random": ["randint"],
    "copy": ["deepcopy"],
    "heapq": "heapify heappop heappush".split(),
    "bisect": "bisect_left bisect_right insort".split(),
}
"""What is usually imported by name, and seldom the name of something else."""
_HOMES: Final = {name: module for module, names in reversed(_NAMES.items()) for name in names}
_EXERCISES: Final = frozenset("gcd lcm factorial comb perm prod dist log isqrt".split())
"""Of those, what programs are often asked to write: by `import *` it is theirs."""
_OF_OTHERS: Final = frozenset("np numpy pd pandas scipy sympy torch pytest unittest".split())
_JUDGING: Final = frozenset(
    "approx raises assert_almost_equal assert_allclose assert_equal assert_array_equal".split()
)


class Borrowed:
    """What becomes of such names.

    `owner` tells what of Python's a name of the program's is, as "module.name", or "" where it is
    of its own making; `used` gives the names that the tests use and do not define.
    """

    def __init__(
        self,
        owner: Callable[[str], str],
        program: Collection[str],
        entry: str,
        used: Callable[[], Collection[str]],
    ) -> None:
        self._owner, self._program, self._entry, self._used = owner, program, entry, used
        self.shadows = ""
        """A name that stands for something of the program's own making, where Python's would be
        expected."""

    def find(self, name: str, starred: bool = False) -> list[Any]:
        """Return what a name is, in a list of one, where it is not for the program to say."""
        if name == self._entry or not _is_shared(name) or (starred and name in _EXERCISES):
            return []
        if name not in self._program:
            module = _HOMES.get(name, "") if self._entry else ""
            return [getattr(importlib.import_module(module), name)] if module else []
        if owner := self._owner(name):
            return [_resolved(owner)]
        if self._entry or any(
            used in self._program and not _is_shared(used) for used in self._used()
        ):
            self.shadows = name
        return []


def owner_of(value: Any) -> str:
    """Return what of Python's a value is, as "module.name"; "" for everything else."""
    for name, module in _HOMES.items():
        if getattr(importlib.import_module(module), name) is value:
            return f"{module}.{name}"
    return ""


def _resolved(owner: str) -> Any:
    module, _, name = owner.partition(".")
    if name not in _NAMES.get(module, ()):
        raise ValueError(f"{owner[:40]!r} is none of these names")
    return getattr(importlib.import_module(module), name)


def _is_shared(name: str) -> bool:
    return name in _HOMES or name in _OF_OTHERS or name in _JUDGING
