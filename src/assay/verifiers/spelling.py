r"""One spelling of answers that differ in LaTeX dress only. Nothing is computed."""

import re
from typing import Final

__all__ = ["is_blank", "normalise", "squeezed"]

_REWRITES: Final = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"(?<!\\)\\[()\[\]]|\\?\$|`", ""),  # delimiters of mathematics, currency; but not a row's end, two backslashes
        (r"(?<!\\)\\[,!;:> ]|~|\\q?quad\b", " "),
        (r"(?<=[\w)}])\*\*(?=[\w({-])", "^"),
        (r"\{,\}", ","),
        (r"[−–]", "-"),
        (r"\\%", "%"),
        (r"\\(?:left|right|displaystyle)(?![A-Za-z])\s*", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"\\(?:mathrm|text)\s*(?:\{\s*e\s*\}|e\b)", "e"),
        (r"\\(?:mathrm|text)\s*(?:\{\s*i\s*\}|i\b)", "i"),
        (r"(?<![A-Za-z\\])(sqrt|pi|infty|alpha|beta|theta|sin|cos|tan|log|ln)(?![A-Za-z])", r"\\\1"),
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![A-Za-z\\])(?:infinity|inf)(?![A-Za-z])|∞", r"\\infty "),
        (r"π", r"\\pi "),
        (r"√\s*(?:\(([^()]*)\)|(\w))", r"\\sqrt{\1\2}"),
        (r"≤|<=", r"\\le "),
        (r"≥|>=", r"\\ge "),
        (r"[·⋅]", r"\\cdot "),
        (r"×", r"\\times "),
        (r"\s+", " "),
    )
)
_SPACE: Final = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])|(?<=\d) (?=[A-Za-z])|(?<=[A-Za-z]) (?=\d)")
_NOTHING: Final = re.compile(r"(?:there (?:is|are) )?no (?:real )?solutions?", re.IGNORECASE)
_PLAIN: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_WRAPPER: Final = re.compile(
    r"(?:\\(?:boxed|fbox|text|textbf|mathrm|mathbf|mbox))?\s*\{((?:[^{}\\]|\\.|\{[^{}]*\})*)\}"
)


def normalise(answer: str) -> str:
    r"""`$\dfrac12$.` and `\frac{1}{2}` become the same; a wrapper `\text{...}` around the whole is taken off."""
    text = answer.strip(" \t\r\n*_")
    if _PLAIN.fullmatch(text):
        return text
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    text = text.strip().rstrip(".").strip(" *_")
    while whole := _WRAPPER.fullmatch(text):
        text = whole.group(1).strip()
    return r"\emptyset" if _NOTHING.fullmatch(text) else text


def squeezed(answer: str) -> str:
    """The normalised answer without spaces, but for those between two digits or two letters: "5 6" is not 56."""
    return _SPACE.sub("", normalise(answer))


def is_blank(answer: str) -> bool:
    """Whether it holds neither a letter nor a digit, nor a symbol of LaTeX: no mathematics."""
    return not re.search(r"\w|\\[A-Za-z]|[∞∅π]", answer)
