"""Trajectories as text: the whole conversation, and where each of the assistant's turns stands.

A template writes the conversation up to a turn, which then begins what is written of the whole; so
it is known where the turn ends. Where the template writes earlier turns otherwise than last ones
(Qwen3 leaves out reasoning, and blocks for it), what it writes of the whole counts, and the turn is
found there by what stands around a marker in its place.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from assay.errors import ConfigError, DataError
from assay.models.rendering import Show, Surroundings, common, cut_out, only_text, surroundings
from assay.types import Message, Prompt

__all__ = ["REWRITTEN", "Turn", "Written", "conversation", "in_chat", "in_plain"]


REWRITTEN: Final = (
    "the chat template writes earlier turns otherwise than last ones (as those that leave out"
    " reasoning do): a trajectory is read as the whole is written, so that the score of a turn is"
    " not that of the trajectory cut there"
)


class Turn(NamedTuple):
    """Place of an assistant's turn in a text, in characters."""

    start: int
    """Where what the assistant says begins."""
    end: int
    """Behind it."""
    closed: int
    """Behind what ends the turn."""


class Written(NamedTuple):
    """A conversation as text."""

    text: str
    turns: tuple[Turn, ...]
    """Places of the assistant's turns."""
    rewritten: bool = False
    """True where earlier turns are written otherwise than they were when they were the last."""

    @property
    def cuts(self) -> list[int]:
        """Places around what the assistant says; a space between two pieces goes with the
        second."""
        begin = [len(self.text[: turn.start].rstrip(" ")) for turn in self.turns]
        return [*begin, *(place for turn in self.turns for place in turn[1:])]

    def ended(self, rstrip: str, final: str) -> "Written":
        """The same with white space taken off the ends of turns, and a text at the very end."""
        turns = []
        for turn in self.turns:
            closed = len(self.text[: turn.closed].rstrip(rstrip))
            turns.append(turn._replace(end=min(turn.end, closed), closed=closed))
        text = self.text.rstrip(rstrip) + final
        if turns and self.turns[-1].closed == len(self.text):
            turns[-1] = turns[-1]._replace(closed=len(text))
        return self._replace(text=text, turns=tuple(turns))


def in_chat(
    show: Show,
    prompt: Sequence[Message],
    turns: Sequence[Message],
    *,
    special: re.Pattern[str],
    closed: bool,
    goes_on: bool,
) -> Written:
    """A trajectory as a chat template writes it.

    show: renders messages. special: the tokenizer's special tokens. closed: with what ends a last
    turn. goes_on: behind a message of another's, the text ends where the assistant's begins. Raises
    `DataError` where a turn cannot be told from what stands around it.
    """
    messages = [*prompt, *turns]
    whole: Show = show
    if goes_on and messages[-1].role != "assistant":
        whole = _beginning(show)
    text, rewritten, found = whole(messages), False, list[Turn]()
    for i in range(len(prompt), len(messages)):
        if messages[i].role != "assistant":
            continue
        around, upto = surroundings(show, messages[:i]), show(messages[: i + 1])
        if text.startswith(upto):
            turn = _at_the_end(around, upto, special)
        else:
            rewritten = True
            turn = _within(whole, messages, i, text, around.tail, special)
        if turn.start < (found[-1].closed if found else 0):
            raise DataError(
                f"the chat template writes the conversation so that where turn {i - len(prompt)} of"
                " the response begins cannot be told; use the template plain"
            )
        found.append(turn)
    if not closed and messages[-1].role == "assistant":
        text = text[: found[-1].end]
        found[-1] = found[-1]._replace(closed=found[-1].end)
    return Written(text, tuple(found), rewritten)


def _beginning(show: Show) -> Show:
    """Render messages up to where the assistant goes on."""
    return lambda messages: surroundings(show, messages).head


def _at_the_end(around: Surroundings, text: str, special: re.Pattern[str]) -> Turn:
    """Place of the turn that a text ends with, by what is written around another last one."""
    start = len(common(around.head, text))
    rest = text[start:]
    end = len(text) - len(common(around.tail[::-1], rest[::-1]))
    # Ends of turns that differ, as "<|call|>" and "<|end|>", have letters in common.
    for token in special.finditer(text, start):
        if token.start() < end < token.end():
            end = token.start()
    return Turn(start, end, len(text))


def _within(
    show: Show,
    messages: Sequence[Message],
    i: int,
    text: str,
    tail: str,
    special: re.Pattern[str],
) -> Turn:
    """Place of a turn by what is written around a marker in its place, and of its end by what ends
    a last one."""
    try:
        around = surroundings(show, messages[:i], messages[i + 1 :])
    except (ConfigError, DataError) as error:
        raise DataError(
            "the chat template writes earlier turns otherwise than last ones, and it cannot be told"
            f" where they stand ({error}); use the template plain"
        ) from error
    head, words, _ = cut_out(around, text)
    end = len(head) + len(words)
    closed = end + len(common(tail, text[end:]))
    # Another token ends it, that is written like the last turn's at first.
    if (token := special.match(text, end)) and token.start() < closed < token.end():
        closed = token.end()
    return Turn(len(head), end, closed)


def in_plain(
    before: str, turns: Sequence[Message], *, join: str, ending: str, goes_on: bool
) -> Written:
    """A trajectory as plain text after its prompt: each message after its role, as in prompts.

    before: the prompt with what stands between it and a response. ending: text of what closes every
    turn; none closes the last one of a trajectory that goes on.
    """
    text, found = before, list[Turn]()
    for i, message in enumerate(turns):
        if message.role != "assistant":
            text += f"\n\n{_said(message)}"
            continue
        text += f"\n\nAssistant:{join}" if i else ""
        start = len(text)
        text += message.text
        end = len(text)
        text += "" if goes_on and i == len(turns) - 1 else ending
        found.append(Turn(start, end, len(text)))
    if goes_on and turns[-1].role != "assistant":
        text += f"\n\nAssistant:{join}"
    return Written(text, tuple(found))


def conversation(prompt: Prompt) -> str:
    """One message is its bare text; several, and what has tools, carry their roles."""
    only_text(prompt.messages)
    if len(prompt.messages) == 1 and not prompt.tools:
        return prompt.messages[0].text
    tools = "".join(json.dumps(tool, ensure_ascii=False) + "\n" for tool in prompt.tools)
    listed = [f"Tools:\n{tools.rstrip()}"] if tools else []
    return "\n\n".join([*listed, *map(_said, prompt.messages), "Assistant:"])


def _said(message: Message) -> str:
    """A message after its role, as plain text has it."""
    name = f" ({message.name})" if message.name else ""
    return f"{message.role.capitalize()}{name}: {message.text}"
