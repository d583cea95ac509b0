r"""Where a response states its final answer: extraction policies as pure functions of the text.

Each takes the text and returns what was written at the last such place, or None. They run in linear time, whatever the
text, and evaluate nothing. `find` tries them in order and says which one answered:

* `boxed`        the last complete `\boxed{...}`, by matching braces; one that is never closed does not count
* `hashes`       the last `#### x` (GSM8K, arXiv:2110.14168)
* `phrase`       the last "the answer is x", "Answer: x" or line "A: x"
* `last_number`  the last number in the text: for numeric answers alone, because in algebra it is a guess

The first policy that finds something decides. A later, weaker one is not asked because the answer "looks wrong": that
would search the text for the reference.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["NUMBER", "POLICIES", "Found", "Policy", "boxed", "find", "hashes", "last_number", "normalise", "phrase"]

Policy = Literal["boxed", "hashes", "phrase", "last_number"]

_BRACE: Final = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_HASHES: Final = re.compile(r"####[ \t]*([^\n]*)")
_PHRASE: Final = re.compile(
    r"\banswer\b[*_]{0,2}[ \t]*(?:is|:|=)[*_]{0,2}[ \t]*:?|^[ \t]*A:", re.IGNORECASE | re.MULTILINE
)
_SENTENCE_END: Final = re.compile(r"[.](?=\s|$)")
_INLINE: Final = re.compile(r"\$([^$]+)\$(?!\d)|\\\((.*?)\\\)")

_UNSIGNED: Final = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
NUMBER: Final = re.compile(
    rf"""(?:(?<![\w)}}\]])[-−])?                    # a sign, but not the minus of "16 - 3" or "16-3"
    (?:\\?\$-?)?
    (?:\\[dt]?frac\{{-?\d+\}}\{{\d+\}}
      |\d+[ ]\d+/\d+(?![\d/])                      # 1 1/2
      |(?:{_UNSIGNED})/\d+(?![\d/])                # 3/4, but not the date 3/4/25
      |(?:{_UNSIGNED})(?:[eE][-+]?\d+(?!\w))?)
    (?:[ ]?\\?%)?""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Found:
    """A final answer and the policy that found it."""

    text: str
    policy: Policy


def find(text: str, policies: Iterable[Policy]) -> Found | None:
    """What the first policy that finds anything finds; None when the text states no answer."""
    for policy in policies:
        if (answer := POLICIES[policy](text)) is not None:
            return Found(answer, policy)
    return None


def boxed(text: str) -> str | None:
    r"""The contents of the last complete `\boxed{...}`; braces written `\{` and `\}` are characters, not brackets."""
    starts: list[tuple[bool, int]] = []
    found = None
    for token in _BRACE.finditer(text):
        match token.group():
            case "{":
                starts.append((False, token.end()))
            case "}":
                if starts:
                    is_box, start = starts.pop()
                    found = (start, token.start()) if is_box else found
            case word if word.endswith("{") and len(word) > 2:
                starts.append((True, token.end()))
            case _:
                continue
    return text[slice(*found)].strip() if found else None


def hashes(text: str) -> str | None:
    """What follows the last `####`, unless it is a heading of words such as "#### Step 2"."""
    for match in reversed(list(_HASHES.finditer(text))):
        answer = match.group(1).strip()
        if answer and not answer[:2].isalpha() and not re.match(r"\d+[.)]\s", answer):
            return answer
    return None


def phrase(text: str) -> str | None:
    """What follows the last "answer is", "answer:" or line-starting "A:", up to the end of its sentence."""
    for match in reversed(list(_PHRASE.finditer(text))):
        rest = text[match.end() : match.end() + 4096].lstrip(" \t\r\n*_`:").split("\n", 1)[0]
        if inline := _INLINE.match(rest):
            return (inline.group(1) or inline.group(2)).strip()
        if answer := _SENTENCE_END.split(rest, maxsplit=1)[0].strip(" \t*_`"):
            return answer
    return None


def last_number(text: str) -> str | None:
    """The last number written in digits; the minus of a difference such as "16 - 3" is not a sign."""
    last = None
    for last in NUMBER.finditer(text):  # noqa: B007
        pass
    return last.group() if last else None


POLICIES: Final[Mapping[Policy, Callable[[str], str | None]]] = {
    "boxed": boxed,
    "hashes": hashes,
    "phrase": phrase,
    "last_number": last_number,
}

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
        (r"\\sqrt\s*(\w)", r"\\sqrt{\1}"),
        (r"\s+", " "),
    )
)
_WRAPPER: Final = re.compile(
    r"(?:\\(?:boxed|fbox|text|textbf|mathrm|mathbf|mbox))?\s*\{((?:[^{}\\]|\\.|\{[^{}]*\})*)\}"
)


def normalise(answer: str) -> str:
    r"""One spelling of answers that differ in LaTeX dress only.

    `$\dfrac12$.` and `\frac{1}{2}` become the same; a wrapper such as `\text{...}` around the whole is taken off.
    Nothing is computed.
    """
    text = answer.strip(" \t\r\n*_")
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    text = text.strip().rstrip(".").strip(" *_")
    while whole := _WRAPPER.fullmatch(text):
        text = whole.group(1).strip()
    return text
