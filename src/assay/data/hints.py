"""Paths of `--columns` that stop short of an answer's text, answered by one that does not."""

from collections.abc import Mapping
from typing import Any, Final

from assay.data import fields, paths
from assay.errors import DataError

__all__ = ["check_inside", "missing"]

GRADES: Final = ("score", "reward", "grade", "rating", "correct", "is_correct", "label")
"""Keys that judge each response of a list of objects."""


def missing(row: Mapping[str, Any], part: str, path: str) -> DataError:
    """Return the error of a column that is not there; in a list, a path needs a star."""
    if (starred := paths.starred(row, path)) is not None:
        return DataError(f"field {path!r}: there is a list on the way; name {part}={starred}")
    try:
        fields.value(row, path)
    except DataError as error:
        return error
    return fields.wrong(path, f"something for {part}", row[path])


def check_inside(part: str, path: str, value: Any) -> None:
    """Refuse an answer, or a list of them, that is an object and no message; say where its text
    is."""
    value = fields.parsed(value)
    several = isinstance(value, list) and part in ("responses", "right", "wrong", "steps")
    entry = next(iter(value), None) if several else value
    if not isinstance(entry, dict) or not {"role", "from"}.isdisjoint(entry):
        return
    inner = f"{path}.*" if several else path
    # Bytes of a table are no text.
    texts = [key for key, each in entry.items() if isinstance(each, str) and key != "base64"]
    scores = [key for key in GRADES if key in entry and part == "responses" and several]
    if not texts:
        return
    named = f"{part}={inner}.{max(texts, key=lambda key: len(entry[key]))}"
    if scores:
        named += f",scores={inner}.{scores[0]}"
    raise DataError(
        f"field {path!r}: the {part} are objects of {', '.join(entry)}; name what is inside of"
        f" them: {named}"
    )
