r"""Letters of a multiple choice, with or without what stands behind them: `\textbf{(C) }12`,
"Option A", "(B)"."""

import re
from typing import Final

__all__ = ["choice", "letter"]

_ALONE: Final = re.compile(r"\(?\s*(?:\\text\s*\{)?\(?([A-Za-z])\)?\}?\s*\)?\.?")
_NAMED: Final = re.compile(r"(?:option|choice|answer)\s*:?\s*\(?([A-Za-z])\)?", re.IGNORECASE)
_MARKED: Final = re.compile(r"\\text\s*\{\s*\(?([A-J])[).:]?\s*\}\s*[).:]?\s*([^\s,;].*)")
_PARENTHESES: Final = re.compile(r"\(([A-J])\)\s*([^\s,;+=^*/(_-].*)")
_MORE: Final = re.compile(r"(?:or|and)\b")
_POINT: Final = re.compile(r"([A-J])[.):]\s+(\S.*)")


def letter(text: str) -> str | None:
    """The letter of a normalised text that is one, "(B)" or "Option B"."""
    match = _ALONE.fullmatch(text) or _NAMED.fullmatch(text)
    return match[1] if match else None


def choice(text: str) -> tuple[str, str] | None:
    """The letter of a choice and what stands behind it; None where there is not both."""
    match = _MARKED.fullmatch(text) or _PARENTHESES.fullmatch(text) or _POINT.fullmatch(text)
    return (match[1], match[2]) if match and not _MORE.match(match[2]) else None
