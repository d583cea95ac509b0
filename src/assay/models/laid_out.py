"""Records as tokens, or why a model's layout refuses them: one bad record must not take the others
down."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from assay.errors import AssayError, ConfigError, DataError
from assay.models.layout import Encoded, Encoder
from assay.types import Prompt, Response

__all__ = ["laid_out"]

ERRORS: Final = (
    DataError,
    ConfigError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
)
"""What laying out a record may raise: a template is a program of its author's, and fails as
programs do."""


def laid_out(
    records: Sequence[Sequence[tuple[Prompt, Response]]], encoder: Encoder
) -> list[list[Encoded] | str]:
    """The sequences of each record's responses, or why the layout refuses the record."""
    try:
        encoded = iter(encoder.encode(list(chain.from_iterable(records))))
        return [[next(encoded) for _ in record] for record in records]
    except ERRORS:
        pass  # one by one, to learn which
    found: list[list[Encoded] | str] = []
    for record in records:
        try:
            found.append(encoder.encode(record))
        except ERRORS as error:
            known = isinstance(error, AssayError)
            found.append(
                str(error) if known else f"the layout fails with {type(error).__name__}: {error}"
            )
    return found
