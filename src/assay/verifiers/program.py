"""Which part of a response is the program, and where it is.

* `fence`       the last fenced block (of Python, where blocks name a language); earlier ones are drafts
* `text`        the whole response
* `completion`  the response continues the task's stub, up to the next statement at the margin (arXiv:2107.03374): a
model
                that is not stopped there writes on, and what it writes is not part of the function
* `auto`        a fenced block where there is one; else the text where it defines what is asked for; else a completion
"""

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Extraction", "Program", "program"]

Extraction = Literal["auto", "fence", "text", "completion"]

_FENCE: Final = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[^\n]*$", re.MULTILINE)
_STOPS: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
_PYTHON: Final = frozenset({"python", "py", "python3", "py3", ""})


@dataclass(frozen=True)
class Program:
    """A program, where it was found and how."""

    code: str
    source: Literal["fence", "text", "completion"]
    span: tuple[int, int]
    """The part of the response that it was made of, in characters."""


def program(text: str, how: Extraction, entry: str, stub: str) -> Program | None:
    """The program of a response; None where the policy finds none."""
    if how in ("auto", "fence"):
        if block := _last_block(text):
            code = text[slice(*block)]
            return Program(_preamble(stub, entry) + code, "fence", block)
        if how == "fence":
            return None
    whole = (0, len(text))
    if how == "completion" or (how == "auto" and entry and stub and not _defines(text, entry)):
        end = min((at for stop in _STOPS if (at := text.find(stop)) >= 0), default=len(text))
        return Program(stub + text[:end] + "\n", "completion", (0, end))
    return Program(_preamble(stub, entry) + text, "text", whole) if text.strip() else None


def _last_block(text: str) -> tuple[int, int] | None:
    """The last complete fenced block in Python, else in no named language; one that is not closed runs to the end."""
    found, opened = None, None
    for fence in _FENCE.finditer(text):
        marks, language = fence.groups()
        if opened is None:
            opened = (marks, language.lower(), min(fence.end() + 1, len(text)))
        elif marks[0] == opened[0][0] and len(marks) >= len(opened[0]) and not language:
            if opened[1] in _PYTHON:
                found = (opened[2], fence.start())
            opened = None
    if found is None and opened and opened[1] in _PYTHON:
        found = (opened[2], len(text))
    return found


def _defines(text: str, entry: str) -> bool:
    name = re.escape(entry.partition(".")[0])
    return re.search(rf"^(?:async\s+def|def|class)\s+{name}\b|^{name}\s*=", text, re.MULTILINE) is not None


def _preamble(stub: str, entry: str) -> str:
    """What a stub has before the function to write: imports and helpers that a whole answer may leave out."""
    if not stub or not entry:
        return stub
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as "\\d" in others' strings
            body = ast.parse(stub + "\n    pass\n").body
    except (SyntaxError, ValueError):
        return ""
    name = entry.partition(".")[0]
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(stub.splitlines(keepends=True)[: first - 1])
    return ""
