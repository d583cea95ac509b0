"""Which part of a response is the program, and where it is.

* `fence`       the last complete fenced block that holds what is asked for, those labelled as
                Python before those without a label; earlier ones are drafts, and helpers where the
                chosen one needs them
* `text`        the whole response
* `completion`  the response continues the task's stub, up to the next statement at the margin
(arXiv:2107.03374): a model
                that is not stopped there writes on, and what it writes is not part of the function
* `auto`        a fenced block where there is one; else the text where it defines what is asked for,
                without the prose around it; else a completion

What a response thinks before it answers, up to `</think>`, is not looked at but by `text` and
`completion`.
"""

import ast
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from assay.syntax import UNREADABLE, tree
from assay.verifiers.code.blocks import Block, blocks, dedented, parses
from assay.verifiers.code.helpers import defined, helpers_for
from assay.verifiers.code.unfenced import longest_program, without_prose

__all__ = ["Extraction", "Program", "program"]

Extraction = Literal["auto", "fence", "text", "completion"]

_STOPS: Final = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
_PYTHON: Final = ("python", "")
_PRINTS: Final = re.compile(r"\b(?:print|write|writelines)\b")
_READS: Final = re.compile(r"\b(?:input|stdin|fileinput)\b|\bopen\(\s*0|\bos\.read\b")
# Where thinking ends: at a tag that no quotation mark stands before, as in a program's own text it
# would. A fence that closes may stand before it.
_THOUGHT: Final = re.compile(
    r"^(?:[ \t>]*`{3,})?[^\n`'\"]*</(?:think|thinking|thought|reasoning)>",
    re.MULTILINE | re.IGNORECASE,
)
_FUTURE: Final = re.compile(
    r"^from[ \t]+__future__[ \t]+import[ \t]*(?:\([^)]*\)|[^\n]*)\n?", re.MULTILINE
)


@dataclass(frozen=True)
class Program:
    """A program, where it was found and how."""

    code: str
    source: Literal["fence", "text", "completion"]
    span: tuple[int, int]
    """The part of the response that it was made of, in characters."""


@dataclass(frozen=True)
class _Asked:
    """What a task asks for: a function or a class, else what its tests name, else a whole program
    that prints."""

    entry: str
    stub: str
    tests: str

    @functools.cached_property
    def named(self) -> set[str]:
        """The words of the tests."""
        return set(re.findall(r"\w+", self.tests))

    def fit(self, block: Block) -> int:
        """Return how well a block can be it; of whole programs best one that reads an input."""
        code = dedented(block.code)
        if self.entry:
            return _defines(code, self.entry) or self.continued_by(block)
        if self.tests:
            return len(defined(code) & self.named)
        return (self.given_by(code) + (_READS.search(code) is not None)) * parses(code)

    def given_by(self, code: str) -> bool:
        """Return whether a part of a text without fences is it."""
        if self.entry:
            return _defines(code, self.entry)
        return bool(defined(code)) if self.tests else _PRINTS.search(code) is not None

    def continued_by(self, block: Block) -> bool:
        """Return whether a block is the rest of the function that the stub begins."""
        begins = re.match(r"(?:[ \t\r]*\n)*[ \t]+\S", block.code) is not None
        return bool(self.stub) and begins and parses(self.stub + block.code)


def program(text: str, how: Extraction, entry: str, stub: str, tests: str = "") -> Program | None:
    """The program of a response; None where the policy finds none. `tests` are sources that use
    what it defines."""
    asked, start = _Asked(entry, stub, tests), 0
    if how in ("auto", "fence"):
        start = thought.end() if (thought := _THOUGHT.search(text)) else 0
        # A fence right behind the tag begins a line, as one on a line of its own does.
        text = "\n" * start + text[start:]
        found = list(blocks(text, start))
        if block := _chosen(found, asked):
            others = [
                dedented(each.code)
                for each in found
                if each is not block and each.language in _PYTHON
            ]
            return Program(_made_of(block, others, asked), "fence", block.span)
        if how == "fence":
            return None
    if how == "completion" or (
        how == "auto" and entry and stub and not _defines(text[start:], entry)
    ):
        end = min((at for stop in _STOPS if (at := text.find(stop, start)) >= 0), default=len(text))
        code = f"{stub}{text[start:end]}\n"
        return Program(
            longest_program(code, len(stub)) if how == "auto" else code, "completion", (start, end)
        )
    end, code = len(text), text[start:].removeprefix("\ufeff")
    if how == "auto" and not parses(code):
        start, end, code = without_prose(text, start, asked.given_by)
    return (
        Program(_after(_preamble(stub, entry), code), "text", (start, end))
        if code.strip()
        else None
    )


def _chosen(found: Sequence[Block], asked: _Asked) -> Block | None:
    """The block that is the answer: the last of the best. One of another language only where
    nothing else fits."""
    ranks = [(_rank(each, asked), each) for each in found if each.language in _PYTHON]
    if asked.entry and not any(rank[0] for rank, _ in ranks):
        ranks += [
            ((True, False, 0, each.closed), each)
            for each in found
            if _defines(each.code, asked.entry)
        ]
    return max(reversed(ranks), key=lambda ranked: ranked[0], default=(None, None))[1]


def _rank(block: Block, asked: _Asked) -> tuple[bool, bool, int, bool]:
    fit = asked.fit(block)
    return fit > 0, block.language == "python", fit, block.closed


def _made_of(block: Block, others: Sequence[str], asked: _Asked) -> str:
    code = dedented(block.code)
    if asked.entry and not _defines(code, asked.entry) and asked.continued_by(block):
        return asked.stub + block.code
    preamble = _preamble(asked.stub, asked.entry)
    helpers = helpers_for(code, others, preamble, asked.named) if others else ""
    return _after(preamble + helpers, code)


def _after(preamble: str, code: str) -> str:
    """A program behind what it may take for granted; what has to stand first in a file still
    does."""
    code = code.removeprefix("\ufeff")
    if not preamble or not (future := _FUTURE.findall(code)):
        return preamble + code
    return (
        "".join(line if line.endswith("\n") else f"{line}\n" for line in future)
        + preamble
        + _FUTURE.sub("", code)
    )


def _defines(text: str, entry: str) -> bool:
    name = re.escape(entry.partition(".")[0])
    pattern = (
        rf"^(?:async\s+def|def|class)\s+{name}\b|^{name}\s*(?::[^=\n]+)?=(?!=)"
        rf"|^(?:from|import)\s.*\b{name}\s*$"
    )
    return re.search(pattern, text, re.MULTILINE) is not None


def _preamble(stub: str, entry: str) -> str:
    """Return what a stub has before the function to write: imports and helpers that a whole answer
    may leave out."""
    if not stub or not entry:
        return stub
    try:
        body = tree(stub + "\n    pass\n").body
    except UNREADABLE:
        return ""
    name = entry.partition(".")[0]
    for node in body:
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and node.name == name
        ):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(stub.splitlines(keepends=True)[: first - 1])
    return ""
