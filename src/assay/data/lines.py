"""From bytes to JSON objects, one at a time: the good ones, and what was wrong with the others.

A stream that breaks (a cut gzip file, a line without an end) gives all that came before the break
as rows, and the rest, whole, as one bad row. Memory is bounded by `LIMIT` whatever the input: what
is longer goes to a temporary file.
"""

import codecs
import io
import json
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from assay.data import splits
from assay.errors import DataError

__all__ = [
    "LIMIT",
    "NOT_JSON",
    "STRICT",
    "Bad",
    "Row",
    "json_array",
    "json_lines",
    "json_whole",
    "reason",
    "without_nan",
]

NOT_JSON = "is not a number in JSON"
"""What is wrong with a row that holds NaN or an infinity, as Python writes them."""

LIMIT = 16 * 2**20
"""Longest row, in bytes."""
UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes that are not UTF-8, as Python's surrogateescape keeps them."""
TOO_LONG = f"the row is longer than {LIMIT >> 20} MiB; split it or drop it"
WHOLE_LIMIT = 256 * 2**20
"""Largest file that is one JSON object, in bytes: it has to be held whole."""
WRAPPERS = ("data", "rows", "records", "instances")
"""Keys under which programs put the rows of a file, beside what they say of it."""
FIELDS = frozenset(
    "prompt question instruction problem messages conversation conversations chosen rejected"
    " response responses completion completions".split()
)
"""Fields by which an object is a row, whatever else it holds: they say nothing of a whole file."""
DAMAGE = (EOFError, zlib.error, OSError)
"""What a damaged compressed stream raises (`gzip.BadGzipFile` is an OSError)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a source."""

    value: dict[str, Any]
    where: str
    """File and line, or file and index: "a.jsonl:17", "a.json[16]"."""
    raw: bytes | str | None = None
    """As it stood in the source; None where the source is not text."""

    def bad(self, error: str) -> "Bad":
        """This row as a bad one."""
        raw = json.dumps(self.value, default=repr) if self.raw is None else self.raw
        return Bad(
            self.where,
            error,
            io.BytesIO(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw),
        )


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be used, why, and all its bytes. Close `raw` when done: it may be a file on
    disk."""

    where: str
    error: str
    raw: IO[bytes]


class _Refused(ValueError):
    """What Python's reader takes although it is no JSON, or says two things at once."""


def _constant(name: str) -> Any:
    """JSON has no NaN and no infinity."""
    raise _Refused(f"{name} {NOT_JSON}; drop the row or give null where that is allowed")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of a key that stands twice in it, one value would be lost."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise _Refused(f"the key {twice!r} stands twice in one object; drop or rename one")
    return found


STRICT = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_once)
NULLS = json.JSONDecoder(parse_constant=lambda _: None, object_pairs_hook=_once)
LAX = json.JSONDecoder()


def without_nan(bad: Bad) -> Row | Bad:
    """Return a row with null for NaN and the infinities, where they alone are what is wrong."""
    if NOT_JSON not in bad.error:
        return bad
    raw = bad.raw.read()
    bad.raw.seek(0)
    try:
        value = NULLS.decode(raw.decode())
    except (ValueError, RecursionError):
        return bad
    return Row(value, bad.where, raw) if isinstance(value, dict) else bad


def json_lines(chunks: Iterable[bytes], name: str) -> Iterator[Row | Bad]:
    """One object a line; blank lines are skipped.

    Raises `DataError` where the first line says that objects take several lines or stand in an
    array: then no line is a row.
    """
    for number, (line, error) in enumerate(_split(chunks), 1):
        where = f"{name}:{number}"
        if number == 1 and isinstance(line, bytes):
            _one_a_line(line.removeprefix(codecs.BOM_UTF8).strip(), name)
        if not isinstance(line, bytes):
            yield Bad(where, error, line)
        elif line and not line.isspace():
            yield _row(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, where)


def _one_a_line(first: bytes, name: str) -> None:
    # A list of messages a line is something else: it is refused line by line.
    if first == b"[" or (first.startswith(b"[{") and b'"role"' not in first):
        raise DataError(f"{name} is one array of JSON, not an object a line; rename it to .json")
    if first == b"{":
        raise DataError(
            f"{name} has JSON objects over several lines; write each on one line"
            " (`jq -c . FILE > ROWS.jsonl`)"
        )


