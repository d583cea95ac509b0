r"""Where a text announces its answer in words: "the answer is", "Answer:", "Antwort:", "答案：", a
heading, `<answer>`.

An announcement is a noun, in the languages of the field's multilingual graders, and a verb or a
colon behind it. "The answer is not 18" announces nothing, but what is said instead does: "it is
20", "but 20". Behind an announcement a correction is one too: "5. No, wait, it is 6". Every pattern
is bounded, so that a text is read in linear time.
"""

import re
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from assay.verifiers.answers.places import is_disbelieved

__all__ = ["MAX_PLACES", "VALUE", "Announcement", "announcements", "corrects"]

Span = tuple[int, int]
"""Start and end of a place in the text, in characters."""

MAX_PLACES: Final = 64
"""Announcements that are looked at, from the last."""
NEAR: Final = 200
"""Characters behind a denial in which it may say what the answer is instead."""
BEFORE: Final = 60
"""Characters before an announcement that are looked at for what denies it."""

VALUE: Final = (
    r"[-+−]?[ ]?(?:\\?[$€£¥₹]|Rs\b|\\[(\[A-Za-z]|\.?\d|[(\[{]|\*\*"
    r"|(?!A[ ]+[a-z]|I[ ]+[a-z'’])[A-Z](?![A-Za-z'’])|[a-z](?![A-Za-z'’])[ ]*[=(^]|[\"“]\S)"
)
"""The beginning of what may be a value: a number, mathematics, or a letter that is no word."""

_NOUNS: Final = (
    "answer answers ans antwort respuesta réponse reponse risposta resposta jawaban jibu antwoord"
    " odpowiedź odpowiedz cevap svar"
).split()
# Each on its own, and none that begins in a condition: plain words are found ten times faster than
# a pattern of all.
_NOUN: Final = {noun: re.compile(rf"{noun}\b") for noun in _NOUNS}
_LINE_A: Final = re.compile(r"^[ \t]*A(?=:)", re.MULTILINE)
# Written without letter case or without spaces.
_FOREIGN_NOUN: Final = re.compile(
    r"答案|答え|回答|解答|答复|答(?=[ ]*[:：])|정답|답변|답(?=["
    r" ]*[은:：])|[Оо]твет|उत्तर|উত্তর|సమాధానం|คำตอบ"
    r"|الإجابة|الجواب|إجابة|[Đđ]áp án|[Cc]âu trả lời"
)
_MANNER: Final = (
    r"(?:["
    r" \t,*_]*(?:therefore|thus|hence|then|simply|just|now|indeed|actually|clearly|exactly|also|still|really|again"  # noqa: E501
    r"|finally|probably|likely|surely|definitely|certainly|equal[ ]to|given["
    r" ]by|either|both)\b){0,3}"
)
_AS_FOLLOWS: Final = re.compile(rf"[ ](?:as[ ]follows|the[ ]following):?\s{{0,9}}(?={VALUE})")
_PLAIN_VERB: Final = (
    r"(?:is|are|ist|lautet|es|est|è|é|adalah|là|هي|هو)(?![\w'’])|[=:：→]|->|是|为|為|は|은|는|คือ"
)
_OTHER_VERB: Final = (
    r"(?:was|equals|becomes|remains|comes[ ](?:out[ ])?to(?:[ ]be)?|turns[ ]out[ ]to[ ]be|has["
    r" ]to[ ]be"
    r"|(?:will|would|should|must|may|might|could|can)[ ]be)(?![\w'’])"
)
_NOT: Final = (
    r"(?:(?:is|are|was|were|wo|would|will|should|could|ca|can|must|may|might|does|do|did)"
    r"[ ]?(?:n['’]t|not|never|no[ ]longer|neither)|cannot)\b(?:[ ](?:be|equal(?:[ ]to)?)\b)?"
    r"|(?:is|are|was)[ ](?:different[ ]from|other[ ]than|anything[ ]but|unequal[ ]to)\b"
    r"|ist[ ]nicht|no[ ]es|n['’]est[ ]pas|non[ ]è|não[ ]é|不是|不为"
)
_LINK: Final = re.compile(
    r"[*_\"”’'`)\]]{0,4}"
    r"(?:[ ](?:choice|option|letter|value|final|finale|correct|correcta?|correcte|definitiva)\b)?"
    r"(?:[ ]?\([^()\n]{0,40}\))?(?:,[^.,\n]{1,30},)?"
    r"(?P<of>[ ](?:to|for|of|in)[ ][^.\n:=?]{1,80}?)?"
    rf"[ \t]*[*_\"”]{{0,3}}(?:(?P<no>{_NOT})|(?P<is>{_PLAIN_VERB})|(?P<was>{_OTHER_VERB})){_MANNER}",  # noqa: E501
    re.IGNORECASE,
)
# What stands before a noun and leaves it open, or denies it. A word that each must hold is looked
# for first.
_SUPPOSED: Final = re.compile(
    r"\b(?:if|suppose|assume|assuming|whether|unless)[ ](?:that[ ])?(?:the|my|our)[ ](?:\w{1,12}["
    r" ]){0,2}\Z",
    re.IGNORECASE,
)
_SUPPOSING: Final = ("if ", "If ", "uppose", "ssum", "hether", "nless")
_WRONG: Final = re.compile(
    r"(?<!of[ ])\b(?:wrong|incorrect|false|mistaken|erroneous)[ ](?:final[ ])?\Z", re.IGNORECASE
)
_END_OF_HEADING: Final = re.compile(r"[*_#: \t]{0,9}\n")
_HEADING: Final = re.compile(
    r"[ \t#*_>\d.]*(?:(?:the|your|my)[ ])?(?:(?:final|correct)[ ])?", re.IGNORECASE
)
_DRESS: Final = r"[\s*_:：]{0,9}"
# What concludes a text that announces no answer.
_CONCLUSION: Final = re.compile(
    r"(?i:\b(?:therefore|thus|hence|so|we[ ](?:get|have|obtain|find|conclude)|giving"
    r"|(?:this|which|that)[ ](?:gives|yields|means)|(?:result|total|value|solution)[ ]is|solutions["
    r" ]are)"
    rf"(?:[ ](?:us|that))?[,:]?[ \n])(?={_DRESS}{VALUE})"
)
_SENTENCE_BREAK: Final = re.compile(r"[.!?。]\s|\n\s*\n[^$\\]")
_VALUE: Final = re.compile(rf"{_DRESS}{VALUE}")

