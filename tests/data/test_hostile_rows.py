"""Rows as public data sets and strangers have them: read for what they say, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.guess import columns_option
from assay.data.io import read
from assay.data.pools import read_pool
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Group, Record

Row = dict[str, Any]
PAIR = {"prompt": "What?", "chosen": "Right.", "rejected": "Wrong."}


def records(folder: Path, *rows: Row) -> list[Record]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read(path))


SYSTEM = [
    {**PAIR, "system_prompt": "S"},
    {"prompt": "What?", "response": "A", "system": "S"},
    {"prompt": "What?", "responses": ["A", "B"], "grades": [1, 0], "system": "S"},
    {"prompt": "What?", "responses": ["A", "B"], "scores": [1, 0], "system": "S"},
    {"prompt": "What?", "completion": "A", "label": True, "system": "S"},
    {"prompt": "What?", "completion": "A", "system_prompt": "S"},
    {"prompt": "What?", "completions": ["A"], "labels": [True], "system": "S"},
    {"problem": "What?", "steps": ["A"], "labels": [1], "system": "S"},
    {"question": "What?", "response": "A", "system_prompt": "S", "id": "flan.1"},
    {"input": "What?", "output": "A", "system_prompt": "S", "reasoning": "on"},
    {"messages": [{"role": "user", "content": "What?"}], "system": "S"},
    {"prompt": "What?", "response_a": "A", "response_b": "B", "winner": "A", "system": "S"},
    {"conversations": [{"from": "human", "value": "What?"}], "system_prompt": "S"},
]


@pytest.mark.parametrize("row", SYSTEM)
def test_a_system_column_stands_before_the_prompt(row: Row, tmp_path: Path) -> None:
    (record,) = records(tmp_path, row)
    said = [(message.role, message.content) for message in prompt_of(record).messages]
    assert said == [("system", "S"), ("user", "What?")]
    assert '"S"' not in record.model_dump_json().replace('"content":"S"', "", 1)


NEEDED = [
    ("image", {**PAIR, "image": {"path": "a.png"}}),
    ("image_1", {"question": "What?", "final_answer": ["4"], "image_1": {"path": "a.png"}}),
    ("images", {"question": "<image> What?", "chosen": "A", "rejected": "B", "images": ["a.png"]}),
    ("context", {"prompt": "What?", "response": "A", "context": "Read this."}),
    ("document", {"prompt": "What?", "completion": "A", "label": True, "document": "Read this."}),
    ("options", {"prompt": "What?", "responses": ["A"], "grades": [1], "options": ["A", "B"]}),
]


@pytest.mark.parametrize(("column", "row"), NEEDED)
def test_what_a_question_needs_is_not_passed_over(column: str, row: Row, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"column '{column}' looks like a part of the prompt"):
        records(tmp_path, row)
    held = f"What? {row[column]}" if isinstance(row[column], str) else "What?"
    asked = "question" if "question" in row else "prompt"
    empty = {**row, asked: held, column: row[column] if isinstance(row[column], str) else None}
    assert len(records(tmp_path, empty)) == 1


ALONE = {"prompt": "What?", "response": "A"}
POOL = {"problem": "What?", "responses": ["A", "B"]}
CHAT = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A"}]
PASSED_OVER = [
    {"messages": CHAT, "is_correct": False},
    {"messages": [{"role": "user", "content": "What?"}], "answer": "A", "reasoning": "R"},
    {**ALONE, "is_correct": False},
    {"prompt": "What?", "completion": "A", "correct": 0},
    {"prompt": "What?", "responses": ["A", "B"], "rewards": [0, 1]},
    {"prompt": "What?", "responses": ["A", "B"], "labels": [0, 1]},
    {**POOL, "scores": [0, 1]},
    {"instruction": "What?", "output": ["A", "B", "C"]},
    {"instruction": "What?", "output": ["A", "B"], "scores": [0, 1]},
    {"instruction": "What?", "output": "A", "response": "B"},
    {**PAIR, "question": "How?"},
    {"prompt": "Answer.", "response": "A", "question": "What?"},
    {"prompt": "Answer.", "completion": "A", "label": True, "instruction": "What?"},
    {"prompt": "What?", "ground_truth": "4", "response_1": "A", "response_2": "B"},
    {"prompt": "What?", "responses": ["A", "B"], "ranks": [1, 2], "scores": [1, 2]},
]


@pytest.mark.parametrize("row", PASSED_OVER)
def test_answers_and_judgements_are_not_passed_over(row: Row, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--columns (prompt|messages)="):
        records(tmp_path, row)


ASTRAY = [
    (ALONE, {**PAIR, "response": "A"}, "trl-preference"),
    (ALONE, {"prompt": "What?", "responses": ["A", "B"], "scores": [0, 1]}, "nway"),
    ({"prompt": "What?", "completion": "A"}, None, "trl-unpaired"),
    ({"problem": "What?", "answer": "4"}, {"response": "4"}, "alpaca"),
    ({"problem": "What?", "answer": "4"}, {"generations": ["4"]}, "pools"),
    ({"question": "What?", "response": "4"}, {"is_correct": False}, "labelled-responses"),
]


@pytest.mark.parametrize(("first", "more", "name"), ASTRAY)
def test_a_later_row_of_another_layout_is_refused(
    first: Row, more: Row | None, name: str, tmp_path: Path
) -> None:
    later = {**first, **({"label": False} if more is None else more)}
    with pytest.raises(DataError, match=rf"rows.jsonl:19: the row looks like {name}, and"):
        records(tmp_path, *[first] * 18, later)
    if name == "alpaca":  # whoever says the format has the row read as that
        read_as = list(read(tmp_path / "rows.jsonl", format="math-problems"))
        assert len(read_as) == 19


def test_an_instruction_that_is_all_input_gains_nothing(tmp_path: Path) -> None:
    (record,) = records(tmp_path, {"instruction": "", "input": "What?", "output": "A"})
    assert prompt_of(record).text == "What?"


SHOWN = [
    (
        {"instruction": "Sum up.", "input": "", "output_1": "A", "output_2": "B", "preference": 2},
        "prompt=instruction,first=output_1,second=output_2,winner=preference,input=input",
    ),
    (
        {
            "prompt": "What?",
            "response_1": "Long.",
            "response_2": "B",
            "model_1": "x",
            "model_2": "y",
            "tag_1": "t",
            "tag_2": "u",
            "winner": "model_a",
        },
        "prompt=prompt,first=response_1,second=response_2,winner=winner",
    ),
    (
        {"prompt": "What?", "responses": ["A"], "labels": [1]},
        "prompt=prompt,responses=responses,scores=labels",
    ),
    (
        {"instruction": "What?", "output": ["A", "B"], "scores": [0, 1]},
        "prompt=instruction,responses=output,scores=scores",
    ),
    ({"question": "What?", "outputs": ["A", "B"], "ratings": [1, None]}, None),
    ({"messages": CHAT, "rejected": "B"}, "messages=messages,rejected=rejected"),
    ({"messages": CHAT, "is_correct": False}, "messages=messages,label=is_correct"),
    ({"turns": ["What?"], "task": "maths", "ground_truth": "4"}, None),
    ({"question": "What?", "choices": {"text": ["A"]}, "key": "A"}, None),
]


@pytest.mark.parametrize(("row", "columns"), SHOWN)
def test_the_line_that_is_shown_leaves_nothing_out(row: Row, columns: str | None) -> None:
    shown = columns_option([row])
    assert shown == (None if columns is None else f"--columns {columns}")


def test_a_prompt_may_repeat_a_message_or_another_column(tmp_path: Path) -> None:
    (record,) = records(tmp_path, {"prompt": "What?", "prompt_id": "7", "messages": CHAT})
    assert isinstance(record, Group)
    assert (record.prompt.text, record.responses[0].text) == ("What?", "A")
    (record,) = records(tmp_path, {**PAIR, "prompt": "Answer this: What?", "question": "What?"})
    assert prompt_of(record).text == "Answer this: What?"


def test_rows_of_a_pool_have_their_system_message(tmp_path: Path) -> None:
    row = {"prompt": "What?", "response": "A", "gold": 1, "system": "S"}
    rows = [row, {**row, "response": "B"}, {**row, "system": "T"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    pool = read_pool(str(tmp_path / "rows.jsonl"))
    assert [group.prompt.text for group in pool.groups] == ["S\n\nWhat?", "T\n\nWhat?"]
    assert [len(group.responses) for group in pool.groups] == [2, 1]
