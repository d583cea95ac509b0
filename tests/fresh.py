"""Import a module anew for the length of a test, and leave the old one in its place afterwards.

Classes of a module imported twice are different classes: a test that only dropped
`sys.modules[name]` would make `isinstance` fail in tests that run after it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["fresh"]


@contextmanager
def fresh(name: str) -> Iterator[None]:
    """Within the block, the first import of `name` runs its code again."""
    package, _, leaf = name.rpartition(".")
    before = sys.modules.pop(name, None)
    try:
        yield
    finally:
        sys.modules.pop(name, None)
        if before is not None:
            sys.modules[name] = before
            setattr(sys.modules[package], leaf, before)
