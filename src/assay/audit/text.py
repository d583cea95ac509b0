r"""Texts as probes change them: places that may be edited, sentences, the final answer, controls.

An edit is a place in the whole text and what is put there, so that the steps of a response and its
fenced code stay what they are whatever is done to its words.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate, cycle
from typing import Final

from assay.audit.probe import Subject, Variant, append, prepend, replaced
from assay.types import Message, Prompt, Response
from assay.verifiers.answers.answer import Found, find

__all__ = [
    "Edit",
    "added",
    "around",
    "changed",
    "edited",
    "final_answer",
    "matches",
    "neutral",
    "rewritten",
    "sentences",
    "user_text",
]

Edit = tuple[int, int, str]
"""Start and end of a place in a text, in characters, and what is put there."""

NEUTRAL: Final = (
    "There is of course more that one could say about this, and there are several ways in which it"
    " could be said. Whatever way is taken, what has been said stays as it is, and these words"
    " leave it there."
).split()
# Runs are bounded, so that no text takes more than linear time.
_PROTECTED: Final = re.compile(
    r"""
      ^[ \t]*(?P<fence>`{3}|~{3}) .*? (?: ^[ \t]*(?P=fence)[^\n]*$ | \Z )
    | `[^`\n]{1,500}`
    | \${2} .{1,400}? \${2} | \$[^$\n]{1,500}\$
    | \\\( .{1,400}? \\\) | \\\[ .{1,400}? \\\]
    | \\[A-Za-z]+ (?: \{ (?: [^{}\n] | \{[^{}\n]{0,100}\} ){0,200} \} ){0,4}
    | <[|/]?[A-Za-z][^<>\n]{0,80}>
    | https?://\S{1,500}
    """,
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_MARKUP: Final = re.compile(r"\s*(?:`{3}|~{3}|#|[-*+>|]\s|\d{1,3}[.)]\s|<)")
_FENCE: Final = re.compile(r"[ \t]*(?:`{3}|~{3})")
# Not behind the number of an item.
_BREAK: Final = re.compile(
    r"\s*\n\s*|(?<=[.!?])(?<!\n\d\.)(?<!\n\d\d\.)(?<!\A\d\.)(?<!\A\d\d\.)[ \t]+"
)


def matches(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Return what a pattern finds outside code, formulas, tags, special tokens and addresses."""
    found: list[re.Match[str]] = []
    start = 0
    for kept, end in _protected(text):
        found += pattern.finditer(text, start, kept)
        start = end
    return [*found, *pattern.finditer(text, start)]


@lru_cache(maxsize=8)
def _protected(text: str) -> tuple[tuple[int, int], ...]:
    """The places that are left as they are; kept, since a probe asks for several patterns."""
    return tuple(match.span() for match in _PROTECTED.finditer(text))


def sentences(text: str, *, code: bool = False) -> list[tuple[int, int]]:
    """Return the places of sentences and lines, without the white space around them.

    A fenced block is one, where `code` asks for it.
    """
    stops = [match.span() for match in matches(_BREAK, text)]
    starts = [0, *(end for _, end in stops)]
    ends = [*(start for start, _ in stops), len(text)]
    found = []
    for start, end in zip(starts, ends, strict=True):
        core = text[start:end].strip()
        if core and (code or not _FENCE.match(text, start)):
            start += text[start:end].index(core)
            found.append((start, start + len(core)))
    return found


def edited(response: Response, edits: Iterable[Edit]) -> Response:
    """Return the response with its text changed at some places; they must not overlap.

    What is put at a place goes to the step in which the place begins. Steps of which nothing is
    left are dropped.
    """
    steps = response.steps or ("",)
    text, ends = "".join(steps), list(accumulate(map(len, steps)))
    parts: list[list[str]] = [[] for _ in steps]
    at = 0
    for start, end, new in (*sorted(edits), (len(text), len(text), "")):
        while at < start:
            step = bisect_right(ends, at)
            parts[step].append(text[at : min(ends[step], start)])
            at = min(ends[step], start)
        parts[min(bisect_right(ends, start), len(steps) - 1)].append(new)
        at = max(at, end)
    made = ["".join(part) for part in parts]
    kept = [new for new, old in zip(made, steps, strict=True) if new or not old]
    return replaced(response, kept or [""])


def changed(
    subject: Subject, edits: Iterable[Edit], *, text: str = "", dose: float = 1.0
) -> Iterator[Variant]:
    """Yield the subject's response as edited; nothing where that changes nothing."""
    response = edited(subject.response, edits)
    if response.text != subject.response.text:
        yield Variant(response=response, text=text, dose=dose)


def rewritten(
    subject: Subject,
    pattern: re.Pattern[str],
    new: Callable[[re.Match[str]], str],
    *,
    text: str = "",
) -> Iterator[Variant]:
    """Yield the subject's response with all that a pattern finds replaced, code and formulas apart;
    nothing where that changes nothing."""
    found = matches(pattern, subject.response.text)
    return changed(subject, ((*match.span(), new(match)) for match in found), text=text)


def added(subject: Subject, texts: Mapping[str, tuple[str, str]]) -> Iterator[Variant]:
    """Yield the response with texts put before and behind it, by name.

    Each is compared with the response that has as much put there of what says nothing.
    """
    for name, (before, behind) in texts.items():
        yield Variant(
            response=around(subject.response, before, behind),
            text=name,
            against=around(subject.response, neutral(before), neutral(behind)),
        )


def around(response: Response, before: str = "", behind: str = "") -> Response:
    """Return the response with texts before its first step and behind its last one, on lines of
    their own where it begins with markup or ends with a fence."""
    text = response.text
    if before and _MARKUP.match(text):
        before = before.rstrip() + "\n\n"
    if behind and _FENCE.match(text, text.rfind("\n") + 1):
        behind = "\n" + behind.lstrip(" ")
    return append(prepend(response, before), behind)


def neutral(text: str) -> str:
    """Return about as many characters that say nothing, between the same white space."""
    core = text.strip()
    if not core:
        return text
    said = ""
    for word in cycle(NEUTRAL):
        if said and len(said) + len(word) / 2 >= len(core):
            break
        said += f" {word}" if said else word
    return text.replace(core, said.rstrip(".,") + ".", 1)


def final_answer(response: Response) -> Found | None:
    r"""Return the answer that a response states (`\boxed{}`, `####`, "the answer is", a choice) and
    its place; None where it states none, or several."""
    found = find(response.text, ("boxed", "hashes", "phrase", "choice"))
    if found is None or found.doubt or not 0 < found.span[1] - found.span[0] <= 100:
        return None
    return found


def user_text(prompt: Prompt, before: str = "", behind: str = "") -> Prompt:
    """Return the prompt with texts put around its last message of the user, or its last message."""
    places = [i for i, message in enumerate(prompt.messages) if message.role == "user"]
    messages = list(prompt.messages) or [Message(role="user", content="")]
    at = places[-1] if places else len(messages) - 1
    was = messages[at]
    # Images stay where they are.
    around = [[{"type": "text", "text": text}] if text else [] for text in (before, behind)]
    parts = (*around[0], *was.parts, *around[1]) if was.parts else ()
    said = before + was.content + behind
    messages[at] = was.model_copy(update={"content": said, "parts": parts})
    return prompt.model_copy(update={"messages": tuple(messages)})
