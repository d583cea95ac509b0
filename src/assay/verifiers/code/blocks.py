"""Fenced blocks of a Markdown text, as a reader of Python sees them
(https://spec.commonmark.org/0.31.2/#fenced-code-blocks).

Where a chat departs from the standard, a block is what was meant by it: one in a list or a
quotation is taken out of it, a fence inside a string of a program does not end the program, one
behind a word opens a block all the same, and a new block of Python ends the one before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from assay.syntax import UNREADABLE, tree

__all__ = ["Block", "blocks", "dedented", "parses"]

_OPENS: Final = re.compile(r"^([^\n`~]*+)(`{3,}+|~{3,}+)[ \t]*+([^\n`]*+)$", re.MULTILINE)
_CLOSES: Final = re.compile(r"^([ \t>]*+)(`{3,}+|~{3,}+)[ \t]*+([^\n`]*+)$", re.MULTILINE)
# A fence where it can be one: the strings and the comments of a program go by in one piece.
_LEXED: Final = re.compile(
    r"""
      ^(?P<before>[ \t>]*+) (?P<marks>`{3,}+|~{3,}+) [ \t]*+ (?P<info>[^\n`]*+) $
    | \"{3} (?: [^"\\] | \\. | "(?!"") )*+ \"{3}
    | '{3} (?: [^'\\] | \\. | '(?!'') )*+ '{3}
    | " (?: [^"\\\n] | \\. )*+ "
    | ' (?: [^'\\\n] | \\. )*+ '
    | \# [^\n]*+
    """,
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_AROUND: Final = re.compile(r"\ufeff?[ \t]*(?:(?:>|[-*+]|[0-9]{1,9}[.)])[ \t]*)*")
_QUOTES: Final = re.compile(r"[ \t]*(?:>[ \t]?)*")
_LABEL: Final = re.compile(r"[{.\s]*([\w+#-]*)")
_PYTHON: Final = re.compile(r"i?py(?:thon)?[23]?|pypy3?")
_MARKDOWN: Final = ("markdown", "md")
_CODE_INDENT: Final = 4
"""A fence that is indented by as much more than the block is part of what the block holds."""
TAB: Final = 4
MAX_PARSED: Final = 400_000


@dataclass(frozen=True)
class Block:
    """What a fenced block holds."""

    language: str
    """python for any way of writing it, "" for none, else as it is written, in small letters."""
    code: str
    """The lines, without what marks the list or the quotation that they are in."""
    span: tuple[int, int]
    """Where the lines are in the text, in characters."""
    closed: bool
    """Whether its end is marked; else it runs to the end of the text."""


def blocks(text: str, start: int = 0) -> Iterator[Block]:
    """The blocks of a text, from a place in it on, in order."""
    while opening := _next_opening(text, start):
        before, marks, info = opening.groups()
        language = _language(info)
        inside = min(opening.end() + 1, len(text))
        quoted, indent = _container(before)
        end, start, closed = _end(text, inside, marks, indent, language)
        if language in _MARKDOWN:  # an answer that is fenced as a whole
            start = inside
            continue
        yield Block(language, _taken_out(text[inside:end], quoted, indent), (inside, end), closed)


def parses(code: str) -> bool:
    """Return whether it is Python, of a length that is looked at."""
    if len(code) > MAX_PARSED:
        return False
    try:
        tree(code)
    except UNREADABLE:
        return False
    return True


def dedented(code: str) -> str:
    """Lines without the indentation that the first has, where all have it; else as they are."""
    margin = re.match(r"(?:[ \t\r]*\n)*([ \t]*)", code)
    if margin is None or not margin[1]:
        return code
    lines = code.split("\n")
    if not all(line.startswith(margin[1]) or not line.strip() for line in lines):
        return code
    return "\n".join(line.removeprefix(margin[1]) for line in lines)


def _next_opening(text: str, start: int) -> re.Match[str] | None:
    for found in _OPENS.finditer(text, start):
        before, _, info = found.groups()
        if _AROUND.fullmatch(before) or _language(info) == "python":
            return found
    return None


def _language(info: str) -> str:
    label = _LABEL.match(info)
    word = label[1].lower() if label else ""
    is_python = _PYTHON.fullmatch(word) or re.match(r"\S+\.py\b", info)
    return "python" if is_python else word


def _container(before: str) -> tuple[int, int]:
    """Return how deep a fence is quoted, and the columns that it is indented by."""
    if not _AROUND.fullmatch(before):
        return 0, 0
    before = before.removeprefix("\ufeff")
    quotes = _QUOTES.match(before)
    inner = before[quotes.end() :] if quotes and ">" in quotes[0] else before
    return before.count(">"), len(inner.expandtabs(TAB))


def _end(text: str, inside: int, marks: str, indent: int, language: str) -> tuple[int, int, bool]:
    """Return where a block's lines end, where the text goes on, and whether the end is marked."""
    first = _closing(_CLOSES.finditer(text, inside), marks, indent)
    found = first
    if first and language in ("python", ""):
        found = _closing(
            (each for each in _LEXED.finditer(text, inside) if each["marks"]), marks, indent
        )
        if found is None or (
            found.start() != first.start() and not parses(dedented(text[inside : found.start()]))
        ):
            found = first
    if found is not None:
        goes_on = found.start() if _language(found.groups()[2]) == "python" else found.end()
        return found.start(), goes_on, True
    glued = re.compile(rf"{marks}+[ \t\r]*$", re.MULTILINE).search(text, inside)
    return (glued.start(), glued.end(), True) if glued else (len(text), len(text), False)


def _closing(fences: Iterator[re.Match[str]], marks: str, indent: int) -> re.Match[str] | None:
    """The first fence that ends a block: one as long, that says nothing, or one that begins a block
    of Python."""
    for fence in fences:
        before, closing, info = fence.groups()[:3]
        _, further = _container(before)
        if closing[0] != marks[0] or len(closing) < len(marks) or further >= indent + _CODE_INDENT:
            continue
        if not re.match(r"[\w{]", info) or _language(info) == "python":
            return fence
    return None


def _taken_out(lines: str, quoted: int, indent: int) -> str:
    """Lines without the marks of the quotation and the indentation of the list that they are in."""
    if not quoted and not indent:
        return lines
    quotes = re.compile(rf"[ \t]*(?:>[ \t]?){{0,{quoted}}}" if quoted else "")
    return "\n".join(
        _outdented(quotes.sub("", line, count=1), indent) for line in lines.split("\n")
    )


def _outdented(line: str, columns: int) -> str:
    """A line without so many columns of white space, or without as many as it has."""
    width = taken = 0
    while width < columns and taken < len(line) and line[taken] in " \t":
        width += 1 if line[taken] == " " else TAB - width % TAB
        taken += 1
    return line[taken:]
