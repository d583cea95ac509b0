"""Every error the library raises on purpose.

* AssayError
  + DataError          a record, row or file is malformed            (also ValueError)
  + ConfigError        a setting is unknown, missing or contradictory (also ValueError)
  + MissingExtra       an optional dependency is not installed        (also ImportError)
  + BackendError       a model, server, worker or sandbox failed      (also RuntimeError)

A message says what is wrong, where (file, line, field) and what would work. The CLI prints the message alone and exits
with 2; anything that is not an `AssayError` is a bug and keeps its traceback.

A failure to score one response is not an error: it is data, an `assay.Unscored` with its reason, counted in every
report and never turned into a number. To add an error, derive it from one of the four and from the standard exception
that a caller would expect.
"""

__all__ = ["AssayError", "BackendError", "ConfigError", "DataError", "MissingExtra"]


class AssayError(Exception):
    """Base of every error raised on purpose."""


class DataError(AssayError, ValueError):
    """A record, row or file is malformed."""


class ConfigError(AssayError, ValueError):
    """A setting is unknown, missing or contradictory."""


class MissingExtra(AssayError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the {extra!r} extra: pip install 'assay[{extra}]'")


class BackendError(AssayError, RuntimeError):
    """A model, server, worker or sandbox failed."""