def json_array(chunks: Iterable[bytes], name: str) -> Iterator[Row | Bad]:
    """The objects of one JSON array, without holding the array."""
    text = _Text(chunks)
    text.skip(" \t\r\n\ufeff")
    text.position += 1  # the bracket
    index = -1
    while text.skip(" \t\r\n,") and text.buffer[text.position] != "]":
        index += 1
        where = f"{name}[{index}]"
        value, end, error = _element(text)
        if end is None:
            yield Bad(where, f"{error}; the array cannot be read past this row", text.rest())
            return
        raw = text.buffer[text.position : end]
        text.position = end
        if not error and UNDECODED.search(raw):
            error = "not UTF-8; save the file as UTF-8"
        error = error or _trouble(raw, value) or (TOO_LONG if len(raw) > LIMIT else None)
        yield (
            Bad(where, error, io.BytesIO(raw.encode("utf-8", "surrogateescape")))
            if error
            else Row(value, where, raw)
        )
    if text.position >= len(text.buffer):
        problem = text.damage or "the array has no end: the file is cut short"
        yield Bad(f"{name}[{index + 1}]", problem, io.BytesIO())


def json_whole(
    chunks: Iterable[bytes], name: str, wanted: tuple[str, ...] = ()
) -> Iterator[Row | Bad]:
    """A file that is one object: lists of rows by key (`{"id": [row, row], ...}`), or a single row.

    A file of one object a line under this suffix is read as that. wanted: keys that are splits, of
    which alone rows are read. Raises `DataError` where there are several splits and none is wanted,
    or where one that is wanted is not there.
    """
    kept: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            kept.append(chunk)
            size += len(chunk)
            if size > WHOLE_LIMIT:
                raise DataError(
                    f"{name} is one JSON object of over {WHOLE_LIMIT >> 20} MiB; give it as .jsonl,"
                    " one row a line"
                )
    except DAMAGE as error:
        yield Bad(name, reason(error), io.BytesIO(b"".join(kept)))
        return
    data = b"".join(kept)
    first, _, more = data.lstrip().partition(b"\n")
    if more.strip() and isinstance(_row(first.removeprefix(codecs.BOM_UTF8), name), Row):
        if wanted:
            raise splits.missing(name, wanted[0], ())
        yield from json_lines([data], name)
        return
    row = _row(data.removeprefix(codecs.BOM_UTF8), name)
    if isinstance(row, Row) and (wanted or not _is_a_row(row.value)):
        held = _chosen(row.value, name, wanted)
        if not wanted and (said := _no_row(held)):
            raise DataError(f"{name} {said}")
        if held and all(_is_rows(value) for value in held.values()):
            for key, values in held.items():
                for i, value in enumerate(values):
                    yield Row(value, f"{name}[{key}][{i}]")
            return
    yield row


def _is_a_row(value: dict[str, Any]) -> bool:
    """Tell whether an object has a field that only a row has: text or a list, of rows only where
    they are messages."""
    for key, inner in value.items():
        if key.casefold() not in FIELDS or not inner:
            continue
        if isinstance(inner, str) or (isinstance(inner, list) and not _is_rows(inner)):
            return True
        if isinstance(inner, list) and not {"role", "from"}.isdisjoint(inner[0]):
            return True
    return False


def _chosen(value: dict[str, Any], name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """The part of an object that holds the wanted splits; all of it where it has not several."""
    there = [key for key in value if value[key] and _is_rows(value[key])]
    if not wanted:
        splits.check_one(name, splits.by_key(there))
        return value
    if absent := next((key for key in wanted if key not in there), None):
        raise splits.missing(name, absent, there)
    return {key: value[key] for key in wanted}


def _no_row(value: dict[str, Any]) -> str | None:
    """Return what an object holds instead of a row's fields, and what would work."""
    if len(value) < 2:
        return None
    rows = next((key for key in WRAPPERS if value.get(key) and _is_rows(value[key])), None)
    if rows is not None and not all(map(_is_rows, value.values())):
        return (
            f"is one object with rows under {rows!r}, beside others; give the rows alone"
            f" (`jq '.{rows}' FILE > ROWS.json`), or, if it is one row, on one line"
            " (`jq -c . FILE > ROW.jsonl`)"
        )
    inner = [list(each) for each in value.values() if isinstance(each, dict) and each]
    by_number = [list(value)] if all(map(str.isdecimal, value)) else inner
    if len(inner) == len(value) and all(key.isdecimal() for keys in by_number for key in keys):
        return (
            "is a table by columns or by index, as pandas writes it; write rows"
            " (`df.to_json(FILE, orient='records')`)"
        )
    return None


def reason(error: BaseException) -> str:
    """Return what a broken stream's exception means."""
    if isinstance(error, EOFError):
        return "the compressed file ends early; get it again, or decompress what there is"
    return f"the file is damaged here ({error}); get it again"


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, dict) for x in value)


