"""Show assay's warnings as its errors are shown: a line, without the place in assay's code."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["as_lines"]

OURS: Final = Path(__file__).parents[1]


@contextmanager
def as_lines(command: str) -> Iterator[None]:
    """Write each warning of assay's as `COMMAND: warning: TEXT` while a command runs.

    Which are shown, and how often, is for the filters to say (`python -W`); those of other packages
    and of a user's own code keep their file and line. Only the format is changed, so that whoever
    records warnings still has them all.
    """
    before: Any = warnings.formatwarning

    def line(message: Any, category: Any, filename: str, *rest: Any, **named: Any) -> str:
        if category is not UserWarning or not Path(filename).is_relative_to(OURS):
            return str(before(message, category, filename, *rest, **named))
        return f"{command}: warning: {' '.join(str(message).split())}\n"

    warnings.formatwarning = line
    try:
        yield
    finally:
        warnings.formatwarning = before
