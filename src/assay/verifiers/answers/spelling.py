r"""One spelling of answers that differ in LaTeX dress only. Nothing is computed."""

import re
from typing import Final

from assay.verifiers.answers.characters import as_latex

__all__ = ["is_blank", "normalise", "squeezed", "tight"]

MAX_LENGTH: Final = 8192
"""Characters; a longer text is left as it is."""

_FUNCTIONS: Final = "sqrt|pi|infty|alpha|beta|theta|sinh|cosh|tanh|arcsin|arccos|arctan|sin|cos|tan|cot|csc|log|ln|exp|gcd|lcm"  # noqa: E501
_REWRITES: Final = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\s+", " "),
        (r"^(?:minus|negative) (?=[\d.\\$])", "-"),
        # delimiters of mathematics; but not a row's end, which is two backslashes
        (r"(?<!\\)\\[()\[\]]|`", ""),
        (r"(?<=\d)(?:,\\!|\\,)\s*(?=\d{3}(?!\d))", ""),  # only a thousands mark is written so
        (r"\\!", ""),
        (r"(?<!\\)\\(?:[,;:> ]|$)|~|\\q?quad\b", " "),
        (r"(?<=[\w)}])\*\*(?=[\w({-])", "^"),
        (r"\{,\}", ","),
        (r"\\%", "%"),
        (r"\.{3,}|\\(?:ldots|cdots|dotsc|dotsb|dots)(?![A-Za-z])", r"\\dots "),
        (
            r"\\(?:left|right|bigl?|bigr|Bigl?|Bigr|biggl?|biggr|mathopen|mathclose)(?![A-Za-z])\s*",
            "",
        ),
        (
            r"\\(?:displaystyle|textstyle|large|Large|LARGE|huge|Huge|small|normalsize|bf|it|rm)(?![A-Za-z])\s*",
            "",
        ),
        (r"\\(?:bm|boldsymbol|mathbf|pmb|mathit|mathsf)(?![A-Za-z])", ""),
        (r"\\(?:text)?color\s*\{[^{}]*\}|\\(?:underline|ensuremath)(?=\s*\{)", ""),
        (r"\\[hv]space\*?\s*\{[^{}]*\}", " "),
        (r"\\[hv]?phantom\s*\{(?:[^{}]|\{[^{}]*\})*\}", ""),  # what is not printed
        (
            r"\\(?:textbf|textit|textrm|textnormal|textsf|texttt|textup|textsl|emph|mathrm|mbox|hbox|operatorname)"
            r"\*?(?=\s*\{)",
            r"\\text",
        ),
        (r"\\(mathbb|text|mathrm)\s+([A-Za-z])(?![A-Za-z])", r"\\\1{\2}"),
        (r"\\text\s*\{[\s,;]*\b(and|or|to)\b([^{}]*)\}", r" \1 \2 "),
        (r"\\(?:[dtc]|s)frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"\\frac\s*\{([^{}]*)\}\s*(\d)", r"\\frac{\1}{\2}"),
        (rf"\\text\s*\{{\s*({_FUNCTIONS})\s*\}}", r"\\\1 "),
        # m² in text, which is m^{2} by now; m² s^{-2} holds two
        *2 * ((r"(\\text\s*\{[^{}]*)\^\{(-?\d)\}", r"\1^\2"),),
        (r"\\(?:mathrm|text)\s*(?:\{\s*e\s*\}|e\b)", "e"),
        (r"\\(?:mathrm|text)\s*(?:\{\s*i\s*\}|i\b)", "i"),
        (rf"(?<![A-Za-z\\])({_FUNCTIONS})(?![A-Za-z])", r"\\\1"),
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![A-Za-z\\])(?:infinity|inf)(?![A-Za-z])", r"\\infty "),
        (r"<=|\\(?:leq|leqslant|leqq)(?![A-Za-z])", r"\\le "),
        (r">=|\\(?:geq|geqslant|geqq)(?![A-Za-z])", r"\\ge "),
        (r"!=|\\neq(?![A-Za-z])", r"\\ne "),
        (r"\\varnothing(?![A-Za-z])|^\s*\\\{\s*\\\}\s*$", r"\\emptyset "),
        (r"\\degree(?![A-Za-z])|\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))", r"^{\\circ}"),
        (r"\\(begin|end)\s*\{smallmatrix\}", r"\\\1{matrix}"),
        (r"\\(?:lvert|rvert|vert)(?![A-Za-z])", "|"),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\colon(?![A-Za-z])", ":"),
        # "is", at the end of a sentence in Japanese and Korean
        (r"(?<=[!-~])\s*(?:です|である|だ|입니다|이다|이에요|예요)[。.]?\s*$", ""),
        # the end of a proof
        (r"(?<=\S)\s*\\(?:blacksquare|square|qed|Box)(?![A-Za-z])\s*\.?\s*$", ""),
        (r"\s+", " "),
    )
)
_SPACE: Final = re.compile(
    r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])|(?<=\d) (?=[A-Za-z])|(?<=[A-Za-z]) (?=\d)"
)
_PLAIN: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_WRAPPER: Final = re.compile(r"(?:\\(?:boxed|fbox|text))?\s*\{((?:[^{}\\]|\\.|\{[^{}]*\})*)\}")
_SYSTEM: Final = re.compile(
    r"(?:\\\{ ?)?\\begin ?\{(cases|array|aligned)\} ?(?:\{[lcr| ]*\})?"
    r"(?P<rows>(?:(?!\\begin|\\end).)*)\\end ?\{\1\}(?: ?\.)?"
)
"""A system of equations, written in rows."""
_ROW_END: Final = re.compile(r"\\\\(?:\[[^\]]*\])?")
_OPEN_ENDS: Final = re.compile(r"([^\[\]]*)([\[\]])([^\[\](),;]+)[,;]([^\[\](),;]+)([\[\])])")
_DOLLAR: Final = re.compile(r"(?<!\\)\$")
_QUOTES: Final = frozenset('"“”„«»')
_END: Final = " *_.,;:"


