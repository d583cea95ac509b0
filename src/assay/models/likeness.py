"""Whether texts become the tokens that `tokenizer.apply_chat_template` makes of them, tried when a
model is loaded.

A response in one piece is laid out by the template itself, so it should be alike for every kind of
text; models that were saved by earlier versions keep the layout they were trained with, which
differs where a template trims or rewrites responses. What differs is said, by kind of text. One
difference is meant: a response that spells out a special token is text here and a token there, so
that no response can forge a turn.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from assay.errors import ConfigError, DataError
from assay.models.layout import Encoder, Layout
from assay.types import Message, Prompt, Response

__all__ = ["KINDS", "differing", "warn_of_differences"]

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "words": ("It is 4.", "Yes", "4"),
    "white space at an end": (" It is 4.", "It is 4.\n", "\n\nIt is 4. ", "\tIt is 4.\n\n"),
    "line breaks": ("One.\n\nTwo.\n   Three.", "```python\nprint(4)\n```"),
    "reasoning": (
        "<think>\nTwo and two.\n</think>\n\nIt is 4.",
        "<think>Two and two.</think>It is 4.",
    ),
    "no words": ("", " ", "\n"),
    "other scripts": ("Это 4. 四です。 ٤ 👩‍🔬", "é\u0301 \u200b\u2028ﬁ"),
    "long texts": ("word " * 400,),
}
"""Kinds of responses, with examples."""

_PROMPT: Final = Prompt.of("What is 2 + 2?")

_KNOWN: "WeakKeyDictionary[Any, dict[Layout, tuple[str, ...]]]" = WeakKeyDictionary()
"""What was found before, by tokenizer and layout."""


def differing(encoder: Encoder) -> tuple[str, ...]:
    """Kinds of responses whose tokens are not `apply_chat_template`'s; () where none are, or where
    no chat is closed.

    Texts that the template refuses are left out: there is nothing to compare with.
    """
    layout = encoder.layout
    if (
        layout.template != "chat"
        or not layout.close
        or encoder.readout.at != "last_token"
        or layout.separator
    ):
        return ()
    known = _KNOWN.setdefault(encoder.tokenizer, {})
    if layout not in known:
        known[layout] = tuple(
            kind
            for kind, texts in KINDS.items()
            if not all(_alike(encoder, text) for text in texts)
        )
    return known[layout]


def _alike(encoder: Encoder, text: str) -> bool:
    layout = encoder.layout
    system = [] if layout.system is None else [Message(role="system", content=layout.system)]
    answer = Message(role="assistant", content=text.strip(layout.strip))
    try:
        shown = encoder.render([*system, *_PROMPT.messages, answer])
        (ours,) = encoder.encode([(_PROMPT, Response.of(text))])
    except (ConfigError, DataError):
        return True
    if layout.rstrip or layout.final:
        shown = shown.rstrip(layout.rstrip) + (layout.final or "")
    theirs: list[int] = encoder.tokenizer(shown, add_special_tokens=False)["input_ids"]
    while layout.unread is not None and theirs[-1:] == [
        encoder.tokenizer.convert_tokens_to_ids(layout.unread)
    ]:
        theirs = theirs[:-1]
    return list(ours.ids) == theirs


def warn_of_differences(encoder: Encoder) -> None:
    """Warn, in one line, of the kinds of responses that other tools would lay out otherwise."""
    kinds = differing(encoder)
    if not kinds:
        return
    what = "responses" if "words" in kinds else f"responses with {', '.join(kinds)}"
    why = (
        "the model keeps the layout of the version that it was trained with; train it again, or"
        " load the weights with a layout that is whole, for the same scores as in other tools"
        if not encoder.layout.whole
        else "scores of such responses differ from those in other tools"
    )
    warnings.warn(
        f"{what} become other tokens than by tokenizer.apply_chat_template: {why}",
        stacklevel=3,
    )
