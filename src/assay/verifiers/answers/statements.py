r"""What a text states behind each place that announces an answer.

A statement is read to the end of its sentence, without what only explains it: "because ...",
"(since ...)", "not 20". Mathematics in delimiters, on the line or on lines of its own, is read
whole, and so is what it is beside: "$2$ or $3$".
"""

import re
from typing import Final

from assay.verifiers.answers.announcements import VALUE, announcements
from assay.verifiers.answers.places import Doubt, Place, stripped

__all__ = ["MAX_ANSWER", "sentence_end", "statements"]

MAX_ANSWER: Final = 4096
"""Characters of a statement that are read."""

# Line ends, a label of code, a bullet on a new line, and marks of print before a statement.
_DRESS: Final = re.compile(
    r"(?:```\w*\n|\n[ \t]*(?:[-•]|\d{1,2}[.)])[ \t]+(?=\S)|[\s*_`:：\"“”'‘’「『«])*+"
)
# What most statements are: a plain number to the end of its sentence.
_PLAIN: Final = re.compile(r"[-−]?\$?\d++(?:,\d++)*+(?:\.\d++)?%?(?=\.?(?:\s*+\Z|\n)|\.[ ])")
_DISPLAY: Final = re.compile(
    r"\$\$(.*?)\$\$|\\\[(.*?)\\\]"
    r"|\\begin\{((?:equation|align|gather|multline|displaymath)\*?)\}(.*?)\\end\{\3\}",
    re.DOTALL,
)
_INLINE: Final = re.compile(r"\$([^$\n]+)\$(?!\d)|\\\(([^\n]*?)\\\)")
_SENTENCE: Final = re.compile(
    r"(?:[^.\n。]++|[.](?!\s|$|[A-Z][a-z])"
    r"|(?:(?<=Mr)|(?<=Mrs)|(?<=Ms)|(?<=Dr)|(?<=St)|(?<=Rs)|(?<=No)|(?<=approx)|(?<=ca)|(?<=vs)|(?<=e\.g)|(?<=i\.e))[.])*+"
)
_QUOTED: Final = re.compile(r"[^\"”」』»\n]*")
_QUOTES: Final = '"“「『«'

_EXPLANATION: Final = re.compile(
    r"[\s,;:(—–-]{1,4}(?:because|since|as(?![ ]follows)|which|where|whereas|given"
    r"|due[ ]to|so[ ]that|thanks[ ]to|owing[ ]to)\b"
    r"|,[ ](?:so|for|and[ ]so|and[ ](?:he|she|they|it|we|I|this|that))\b"
    rf"|[\s,;(]{{1,4}}(?:and[ ]|but[ ])?(?:not|never|rather[ ]than|instead[ ]of)[ ](?={VALUE})"
    r"|[\s,;.(—–-]{1,4}(?:no|oops|wait|sorry|i[ ]mean|or[ ]rather|actually|correction|scratch["
    r" ]that|hold[ ]on)"
    r"[ ]?[,.;:!…—–-]"
)
# Words that begin a remark which leaves a value what it is, where no number follows: "18 for the
# whole week".
_REMARK: Final = re.compile(
    r"[\s,;]{1,4}(?:\(|(?:for|in|on|at|of|by|when|if|from|with|after|before|here|there|now|altogether|overall|total|as"
    r"|respectively|too|then|again|exactly|only|left|remaining|is[ ](?:correct|right|the))\b)"
)
_SYMBOL: Final = re.compile(r"[\d$\\=^]")
_DOUBT: Final = r"(?:maybe|perhaps|possibly|either|not[ ]sure|unsure|might[ ]be|could[ ]be)"
_ALSO: Final = re.compile(
    r"(?:[ \t,;.(]*\b(?i:and/or|and|or|also|oder|und|ou|et|maybe|perhaps|possibly|versus|vs|to)\b"
    r"|[ \t]*[,;/&=+*<>≤≥^–-])"
    r"(?:[ ,](?i:and|or|maybe|perhaps|possibly|probably|even|also|about|it|is|else)\b){0,3}["
    rf" \t,(]*{VALUE}"
)
_DOUBTFUL: Final = re.compile(
    rf"[\s,;(]{{1,4}}{_DOUBT}[ ,]{{1,2}}(?:even[ ]|it[ ]is[ ]|it's[ ])?(?={VALUE})"
    rf"|[\s,;(]{{1,4}}or[ ,]{{1,2}}{_DOUBT}\b|\([ ]?or[ ](?={VALUE})"
)
_NEXT_DISPLAY: Final = re.compile(r"\s*(?:and|or|,|;)\s*")
_TRAILING: Final = ' \t\r\n*_`"”’」』»,;:'


