"""LiveCodeBench (arXiv:2403.07974): contest problems, tested by what a program prints or what a function returns.

A record is the problem, with its tests in `meta["tests"]` (see `verifiers.suites`). Hidden tests are published as a
pickle of text, packed; it is read by an unpickler that builds text and refuses everything else.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from assay.data import fields
from assay.errors import DataError
from assay.types import Message, Prompt, Record

__all__ = ["Livecodebench"]

MAX_BYTES = 256 << 20
"""Most that hidden tests may unpack to."""
_DAMAGED = (
    zlib.error,
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""What reading a damaged pack raises."""


@dataclass(frozen=True, kw_only=True)
class Livecodebench:
    """{question_content, starter_code, public_test_cases, private_test_cases, metadata: '{"func_name": ...}'}."""

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
            pairs = [{"stdin": fields.text(case, "input"), "stdout": fields.text(case, "output")} for case in cases]
            tests: dict[str, Any] = {"kind": "streams", "cases": pairs}
        elif kinds == {"functional"}:
            tests = {"kind": "calls", "entry": _entry(row, starter), "cases": [_call(case) for case in cases]}
        else:
            raise DataError(f"field 'testtype': expected stdin or functional, the same for all, got {sorted(kinds)}")
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
        yield fields.make(Prompt, messages=(message,), id=str(row.get("question_id", "")), meta=meta)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _entry(row: Mapping[str, Any], starter: str) -> str:
    try:
        name = json.loads(fields.text(row, "metadata")).get("func_name")
    except (ValueError, AttributeError) as error:
        raise DataError("field 'metadata': expected a JSON object with func_name") from error
    if not isinstance(name, str) or not name:
        raise DataError("field 'metadata': func_name is missing, and the tests call a function")
    return f"Solution.{name}" if "class Solution" in starter else name


def _call(case: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments, one JSON value a line, and the result, one JSON value."""
    try:
        arguments = [json.loads(line) for line in fields.text(case, "input").splitlines() if line.strip()]
        return {"arguments": arguments, "expected": json.loads(fields.text(case, "output"))}
    except ValueError as error:
        raise DataError(f"field 'input' or 'output' of a functional test is no JSON: {error}") from error


def _cases(packed: str, field: str) -> list[dict[str, Any]]:
    """Test cases as JSON, plain or packed: a pickle of the JSON text, compressed, in base64."""
    try:
        found = json.loads(packed)
    except ValueError:
        found = _unpacked(packed, field)
    if isinstance(found, list) and all(isinstance(case, dict) for case in found):
        return found
    raise DataError(f"field {field!r}: expected a list of tests")


def _unpacked(packed: str, field: str) -> Any:
    try:
        inflate = zlib.decompressobj()
        content = inflate.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
        if inflate.unconsumed_tail:
            raise DataError(f"field {field!r}: unpacks to more than {MAX_BYTES:,} bytes")
        text = _TextOnly(io.BytesIO(content)).load()
        return json.loads(text)
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"field {field!r}: neither JSON nor JSON that was pickled and packed ({error})") from error


class _TextOnly(pickle.Unpickler):
    """Builds strings and other plain values; looks up no class and calls nothing."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to something outside")
