"""Columns that are named by hand: nothing that a user names is passed over."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from assay.data import io
from assay.data.columns import Columns
from assay.errors import ConfigError, DataError
from assay.types import Group, Ranking, StepLabels

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


def test_messages_are_not_taken_for_answers_that_are_objects() -> None:
    with pytest.raises(DataError, match="Input should be 'system'"):
        list(Columns.of("messages=chat").read({"chat": [{"speaker": "x", "content": "Hi."}]}))


OBJECTS = {"q": "What?", "outs": [{"text": "That.", "by": "x", "score": 2}, {"text": "This."}]}


@pytest.mark.parametrize(
    ("columns", "row", "hint"),
    [
        ("responses=outs", OBJECTS, "responses=outs.*.text,scores=outs.*.score"),
        ("responses=outs.text", OBJECTS, "responses=outs.*.text"),
        ("response=out", {"q": "What?", "out": {"answer": "That."}}, "response=out.answer"),
        (
            "chosen=win,rejected=lose",
            {"q": "What?", "win": {"text": "A"}, "lose": {"text": "B"}},
            "chosen=win.text",
        ),
        (
            "responses=data.outs.text",
            {"q": "What?", "data": {"outs": [{"text": "A"}]}},
            "responses=data.outs.*.text",
        ),
        (
            "responses=outs",
            {"q": "What?", "outs": [{"content": "A", "reward": 0.5}]},
            "responses=outs.*.content,scores=outs.*.reward",
        ),
    ],
)
def test_a_path_that_stops_short_is_answered_by_one_that_does_not(
    columns: str, row: dict[str, Any], hint: str
) -> None:
    with pytest.raises(DataError) as refused:
        list(Columns.of(f"prompt=q,{columns}").read(row))
    assert str(refused.value).split()[-1] == hint


def test_the_path_that_is_shown_reads_the_texts_and_scores() -> None:
    row = {"q": "What?", "outs": [{"text": "A", "score": 2}, {"text": "B", "score": 1}]}
    (pool,) = Columns.of("prompt=q,responses=outs.*.text,scores=outs.*.score").read(row)
    assert isinstance(pool, Ranking)
    assert pool.grades == (2.0, 1.0)
    assert [each.text for each in pool.responses] == ["A", "B"]


def test_a_missing_column_is_still_said_to_be_missing() -> None:
    for columns in ("response=out", "response=q.text", "responses=outs.nothing"):
        with pytest.raises(DataError, match=r"^field '.*' is missing; the row has q, outs"):
            list(Columns.of(f"prompt=q,{columns}").read(OBJECTS))


def test_a_name_that_no_row_has_is_one_fault(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "good": "a", "bad": "b"} for i in range(40)]
    file = tmp_path / "a.jsonl"
    said = "no row has the field 'god' (did you mean good?); the first has question, good, bad."
    columns = Columns.of("prompt=question,chosen=god,rejected=bad")
    for some in (rows, rows[:1]):
        file.write_text("".join(json.dumps(row) + "\n" for row in some))
        with pytest.raises(DataError, match=re.escape(said)):
            list(io.read(file, format=columns))
    # One row that has it: the others are what is wrong.
    for at in (0, 20):
        mixed = [*rows[:at], {"question": "q", "god": "a", "bad": "b"}, *rows[at:]]
        file.write_text("".join(json.dumps(row) + "\n" for row in mixed))
        with pytest.raises(DataError, match="40 bad rows; repair them"):
            list(io.read(file, format=columns))
