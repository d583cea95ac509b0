"""Trajectories as text: the whole conversation, and where each of the assistant's turns stands.

A template writes the conversation up to a turn, which then begins what is written of the whole; so
it is known where the turn ends. Where the template writes earlier turns otherwise than last ones
(Qwen3 leaves out reasoning, and blocks for it; Mistral puts tools before the last question), what
it writes of the whole counts: the turn is found by what stands around a marker in its place.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from assay.errors import ConfigError, DataError
from assay.models.rendering import (
    Show,
    common,
    cut_out,
    marker,
    only_text,
    surroundings,
)
from assay.types import Message, Prompt

__all__ = ["REWRITTEN", "Chat", "Turn", "Written", "conversation", "in_plain"]


REWRITTEN: Final = (
    "the chat template writes earlier turns otherwise than last ones (as those that leave out"
    " reasoning do): a trajectory is read as the whole is written, so that the score of a turn is"
    " not that of the trajectory cut there"
)
UNKNOWN: Final = (
    "the chat template writes earlier turns otherwise than last ones, and it cannot be told where"
    " in the whole they stand; use the template plain"
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


@dataclass(frozen=True)
class Chat:
    """A chat template, as far as trajectories need it."""

    show: Show
    """Renders messages."""
    begin: Show
    """Renders messages, and what stands before the assistant's next words."""
    special: re.Pattern[str]
    """Finds the tokenizer's special tokens."""

    def write(
        self,
        prompt: Sequence[Message],
        turns: Sequence[Message],
        *,
        closed: bool,
        goes_on: bool,
    ) -> Written:
        """A trajectory as the template writes it.

        closed: with what ends a last turn. goes_on: behind a message of another's, the text ends
        where the assistant's begins. Raises `DataError` where a turn cannot be told from what
        stands around it.
        """
        messages = [*prompt, *turns]
        whole = self.begin if goes_on and messages[-1].role != "assistant" else self.show
        text = whole(messages)
        bare = _without_reasoning(messages, whole)
        found: list[Turn] = []
        rewritten = False
        for i in range(len(prompt), len(messages)):
            if messages[i].role != "assistant":
                continue
            upto, shown = messages[: i + 1], bare[: i + 1]
            rewritten |= shown != upto and not text.startswith(self.show(upto))
            turn = self._at_the_end(shown, text)
            if turn is None:
                rewritten = True
                at = found[-1].closed if found else 0
                turn = self._within(whole, bare, i, text) or self._alone(shown, text, at)
            found.append(turn)
        if any(a.closed > b.start for a, b in pairwise(found)):
            raise DataError(UNKNOWN)
        if not closed and messages[-1].role == "assistant":
            text = text[: found[-1].end]
            found[-1] = found[-1]._replace(closed=found[-1].end)
        return Written(text, tuple(found), rewritten)

    def between(self, messages: Sequence[Message], answers: Sequence[Message]) -> str:
        """Return what stands behind the words of the last message, an assistant's, and before those
        of its next turn after the answers.

        Raises `DataError` where the turn cannot be told from what stands around it.
        """
        # Some templates write earlier turns otherwise than last ones, and none does so for a text;
        # others take a tool's answers behind calls only.
        bare = Message(role="assistant", content=marker([m.content for m in messages]))
        for last in (messages[-1], bare):
            upto = [*messages[:-1], last]
            try:
                text = self.begin([*upto, *answers])
                turn = self._at_the_end(upto, text)
            except DataError:
                continue
            if turn is not None:
                return text[turn.end :]
        raise DataError(UNKNOWN)

    def _at_the_end(self, messages: Sequence[Message], text: str) -> Turn | None:
        """Place of the last turn, where the text begins with what is written up to it."""
        upto = self.show(messages)
        return self._last(messages, upto) if text.startswith(upto) else None

    def _last(self, messages: Sequence[Message], upto: str) -> Turn:
        """Place of the turn that a text ends with, by what is written around another last one."""
        before = messages[:-1]
        start = len(common(self.begin(before), upto))
        tail, rest = surroundings(self.show, before).tail, upto[start:]
        end = len(upto) - len(common(tail[::-1], rest[::-1]))
        # Ends of turns that differ, as "<|call|>" and "<|end|>", have letters in common.
        for token in self.special.finditer(upto, start):
            if token.start() < end < token.end():
                end = token.start()
        return Turn(start, end, len(upto))

    def _within(self, whole: Show, messages: Sequence[Message], i: int, text: str) -> Turn | None:
        """Place of a turn by what is written around a marker in its place, and of its end by what
        ends a last one; None where the template refuses the marker."""
        before, after = messages[:i], messages[i + 1 :]
        try:
            around = surroundings(whole, before, after)
        except (ConfigError, DataError):
            return None
        head, words, _ = cut_out(around, text)
        end = len(head) + len(words)
        closed = end + len(common(surroundings(self.show, before).tail, text[end:]))
        # Another token ends it, that is written like the last turn's at first.
        if (token := self.special.match(text, end)) and token.start() < closed < token.end():
            closed = token.end()
        # A marker may have more before it than what the assistant's words begin with.
        begun = self.begin(before)
        opening = begun[len(common(self.show(before), begun)) :]
        place = head.rfind(opening) if opening else -1
        return Turn(place + len(opening) if place >= 0 else len(head), end, closed)

    def _alone(self, messages: Sequence[Message], text: str, at: int) -> Turn:
        """Place of the last turn where what is written of it stands once in the text."""
        upto = self.show(messages)
        start, end, closed = self._last(messages, upto)
        words = upto[start:closed]
        if not self.special.search(words) or text.count(words, at) != 1:
            raise DataError(UNKNOWN)
        place = text.index(words, at)
        return Turn(place, place + end - start, place + closed - start)


def _without_reasoning(messages: Sequence[Message], whole: Show) -> list[Message]:
    """Leave out the reasoning that the template leaves out of the whole."""
    bare, text = [*messages], None
    for i, message in enumerate(messages):
        if message.reasoning is not None:
            less = [*bare[:i], message.model_copy(update={"reasoning": None}), *bare[i + 1 :]]
            text = text or whole(messages)
            bare = less if whole(less) == text else bare
    return bare


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
