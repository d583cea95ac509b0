"""Typed access to the fields of a row, with errors that name the field; and rows checked by reading
them back."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from assay import components
from assay.data.cells import Cell, parsed
from assay.data.changes import change, short
from assay.errors import DataError
from assay.protocols import Format
from assay.types import Message, Preference, Prompt, Record

__all__ = [
    "Cell",
    "amount",
    "columns",
    "explain",
    "index",
    "make",
    "mapping",
    "mappings",
    "number",
    "oriented",
    "parsed",
    "prompt",
    "read_only",
    "reference",
    "rest",
    "share",
    "shared",
    "text",
    "texts",
    "value",
    "written",
    "wrong",
    "yes_no",
]

Fields = Mapping[str, Any]
R = TypeVar("R", bound=Record)
T = TypeVar("T")


def value(row: Fields, field: str) -> Any:
    """A field that has to be there, whatever it holds."""
    if field not in row:
        raise DataError(
            f"field {field!r} is missing; the row has {', '.join(map(str, row)) or 'no fields'}"
        )
    return row[field]


def text(row: Fields, field: str) -> str:
    """A field that is a string."""
    found = value(row, field)
    if isinstance(found, str):
        return found
    raise wrong(field, "a string", found)


def texts(row: Fields, field: str) -> list[str]:
    """A field that is a list of strings."""
    found = parsed(value(row, field))
    if isinstance(found, list) and all(isinstance(x, str) for x in found):
        return found
    raise wrong(field, "a list of strings", found)


def mapping(row: Fields, field: str) -> dict[str, Any]:
    """A field that is an object."""
    found = parsed(value(row, field))
    if isinstance(found, dict):
        return found
    raise wrong(field, "an object", found)


def mappings(row: Fields, field: str) -> list[dict[str, Any]]:
    """A field that is a list of objects."""
    found = parsed(value(row, field))
    if isinstance(found, list) and all(isinstance(x, dict) for x in found):
        return found
    raise wrong(field, "a list of objects", found)


DECIMAL_COMMA: Final = re.compile(r"[-+]?\d+,\d+")
"""A number as tables of some languages have it; `1,234` may also be a thousand, so it is not
guessed."""


def number(value: object, field: str) -> float:
    """A number; not a boolean, and not a string that looks like one, but for a cell of text."""
    if isinstance(value, Cell):
        value = float(found) if isinstance(found := value.parsed(), bool) else found
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise wrong(field, "a number that a float can hold", value) from error
    raise wrong(field, "a number", value)


def amount(value: object, field: str) -> float:
    """A finite number, or a text that is one, as tables of texts have it; true is 1, false 0."""
    found = parsed(value)
    if isinstance(found, (bool, str)):
        try:
            found = float(found)
        except ValueError:
            found = None
    if found is None or not math.isfinite(number(found, field)):
        raise wrong(field, "a finite number", value)
    return number(found, field)


def index(value: object, field: str) -> int:
    """A whole number."""
    value = parsed(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise wrong(field, "a whole number", value)


def yes_no(value: object, field: str) -> float:
    """A label: true or false, 1 or 0. The -100 that means "not supervised" elsewhere would be true
    as a boolean."""
    value = parsed(value)
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return float(value)
    raise wrong(field, "true or false", value)


def share(value: object, field: str) -> float:
    """A label: true or false, or a number from 0 to 1."""
    value = parsed(value)
    if isinstance(value, (bool, int, float)) and 0 <= value <= 1:
        return float(value)
    raise wrong(field, "true, false or a number from 0 to 1", value)


def make(cls: type[R], **fields: Any) -> R:
    """A record, with pydantic's complaint turned into a `DataError`."""
    try:
        return cls(**fields)
    except ValidationError as error:
        raise DataError(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first complaint, in one line, naming the field."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    got = (
        f", got {short(first['input'])}"
        if first["type"] != "missing" and not isinstance(first["input"], dict)
        else ""
    )
    said = first["msg"].removeprefix("Value error, ")
    return f"field {field!r}: {said}{got}" if field else f"{said}{got}"


