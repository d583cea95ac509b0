"""Python in a text, parsed and never run."""

import ast
import os
import threading
import warnings
from typing import Final

from assay.errors import DataError

__all__ = ["UNREADABLE", "parse", "tree"]

UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What `tree` raises where a text is no Python."""

_LOCK: Final = threading.Lock()
os.register_at_fork(
    before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
)


def tree(source: str) -> ast.Module:
    """Parse a text, without the warnings on escapes such as "\\d" in others' strings.

    One thread at a time: CPython 3.11 keeps one depth of recursion for all threads that build
    syntax trees, and ends with a SystemError where a collection of garbage lets another in between;
    the filters of warnings are the process's, too. Raises `UNREADABLE`.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def parse(source: str, field: str) -> ast.Module:
    """The syntax tree. Raises `DataError` naming the field where it is no Python."""
    try:
        return tree(source)
    except UNREADABLE as error:
        raise DataError(f"field {field!r} is no Python: {error}") from error
