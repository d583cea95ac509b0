"""Kinds of files beside JSON: tables of text and typed tables, packed files, saved folders."""

import datetime
import decimal
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from assay.data import lines, tables
from assay.data.fields import Cell
from assay.data.io import Counts, read, write
from assay.data.lines import Bad, Row
from assay.data.sources import rows
from assay.errors import AssayError, DataError
from assay.types import Group, Message, Preference, Prompt, Ranking, Record, Response, StepLabels

PAIRS = 'prompt,chosen,rejected,lang\nQ1?,"A, ""b""\nand more",B,en\nQ2?,A,B,\n'
CHAT = [{"role": "user", "content": "Q?"}]


def only(path: str | Path, **how: Any) -> Record:
    (record,) = read(path, **how)
    return record


def good(path: str | Path) -> list[dict[str, Any]]:
    return [row.value for row in rows(path) if isinstance(row, Row)]


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.csv.gz"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("chunk", [3, 2**20])
def test_cells_are_texts_to_the_letter_and_empty_ones_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: str, end: str, chunk: int
) -> None:
    monkeypatch.setattr("assay.data.sources.CHUNK", chunk)
    body = (start + PAIRS.replace("\n", end)).encode()
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    first, second = read(tmp_path / name)
    assert isinstance(first, Preference)
    assert isinstance(second, Preference)
    assert [each.text for each in first.responses] == [f'A, "b"{end}and more', "B"]
    assert (first.prompt.meta, second.prompt.meta) == ({"lang": "en"}, {})


