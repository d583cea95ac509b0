"""Places of a text that state an answer, and what is denied there: "not 18", "18 is wrong"."""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

__all__ = [
    "DOUBTS",
    "REACH",
    "Doubt",
    "Place",
    "is_denied",
    "is_disbelieved",
    "is_taken_back",
    "stripped",
]

Doubt = Literal["", "several", "withdrawn"]
"""several: said with a doubt between different answers ("2, or maybe 3"). withdrawn: taken back."""

DOUBTS: Final[Mapping[Doubt, str]] = {
    "several": "the text states several answers with a doubt between them",
    "withdrawn": "the text takes its answer back",
}
"""Why a statement in doubt is wrong."""

REACH: Final = 60
"""Characters beside a place that are looked at."""

_NOT: Final = re.compile(
    r"(?:\bnot|\bcannot|n['’]t|\bnever|\bneither|\bnor|\bnicht"
    r"|\bdiffers?[ ]from|\b(?:everything|anything|all)[ ](?:but|except)"
    r"|\bno[ ]longer|\bnowhere[ ]near|\bfar[ ]from|\bhardly|\bused[ ]to"
    r"|\bdifferent[ ]from|\bother[ ]than|\bunequal)"
    r"(?:[ ](?:think|believe|say|claim|agree|true|sure|certain|the[ ]case)[ ](?:that["
    r" ])?(?:the|my|our)[ ]"
    r"(?:\w{1,12}[ ]){1,2}(?:is|was|equals)\b)?"
    r"(?:[ ]{1,2}(?:be|equal|to|exactly|simply|the|equals)\b){0,3}"
    r"[ ]?(?:\\(?:boxed|fbox|text|textbf|mathbf)\s?)?[*$\\(\[\"“{]{0,4}[ ]{0,2}\Z"
    r"|\b(?:не|niet|ikke|inte)[ ][*$(]{0,3}\Z"
    r"|(?:≠|!=|\\neq?(?![A-Za-z])|<>)[ ]?[*$(]{0,3}\Z"
    # "the wrong answer is", "Wrong answer:"; but not "the number of wrong answers is"
    r"|(?<!of[ ])\b(?:wrong|incorrect|false|mistaken|erroneous)[ ](?:final[ ])?"
    r"(?:answer|value|result)(?:[ ](?:is|was|equals)|:)[ ][*$\\(]{0,4}\Z",
    re.IGNORECASE,
)
# "I doubt that the answer is", "it is wrong to say that", "some say"
_DISBELIEVED: Final = re.compile(
    r"\b(?P<no>(?:wrong|incorrect|false|untrue|a[ ]mistake|doubtful|unlikely|implausible"
    r"|misconception|myth|hard|refuse|reject[ ]the[ ](?:claim|idea|view))"
    r"(?:[ ](?:to[ ](?:say|think|claim|believe|conclude)(?:[ ]that)?|that)"
    r"|(?<=myth)|(?<=misconception))"
    r"|(?:doubt|deny|disagree)(?:[ ]that)?"
    r"|(?:not|\w{1,9}n['’]t)[ ](?:think|believe|say|claim|agree|true|sure|certain|the[ ]case)"
    r"(?:[ ]that)?)[ ]"
    r"(?:the|my|our)[ ](?:\w{1,12}[ ]){0,2}\Z"
    r"|(?:(?:some|others|many|people|students)[ ]"
    r"(?:(?:people|students|others|of[ ]them|might|may|could|would)[ ]){0,2}"
    r"|\b(?:you|one|they)[ ](?:might|may|could)[ ]|\b(?:a|another|one)[ ]student[ ])"
    r"(?:say|think|claim|believe|guess|argue)s?[ ](?:that[ ])?"
    r"(?:the|my|our)[ ](?:\w{1,12}[ ]){0,2}\Z",
    re.IGNORECASE,
)
_DISBELIEVING: Final = (
    *("not ", "n't ", "n’t ", "rong ", "ncorrect ", "alse ", "ntrue ", "istake ", "ful ", "ikely "),
    *("ausible ", "conception ", "yth ", "ard ", "efuse ", "eject ", "oubt ", "eny ", "isagree "),
    *("say", "think", "claim", "believe", "guess", "argue"),
)
"""A word that each must hold, which is looked for first."""
# "There is no doubt that", "nobody would deny that", "it is not wrong to say that"
_TWICE: Final = re.compile(
    r"(?:\b(?:no|not|never|cannot|nobody|hardly|little|beyond|without|nor)|n['’]t)[ ]"
    r"(?:(?!(?:I|we|and|but)\b)\w{1,12}[ ]){0,3}\Z",
    re.IGNORECASE,
)
_SAYS: Final = re.compile(r"[ ](?:is|was|equals)[ ](?:\\(?:boxed|fbox)\{?)?[*$\\(]{0,4}\Z")
_IS_NOT: Final = re.compile(
    r"[ *$\\)\]}\"”]{0,6}(?:text[ ]?\{[ ]?)?(?:[a-z]{1,20}[ ]){0,2}"
    r"(?:(?:is|was|are|were)(?:n['’]t|[ ](?:not|wrong|incorrect|false|no[ ]longer|never)\b)"
    r"|(?:cannot|can['’]t|can[ ]not|could[ ]not|couldn['’]t)[ ]be\b|would[ ]be["
    r" ](?:wrong|incorrect|false)\b)"
)
# Behind a statement that its writer takes back.
_TAKEN_BACK: Final = re.compile(
    r"\b(?:that|this|it|which)(?:['’]s|[ ](?:is|was|seems|looks))["
    r" ](?:(?:clearly|obviously|actually|surely)[ ])?"
    r"(?:(?:wrong|incorrect|false|not[ ](?:right|correct|it)|a[ ]mistake|an[ ]error)\b(?![ ]to[ ])"
    r"|(?:impossible|not[ ]possible)\b(?![ ](?:to|for|with|that|unless|if|in)\b))"
    r"|\b(?:that|this|it)[ ](?:can(?:no|['’])?t[ ]be|could[ ]not[ ]be|couldn['’]t[ ]be"
    r"|(?:does|did)(?:n['’]t|[ ]not)[ ](?:seem|look))[ ](?:right|correct|it)\b"
    r"|\A[\s$}\])*.,!?]*(?:\(?wrong\)?|incorrect|wait,?[ ]no|no)[.!)]",
    re.IGNORECASE,
)
TAKEN_BACK_WITHIN: Final = 100
"""Characters behind a statement that are looked at."""