_ASIDE: Final = (
    r"(?:oh|oops|hmm|hm|ah|wait|hold[ ]on|sorry|correction|scratch[ ]that|my[ ]mistake|no|actually"
    r"|rather|on[ ]second[ ]thoughts?|i[ ]made[ ]an?[ ](?:error|mistake))"
)
_PAUSE: Final = r"[\s,.;:!…—–-]"
_IT_IS: Final = (
    r"(?:it|that|this|the[ ](?:correct|right|actual|real|true)["
    r" ](?:one|value|number|option|choice))"
    r"(?:['’]s|[ ](?:is|was|equals|must[ ]be|should[ ]be|would[ ]be|has[ ]to[ ]be))"
    r"(?:[ ](?:actually|really|instead|just|rather|in[ ]fact))?:?[ ]"
)
_CORRECTION: Final = re.compile(
    rf"\b(?:(?i:(?:{_ASIDE}\b{_PAUSE}{{1,4}}){{1,5}}{_IT_IS}|(?:i[ ]mean|or[ ]rather|make[ ]that)["
    r" ,:]{1,3})"
    rf"(?={VALUE})"
    # Alone, a value and hardly more: not "actually, 2 of them are left".
    rf"|(?i:(?:{_ASIDE}\b["
    rf" ]?[,.;:!…—–-]{_PAUSE}{{0,4}}){{1,5}})(?={VALUE}[^.\n]{{0,12}}(?:[.\n]|\Z)))"
)
_CLOSING: Final = re.compile(r"[\s$}\])*.,;:!]{1,9}")
_CORRECTING: Final = re.compile(
    rf"\b(?:{_ASIDE}\b{_PAUSE}{{1,4}}){{1,5}}(?:\w{{1,12}}[ ]){{0,4}}\Z", re.IGNORECASE
)
_WITHDRAWAL: Final = re.compile(
    rf"\b(?:{_ASIDE}\b{_PAUSE}{{1,4}}){{1,5}}(?:that|this|it)(?:['’]s|[ ]is|[ ]was)[ ]"
    r"(?:wrong|incorrect|not[ ](?:right|correct|it)|a[ ]mistake|an[ ]error)\b",
    re.IGNORECASE,
)
_INSTEAD: Final = re.compile(
    rf"\b(?i:{_IT_IS}|but[ ](?:rather[ ]|instead[ ]|is[ ]|{_IT_IS})?|(?:rather|instead)["
    rf" ,]{{1,2}}(?:{_IT_IS})?)"
    rf"(?={VALUE})"
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A place that announces an answer, denies one, or takes back what was said."""

    start: int
    end: int
    """Where what it says begins."""
    kind: Literal["says", "denies", "withdraws"] = "says"
    tag: bool = False
    """Whether it is the tag `<answer>`."""
    weak: bool = False
    """Whether it says what the answer should be, which counts where nothing says what it is."""


def announcements(text: str) -> list[Announcement]:
    """The announcements of a text, in order; the last 64."""
    nouns = _nouns(text)
    found = list(chain.from_iterable(_announced(text, *noun) for noun in nouns[-MAX_PLACES:]))
    if not all(place.weak for place in found):
        found = [
            place
            for place in found
            if not place.weak or _CORRECTING.search(text, max(0, place.start - NEAR), place.start)
        ]
    if not found:
        return _conclusion(text)
    after = found[0].end
    found += [
        Announcement(match.start(), match.end()) for match in _CORRECTION.finditer(text, after)
    ][-MAX_PLACES:]
    taken = list(_WITHDRAWAL.finditer(text, after))[-MAX_PLACES:]
    found += [Announcement(match.start(), match.end(), "withdraws") for match in taken]
    return sorted(found, key=lambda place: place.start)


def corrects(text: str, end: int) -> int | None:
    """Return where a correction of what ends at `end` begins: "18. No, wait, it is 20"."""
    closing = _CLOSING.match(text, end)
    found = _CORRECTION.match(text, closing.end()) if closing else None
    return found.end() if found else None


def _conclusion(text: str) -> list[Announcement]:
    """The conclusion in the last sentence of a text: "so x = 5", "we get 18"."""
    end = len(text.rstrip())
    last = None
    for last in _CONCLUSION.finditer(text, max(0, end - NEAR), end):  # noqa: B007
        pass
    if last is None or _SENTENCE_BREAK.search(text, last.end(), end):
        return []
    return [Announcement(last.start(), last.end())]


def _nouns(text: str) -> list[Span]:
    """The places of all nouns, in whatever letter case."""
    plain = text.lower()
    if len(plain) != len(text):  # a letter that is two in lower case
        plain = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    words = [pattern for noun, pattern in _NOUN.items() if noun in plain]
    matches = chain.from_iterable(pattern.finditer(plain) for pattern in words)
    found = [match.span() for match in matches]
    found = [(start, end) for start, end in found if not text[start - 1 : start].isalnum()]
    if "A:" in text:
        found += [match.span() for match in _LINE_A.finditer(text)]
    if not text.isascii():
        found += [match.span() for match in _FOREIGN_NOUN.finditer(text)]
    return sorted(found)


def _announced(text: str, start: int, end: int) -> list[Announcement]:
    """Return what is announced at a noun: nothing, something, or that something is not the answer
    and what is."""
    if text[start - 1 : start] == "<":
        return [Announcement(start - 1, end + 1, tag=True)] if text[end : end + 1] == ">" else []
    link = _LINK.match(text, end)
    if link is None:
        line = text[max(0, start - BEFORE) : start].rpartition("\n")[2]
        heading = _END_OF_HEADING.match(text, end) if _HEADING.fullmatch(line) else None
        return [Announcement(start, heading.end())] if heading else []
    before = text[max(0, start - BEFORE) : start]
    if any(word in before for word in _SUPPOSING) and _SUPPOSED.search(before):
        return []
    disbelieved = is_disbelieved(before) or _WRONG.search(before)
    is_value = _VALUE.match(text, link.end())
    if link["no"] is None and not disbelieved:
        follows = _AS_FOLLOWS.match(text, link.end())
        # "The answer to this can be found by adding" announces nothing.
        if is_value or follows or not (link["of"] or link["was"]):
            return [Announcement(start, (follows or link).end(), weak=link["was"] is not None)]
        return []
    instead = _INSTEAD.search(text, link.end(), min(len(text), link.end() + NEAR))
    positive = [Announcement(instead.start(), instead.end())] if instead else []
    if is_value:
        return [Announcement(start, link.end(), "denies"), *positive]
    return positive or (
        [] if link["of"] else [Announcement(start, link.start("no"))]
    )  # "is not defined"
