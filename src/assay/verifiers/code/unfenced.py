"""A program that stands in a text without fences: the prose before and after it is left out.

What is left out has to look like prose. A program that breaks off or does not parse stays as it is,
and fails.
"""

import ast
import re
from collections.abc import Callable
from itertools import islice
from typing import Final

from assay.syntax import tree
from assay.verifiers.code.blocks import parses

__all__ = ["longest_program", "without_prose"]

MAX_TEXT: Final = 100_000
"""Longest text that is looked through."""
MAX_BEGINNINGS: Final = 20
MAX_CUTS: Final = 10
MAX_PARSED: Final = 400_000
"""Characters that are parsed of one text, over all attempts."""
_CODE: Final = re.compile(
    r"""^[ \t]*(?: (?:async[ \t]+)?(?:def|class|for|while|with)\b | (?:import|from|if|try|elif|else|except|return)\b
        | @\w | [\w.\[\]]+(?:[ \t]*,[ \t]*[\w.\[\]]+)*[ \t]*[-+*/%|&^]?=(?!=) | [\w.]+\( | \#!? | ["'] | [)\]}] )""",  # noqa: E501
    re.MULTILINE | re.VERBOSE,
)


def without_prose(text: str, start: int, wanted: Callable[[str], bool]) -> tuple[int, int, str]:
    """The first part of a text that is Python and is wanted, and where it is; the whole text where
    there is none."""
    whole = start, len(text), text[start:]
    if len(text) > MAX_TEXT:
        return whole
    left = MAX_PARSED
    for beginning in islice(_CODE.finditer(text, start), MAX_BEGINNINGS):
        at = beginning.start()
        part = _as_indented(text[at:])
        code, parsed = _longest(part)
        if code and wanted(code):
            return at, at + len(part), code
        left -= parsed
        if left < 0:
            break
    return whole


def longest_program(code: str, least: int) -> str:
    """A program without the prose that follows it, where that leaves more than `least` characters;
    else as it is."""
    if parses(code):
        return code
    kept, _ = _longest(code) if len(code) <= MAX_TEXT else ("", 0)
    return kept if len(kept.rstrip()) > least else code


def _as_indented(text: str) -> str:
    """The lines from the first on that are indented as far as it is, without that indentation."""
    margin = text[: len(text) - len(text.lstrip(" \t"))]
    if not margin:
        return text
    lines = text.split("\n")
    end = next(
        (i for i, line in enumerate(lines) if line.strip() and not line.startswith(margin)),
        len(lines),
    )
    return "\n".join(line.removeprefix(margin) for line in lines[:end])


def _longest(text: str) -> tuple[str, int]:
    """The text up to prose that follows a program, "" where it is none, and how many characters
    were parsed."""
    lines = text.splitlines(keepends=True)
    count, parsed = len(lines), 0
    for _ in range(MAX_CUTS):
        part = "".join(lines[:count])
        parsed += len(part)
        try:
            module = tree(part)
        except SyntaxError as error:
            at = min(error.lineno or count, count) - 1
            if at < 1 or _CODE.match(lines[at]) or lines[at][0] in " \t":
                return "", parsed
            count = at
        except (ValueError, RecursionError, MemoryError):
            return "", parsed
        else:
            return "".join(lines[: _end_of_code(module)]), parsed
    return "", parsed


def _end_of_code(module: ast.Module) -> int:
    """The line that the code before prose ends at: a word alone, or one with a colon, is prose that
    parses."""
    for node in reversed(module.body):
        alone = isinstance(node, ast.Expr) and isinstance(node.value, (ast.Name, ast.Attribute))
        if not alone and not (isinstance(node, ast.AnnAssign) and node.value is None):
            return node.end_lineno or 0
    return 0
