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
from assay.models.pieces import NOTHING, Piece, cut
from assay.models.rendering import (
    Show,
    common,
    cut_out,
    marker,
    only_text,
    surroundings,
)
from assay.types import Message, Prompt

__all__ = ["REWRITTEN", "Chat", "Turn", "Written", "conversation", "in_plain", "remembered"]


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

    def plain_pieces(self, apart: bool) -> list[Piece]:
        """Pieces of a plain text, in which what closes turns alone is tokens. apart: cut around
        what the assistant says, too."""
        closings = {turn.end for turn in self.turns if turn.end < turn.closed}
        at = [*closings, *(turn.closed for turn in self.turns), *self.cuts * apart]
        return [
            piece._replace(special=piece.start in closings) for piece in cut(self.text, at, NOTHING)
        ]

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


class _Added(NamedTuple):
    """What a template adds around the assistant's words."""

    opening: str | None
    """Text before them; None where it changes what stands before, too."""
    tail: str


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
        usual = self._around(prompt)
        whole = self.begin if goes_on and messages[-1].role != "assistant" else self.show
        text, rewritten, found = whole(messages), False, list[Turn]()
        for i, message in enumerate(messages):
            if message.role != "assistant" or (i < len(prompt) and message.reasoning is None):
                continue
            upto = self.show(messages[: i + 1])
            if not text.startswith(upto):
                rewritten = True
                # Reasoning that the whole is without must not stand in what is compared with it.
                messages = _without_reasoning(messages, i, whole, text)
                upto = self.show(messages[: i + 1])
            if i < len(prompt):
                continue
            if text.startswith(upto):
                turn = self._last(messages[: i + 1], upto, usual)
            else:
                at = found[-1].closed if found else 0
                turn = self._within(whole, messages, i, text, usual) or self._alone(
                    self._last(messages[: i + 1], upto, usual), upto, text, at
                )
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
                text, written = self.begin([*upto, *answers]), self.show(upto)
            except DataError:
                continue
            if text.startswith(written):
                return text[self._last(upto, written, self._around(messages[:-1])).end :]
        raise DataError(UNKNOWN)

    def _around(self, before: Sequence[Message]) -> _Added:
        """Return what the template adds around an assistant's words behind these messages."""
        asked, begun = self.show(before), self.begin(before)
        opening = begun.removeprefix(asked) if begun.startswith(asked) else None
        return _Added(opening, surroundings(self.show, before).tail)

    def _last(self, messages: Sequence[Message], upto: str, usual: _Added) -> Turn:
        """Place of the turn that a text ends with, by what is written around another last one."""
        before, (opening, tail) = messages[:-1], usual
        head = None if opening is None else self.show(before) + opening
        if head is None or not upto.startswith(head) or not upto[len(head) :].endswith(tail):
            head = common(self.begin(before), upto)
            tail = surroundings(self.show, before).tail
        start = len(head)
        end = len(upto) - len(common(tail[::-1], upto[start:][::-1]))
        # Ends of turns that differ, as "<|call|>" and "<|end|>", have letters in common.
        for token in self.special.finditer(upto, start):
            if token.start() < end < token.end():
                end = token.start()
        return Turn(start, end, len(upto))

    def _within(
        self, whole: Show, messages: Sequence[Message], i: int, text: str, usual: _Added
    ) -> Turn | None:
        """Place of a turn by what is written around a marker in its place, and of its end by what
        ends a last one; None where the template refuses the marker."""
        try:
            around = surroundings(whole, messages[:i], messages[i + 1 :])
        except (ConfigError, DataError):
            return None
        head, words, _ = cut_out(around, text)
        end = len(head) + len(words)
        closed = end + len(common(usual.tail, text[end:]))
        # Another token ends it, that is written like the last turn's at first.
        if (token := self.special.match(text, end)) and token.start() < closed < token.end():
            closed = token.end()
        # A marker may have more before it than what the assistant's words begin with.
        opening = usual.opening or ""
        place = head.rfind(opening)
        return Turn(place + len(opening) if place >= 0 else len(head), end, closed)

    def _alone(self, turn: Turn, upto: str, text: str, at: int) -> Turn:
        """Place of a last turn where what is written of it stands once in the text."""
        start, end, closed = turn
        words = upto[start:closed]
        if not self.special.search(words) or text.count(words, at) != 1:
            raise DataError(UNKNOWN)
        place = text.index(words, at)
        return Turn(place, place + end - start, place + closed - start)


def remembered(show: Show) -> Show:
    """Render the same messages once."""
    known: dict[tuple[Message, ...], str] = {}

    def shown(messages: Sequence[Message]) -> str:
        key = tuple(messages)
        if key not in known:
            known[key] = show(key)
        return known[key]

    return shown


def _without_reasoning(
    messages: Sequence[Message], i: int, whole: Show, text: str
) -> list[Message]:
    """Leave out a message's reasoning where the template leaves it out of the whole."""
    less = [*messages]
    less[i] = messages[i].model_copy(update={"reasoning": None})
    return less if whole(less) == text else [*messages]


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
