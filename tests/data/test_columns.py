"""Columns that are named by hand: nothing that a user names is passed over."""

from typing import Any

import pytest

from assay.data.columns import Columns
from assay.errors import ConfigError, DataError
from assay.types import Group, StepLabels

ASKED = {"role": "user", "content": "What?"}
CHAT = [ASKED, {"role": "assistant", "content": "That."}]


@pytest.mark.parametrize(
    ("part", "needed"),
    [
        *((part, "response or messages") for part in ("label", "score")),
        *((p, "response or messages or responses") for p in ("finished", "stop", "each.model")),
        ("labels", "steps"),
        ("steps", "labels"),
        ("scores", "responses"),
        ("ranks", "responses"),
        ("margin", "rejected or first"),
        ("chosen_score", "rejected"),
        ("opening", "rejected"),
        ("winner", "first"),
        ("first_model", "first"),
        ("chosen", "rejected"),
        ("rejected", "chosen or messages"),
    ],
)
def test_a_part_that_would_do_nothing_is_refused(part: str, needed: str) -> None:
    with pytest.raises(ConfigError, match=f"{part} alone would do nothing: it goes with {needed}"):
        Columns.of(f"prompt=question,{part}=x")


def test_a_judgement_needs_its_kind_of_answer() -> None:
    with pytest.raises(ConfigError, match="label alone would do nothing"):
        Columns.of("prompt=q,responses=outputs,label=ok")


@pytest.mark.parametrize("part", ["label", "score", "finished", "stop", "each.model"])
def test_what_is_said_of_an_answer_that_is_missing_is_refused(part: str) -> None:
    named = Columns.of(f"messages=chat,{part}=x")
    with pytest.raises(DataError, match=f"'{part}': there is no answer"):
        list(named.read({"chat": [ASKED], "x": 1}))
    with pytest.raises(DataError, match=f"'{part}': there is no answer"):
        list(Columns.of(f"prompt=q,response=a?,{part}=x").read({"q": "What?", "x": 1}))


def test_a_conversation_with_its_answer_is_no_prompt() -> None:
    row: dict[str, Any] = {"chat": CHAT, "score": 1}
    with pytest.raises(DataError, match="name its column messages=, not prompt="):
        list(Columns.of("prompt=chat").read(row))
    (judged,) = Columns.of("messages=chat,label=score").read(row)
    (group,) = Columns.of("messages=chat").read(row)
    assert isinstance(judged, StepLabels)
    assert judged.labels == (1.0,)
    assert type(group) is Group