def statements(text: str) -> list[Place]:
    """Return what a text states, in order; the last counts."""
    places = announcements(text)
    found: list[Place] = []
    for number, place in enumerate(places):
        following = places[number + 1].start if number + 1 < len(places) else len(text)
        limit = min(following, place.end + MAX_ANSWER)
        if place.kind == "withdraws":
            found = _withdrawn(found)
        elif place.tag:
            end = text.find("</answer>", place.end, place.end + MAX_ANSWER)
            found += _enclosed(text, place.end, limit if end < 0 else min(end, following))
        elif statement := _stated(text, place.end, _before_closing(text, place.end, limit)):
            if place.kind == "says":
                found.append(statement)
            elif found and _text(text, found[-1]) == _text(text, statement):
                found = _withdrawn(found)
    return found


def _before_closing(text: str, start: int, limit: int) -> int:
    """Return where a tag ends in which the announcement stands; the limit where there is none."""
    end = text.find("</answer>", start, limit)
    return limit if end < 0 else end


def sentence_end(text: str, start: int, limit: int) -> int:
    """Return where the sentence that begins at `start` ends."""
    sentence = _SENTENCE.match(text, start, limit)
    return sentence.end() if sentence else start


def _withdrawn(found: list[Place]) -> list[Place]:
    return [*found[:-1], found[-1]._replace(doubt="withdrawn")] if found else found


def _text(text: str, statement: Place) -> str:
    return text[statement.start : statement.end].strip(" $*_().")


def _stated(text: str, start: int, limit: int) -> Place | None:
    """Return what is stated from `start` on."""
    dress = _DRESS.match(text, start, limit)
    start = dress.end() if dress else start
    if start >= limit:
        return None
    if plain := _PLAIN.match(text, start, limit):
        return Place(start, plain.end())
    if display := _DISPLAY.match(text, start, limit):
        also = _NEXT_DISPLAY.match(text, display.end(), limit)
        other = _DISPLAY.match(text, also.end(), limit) if also else None
        if other:
            return Place(start, other.end())
        return _beside(text, start, _inner(text, display), display.end(), limit)
    line_end = text.find("\n", start, limit)
    if inline := _INLINE.match(text, start, limit if line_end < 0 else line_end):
        return _beside(text, start, _inner(text, inline), inline.end(), limit)
    end = sentence_end(text, start, limit)
    if (
        text[start - 1] in _QUOTES
        and (quoted := _QUOTED.match(text, start, end))
        and quoted.end() < end
    ):
        end = quoted.end()
    return _cut(text, start, end)


def _inner(text: str, delimited: re.Match[str]) -> tuple[int, int]:
    """The place of what stands between delimiters."""
    group = next(
        number
        for number in (1, 2, 4)
        if number <= delimited.re.groups and delimited[number] is not None
    )
    start, end = delimited.span(group)
    inside = text[start:end]
    kept = inside.strip(" \t\r\n.,;")
    start += len(inside) - len(inside.lstrip(" \t\r\n.,;")) if kept else 0
    return start, start + len(kept)


def _beside(text: str, start: int, inner: tuple[int, int], end: int, limit: int) -> Place:
    """Return what mathematics in delimiters states with what stands behind it in its sentence."""
    stop = sentence_end(text, end, limit)
    tail = text[end:stop]
    alone = (
        not tail.strip(' \t.,;:!?…*_`"”’)')
        or _EXPLANATION.match(tail)
        or _remark(text, end, stop) == end
    )
    if not alone or _ALSO.match(tail):
        return _cut(text, start, stop) or Place(*inner)
    return Place(*inner)


def _cut(text: str, start: int, end: int) -> Place | None:
    """The sentence without its explanation, and without a remark behind a value."""
    if explanation := _EXPLANATION.search(text, start + 1, end):
        end = explanation.start()
    doubt: Doubt = "several" if _DOUBTFUL.search(text, start, end) else ""
    if not doubt and re.match(VALUE, text[start : start + 20]):
        end = _remark(text, start, end)
    end = start + len(text[start:end].rstrip(_TRAILING + ("'" if text[start - 1] == "'" else "")))
    return Place(start, end, doubt) if start < end else None


def _remark(text: str, start: int, end: int) -> int:
    """Return where a remark begins that no number follows; the end where there is none."""
    symbols = [match.end() for match in _SYMBOL.finditer(text, start, end)]
    remark = _REMARK.search(text, symbols[-1] if symbols else start, end)
    return remark.start() if remark else end


def _enclosed(text: str, start: int, end: int) -> list[Place]:
    """Return what stands in a tag: a statement on one line, or the whole of several lines."""
    start, end = stripped(text, start, end)
    statement = _stated(text, start, end)
    if statement is None or "\n" not in text[statement.end : end]:
        return [statement] if statement else []
    return [Place(*stripped(text, start, end, _TRAILING + "."))]
