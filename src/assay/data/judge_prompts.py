"""Questions and answers, taken out of what a judge of MT-Bench or Arena-Hard was shown."""

import re
from typing import Final

from assay.data import fields
from assay.errors import DataError
from assay.types import Message

__all__ = ["conversations_in"]

QUESTION: Final = re.compile(
    r"(?:\[(?:User )?Question\]|<\|User Prompt\|>)\n(.*?)\n\n[\[<]\|?The Start of", re.DOTALL
)
ANSWER: Final = re.compile(
    r"[\[<]\|?The Start of Assistant( [AB]|)'s Answer\|?[\]>]\n(.*?)\n"
    r"[\[<]\|?The End of Assistant\1's Answer\|?[\]>]",
    re.DOTALL,
)
TALK: Final = re.compile(
    r"<\|The Start of Assistant( [AB])'s Conversation with User\|>\n\n(.*?)\n\n"
    r"<\|The End of Assistant\1's Conversation with User\|>",
    re.DOTALL,
)
TURN: Final = re.compile(r"(?:\A|\n\n)### (User|Assistant [AB]):\n")
MARKS: Final = re.compile(r"The (?:Start|End) of Assistant")


def conversations_in(shown: str, field: str) -> list[tuple[Message, ...]]:
    """Return the conversation with each assistant, in the order in which they were shown.

    Raises `DataError` where there is none, or where an answer holds the marks itself.
    """
    if talks := TALK.findall(shown):
        found = [_turns(text, field) for _, text in talks]
    elif question := QUESTION.search(shown):
        answers = [text for _, text in ANSWER.findall(shown)]
        found = [_messages([question[1], answer]) for answer in answers]
    else:
        found = []
    if not found:
        raise DataError(
            f"field {field!r}: what the judge was shown has no question and answer between"
            " MT-Bench's or Arena-Hard's marks; join the judgments with the models' answers and"
            " name the columns"
        )
    if len(MARKS.findall(shown)) != 2 * len(found):
        raise _unclear(field)
    return found


def _turns(text: str, field: str) -> tuple[Message, ...]:
    """A conversation of alternating turns."""
    before, *parts = TURN.split(text)
    if before or [role == "User" for role in parts[::2]] != [True, False] * (len(parts) // 4):
        raise _unclear(field)
    return _messages(parts[1::2])


def _messages(texts: list[str]) -> tuple[Message, ...]:
    roles = ["user", "assistant"] * (len(texts) // 2)
    return tuple(
        fields.make(Message, role=role, content=text)
        for role, text in zip(roles, texts, strict=True)
    )


def _unclear(field: str) -> DataError:
    return DataError(
        f"field {field!r}: a text of what the judge was shown holds the marks of turns itself, so"
        " that its end cannot be told"
    )
