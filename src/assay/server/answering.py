"""Answer requests of typed questions in batches."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from assay.answerers.answered import Answered, answered
from assay.answerers.decisions import DecisionAnswerer
from assay.answerers.dialects import states
from assay.answerers.head import HeadAnswerer
from assay.errors import ConfigError
from assay.protocols import Answerer
from assay.server.batcher import Work, estimated_tokens
from assay.server.dialects import Refused
from assay.server.dialects.typed import Inquiry
from assay.types import Message, Prompt

__all__ = ["answering", "inquiry_work"]


def answering(
    answerer: Answerer,
) -> Callable[[Sequence[Sequence[Any]]], list[list[list[Answered]]]]:
    """Return what a batcher runs: an item is a whole request, whose questions stay together.

    It raises `Refused` for questions that the answerer cannot be asked; the batcher then asks each
    request alone.
    """
    # These take conversations; others a user's message, behind which the question is put.
    whole = isinstance(answerer, HeadAnswerer | DecisionAnswerer)

    def run(items: Sequence[Sequence[Inquiry]]) -> list[list[list[Answered]]]:
        asked = [one for row in items for one in row]
        given = [one.state if whole else ending_with_user(one.state) for one in asked]
        try:
            found = iter(answered(answerer, given, [one.questions for one in asked]))
        except ConfigError as error:
            raise Refused("questions", str(error), status=422) from error
        return [[next(found) for _ in row] for row in items]

    return run


def ending_with_user(state: Prompt) -> Prompt:
    """Return a conversation that ends with somebody else, such as one that calls tools, as a text
    of the user's, in which no text can forge a turn."""
    if state.messages[-1].role == "user":
        return state
    lead, said = states.text(state)
    system = (Message(role="system", content=lead),) if lead else ()
    return Prompt(messages=(*system, Message(role="user", content=said)))


def inquiry_work(asked: Inquiry, answerer: Answerer) -> Work:
    """Return a request as work, whose key is its state: what is asked of one state goes together.

    Raises `Refused` for a state with images and the like, where texts are read.
    """
    if states.has_pictures(asked.state) and not isinstance(answerer, DecisionAnswerer):
        raise Refused("input", "has parts that are no texts, and texts alone are read here")
    state = asked.state.model_dump_json()
    said = sum(len(question.model_dump_json()) for question in asked.questions)
    return Work(
        key=hashlib.sha256(state.encode()).hexdigest(),
        items=(asked,),
        tokens=estimated_tokens(len(state) + said),
    )
