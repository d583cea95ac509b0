"""Two answers and what they answer, however a row says it: a prompt beside texts, messages beside
messages, or whole conversations with one beginning.

What both begin with is the prompt only where it is whole turns: two texts that open with the same
words are not an answer's halves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.data import conversations, fields
from assay.data.transcripts import closed, marked, messages, transcript
from assay.errors import DataError
from assay.types import Message, Response

__all__ = ["asking", "pair", "prompted", "unread"]

Turns = tuple[Message, ...]
SIDES: Final = "chosen", "rejected"
ASKING: Final = frozenset(
    "article context conversation conversations dialog dialogue document history input"
    " input_text inputs instruction instructions messages passage post problem prompts query"
    " question request trajectory turns user user_input user_message user_prompt".split()
)
"""Columns that look like the prompt, or like a part of it."""


def pair(
    row: Mapping[str, Any], others: Mapping[str, Any] | None = None
) -> tuple[Turns, tuple[Response, Response]]:
    """Read `prompt` (which may be missing), `chosen` and `rejected`: the prompt's messages and the
    two answers.

    others: the row's other columns; where no prompt is found, one that looks like it is named.
    """
    sides = {side: _side(row, side) for side in SIDES}
    asked = conversations.unpacked(row.get("prompt"), "prompt")
    prompt = () if asked is None else _before(prompted(asked, "prompt"), sides["chosen"])
    if not prompt:
        whole = {side: _whole(said, side, others or {}) for side, said in sides.items()}
        prompt = _common(whole["chosen"], whole["rejected"])
        if not prompt:
            raise _apart(whole["chosen"], whole["rejected"], others or {})
        return prompt, _both(prompt, whole)
    sides = {side: _answer(said, asked) for side, said in sides.items()}
    chosen, rejected = (said if isinstance(said, tuple) else () for said in sides.values())
    if shared := _common(chosen, rejected):
        prompt = _within(shared, prompt, asked)
    return prompt, _both(prompt, sides)


def unread(row: Mapping[str, Any], others: Mapping[str, Any], names: Sequence[str] = ()) -> None:
    """Refuse a pair whose other columns say more of what was asked, and one of texts that both
    repeat it.

    names: the names that the prompt's column may have.
    """
    asked = row.get("prompt")
    if not isinstance(asked, str):
        return
    conversations.whole(asked, others, ASKING.union(names))
    sides = [row.get(side) for side in SIDES]
    repeated = all(isinstance(said, str) and said.startswith(asked) for said in sides)
    if repeated and len(asked.split()) > 1 and marked(asked) is None:
        raise DataError(
            "'chosen' and 'rejected' repeat the whole prompt; cut it off, or name the columns to"
            " take the texts as they are: --columns prompt=...,chosen=...,rejected=..."
        )


def _before(prompt: Turns, chosen: str | Turns) -> Turns:
    """The prompt without the chosen answer, where it holds that, too; nothing where it is the
    chosen conversation."""
    if prompt[-1].role != "assistant":
        return prompt
    if chosen == prompt:
        return ()
    return prompt[:-1] if chosen in (prompt[-1].content, prompt[-1:]) else prompt


def _within(shared: Turns, prompt: Turns, asked: object) -> Turns:
    """The prompt of whole conversations that repeat it: what they begin with may say more."""
    if isinstance(asked, str) and asked in [message.content for message in shared]:
        return shared  # as in UltraFeedback's binarized form
    if shared[-len(prompt) :] == prompt:
        return shared
    if any(shared[: len(begin)] == begin for begin in (prompt, _spoken(prompt)) if begin):
        return prompt
    raise DataError("field 'prompt' is not part of the conversations in 'chosen' and 'rejected'")


def _spoken(prompt: Turns) -> Turns:
    return tuple(turn for turn in prompt if turn.role not in ("system", "developer"))


def prompted(value: object, field: str) -> Turns:
    """Read a prompt: messages, or a text, which may be a transcript."""
    turns = transcript(value) if isinstance(value, str) else None
    if turns is None:
        return conversations.turns({field: value}, field)
    if turns[-1].role != "assistant":
        return turns
    if turns[-1].content or len(turns) == 1:
        raise DataError(
            f"field {field!r} is a dialog that ends within the assistant's turn; end it where the"
            " assistant is to speak, or write messages"
        )
    return turns[:-1]


def _side(row: Mapping[str, Any], side: str) -> str | Turns:
    """An answer as it is given: a text, or messages."""
    value = conversations.unpacked(fields.value(row, side), side)
    if isinstance(value, str):
        return value
    messages = conversations.conversation([value] if isinstance(value, dict) else value, side)
    if not messages:
        raise DataError(f"field {side!r}: there is no message")
    return messages


def _whole(said: str | Turns, side: str, others: Mapping[str, Any]) -> Turns:
    """A conversation, given as messages or as a text that is marked throughout."""
    turns = transcript(said) if isinstance(said, str) else said
    if turns is None:
        raise DataError(f"there is no prompt beside the text in {side!r}; {_advice(others)}")
    return turns


def _answer(said: str | Turns, asked: object) -> str | Turns:
    """An answer beside a prompt; a text that is marked as turns is those."""
    if not isinstance(said, str):
        return said
    if turns := marked(said):
        return messages(turns)
    return closed(said, asked) if isinstance(asked, str) else said


def _common(chosen: Turns, rejected: Turns) -> Turns:
    """The turns that two conversations begin with, up to where the assistant speaks."""
    common = chosen[: fields.shared(chosen[:-1], rejected[:-1])]
    while common and common[-1].role == "assistant":
        common = common[:-1]
    return common


def _both(prompt: Turns, sides: Mapping[str, str | Turns]) -> tuple[Response, Response]:
    chosen, rejected = (_reply(said, prompt, side) for side, said in sides.items())
    return chosen, rejected


def _reply(said: str | Turns, prompt: Turns, side: str) -> Response:
    """What answers the prompt."""
    if isinstance(said, str):
        return Response.of(said)
    begins = [begin for begin in (prompt, _spoken(prompt)) if begin]
    repeated = next((begin for begin in begins if said[: len(begin)] == begin), ())
    said = said[len(repeated) :]
    if not said:
        raise DataError(f"field {side!r}: there is no answer after the prompt")
    for verb, end in (("begins", said[0]), ("ends", said[-1])):
        if end.role == "user" or (verb == "begins" and end.role != "assistant"):
            raise DataError(
                f"field {side!r}: expected the assistant's answer, or the prompt's messages and"
                f" then the answer; it {verb} with a {end.role} message of its own"
            )
    empty = said == (Message(role="assistant", content=""),)
    return Response.of("") if empty else conversations.response(said)


def _apart(chosen: Turns, rejected: Turns, others: Mapping[str, Any]) -> DataError:
    """What two conversations without a common beginning differ in."""
    one, two = chosen[0], rejected[0]
    if one.role == two.role == "assistant":
        return DataError(f"'chosen' and 'rejected' are answers without a prompt; {_advice(others)}")
    if one.role != two.role:
        why = f"'chosen' begins with a {one.role} message, 'rejected' with a {two.role} message"
    elif one != two:
        why = f"their first messages differ, both of the {one.role}"
    else:
        why = f"there is no answer in {'chosen' if len(chosen) == 1 else 'rejected'!r}"
    return DataError(f"fields 'chosen' and 'rejected' are no answers to one prompt: {why}")


def _advice(others: Mapping[str, Any]) -> str:
    names = "prompt={},chosen=chosen,rejected=rejected"
    if found := asking(others):
        return f"column {found[0]!r} looks like it: --columns {names.format(found[0])}"
    return (
        f"add a 'prompt' column, or name one: --columns {names.format('...')} (for texts, --format"
        " trl-implicit takes what both begin with)"
    )


def asking(columns: Mapping[str, Any]) -> list[str]:
    """Return the columns that look like the prompt, or like a part of it, and hold something."""
    return [name for name, value in columns.items() if name.lower() in ASKING and value]
