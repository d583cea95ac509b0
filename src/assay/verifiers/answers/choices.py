r"""Letters of a multiple choice: where a text says which one it takes.

Of the places that hold a letter the strongest kind decides: boxes; announcements ("the answer is
B", "choose B", "B is correct"); a whole text or last line that is nothing but a letter; "option B";
a last line "B) because"; a letter in parentheses. "B or C" is one place with two letters.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from assay.verifiers.answers.announcements import announcements
from assay.verifiers.answers.boxes import boxes
from assay.verifiers.answers.places import Doubt, Place, is_denied

__all__ = ["choices", "letters"]

MAX_PLACES: Final = 64
"""Places of a kind that are looked at, from the last."""
REACH: Final = 200
"""Characters behind an announcement in which its letters stand."""

# What may stand around a letter: print, brackets, a macro of LaTeX, "option".
_OPEN: Final = re.compile(
    r"(?:[\s*_:：`$({\[<\"“'‘「『【（]|\\(?:text|textbf|mathrm|mathbf|boxed|fbox)\b|\\[(\[,; ]"
    r"|(?i:option|choice|letter|both|either|simply|just|therefore|clearly)\b|选项){0,20}+"
)
_LETTER: Final = re.compile(r"[A-Za-zＡ-Ｚａ-ｚ](?![A-Za-z0-9_]|['’][A-Za-z])")
_CLOSE: Final = re.compile(r"(?:[ ]?[)\]}*_`$\"”'’」』】）>]|\\[)\],; ]){0,9}+")
_JOIN: Final = re.compile(
    r"[\s.]{0,2}(?:[,;(]\s?)?(?:\\(?:text|mathrm)\{\s?)?"
    r"(?:(?P<or>/|或|\b(?i:and/or|or|vs\.?|versus|oder|ou|или|lub|eller"
    r"|maybe|perhaps|possibly)\b|\bo\b|または|또는)"
    r"|\b(?i:and|und|et|as[ ]well[ ]as|и|och)\b|\b[yei](?=[ ][A-Z])|&|\+|和|与|及"
    r"|(?<=[A-Z] )(?=[A-Z][.)]?\s*\Z))"
    r"(?:[\s,]{1,2}(?i:maybe|perhaps|possibly|even|also"
    r"|(?:it[ ])?(?:is|(?:might|may|could)[ ]be))\b)?(?:\s?\})?|\s?[,，、;?]\s?"
)
# Behind a bare letter that is no word: an end, punctuation, or a word that no article has behind
# it.
_ENDS: Final = re.compile(r"[ \t]*(?:\Z|\n|[.,;:!?)…。，、；：！（]|[-–—]\s|</)")
_NO_NOUN: Final = re.compile(
    r"[ \t]+(?:[A-Z0-9(\"“\\$]|(?:because|since|as|which|or|and|is|was|given)\b)|[^\x00-\x7f]"
)
# Not "B (because it is larger)", whose remark is no argument. A minus at the end is of a grade.
_MATHEMATICS: Final = re.compile(
    r"(?!</)[ \t]*[=^<>*+|{\[′]|\(|[ \t]+\((?=[\w-]{1,2}[),])|-(?:\w|\s*(?:\Z|[.,;\n]))"
)
_ASIDE: Final = re.compile(r"[ ]\([^()\n]{2,80}\)")
_SINGULAR: Final = re.compile(
    r"[ \t]+(?:is|was|has|does|would|cannot|can['’]t|isn['’]t|being|looks|seems|fails)\b"
)
_LABEL: Final = re.compile(r"(?<!\()[a-h]\)(?:[ ]|\Z)")

_CHOOSES: Final = re.compile(
    r"\b(?i:choose|chose|pick|picked|select|selected|choosing|picking|selecting|go(?:ing)?\s+with|opt\s+for"
    r"|(?:option|choice|letter)[*_]{0,2}\s?(?:is|=|:))(?=[\s*_(:\[\"“$])|(?:故选|应选|选择|选)[:：]?"
)
# "B is the answer", "(B) is correct".
_SUBJECT: Final = re.compile(
    r"(?<![A-Za-z0-9_'’])(?P<letter>[A-Z])[)\]*_\"”]{0,4}[ ](?:is|was|must[ ]be|should["
    r" ]be)(?P<no>n['’]t|[ ]not)?"
    r"(?:[ ](?i:the|clearly|therefore|indeed)){0,3}(?:[ ](?i:final|correct|right|best|true|most["
    r" ]\w{1,20})){0,3}"
    r"[ ](?i:answer|choice|option|correct|right|best)\b"
)
_NAMED: Final = re.compile(r"\b(?i:answer|option|choice)\b[*_]{0,2}")
_LINE: Final = re.compile(
    r"[\s*_]*([A-Z])(?:[.):](?:[\s*].*)?|[ ]\((?=[A-Za-z]{2})(?!and|or|maybe|perhaps|possibly)"
    r"[^()\n]{2,80}\)[.]?)"
)
_PARENTHESES: Final = re.compile(r"(?<!\w)\((?=[A-Ja-j]\)(?!\w))")
_BLANK: Final = " \t\r\n*_.:;,!$)}]>`\\\"'”’。"


class _Letter(NamedTuple):
    start: int
    end: int
    closed: int
    """Where what encloses it ends."""


def letters(text: str) -> frozenset[str]:
    """The letters that a place found by `choices` names."""
    plain = unicodedata.normalize("NFKC", text)
    return frozenset(
        letter.upper() for letter in re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z'’])", plain)
    )


def choices(text: str) -> list[Place]:
    """The letters in the strongest of the places that hold any."""
    for kind in (_boxed, _announced, _whole, _named, _last_line, _in_parentheses):
        if found := kind(text):
            return found
    return []


def _boxed(text: str) -> list[Place]:
    found = []
    for box in boxes(text):
        inside = text[box.start : box.end] if box.text is None else box.text
        if box.text is not None and re.fullmatch(r"(?:[A-Za-z](?:, | or |\Z))+", inside):
            found.append(box)
        elif box.text is None and re.fullmatch(r"[A-H]{2,6}", inside):
            found.append(box._replace(text=", ".join(inside)))
        elif box.text is None and (place := _read(text, box.start, box.end)):
            found.append(place)
    return found


def _announced(text: str) -> list[Place]:
    """Return what is announced, without what is denied; what is taken back is marked so."""
    found: list[Place] = []
    for _, kind, place in sorted(_announcements(text), key=lambda mark: mark[0]):
        withdrawn = kind == "withdraws" or (kind == "denies" and place is not None)
        if not withdrawn and place is not None:
            found.append(place)
        elif withdrawn and found:
            last = found[-1]
            if place is None or letters(text[place.start : place.end]) == letters(
                text[last.start : last.end]
            ):
                found[-1] = last._replace(doubt="withdrawn")
    return found


def _announcements(text: str) -> Iterator[tuple[int, str, Place | None]]:
    """Start, kind and letters of what announces a letter."""
    for mark in announcements(text):
        place = (
            _read(text, mark.end, min(len(text), mark.end + REACH))
            if mark.kind != "withdraws"
            else None
        )
        if place or mark.kind == "withdraws":
            yield mark.start, mark.kind, place
    for match in list(_CHOOSES.finditer(text))[-MAX_PLACES:]:
        place = _read(text, match.end(), min(len(text), match.end() + REACH))
        if place and not is_denied(text, match.start(), match.start()):
            yield match.start(), "says", place
    for match in list(_SUBJECT.finditer(text))[-MAX_PLACES:]:
        place = Place(*match.span("letter"))
        yield match.start(), "denies" if match["no"] else "says", place


def _whole(text: str) -> list[Place]:
    """A text, its last line or its first that is letters alone."""
    end, begin = len(text.rstrip()), len(text) - len(text.lstrip())
    first_end = text.find("\n", begin, end)
    for start, stop in ((begin, end), (text.rfind("\n", 0, end) + 1, end), (begin, first_end)):
        place = _read(text, start, stop) if 0 < stop - start < 64 else None
        if place and not text[place.end : stop].strip(_BLANK):
            return [place]
    return []


def _named(text: str) -> list[Place]:
    """ "Option B", where nothing says that it is the answer."""
    found = []
    for match in list(_NAMED.finditer(text))[-MAX_PLACES:]:
        place = _read(text, match.end(), min(len(text), match.end() + REACH))
        closing = _CLOSE.match(text, place.end) if place else None
        if place and _ENDS.match(text, closing.end() if closing else place.end):
            found.append(place)
    return found


def _last_line(text: str) -> list[Place]:
    end = len(text.rstrip())
    line = _LINE.fullmatch(text, text.rfind("\n", 0, end) + 1, end)
    return [Place(*line.span(1))] if line else []


def _in_parentheses(text: str) -> list[Place]:
    """Letters in parentheses; those that "or" joins are one place."""
    found: list[Place] = []
    for match in list(_PARENTHESES.finditer(text))[-MAX_PLACES:]:
        if found and match.start() < found[-1].end:
            continue
        if place := _read(text, match.start(), len(text)):
            found.append(place)
    return found


def _read(text: str, start: int, end: int) -> Place | None:
    """The letter that stands at `start`, with those that are joined to it: "B", "B or C"."""
    first = last = _letter(text, start, end)
    if first is None or last is None:
        return None
    doubt: Doubt = ""
    while join := _JOIN.match(text, last.closed, end) or _behind_aside(text, last.closed, end):
        following = _letter(text, join.end(), end)
        if following is None:
            break
        # In "B, A is too small" and "B. Maybe C was meant" the second letter begins another one.
        sentence = not join["or"] or (
            join[0].lstrip().startswith(".") and not join["or"].lower().startswith("or")
        )
        if sentence and _SINGULAR.match(text, following.closed, end):
            break
        doubt = "several" if join["or"] and text[following.start] != text[first.start] else doubt
        last = following
    return None if is_denied(text, first.start, last.end) else Place(first.start, last.end, doubt)


def _behind_aside(text: str, start: int, end: int) -> re.Match[str] | None:
    """What joins letters behind what each says: "A (the first) or B (the second)"."""
    aside = _ASIDE.match(text, start, end)
    return _JOIN.match(text, aside.end(), end) if aside else None


def _letter(text: str, start: int, end: int) -> _Letter | None:
    """The letter that stands at `start`, in whatever print or brackets; None where it is a word or
    mathematics."""
    opened = _OPEN.match(text, start, end)
    place = opened.end() if opened else start
    if not _LETTER.match(text, place, end):
        return None
    closing = _CLOSE.match(text, place + 1, end)
    closed = closing.end() if closing else place + 1
    letter = unicodedata.normalize("NFKC", text[place])
    before, behind = text[max(start, place - 1) : place], text[place + 1 : place + 2]
    enclosed = (before in tuple("([{（【") and behind in tuple(")]}）】 ")) or (
        before == "*" and behind == "*"
    )
    if letter.islower() and not (
        letter <= "j"
        if enclosed
        else letter <= "h" and (_ENDS.match(text, closed, end) or _LABEL.match(text, place, end))
    ):
        return None
    if not enclosed:
        if _MATHEMATICS.match(text, closed, end):
            return None
        remark = _ASIDE.match(text, closed, end)  # "A (big) city"
        after = remark.end() if remark else closed
        if letter in "AI" and not any(
            rest.match(text, after, end) for rest in (_ENDS, _NO_NOUN, _JOIN)
        ):
            return None
    return _Letter(place, place + 1, closed)
