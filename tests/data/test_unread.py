"""What cannot be read is called what it is, and what would work is said; nothing is read as
something else."""

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.io import read
from assay.errors import DataError
from assay.fingerprint import fingerprint
from assay.types import Preference

ROW = {"prompt": "q", "chosen": "a", "rejected": "b"}
TURNS = {
    key: {"role": "user" if key == "prompt" else "assistant", "content": text}
    for key, text in ROW.items()
}
TABLE = "prompt\tchosen\trejected\nq\tKöln\tb\n"


@pytest.mark.parametrize(
    ("name", "data", "what", "cure"),
    [
        ("a.xlsx", b"PK\x03\x04", "workbook", "CSV UTF-8"),
        ("a.CSV", b"PK\x03\x04rest", "workbook", "CSV UTF-8"),
        ("a.zip", b"PK\x03\x04", "archive", "unpack"),
        ("a.jsonl.tar.gz", gzip.compress(b"x", mtime=0), "archive", "unpack"),
        ("a.jsonl.bz2", bz2.compress(b"{}"), "packed", r"\.gz or \.zst"),
        ("a.jsonl", gzip.compress(json.dumps(ROW).encode(), mtime=0), "gzip", r"put \.gz behind"),
        ("a.csv", TABLE.encode("utf-16"), "UTF-16", "save it as UTF-8"),
        ("a.tsv", b"\xfe\xff" + TABLE.encode("utf-16-be"), "UTF-16", "save it as UTF-8"),
        ("a.txt", TABLE.encode("utf-16"), "UTF-16", "save it as UTF-8"),
        ("a.json", b"PAR1....", "Parquet", r"rename it to \.parquet"),
        ("rows", json.dumps(ROW).encode(), "JSON", r"rename it to \.jsonl"),
        ("rows", b" \n[{}]", "JSON", r"rename it to \.json"),
        ("a.pkl", b"\x80\x04", "pickle", r"\.jsonl or \.parquet"),
        ("a.yaml", b"- prompt: q", "YAML", r"\.json"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
        ("a.csv", b"\n<!DOCTYPE html><html>", "HTML", "get the file itself"),
    ],
)
def test_a_file_that_is_something_else_is_named(
    name: str, data: bytes, what: str, cure: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=rf"is .*{what}.*{cure}"):
        list(read(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "text", "cure"),
    [
        ("a.jsonl", json.dumps([ROW, ROW]), r"array.*rename it to \.json"),
        ("a.jsonl", json.dumps([ROW, ROW], indent=1), r"array.*rename it to \.json"),
        ("a.jsonl", json.dumps(ROW, indent=1), "several lines; write each on one line"),
        ("a.json", json.dumps({"data": [ROW], "version": 1}), r"jq '\.data'"),
        ("a.json", json.dumps({"0": ROW, "1": ROW}), "orient='records'"),
        (
            "a.json",
            json.dumps({key: {"0": text, "1": text} for key, text in ROW.items()}),
            "orient='records'",
        ),
    ],
)
def test_rows_that_are_laid_out_otherwise_are_told_how_to_be(
    name: str, text: str, cure: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=cure):
        list(read(tmp_path / name))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROW),
        json.dumps(ROW, indent=1),
        json.dumps([ROW]),
        json.dumps({"train": [ROW]}),
        json.dumps({"prompt": "q", "chosen": "a", "rejected": "b", "data": []}),
        json.dumps({**ROW, "meta": {"0": "x"}}),
        json.dumps({**ROW, "data": [{"source": "x"}]}),
        json.dumps({**ROW, "train": [{"x": 1}], "test": [{"x": 2}]}),
        json.dumps({key: [turn] for key, turn in TURNS.items()}),
        json.dumps({"train": [ROW], "test": []}),
        json.dumps({"train_17": [ROW], "other": []}),
    ],
)
def test_rows_that_are_rows_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    assert len(list(read(tmp_path / "a.json"))) == 1


SPLITS = {"train": [ROW] * 3, "test": [{**ROW, "prompt": "held out"}]}


@pytest.mark.parametrize("beside", [{}, {"version": 1}, {"train_2": []}])
def test_splits_of_one_object_are_read_where_they_are_chosen(
    beside: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(SPLITS | beside))
    with pytest.raises(DataError, match=r"splits train, test, .* choose '.*a\.json\?split=train'"):
        list(read(path))
    (record,) = read(f"{path}?split=test")
    assert isinstance(record, Preference)
    assert record.prompt.text == "held out"
    assert len(list(read(f"{path}?split=train+test"))) == 4
    with pytest.raises(DataError, match=r"no split 'valid'; it holds train, test"):
        list(read(f"{path}?split=valid"))