def prompt(messages: tuple[Message, ...], row: Fields, *used: str) -> Prompt:
    """A prompt whose row's other columns are kept: `id` and `reference` in their fields, the rest
    in `meta`."""
    more = rest(row, *used)
    id = more.pop("id") if isinstance(more.get("id"), str) else ""
    stated = isinstance(more.get("reference"), (str, int, float))
    answer = reference(more.pop("reference")) if stated else None
    tools = _tools(more.pop("tools")) if more.get("tools") else ()
    return make(Prompt, messages=messages, tools=tools, reference=answer, id=id, meta=more)


def reference(value: object, field: str = "reference") -> str:
    """A reference answer: a text, a number as it is written in JSON, or a list of one of them."""
    if isinstance(value, list) and len(value) == 1:
        return reference(value[0], field)
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return json.dumps(value)
    raise wrong(field, "one answer, a text or a number (name its path by --columns)", value)


def _tools(value: object) -> tuple[dict[str, Any], ...]:
    """Definitions of tools: a list of objects, or JSON of one, as tables hold it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise DataError(f"field 'tools' is no JSON: {error}") from error
    tools = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in tools):
        raise wrong("tools", "a list of definitions of tools", value)
    return tuple(tools)


def columns(prompt: Prompt) -> dict[str, Any]:
    """The other columns of a row that `prompt` reads back."""
    more = dict(prompt.meta)
    if prompt.id:
        more["id"] = prompt.id
    if prompt.reference is not None:
        more["reference"] = prompt.reference
    if prompt.tools:
        more["tools"] = [dict(tool) for tool in prompt.tools]
    return more


def rest(row: Fields, *used: str) -> dict[str, Any]:
    """The fields of a row that are not these."""
    return {key: value for key, value in row.items() if key not in used}


def read_only(format: Format) -> DataError:
    """Return what a format raises that nobody needs written."""
    return DataError(
        f"{_name(format)} is read only; write assay, or another format that can hold the records"
    )


def oriented(records: Iterable[Record]) -> Iterator[Record]:
    """The same preferences with the chosen response first, as formats with a chosen and a rejected
    column want them."""
    for record in records:
        yield record.swap() if isinstance(record, Preference) and record.prefer == 0 else record


def written(
    format: Format, records: Iterable[Record], kind: type[R], row_of: Callable[[R], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """One row a record, each checked by reading it back: whatever a format cannot hold is refused,
    not dropped."""
    for record in records:
        if type(record) is not kind:
            raise DataError(
                f"{_name(format)} holds {kind.__name__} records, not {type(record).__name__}"
            )
        row = row_of(record)
        try:
            back = tuple(format.read(row))
        except DataError as error:
            raise DataError(f"{_name(format)} cannot hold this record: {error}") from error
        if back != (record,):
            lost = change(record, back[0]) if len(back) == 1 else "the whole of it"
            raise DataError(
                f"{_name(format)} cannot hold this record: reading it back would change {lost}"
            )
        yield row


def shared(one: Sequence[T], other: Sequence[T]) -> int:
    """Return how many elements two sequences begin with alike."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def wrong(field: str, wanted: str, value: object) -> DataError:
    """Return the error of a field that holds something else than is wanted."""
    hint = ""
    if value == -100:
        hint = (
            " (-100 marks unsupervised steps elsewhere: drop them or use the assay format's null)"
        )
    elif "number" in wanted and isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
        hint = f" (a decimal comma: write a point, {value.strip().replace(',', '.')})"
    return DataError(f"field {field!r}: expected {wanted}, got {short(value)}{hint}")


def _name(format: Format) -> str:
    named = getattr(format, "name", None)  # a layout that is a line of a table
    return named or components.name_of(type(format)).removeprefix("formats/")
