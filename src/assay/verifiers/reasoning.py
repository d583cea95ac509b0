"""A response without the reasoning that it marks as such: what was thought on the way is not the
answer."""

import re
from typing import Final

__all__ = ["outside_reasoning", "without_marks"]

_TAG: Final = re.compile(
    r"<(/?)(?:think|thinking|thoughts?|reasoning|scratchpad)>|<\|(begin|end)_of_thought\|>",
    re.IGNORECASE,
)
# What tokenizers end a turn with, where it is decoded with the rest.
_END_MARK: Final = re.compile(
    r"(?:<\|[\w-]{1,40}\|>|</s>|<eos>|<end_of_turn>|<｜[\w▁]{1,40}｜>)\s*\Z"
)
_LONGEST_MARK: Final = 64


def without_marks(text: str) -> str:
    """The text without the marks of its end, such as `<|im_end|>`."""
    if not text.rstrip().endswith(">"):
        return text
    while mark := _END_MARK.search(text, max(0, len(text.rstrip()) - _LONGEST_MARK)):
        text = text[: mark.start()]
    return text


def outside_reasoning(text: str) -> str:
    """The text with its reasoning replaced by as many line ends, so that every place in it stays
    what it was.

    Reasoning is what stands between `<think>` and `</think>`, before a `</think>` that nothing
    opened (some prompts end in the opening tag), and after a `<think>` that is never closed (the
    text was cut before it came to an answer).
    """
    if "<" not in text:
        return text
    blanks: list[tuple[int, int]] = []
    opened: int | None = None
    for tag in _TAG.finditer(text):
        if tag[1] or tag[2] == "end":
            blanks = blanks if opened is not None else []
            blanks.append((opened or 0, tag.end()))
            opened = None
        elif opened is None:
            opened = tag.start()
    if opened is not None:
        blanks.append((opened, len(text)))
    parts, end = [], 0
    for start, stop in blanks:
        parts += [text[end:start], "\n" * (stop - start)]
        end = stop
    return "".join((*parts, text[end:]))