@pytest.mark.parametrize(("name", "mark"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.csv", "\t")])
def test_cells_are_numbers_and_lists_where_a_layout_wants_them(
    tmp_path: Path, name: str, mark: str
) -> None:
    def table(*cells: str) -> Path:
        quoted = ('"{}"'.format(cell.replace('"', '""')) for cell in cells[len(cells) // 2 :])
        text = mark.join(cells[: len(cells) // 2]) + "\n" + mark.join(quoted) + "\n"
        (tmp_path / name).write_text(text)
        return tmp_path / name

    outcome = only(table("prompt", "response", "label", "id", "5", "[1]", "True", "7"))
    assert isinstance(outcome, StepLabels)
    assert (outcome.prompt, outcome.response.text) == (Prompt.of("5", id="7"), "[1]")
    assert outcome.labels == (1.0,)
    ranking = only(table("prompt", "responses", "scores", "Q?", '["4", "{}"]', "[1, 0.5]"))
    assert isinstance(ranking, Ranking)
    assert ([r.text for r in ranking.responses], ranking.grades) == (["4", "{}"], (1.0, 0.5))
    steps = only(table("prompt", "completions", "labels", "Q?", '["a", "b"]', "[true, false]"))
    assert isinstance(steps, StepLabels)
    assert steps.labels == (1.0, 0.0)
    chat = only(table("prompt", "response", json.dumps(CHAT), '{"x": 1}'))
    assert isinstance(chat, Group)
    assert (chat.prompt, chat.responses[0].text) == (Prompt.of("Q?"), '{"x": 1}')
    by_hand = table("q", "a", "g", "Q?", "A", "0.25")
    pool = only(by_hand, format="columns:prompt=q,response=a,score=g")
    assert isinstance(pool, Ranking)
    assert pool.grades == (0.25,)
    with pytest.raises(DataError, match=r"a\..sv:2: field 'label': expected a number, got 'good'"):
        only(table("prompt", "response", "label", "Q?", "A", "good"))


def test_bad_rows_of_a_table_are_refused_each_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'prompt,reference\nQ1?,1\nQ2?\n"Q3"?,3\nQ\xff?,4\nQ5?,5\n\nQ6?,"6\n')
    counts = Counts()
    kept = list(read(path, set_aside=tmp_path / "bad.jsonl", counts=counts))
    assert kept == [Prompt.of("Q1?", reference="1"), Prompt.of("Q5?", reference="5")]
    errors = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert [error["where"].rpartition(":")[2] for error in errors] == ["3", "4", "5", "8"]
    for error, words in zip(errors, ("1 cells", "not CSV", "not UTF-8", "not CSV"), strict=True):
        assert words in error["error"]
    for body, message in (
        (b"prompt,prompt\na,b\n", "two columns are called 'prompt'"),
        (b"prompt,\xff\na,b\n", "column names are not UTF-8"),
        (b"prompt,reference\rQ?,5\r", "line of column names cannot be read"),
        (b'prompt,"reference\nQ?,5\n', "line of column names cannot be read"),
    ):
        path.write_bytes(body)
        with pytest.raises(DataError, match=message):
            list(read(path))


def test_a_cut_table_gives_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.data.sources.CHUNK", 64)
    body = "prompt,reference\n" + "".join(f"Question {i * i}?,{i}\n" for i in range(300))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(body.encode())[:-200])
    *whole, last = rows(path)
    assert isinstance(last, Bad)
    assert "ends early" in last.error
    assert 10 < len(whole) < 300


def test_a_line_without_an_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LIMIT", 100)
    monkeypatch.setattr("assay.data.sources.CHUNK", 64)
    (tmp_path / "a.csv").write_text("prompt,reference\nQ?,1\n" + "x" * 1000)
    first, bad = rows(tmp_path / "a.csv")
    assert isinstance(first, Row)
    assert isinstance(bad, Bad)
    assert "longer than" in bad.error


def test_suffixes_of_any_case_and_newline_delimited_json(tmp_path: Path) -> None:
    row = '{"prompt": "Q?", "reference": "5"}\n'
    for name in ("A.JSONL", "b.ndjson", "c.Json", "d.jsonl.GZ"):
        data = gzip.compress(row.encode()) if name.endswith("GZ") else row.encode()
        (tmp_path / name).write_bytes(data)
        assert only(tmp_path / name) == Prompt.of("Q?", reference="5")
    assert len(list(read(tmp_path))) == 4


def test_zstandard_is_unpacked_as_a_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    monkeypatch.setattr("assay.data.sources.CHUNK", 2**12)
    path = tmp_path / "a.jsonl.zst"
    with pyarrow.CompressedOutputStream(str(path), "zstd") as file:
        for i in range(9000):
            file.write(
                json.dumps({"prompt": f"Question {i * i}?", "reference": "5"}).encode() + b"\n"
            )
    assert len(list(read(path))) == 9000
    path.write_bytes(path.read_bytes()[:-9])
    *kept, bad = rows(path)
    assert isinstance(bad, Bad)
    bad.raw.close()
    assert "damaged" in bad.error
    assert len(kept) > 1000


def test_a_key_that_stands_twice_is_refused_by_name(tmp_path: Path) -> None:
    twice = '{"prompt": "Q?", "reference": "5", "more": [{"x": 1, "y": 2, "x": 3}]}'
    single = '{"prompt": "Q?", "reference": "5"}'
    for name, body in (("a.jsonl", f"{twice}\n{single}\n"), ("a.json", f"[{twice}, {single}]")):
        (tmp_path / name).write_text(body)
        bad, row = rows(tmp_path / name)
        assert isinstance(bad, Bad)
        assert bad.error.startswith("the key 'x' stands twice")
        assert isinstance(row, Row)
        assert bad.raw.read().decode() == twice


@pytest.fixture
def typed() -> Any:
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table(
        {
            "prompt": ["Q1?", "Q2?"],
            "response": ["A", "B"],
            "label": pyarrow.array([decimal.Decimal("1.0"), decimal.Decimal("0.5")]),
            "at": [datetime.datetime(2024, 1, 2, 3, 4, 5), None],
            "day": [datetime.date(2024, 1, 2), None],
            "took": [datetime.timedelta(seconds=61), None],
            "blob": [{"bytes": b"\x89PNG", "path": None}, None],
            "deep": [[{"when": datetime.date(2024, 1, 2)}], None],
        }
    )


META = {
    "at": "2024-01-02T03:04:05",
    "day": "2024-01-02",
    "took": "0:01:01",
    "blob": {"bytes": {"base64": "iVBORw=="}},
    "deep": [{"when": "2024-01-02"}],
}


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "stream.arrow", "A.PARQUET"])
def test_typed_tables_give_what_json_can_hold(typed: Any, tmp_path: Path, name: str) -> None:
    from pyarrow import ipc, parquet

    path = tmp_path / name
    if name.lower().endswith(".parquet"):
        parquet.write_table(typed, path)
    else:
        new = ipc.new_stream if "stream" in name else ipc.new_file
        with new(str(path), typed.schema) as file:
            file.write_table(typed)
    first, second = read(path)
    assert isinstance(first, StepLabels)
    assert isinstance(second, StepLabels)
    assert (first.response.meta, second.response.meta) == (META, {})
    assert (first.labels, second.labels) == ((1.0,), (0.5,))
    assert write([first, second], tmp_path / "b.jsonl") == 2
    assert list(read(tmp_path / "b.jsonl")) == [first, second]
    # Bytes are no text, whatever they hold.
    with pytest.raises(DataError, match=r"field 'response.*says nothing"):
        list(read(path, format="columns:prompt=prompt,response=blob.bytes"))
    path.write_bytes(b"ARROW1 and no more" if "arrow" in name else b"PAR1")
    with pytest.raises(DataError, match="is not a readable"):
        list(read(path))


def test_columns_of_json_are_what_they_say(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    kind = pyarrow.json_()
    told = ['"hi"', json.dumps(CHAT), None]
    columns = [pyarrow.array([said]) for said in ("[1, null]", "[1]")]
    inner = pyarrow.StructArray.from_arrays([columns[0].cast(kind), columns[1]], ["x", "y"])
    table = pyarrow.table(
        {
            "prompt": pyarrow.array(told, pyarrow.string()).cast(kind),
            "reference": ["1", "2", "3"],
            "deep": pyarrow.ListArray.from_arrays([0, 1, 1, 1], inner),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert good(tmp_path / "a.parquet") == [
        {"prompt": "hi", "reference": "1", "deep": [{"x": [1, None], "y": "[1]"}]},
        {"prompt": CHAT, "reference": "2", "deep": []},
        {"reference": "3", "deep": []},
    ]


def test_folders_that_datasets_saved_and_their_splits(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    made = {
        split: datasets.Dataset.from_list(
            [{"prompt": f"{split} {i}?", "reference": f"{i}"} for i in range(size)]
        )
        for split, size in (("train", 25), ("test", 3), ("train_sft", 2))
    }
    shards = {"train": 2, "test": 1, "train_sft": 1}
    datasets.DatasetDict(made).save_to_disk(tmp_path / "both", num_shards=shards)
    made["train"].save_to_disk(tmp_path / "one", num_shards=12)
    with pytest.raises(DataError, match=r"splits train, test, .* choose '.*both\?split=train', or"):
        list(read(tmp_path / "both"))
    assert len(list(read(f"{tmp_path / 'both'}?split=train"))) == 25
    assert len(list(read(f"{tmp_path / 'both'}?split=train+test"))) == 28
    assert len(list(read(f"{tmp_path / 'both'}?split=test"))) == 3
    # The shards in their order.
    assert [str(row["reference"]) for row in good(tmp_path / "one")] == [*map(str, range(25))]
    with pytest.raises(DataError, match=r"no split 'tes'; it holds train, test, train_sft"):
        list(read(f"{tmp_path / 'both'}?split=tes"))


def test_a_folder_is_read_without_what_stands_beside_the_data(tmp_path: Path) -> None:
    row = '{"prompt": "Q?", "reference": "5"}\n'
    (tmp_path / "data").mkdir()
    for name in ("README.md", ".gitattributes", "dataset_infos.json", "dataset_info.json"):
        (tmp_path / name).write_text('{"default": {"features": {}}}')
    for name in ("train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl", "test.jsonl"):
        (tmp_path / "data" / name).write_text(row)
    assert len(list(read(f"{tmp_path}?split=train+test"))) == 3
    assert len(list(read(f"{tmp_path}?split=train"))) == 2
    with pytest.raises(Exception, match=r"only option of a folder or file is \?split=NAME"):
        list(read(f"{tmp_path}?config=main"))


@pytest.mark.parametrize(
    ("names", "mixed"),
    [
        (("train.jsonl", "test.jsonl"), True),
        (("train/0.jsonl", "dev/0.jsonl"), True),
        (("phase1_train.jsonl", "phase2_test.jsonl"), True),
        (("train1.jsonl", "train2.jsonl", "test1.jsonl"), True),
        (("trainset.jsonl", "held_out.jsonl"), True),
        (("train-0.jsonl", "train-1.jsonl", "training.jsonl"), False),
        (("prmtest.jsonl", "trainer.jsonl", "other.jsonl"), False),
    ],
)
def test_splits_of_a_folder_are_not_mixed_unasked(
    names: tuple[str, ...], mixed: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "train or test"  # what is around it says nothing of its files
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"prompt": "Q?", "reference": "5"}\n')
    if not mixed:
        assert len(list(read(folder))) == len(names)
        return
    with pytest.raises(DataError, match=r"holds the splits .* choose '.*\?split=train"):
        list(read(folder))


@pytest.mark.parametrize(
    ("split", "files"),
    [("train", 2), ("train1", 1), ("test1", 0), ("jsonl", 0), ("train&split=test10", 0)],
)
def test_a_split_of_a_folder_is_of_whole_names(split: str, files: int, tmp_path: Path) -> None:
    for name in ("train1.jsonl", "train2.jsonl", "test10.jsonl"):
        (tmp_path / name).write_text('{"prompt": "Q?", "reference": "5"}\n')
    if files:
        assert len(list(read(f"{tmp_path}?split={split}"))) == files
        return
    with pytest.raises(AssayError, match=r"has no split|the only option"):
        list(read(f"{tmp_path}?split={split}"))


def test_a_word_in_the_names_of_several_splits_chooses_none(tmp_path: Path) -> None:
    """Such as a part's number, or a subject: what was kept for a test would be trained on."""
    for name in ("train-00000-of-2", "train-00001-of-2", "test-00000-of-2", "math/test", "art/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jsonl").write_text('{"prompt": "Q?", "reference": "5"}\n')
    with pytest.raises(DataError, match=r"holds the splits test, train, .* choose '.*=train'"):
        list(read(f"{tmp_path}?split=00000"))
    for split, files in (("00001", 1), ("math", 1), ("art", 1), ("test", 2), ("train+test", 4)):
        assert len(list(read(f"{tmp_path}?split={split}"))) == files


def test_parquet_has_one_schema_for_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("assay.data.io.BATCH", 2)
    metas: list[dict[str, Any]] = [{}, {"a": 1}, {"b": {"x": 1}}, {}, {"b": {"y": "z"}, "a": 2}]
    records = [Prompt.of("Q?", reference="r").model_copy(update={"meta": meta}) for meta in metas]
    assert write(records, tmp_path / "a.parquet", "plain") == 5
    assert list(read(tmp_path / "a.parquet")) == records


def test_columns_are_texts_or_messages_and_datasets_load_them(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("pyarrow")
    datasets.disable_progress_bars()
    turns = [
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello."),
        Message(role="user", content="Why?"),
    ]
    image = {"type": "image_url", "image_url": "a.png"}
    seen = Message(role="user", content="What?", parts=(image, {"type": "text", "text": "What?"}))
    asked = [tuple(turns[:1]), tuple(turns), (seen,)]
    answers = tuple(map(Response.of, ("Good.", "")))
    for name, count in (("trl-preference", 2), ("trl-unpaired", 3), ("plain", 3)):
        prompts = [Prompt(messages=messages, id="x") for messages in asked[:count]]
        records: list[Record] = [
            Preference(prompt=prompt, responses=answers, prefer=1.0)
            if name == "trl-preference"
            else StepLabels.outcome(prompt, Response.of("So."), 1.0)
            for prompt in prompts
        ]
        for kind in ("json", "parquet"):
            path = tmp_path / f"{name}.{kind}"
            assert write(records, path, name) == count
            assert list(read(path, format=name)) == records
            data = {"train": str(path)}
            cache = str(tmp_path / "cache")
            found = datasets.load_dataset(kind, data_files=data, split="train", cache_dir=cache)
            assert len(found) == count
            # Parts of unlike keys have no one type.
            assert count == 3 or "Json" not in str(found.features["prompt"])
            assert [row["prompt"][0]["role"] for row in found] == ["user"] * count
    # Of one kind, columns stay what they are.
    write(records[:1], tmp_path / "a.jsonl", "trl-unpaired")
    assert good(tmp_path / "a.jsonl")[0]["prompt"] == "Hi"


def test_a_number_that_parquet_cannot_hold_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    huge = Prompt.of("Q?", reference="r").model_copy(update={"meta": {"id": 10**30}})
    with pytest.raises(DataError, match=r"do not fit .*a\.parquet \(.*write \.jsonl\.gz"):
        write([huge], tmp_path / "a.parquet", "plain")
    assert not list(tmp_path.iterdir())


def test_a_cell_is_a_text() -> None:
    assert Cell("5") == "5"
    assert (Cell("5").parsed(), Cell("x").parsed(), Cell("True").parsed()) == (5, "x", True)
    assert lines.LIMIT == tables.LIMIT