def test_ids_are_no_splits(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train_17": [ROW], "test_17": [ROW]}))
    assert len(list(read(tmp_path / "a.json"))) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps([ROW])),
        ("a.json", f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n"),
        ("a.jsonl", json.dumps(ROW)),
        ("a.csv", "prompt,chosen,rejected\nq,a,b\n"),
    ],
)
def test_a_split_of_what_has_none_is_refused(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert list(read(tmp_path / name))
    with pytest.raises(DataError, match="has no split 'test'; it holds none"):
        list(read(f"{tmp_path / name}?split=test"))


def test_the_hash_of_a_split_is_of_what_it_is_part_of(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(SPLITS))
    before = {fingerprint(Path(f"{path}?split={name}")) for name in SPLITS}
    assert len(before) == 2
    path.write_text(json.dumps({**SPLITS, "test": [ROW]}))
    assert before.isdisjoint(fingerprint(Path(f"{path}?split={name}")) for name in SPLITS)


def test_lists_of_messages_a_line_are_refused_line_by_line(tmp_path: Path) -> None:
    line = json.dumps([{"role": "user", "content": "q"}])
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(DataError, match=r"2 bad rows(.|\n)*the row is a list"):
        list(read(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("separator", [";", "|", "\t"])
@pytest.mark.parametrize("said", [True, False])
def test_excel_says_its_separator_or_the_header_does(
    separator: str, said: bool, tmp_path: Path
) -> None:
    first = f"sep={separator}\r\n" if said else ""
    table = first + separator.join(ROW) + "\r\n" + separator.join(("q, r", "a", "b")) + "\r\n"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + table.encode())
    (record,) = read(tmp_path / "a.csv")
    assert isinstance(record, Preference)
    assert record.prompt.messages[0].content == "q, r"


def test_lines_are_counted_with_the_separators_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\nprompt;chosen;rejected\nq;a;b\nq;a\n")
    with pytest.raises(DataError, match=r"a\.csv:4: the row has 2 cells"):
        list(read(tmp_path / "a.csv"))


def test_a_decimal_comma_is_refused_with_the_number_to_write(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt;chosen;rejected;margin\nq;a;b;0,5\n")
    with pytest.raises(DataError, match=r"'0,5' \(a decimal comma: write a point, 0\.5\)"):
        list(read(tmp_path / "a.csv"))


def test_an_object_that_is_no_message_says_where_the_messages_are(tmp_path: Path) -> None:
    row = {"conversation": {"turns": [{"role": "user", "content": "q"}]}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match=r"messages=COLUMN\.turns"):
        list(read(tmp_path / "a.jsonl", format="sharegpt"))


LABEL_STUDIO = {
    "id": 1,
    "data": {"prompt": "q", "answer1": "a", "answer2": "b"},
    "annotations": [
        {"completed_by": who, "result": [{"type": "pairwise", "value": {"selected": side}}]}
        for who, side in enumerate(("left", "right", "left", "left"))
    ],
}
ARGILLA = {
    "prompt": "q",
    "response1": "a",
    "response2": "b",
    "preference.responses": ["response1", "response2", "response1", "response1"],
    "preference.responses.users": ["u", "v", "w", "x"],
}


@pytest.mark.parametrize(
    ("row", "columns", "prefer"),
    [
        (
            LABEL_STUDIO,
            "prompt=data.prompt,first=data.answer1,second=data.answer2"
            ",winner=annotations.*.result.0.value.selected",
            0.75,
        ),
        (
            ARGILLA,
            "prompt=prompt,first=response1,second=response2,winner=preference.responses",
            0.75,
        ),
        (
            ARGILLA,
            "prompt=prompt,first=response1,second=response2,winner=preference.responses.1",
            0.0,
        ),
    ],
)
def test_exports_of_labelling_tools_are_votes(
    row: dict[str, object], columns: str, prefer: float, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(json.dumps([row]))
    (record,) = read(tmp_path / "a.json", format=f"columns:{columns}")
    assert isinstance(record, Preference)
    assert record.prefer == prefer


def test_the_column_of_verdicts_is_found_by_what_it_says(tmp_path: Path) -> None:
    row = {"prompt": "q", "answer1": "a", "answer2": "b", "comparison": "left", "annotator": 1}
    (tmp_path / "a.json").write_text(json.dumps([row]))
    with pytest.raises(DataError, match="first=answer1,second=answer2,winner=comparison"):
        list(read(tmp_path / "a.json"))