class Place(NamedTuple):
    """Where an answer stands."""

    start: int
    end: int
    doubt: Doubt = ""
    text: str | None = None
    """What it says, where that is not what stands there: several boxes are one list."""


def is_denied(text: str, start: int, end: int) -> bool:
    """Return whether the text says of what stands there that it is not the answer."""
    before = text[max(0, start - REACH) : start]
    return bool(
        _NOT.search(before)
        or ((says := _SAYS.search(before)) and is_disbelieved(before[: says.start() + 1]))
        or _IS_NOT.match(text, end, min(len(text), end + REACH))
    )


def is_disbelieved(before: str) -> bool:
    """Return whether a text that ends before the word "answer" says that it is wrong, or what
    others say: "I doubt that the ", "some say the "."""
    if not any(word in before for word in _DISBELIEVING):
        return False
    found = _DISBELIEVED.search(before)
    return found is not None and (found["no"] is None or not _TWICE.search(before[: found.start()]))


def is_taken_back(text: str, end: int) -> bool:
    """Return whether the text says right behind a statement that it is wrong."""
    return _TAKEN_BACK.search(text[end : end + TAKEN_BACK_WITHIN]) is not None


def stripped(text: str, start: int, end: int, dress: str | None = None) -> tuple[int, int]:
    """The place without what surrounds its text: white space, or the characters of `dress`."""
    part = text[start:end]
    kept = part.lstrip(dress)
    start += len(part) - len(kept)
    return start, start + len(kept.rstrip(dress))
