"""Which part of a response is the program, and where it is.

* `fence`       the last complete fenced block that holds what is asked for, those labelled as Python before those
                without a label; earlier ones are drafts, and helpers where the chosen one needs them
* `text`        the whole response
* `completion`  the response continues the task's stub, up to the next statement at the margin (arXiv:2107.03374): a
model
                that is not stopped there writes on, and what it writes is not part of the function
* `auto`        a fenced block where there is one; else the text where it defines what is asked for, without the prose
                around it; else a completion

What a response thinks before it answers, up to `</think>`, is not looked at but by `text` and `completion`.
"""

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from assay.verifiers.blocks import Block, blocks, dedented, parses
from assay.verifiers.helpers import helpers_for
from assay.verifiers.unfenced import longest_program, without_prose

__all__ = ["Extraction", "Program", "program"]

Extraction = Literal["auto", "fence", "text", "completion"]

_STOPS: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
_PYTHON: Final = ("python", "")
_PRINTS: Final = re.compile(r"\b(?:print|write|writelines)\b")
_READS: Final = re.compile(r"\b(?:input|stdin|fileinput)\b|\bopen\(\s*0|\bos\.read\b")
# Where thinking ends: at a tag that no quotation mark stands before, as in a program's own text it would.
_THOUGHT: Final = re.compile(r"^[^\n`'\"]*</(?:think|thinking|thought|reasoning)>", re.MULTILINE | re.IGNORECASE)
_FUTURE: Final = re.compile(r"^from[ \t]+__future__[ \t]+import[ \t]*(?:\([^)]*\)|[^\n]*)\n?", re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """A program, where it was found and how."""

    code: str
    source: Literal["fence", "text", "completion"]
    span: tuple[int, int]
    """The part of the response that it was made of, in characters."""


def program(text: str, how: Extraction, entry: str, stub: str) -> Program | None:
    """The program of a response; None where the policy finds none."""
    start = 0
    if how in ("auto", "fence"):
        start = thought.end() if (thought := _THOUGHT.search(text)) else 0
        found = list(blocks(text, start))
        if block := _chosen(found, entry, stub):
            others = [dedented(each.code) for each in found if each is not block and each.language in _PYTHON]
            return Program(_made_of(block, others, entry, stub), "fence", block.span)
        if how == "fence":
            return None
    if how == "completion" or (how == "auto" and entry and stub and not _defines(text[start:], entry)):
        end = min((at for stop in _STOPS if (at := text.find(stop, start)) >= 0), default=len(text))
        code = f"{stub}{text[start:end]}\n"
        return Program(longest_program(code, len(stub)) if how == "auto" else code, "completion", (start, end))
    end, code = len(text), text[start:].removeprefix("\ufeff")
    if how == "auto" and not parses(code):
        start, end, code = without_prose(text, start, lambda part: _asked_for(part, entry))
    return Program(_after(_preamble(stub, entry), code), "text", (start, end)) if code.strip() else None


def _chosen(found: Sequence[Block], entry: str, stub: str) -> Block | None:
    """The block that is the answer: the last of the best. One of another language only where nothing else fits."""
    ranks = [(_rank(each, entry, stub), each) for each in found if each.language in _PYTHON]
    if entry and not any(rank[0] for rank, _ in ranks):
        ranks += [((True, False, 0, each.closed), each) for each in found if _defines(each.code, entry)]
    return max(reversed(ranks), key=lambda ranked: ranked[0], default=(None, None))[1]


def _rank(block: Block, entry: str, stub: str) -> tuple[bool, bool, int, bool]:
    fit = _fit(block, entry, stub)
    return fit > 0, block.language == "python", fit, block.closed


def _fit(block: Block, entry: str, stub: str) -> int:
    """How well a block can be what is asked for: the function, or a whole program, best one that reads an input."""
    code = dedented(block.code)
    if entry:
        return _defines(code, entry) or _continues(block.code, stub)
    return (_asked_for(code, entry) + (_READS.search(code) is not None)) * parses(code)


def _continues(code: str, stub: str) -> bool:
    """Whether it is the rest of a function that the stub begins."""
    return bool(stub) and re.match(r"(?:[ \t\r]*\n)*[ \t]+\S", code) is not None and parses(stub + code)


def _made_of(block: Block, others: Sequence[str], entry: str, stub: str) -> str:
    code = dedented(block.code)
    if entry and not _defines(code, entry) and _continues(block.code, stub):
        return stub + block.code
    preamble = _preamble(stub, entry)
    return _after(preamble + helpers_for(code, others, preamble), code)


def _asked_for(code: str, entry: str) -> bool:
    return _defines(code, entry) if entry else _PRINTS.search(code) is not None


def _after(preamble: str, code: str) -> str:
    """A program behind what it may take for granted; what has to stand first in a file still does."""
    code = code.removeprefix("\ufeff")
    if not preamble or not (future := _FUTURE.findall(code)):
        return preamble + code
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in future) + preamble + _FUTURE.sub("", code)


def _defines(text: str, entry: str) -> bool:
    name = re.escape(entry.partition(".")[0])
    pattern = rf"^(?:async\s+def|def|class)\s+{name}\b|^{name}\s*(?::[^=\n]+)?=(?!=)|^(?:from|import)\s.*\b{name}\s*$"
    return re.search(pattern, text, re.MULTILINE) is not None


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
