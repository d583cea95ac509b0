"""Sequences that were laid out elsewhere: read as they are, at their end or at every step tag."""

from collections.abc import Callable
from typing import Final

from assay.errors import DataError

__all__ = ["IN_TURNS", "placed", "unended"]

IN_TURNS: Final = (
    "this model reads each step in a turn of its own; send prompt and steps, not a text that was"
    " laid out elsewhere"
)


def placed(
    ids: list[int],
    bos: int | None,
    tag: int | None,
    name: str | None,
    read: Callable[[list[int]], list[int]],
) -> tuple[list[int], tuple[int, ...]]:
    """Return the ids, with one bos where it is given, and the places at which they are read.

    tag, name: the step tag's token and text, where a model reads there; else `read` takes off what
    is never read at the end. Raises `DataError` where there is nothing to read.
    """
    if bos is not None and ids[:1] != [bos]:
        ids = [bos, *ids]
    if not ids:
        raise DataError("there is no token to read")
    if tag is None:
        ids = read(ids)
        return ids, (max(len(ids) - 1, 0),)
    reads = tuple(place for place, token in enumerate(ids) if token == tag)
    if not reads:
        raise DataError(f"the step tag {name!r} is nowhere in it")
    return ids, reads


def unended(ending: str) -> str:
    """Return the warning about texts that lack what ends a finished response."""
    return (
        f"a text that was laid out elsewhere does not end with {ending!r}, as this model's finished"
        " responses do: it is scored as it is, which is right for a response that was cut off; of"
        " a finished one the score is not the model's, and may order answers otherwise. Send the"
        " text with it, or prompt and response apart"
    )
