"""Read the choices of an OpenAI-compatible answer: text, whether it came to its end, and tokens.

Both interfaces are read alike: a chat's text is in message.content, a completion's in text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.errors import DataError
from assay.types import Unscored

__all__ = ["Choice", "choices", "shares"]

BROKEN_OFF = ("abort", "error")
"""Reasons to finish that are the server's trouble, and may pass."""


@dataclass(frozen=True)
class Choice:
    """One sample."""

    text: str
    finished: bool
    tokens: int | None
    """Tokens written for it; of several choices in one answer, its share of their sum by length of
    text."""
    prompt_tokens: int | None = None
    """Tokens read for it; of several choices in one answer, an even share of them."""


def choices(
    payload: Any, *, count: int, stop: Sequence[str] = (), keeps_stop: bool = False, head: str = ""
) -> list[Choice | Unscored]:
    """The choices of an answer, 1 to `count`, in order; `Unscored` where one will never do.

    stop: texts that were to end a sample; one that did becomes part of its text. keeps_stop: it is
    there already.
    head: what every text begins with that was not written for it; it is taken off. Raises
    `DataError` where the answer is not of its form.
    """
    found = payload.get("choices") if isinstance(payload, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise DataError(f"no choices in {payload!r}")
    if not 0 < len(found) <= count:
        raise DataError(f"{len(found)} choices where {count} were asked for")
    if all(isinstance(one.get("index"), int) for one in found):
        found = sorted(found, key=lambda one: one["index"])
    texts = [_text(one, head) for one in found]
    tokens = _counted(payload, "completion_tokens", [len(text or "") for text in texts])
    read = _counted(payload, "prompt_tokens", [1] * len(found))
    made = [
        _choice(one, text, share, stop, keeps_stop)
        for one, text, share in zip(found, texts, tokens, strict=True)
    ]
    return [
        replace(one, prompt_tokens=share) if isinstance(one, Choice) else one
        for one, share in zip(made, read, strict=True)
    ]


def _counted(payload: Mapping[str, Any], name: str, weights: Sequence[int]) -> Sequence[int | None]:
    """Each choice's share of the tokens that an answer's usage counts; None where it does not."""
    usage = payload.get("usage")
    total = usage.get(name) if isinstance(usage, Mapping) else None
    if isinstance(total, int) and total >= 0:
        return shares(total, weights)
    return [None] * len(weights)


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Whole numbers in proportion to the weights (evenly, where all are 0) that add up to the
    total."""
    weights = weights if any(weights) else [1] * len(weights)
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in by_rest[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _text(choice: Mapping[str, Any], head: str) -> str | None:
    """The text of a choice after its head; None where the server says that there is none."""
    message = choice.get("message")
    holder, name = (message, "content") if isinstance(message, Mapping) else (choice, "text")
    text = holder.get(name, choice)
    if text is None:
        return None
    if not isinstance(text, str):
        raise DataError(f"no text in {choice!r}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"half a character in the text ({error})") from error
    if not text.startswith(head):
        raise DataError(f"a text that does not begin with the steps that it continues: {text!r}")
    return text[len(head) :]


def _choice(
    choice: Mapping[str, Any],
    text: str | None,
    tokens: int | None,
    stop: Sequence[str],
    keeps_stop: bool,
) -> Choice | Unscored:
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or reason in BROKEN_OFF:
        raise DataError(f"finish_reason is {reason!r}")
    if reason not in ("stop", "length"):
        return Unscored(reason=f"the server ended a sample with finish_reason {reason!r}")
    if text is None:
        return Unscored(reason="a sample has no content, only reasoning, a tool call or a refusal")
    ends = [text.index(one) + len(one) for one in stop if one in text]
    if ends:
        return Choice(text[: min(ends)], False, tokens)
    if reason == "length" or not stop or keeps_stop:
        return Choice(text, reason == "stop", tokens)
    hit = _stop_that_hit(choice, stop)
    if isinstance(hit, Unscored):
        return hit
    return Choice(text + hit, not hit, tokens)


def _stop_that_hit(choice: Mapping[str, Any], stop: Sequence[str]) -> str | Unscored:
    """The stop that ended a text and was taken off it; "" where the model ended it by itself.

    vLLM tells it in stop_reason and SGLang in matched_stop: the stop, or else the end token or
    nothing. Of others it is not known; where there was but one stop, it is taken to be that.
    """
    for name in ("stop_reason", "matched_stop"):
        if name in choice:
            said = choice[name]
            return said if isinstance(said, str) and said in stop else ""
    if len(stop) == 1:
        return stop[0]
    return Unscored(
        reason="the server does not tell which of several stops ended a sample; give one stop"
    )
