"""Rows as public data sets and strangers have them: read for what they say, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.io import read
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Record

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
