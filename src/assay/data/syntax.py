"""Python in a row, parsed and never run."""

import ast
import warnings

from assay.errors import DataError

__all__ = ["parse"]


def parse(source: str, field: str) -> ast.Module:
    """The syntax tree. Raises `DataError` naming the field where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as "\\d" in others' strings
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DataError(f"field {field!r} is no Python: {error}") from error