def normalise(answer: str) -> str:
    r"""`$\dfrac12$.` and `\frac{1}{2}` become the same; a wrapper `\text{...}` around the whole is
    taken off."""
    text = _unquoted(answer.strip(" \t\r\n*_"))
    if _PLAIN.fullmatch(text) or len(text) > MAX_LENGTH:
        return text
    text = _without_dollars(as_latex(text))
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    text = text.strip().rstrip(_END).strip(" *_")
    if system := _SYSTEM.fullmatch(text):
        rows = [
            row.strip(" ,;.").replace("&", "") for row in _ROW_END.split(system["rows"].strip())
        ]
        rows = rows if rows[-1] else rows[:-1]
        if all(row.count("=") == 1 for row in rows):
            text = ", ".join(rows)
    while whole := _WRAPPER.fullmatch(text):
        text = _unquoted(whole.group(1).strip().rstrip(_END))
    return _round_ends(text) if "]" in text or "[" in text else text


def _round_ends(text: str) -> str:
    r"""Intervals whose open ends turn their brackets outwards, ]0, 1] and [0, 1[, as (0, 1] and [0,
    1)."""
    parts = re.split(r"(\\cup|\\cap|\\setminus)(?![A-Za-z])", text)
    found = [_OPEN_ENDS.fullmatch(part.strip()) for part in parts[::2]]
    ends = [(match[2], match[5]) for match in found if match]
    if len(ends) < len(found) or not any(start == "]" or end == "[" for start, end in ends):
        return text
    for place, match in enumerate(found):
        if match:
            start, end = "(" if match[2] == "]" else "[", ")" if match[5] == "[" else match[5]
            parts[2 * place] = f"{match[1]}{start}{match[3]},{match[4]}{end}"
    return "".join(parts)


def _unquoted(text: str) -> str:
    return (
        text[1:-1].strip() if len(text) > 2 and text[0] in _QUOTES and text[-1] in _QUOTES else text
    )


def squeezed(answer: str) -> str:
    """The normalised answer without spaces, but for those between two digits or two letters: "5 6"
    is not 56."""
    return tight(normalise(answer))


def tight(text: str) -> str:
    """A text that is normalised already without the spaces that do not matter."""
    return _SPACE.sub("", text) if " " in text else text


def is_blank(answer: str) -> bool:
    """Return whether it holds neither a letter nor a digit, nor a symbol of LaTeX: no
    mathematics."""
    return not re.search(r"\w|\\[A-Za-z]|[∞∅π]", answer)


def _without_dollars(text: str) -> str:
    r"""Without the signs that open and close mathematics; a lone one is money, and becomes `\$`."""
    count = len(_DOLLAR.findall(text))
    return _DOLLAR.sub("" if count % 2 == 0 else r"\\$", text) if count else text