def _row(line: bytes, where: str) -> Row | Bad:
    """One line, or one file, that holds one object."""
    try:
        text = line.decode()
        value = STRICT.decode(text)
    except UnicodeDecodeError as error:
        problem = (
            f"not UTF-8 (byte {error.object[error.start]:#04x} at byte {error.start + 1}); save the"
            " file as UTF-8"
        )
    except json.JSONDecodeError as error:
        problem = _syntax(error)
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:
        problem = _number(error)
    else:
        if (trouble := _trouble(text, value)) is None:
            return Row(value, where, line)
        problem = trouble
    return Bad(where, problem, io.BytesIO(line))


def _number(error: ValueError) -> str:
    """A number that is no JSON, or a whole number with more digits than Python reads."""
    return str(error) if isinstance(error, _Refused) else "a whole number has too many digits"


def _syntax(error: json.JSONDecodeError) -> str:
    problem = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
    if error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip()):
        return f"cut short: the JSON breaks off ({problem}); drop the row or get it again"
    return f"not JSON ({problem})"


def _trouble(text: str, value: Any) -> str | None:
    """Return what is wrong with a value that is JSON: not an object, or text that no file can
    hold."""
    if not isinstance(value, dict):
        return f"the row is {_kind(value)}, not an object"
    if "\\ud" not in text and "\\uD" not in text:
        return None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"not Unicode text (lone surrogate {error.object[error.start]!a})"
    return None


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _split(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, str] | tuple[IO[bytes], str]]:
    """Lines without their ends; a line over the limit, or cut by damage, as a file and the
    reason."""
    held = _spool()
    try:
        for chunk in chunks:
            *whole, tail = chunk.split(b"\n")
            if whole:
                held.write(whole[0])
                yield _taken(held)
                held = _spool()
                for line in whole[1:]:
                    yield line, ""
            held.write(tail)
    except DAMAGE as error:
        held.seek(0)
        yield held, reason(error)
        return
    except GeneratorExit:
        # Whoever reads has stopped early.
        held.close()
        raise
    yield _taken(held)


def _spool() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=LIMIT)


def _taken(held: IO[bytes]) -> tuple[bytes, str] | tuple[IO[bytes], str]:
    size = held.tell()
    held.seek(0)
    if size > LIMIT:
        return held, TOO_LONG
    with held:
        return held.read(), ""


class _Text:
    """A stream of bytes as a sliding window of text, in which bytes that are not UTF-8 survive as
    lone surrogates."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.buffer = ""
        self.position = 0
        self.damage: str | None = None
        self._chunks = iter(chunks)
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode

    def more(self) -> bool:
        """Read on, dropping what lies behind; each call doubles the window, so that retrying costs
        little."""
        self.buffer, self.position = self.buffer[self.position :], 0
        pieces, size = [self.buffer], len(self.buffer)
        while size < max(2 * len(self.buffer), 1):
            piece = self._next()
            if piece is None:
                break
            pieces.append(piece)
            size += len(piece)
        self.buffer = "".join(pieces)
        return len(pieces) > 1

    def skip(self, characters: str) -> bool:
        """Go past these characters; False at the end of the stream."""
        while True:
            while self.position < len(self.buffer) and self.buffer[self.position] in characters:
                self.position += 1
            if self.position < len(self.buffer):
                return True
            if not self.more():
                return False

    def rest(self) -> IO[bytes]:
        """Everything from here on, as bytes."""
        file = _spool()
        piece: str | None = self.buffer[self.position :]
        while piece is not None:
            file.write(piece.encode("utf-8", "surrogateescape"))
            piece = self._next()
        file.seek(0)
        return file

    def _next(self) -> str | None:
        try:
            chunk = next(self._chunks, None)
        except DAMAGE as error:
            self.damage, chunk = reason(error), None
        if chunk is None:
            return self._decode(b"", final=True) or None
        return self._decode(chunk)


def _element(text: _Text) -> tuple[Any, int | None, str | None]:
    """The value at the window's position, its end (None: not found), and what is wrong with it."""
    while True:
        try:
            return *STRICT.raw_decode(text.buffer, text.position), None
        except _Refused as error:
            problem = str(error)
            try:
                return *LAX.raw_decode(text.buffer, text.position), problem
            except json.JSONDecodeError:
                pass
        except json.JSONDecodeError as error:
            problem = text.damage or _syntax(error)
        except RecursionError:
            return None, None, "nested too deeply"
        except ValueError as error:
            return None, None, _number(error)
        if (
            len(text.buffer) - text.position > 4 * LIMIT
        ):  # so far on, a long row is told from a broken one
            return None, None, f"{problem}, or the row is longer than {4 * LIMIT >> 20} MiB"
        if not text.more():
            return None, None, text.damage or problem
