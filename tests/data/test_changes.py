"""What a row cannot hold is said by its path and its values."""

from typing import Any

import pytest

from assay.data.changes import change
from assay.types import Group, Message, Prompt, Ranking, Record, Response, StepLabels

ASKED = Prompt.of("What?")
SAID = Response.of("That.")
LONG = "word " * 40


def asked(**changes: Any) -> Prompt:
    return ASKED.model_copy(update=changes)


def chat(*texts: str) -> Prompt:
    return asked(messages=tuple(Message(role="user", content=text) for text in texts))


PAIRS: list[tuple[Record, Record, str]] = [
    (asked(tools=({"name": "add"},)), ASKED, "tools from ({'name': 'add'},) to nothing"),
    (ASKED, asked(tools=({"name": "add"},)), "tools from nothing to ({'name': 'add'},)"),
    (
        asked(meta={"lang": "en"}),
        ASKED,
        "meta.lang from 'en' to nothing; `assay data convert --without meta` leaves that out",
    ),
    (
        Group(prompt=asked(meta={"a": 1, "b": 2}), responses=()),
        Group(prompt=asked(meta={"c": 3}), responses=()),
        "prompt.meta (without a, b; with c); `assay data convert --without meta` leaves that out",
    ),
    (
        asked(messages=(Message(role="user", content="a", extra={"id": 1}),)),
        chat("a"),
        "messages[0].extra from {'id': 1} to nothing",
    ),
    (
        asked(id="7"),
        ASKED,
        "id from '7' to ''; `assay data convert --without id` leaves that out",
    ),
    (chat("a", "b"), chat("a"), "messages from 2 entries to 1"),
    (
        chat(f"{LONG}x"),
        chat(f"{LONG}y"),
        "messages[0].content from ...'word word x' to ...'word word y'",
    ),
    (
        Group(prompt=ASKED, responses=(SAID.model_copy(update={"finished": False}),)),
        Group(prompt=ASKED, responses=(SAID,)),
        "responses[0].finished from False to True; `assay data convert --without finished` leaves"
        " that out",
    ),
    (
        StepLabels(prompt=ASKED, response=SAID, labels=(1.0,)),
        Group(prompt=ASKED, responses=(SAID,)),
        "it into a Group: there is no place for its labels",
    ),
    (
        Ranking(prompt=ASKED, responses=(SAID,), grades=(2.0,)),
        ASKED,
        "it into a Prompt: there is no place for its grades and answers",
    ),
]


@pytest.mark.parametrize(("record", "back", "said"), PAIRS)
def test_a_change_is_told_by_its_path_and_values(record: Record, back: Record, said: str) -> None:
    assert change(record, back) == said


def test_steps_of_a_trajectory_are_not_said_to_be_left_out() -> None:
    def group(*texts: str, turns: bool) -> Group:
        said = tuple(Message(role="assistant", content=text) for text in texts)
        response = Response.trajectory(said) if turns else Response(steps=texts)
        return Group(prompt=ASKED, responses=(response,))

    assert "--without steps" in change(group("a", "b", turns=False), group("ab", turns=False))
    assert "--without" not in change(group("a", "b", turns=True), group("ab", turns=True))
