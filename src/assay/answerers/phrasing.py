"""Put a question into words, and read the verdict back from a text.

What is judged is data: nothing of it is a template, the question is put behind it, and only what
the judge itself wrote is ever read for a verdict.
"""

import re
import string
from collections.abc import Sequence
from typing import Final, Literal

from assay.errors import ConfigError, DataError
from assay.questions import Option, Question
from assay.types import Prompt

__all__ = [
    "How",
    "Style",
    "after_thought",
    "asked",
    "critique",
    "form",
    "labels",
    "verdict",
]

Style = Literal["auto", "words"]
"""What stands for an option: a letter or a digit, or its own name."""

How = Literal["label", "reason"]
"""Whether the label comes at once, or reasons and then a line with it."""

THOUGHT: Final = re.compile(
    r"</?(?:seed:)?think(?:ing)?>|</?thought>|\[/?think\]|◁/?think▷", re.IGNORECASE
)
BEFORE: Final = " \t\r\n\"'`“”‘’*([{"
"""What may stand before a label that is written into a text; of a dot, ! and < it is another."""
BEHIND: Final = " \t\r\n\"'`“”‘’.,;:!*)]}。"
COLONS: Final = str.maketrans({"\uff1a": ":", "\ufe55": ":"})
"""The colons of Chinese and Japanese writing."""


def labels(question: Question, style: Style = "auto", how: How = "label") -> tuple[str, ...]:
    """Return what stands for each option, in the question's order.

    yes and no of a predicate; the options' own names where the question has no text of its own,
    in the style "words", where each is a single letter or digit already, and of levels that are
    numbers, such as a rating from 1 to 10, where reasons come first. Else letters from A, and
    digits from 0 of a score of ten levels or fewer whose names are no numbers; numbers from 1
    beyond 26 options. Raises `ConfigError` where two labels are the same.
    """
    names = tuple(_name(option, question) for option in question.options)
    single = all(len(name) == 1 and name.isascii() and name.isalnum() for name in names)
    written = how == "reason" and question.kind == "score" and all(map(_is_number, names))
    own = question.kind == "predicate" or not question.text or style == "words"
    n = len(names)
    if own or single or written:
        found = names
    elif n > len(string.ascii_uppercase):
        found = tuple(str(place + 1) for place in range(n))
    elif question.kind == "score" and n <= 10 and not any(map(_is_number, names)):
        found = tuple(string.digits[:n])
    else:
        found = tuple(string.ascii_uppercase[:n])
    if len(set(found)) < n or not all(found):
        raise ConfigError(
            f"options cannot be told apart by their names {list(found)}; give each another name"
        )
    return found


def _name(option: Option, question: Question) -> str:
    if isinstance(option.name, str):
        return " ".join(option.name.split())
    words = ("yes", "no") if question.kind == "predicate" else ("true", "false")
    return words[0] if option.name else words[1]


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def form(question: Question) -> str:
    """Return how a verdict after reasons is written, with {} in place of the label."""
    return "Verdict: {}" if question.text else question.form


def asked(
    prompt: Prompt, question: Question, *, how: How = "label", style: Style = "auto"
) -> Prompt:
    """Return the prompt with the question behind the text of its last message.

    After a blank line: the question, one line per option that needs one, and how to answer. A
    prompt that asks already stays as it is. Raises `DataError` unless the last message is a user's.
    """
    if not prompt.messages or prompt.messages[-1].role != "user":
        role = prompt.messages[-1].role if prompt.messages else "nobody"
        raise DataError(
            f"prompt {prompt.id!r} ends with a message from {role}; a question can be put behind a"
            " user's message only"
        )
    if not question.text:
        return prompt
    last = prompt.messages[-1]
    added = f"\n\n{_written(question, how, style)}"
    parts = last.parts and (*last.parts, {"type": "text", "text": added})
    message = last.model_copy(update={"content": last.content + added, "parts": parts})
    return prompt.model_copy(update={"messages": (*prompt.messages[:-1], message)})


def _written(question: Question, how: How, style: Style) -> str:
    """The question's text, its options and how to answer."""
    stand = labels(question, style, how)
    lines = [
        line
        for label, option in zip(stand, question.options, strict=True)
        if (line := _line(label, option, question)) != label or question.kind != "predicate"
    ]
    choice = f"{', '.join(stand[:-1])} or {stand[-1]}"
    if how == "label":
        told = f"Answer with {choice} and nothing else."
    else:
        told = (
            f'Give your reasons first. Then end with a line of its own, "Verdict:" and behind it'
            f" {choice}."
        )
    return "\n".join([question.text, *lines, told])


def _line(label: str, option: Option, question: Question) -> str:
    name = _name(option, question)
    said = [name] if name != label else []
    said += [" ".join(option.description.split())] if option.description else []
    return f"{label}: {' - '.join(said)}" if said else label


def verdict(text: str, question: Question, style: Style = "auto") -> int | None:
    """Return the place of the option that the last verdict in a text names; None without one.

    The last place where the form begins counts, whatever stands there: if that is no label, there
    is no verdict, and an earlier one is not taken instead. A form that is the label alone is the
    last line that is not empty. What stands within <think>, or another model's tags of reasoning,
    is no part of the text, and a block that never ends leaves no verdict.
    """
    stand = labels(question, style, "reason")
    return _place(_parts(text, form(question), stand)[1], stand)


def critique(text: str, question: Question, style: Style = "auto") -> str:
    """Return what a text says before its last verdict; all of it where there is none."""
    return _parts(text, form(question), labels(question, style, "reason"))[0].strip("*#` \n")


def after_thought(text: str) -> str | None:
    """Return what stands behind the last block of reasoning; None where that never ends."""
    tags = list(THOUGHT.finditer(text))
    if not tags:
        return text
    return text[tags[-1].end() :] if "/" in tags[-1].group() else None


def _parts(text: str, shape: str, stand: Sequence[str]) -> tuple[str, str]:
    """What stands before the last verdict, and what is written in place of its label."""
    if (spoken := after_thought(text)) is None:
        return text, ""
    text = spoken.translate(COLONS)
    before, after = (part.strip() for part in shape.split("{}"))
    # Emphasis may stand anywhere, unless its mark means something here.
    marks = [mark for mark in "*`_" if not any(mark in one for one in (shape, *stand))]
    free = f"[\\s{''.join(map(re.escape, marks))}]*"
    if before:
        pieces = re.findall(r"\w+|[^\w\s]", before)
        begin = free.join(map(re.escape, pieces)) + free
    else:
        begin = r"^(?=.*\S)"
    found = list(re.finditer(begin, text, re.IGNORECASE | re.MULTILINE))
    if not found:
        return text, ""
    line = text[found[-1].end() :].partition("\n")[0]
    content, ended, _ = line.partition(after) if after else (line, "yes", "")
    for mark in marks:
        content = content.replace(mark, "")
    return text[: found[-1].start()], content if ended else ""


def _place(said: str, stand: Sequence[str]) -> int | None:
    """The label that a text is: letter by letter, or else the only one but for case."""
    bare = said.lstrip(BEFORE).rstrip(BEHIND)
    if bare.startswith("<") and bare.endswith(">"):
        bare = bare[1:-1].strip(BEFORE)
    for one in (said.strip(), bare):
        if one in stand:
            return stand.index(one)
    like = [i for i, one in enumerate(stand) if one.casefold() == bare.casefold()]
    return like[0] if len(like) == 1 else None
