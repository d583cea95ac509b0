"""Datasheets, counted by hand."""

import json
from pathlib import Path

import pytest

from assay import cli
from assay.data.describe import Spread, describe
from assay.types import Group, Message, Preference, Prompt, Ranking, Record, Response, StepLabels


def asked(text: str, **meta: str) -> Prompt:
    return Prompt.of(text).model_copy(update={"meta": meta})


def test_a_datasheet_counts_what_there_is() -> None:
    system = Message(role="system", content="Be brief.")
    chat = Prompt(messages=(system, *Prompt.of("Почему небо голубое?").messages), reference="Да")
    responses = tuple(Response(steps=(text,), meta={"model": text}) for text in ("ab", "abcd"))
    records: list[Record] = [
        Preference(prompt=asked("Why?", source="web"), responses=responses, prefer=1.0, margin=2.0),
        Preference(prompt=asked("why", source="web"), responses=responses, prefer=0.5),
        Ranking(prompt=asked("12 + 3", source="book"), responses=responses, grades=(0.0, 1.0)),
        StepLabels(
            prompt=chat, response=Response(steps=("a", "b"), finished=False), labels=(1.0, None)
        ),
        Group(prompt=asked("为什么?"), responses=()),
        chat,
    ]
    sheet = describe(records)
    assert sheet.kinds == {
        "Preference": 2,
        "Ranking": 1,
        "StepLabels": 1,
        "Group": 1,
        "Prompt": 1,
    }
    assert sheet.prompts == 4
    assert sheet.sizes["characters per response"] == Spread(
        n=7, mean=20 / 7, least=2, low=2, median=2, high=4, most=4
    )
    assert sheet.sizes["responses per record"].n == 5
    assert sheet.labels == {
        "first preferred": 1,
        "margin stated": 1,
        "tie": 1,
        "grade 0": 1,
        "grade 1": 1,
        "step labelled 1": 1,
        "step unlabelled": 1,
    }
    assert sheet.holds == {"system message": 2, "reference": 2, "unfinished response": 1}
    assert sheet.scripts == {"latin": 2, "none": 1, "cyrillic": 2, "cjk": 1}
    assert sheet.columns == {"source": {"web": 2, "book": 1}, "model": {"ab": 3, "abcd": 3}}


def test_the_command_prints_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"Q{i}?", "chosen": "A", "rejected": "B", "licence": "mit"} for i in "123"]
    path, out = tmp_path / "a.jsonl", tmp_path / "sheet.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cli.main(["data", "describe", str(path), "--json", str(out)])
    assert "mit (3)" in capsys.readouterr().out
    sheet = json.loads(out.read_text())
    assert (sheet["rows"], sheet["kinds"], sheet["columns"]) == (
        3,
        {"Preference": 3},
        {"licence": {"mit": 3}},
    )
