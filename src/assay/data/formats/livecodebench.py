"""LiveCodeBench (arXiv:2403.07974): contest problems, tested by what a program prints or what a
function returns.

A record is the problem, with its tests in `meta["tests"]` (see `verifiers.suites`). Hidden tests
are published as a pickle of text, packed. Nothing is unpickled here: the text is taken out, and a
pickle of anything else is refused.

LiveCodeBench runs answers with the usual modules imported, as starter code that names `List`
expects. Results are compared as it compares them: 2 is 2.0, returned or printed, and a tuple is the
list. Programs that read and print have to import what they use.
"""

import base64
import json
import pickletools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.errors import DataError
from assay.types import Message, Prompt, Record

__all__ = ["Livecodebench"]

MAX_BYTES = 256 << 20
"""Most that hidden tests may unpack to."""
_TEXT: Final = frozenset({"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"})
_AROUND: Final = frozenset({"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"})
"""What a pickle of text has beside the text."""
_MODULES: Final = (
    *(
        "string",
        "re",
        "datetime",
        "collections",
        "heapq",
        "bisect",
        "copy",
        "math",
        "random",
        "statistics",
    ),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
_IMPORTS: Final = "\n".join(
    [
        *(f"from {module} import *" for module in (*_MODULES, "builtins", "typing")),
        f"import {', '.join(_MODULES)}",
        "sys.setrecursionlimit(50_000)",
        "",
    ]
)
"""What functions are run with."""


@dataclass(frozen=True, kw_only=True)
class Livecodebench:
    """{question_content, starter_code, public_test_cases, private_test_cases, metadata:
    '{"func_name": ...}'}."""

    hidden: bool = True
    """Test on the hidden cases too."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A question and public tests."""
        return {"question_content", "public_test_cases"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One prompt."""
        question, starter = fields.text(row, "question_content"), str(row.get("starter_code") or "")
        cases = _cases(fields.text(row, "public_test_cases"), "public_test_cases")
        if self.hidden and row.get("private_test_cases"):
            cases += _cases(fields.text(row, "private_test_cases"), "private_test_cases")
        if not cases:
            raise DataError("field 'public_test_cases': there is no test")
        kinds = {str(case.get("testtype")) for case in cases}
        if kinds == {"stdin"}:
            pairs = [
                {"stdin": fields.text(case, "input"), "stdout": fields.text(case, "output")}
                for case in cases
            ]
            tests: dict[str, Any] = {"kind": "streams", "cases": pairs, "numbers": "equal"}
        elif kinds == {"functional"}:
            start = f"{_IMPORTS}\n{_begun(starter)}"
            compared = {"numbers": "equal", "sequences": "equal"}
            calls = {"entry": _entry(row, starter), "cases": [*map(_call, cases)], "stub": start}
            tests = {"kind": "calls", **calls, **compared}
        else:
            raise DataError(
                "field 'testtype': expected stdin or functional, the same for all, got"
                f" {sorted(kinds)}"
            )
        used = (
            "question_content",
            "starter_code",
            "public_test_cases",
            "private_test_cases",
            "metadata",
            "question_id",
        )
        words = f"{question}\n\nUse this start:\n```python\n{starter}\n```" if starter else question
        meta = {**fields.rest(row, *used), "tests": tests}
        message = Message(role="user", content=words)
        yield fields.make(
            Prompt, messages=(message,), id=str(row.get("question_id", "")), meta=meta
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _entry(row: Mapping[str, Any], starter: str) -> str:
    metadata = _json(fields.text(row, "metadata"), "metadata")
    name = metadata.get("func_name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise DataError(
            "field 'metadata': expected a JSON object with func_name, for the tests call a function"
        )
    return f"Solution.{name}" if "class Solution" in starter else name


def _begun(starter: str) -> str:
    """Starter code, which ends after a colon, as a whole program that can be continued."""
    lines = starter.rstrip().splitlines() or [""]
    margin = len(lines[-1]) - len(lines[-1].lstrip())
    return f"{starter.rstrip()}\n{' ' * margin}    ...\n" if lines[-1].endswith(":") else starter


def _call(case: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments, one JSON value a line, and the result, one JSON value."""
    lines = fields.text(case, "input").split("\n")
    return {
        "arguments": [_json(line, "input") for line in lines if line.strip()],
        "expected": _json(fields.text(case, "output"), "output"),
    }


def _cases(packed: str, field: str) -> list[dict[str, Any]]:
    """Test cases as JSON, plain or packed: a pickle of the JSON text, compressed, in base64."""
    found = _json(packed if packed.lstrip().startswith("[") else _unpacked(packed, field), field)
    if isinstance(found, list) and all(isinstance(case, dict) for case in found):
        return found
    raise DataError(f"field {field!r}: expected a list of tests")


def _json(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"field {field!r}: expected JSON: {error}") from error


def _unpacked(packed: str, field: str) -> str:
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
        found = [] if len(content) == MAX_BYTES else _texts(content)
    except (ValueError, zlib.error) as error:
        raise DataError(
            f"field {field!r}: neither JSON nor JSON that was pickled and packed ({error})"
        ) from error
    if len(content) == MAX_BYTES:
        raise DataError(f"field {field!r}: unpacks to more than {MAX_BYTES:,} bytes")
    if not inflate.eof or len(found) != 1:
        raise DataError(
            f"field {field!r}: {len(found)} texts in what it unpacks to, or cut short; expected"
            " one, whole"
        )
    return found[0]


def _texts(pickled: bytes) -> list[str]:
    """The strings that a pickle holds, read without doing what it says.

    Raises `ValueError` where it is damaged or holds anything else.
    """
    found = []
    for code, argument, _ in pickletools.genops(pickled):
        if code.name in _TEXT:
            found.append(str(argument))
        elif code.name not in _AROUND:
            raise ValueError(f"its pickle has {code.name}, which is not for text")
    return found
