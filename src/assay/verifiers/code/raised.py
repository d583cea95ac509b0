"""Is the error that a program raised the one that a test expects? An error is also of the kinds
that its class is of.

Decided from names alone, as the program's side gives them, and for Python's own errors by Python's
own classes here: a program may say what it raised, not what that is a kind of.
"""

import builtins
from collections.abc import Sequence
from typing import Any

__all__ = ["raised"]


def raised(expected: str, kinds: Sequence[Any]) -> bool:
    """Return whether an error that is expected by name was raised.

    `kinds` are the names of the raised error's class and of those it is made from, up to the first
    of Python's own. A name may be written with its module, which is not compared.
    """
    name = expected.rpartition(".")[2]
    wanted = _built_in(name)
    if wanted is None:
        return name in kinds
    own = next(filter(None, map(_built_in, kinds)), None)
    return own is not None and issubclass(own, wanted)


def _built_in(name: Any) -> type[BaseException] | None:
    found = getattr(builtins, name, None) if isinstance(name, str) else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None
