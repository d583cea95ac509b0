"""Two conversations that are compared: what they share is the prompt, and the rest of each is an
answer to it."""

from collections.abc import Sequence
from typing import Any

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Message, Response

__all__ = ["compared", "up_to_turn"]


def compared(
    one: Sequence[Message], other: Sequence[Message], names: tuple[str, str]
) -> tuple[tuple[Message, ...], tuple[Response, Response]]:
    """Return the prompt and both answers.

    Answers that part before the last turn are trajectories, in which the user's turns are the same
    in both. Raises `DataError` where they are not: those answer other questions.
    """
    asked = [[turn for turn in turns if turn.role == "user"] for turns in (one, other)]
    for name, turns in zip(names, (one, other), strict=True):
        if not turns or turns[-1].role != "assistant":
            raise DataError(f"field {name!r}: the conversation does not end with an answer")
    if asked[0] != asked[1]:
        turn = fields.shared(*asked) + 1
        raise DataError(
            f"fields {names[0]!r} and {names[1]!r} differ in the user's turn {turn}: their answers"
            " are to other questions, and cannot be compared"
        )
    end = fields.shared(one[:-1], other[:-1])
    while end and one[end - 1].role == "assistant":
        end -= 1
    if not end:
        raise DataError(f"fields {names[0]!r} and {names[1]!r} share no first turn to answer")
    return tuple(one[:end]), (
        conversations.response(one[end:]),
        conversations.response(other[end:]),
    )


def up_to_turn(turns: Sequence[Message], number: Any) -> Sequence[Message]:
    """Return the conversation up to the answer to the user's turn of that number, from 1 on."""
    asked = [i for i, turn in enumerate(turns) if turn.role == "user"]
    counted = isinstance(number, int) and not isinstance(number, bool) and number > 0
    return turns[: asked[number]] if counted and number < len(asked) else turns
