"""Files in, records out: every kind of file, every kind of damage, and nothing lost."""

import base64
import contextlib
import gzip
import json
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import io, layouts, lines
from assay.data.formats.plain import Plain
from assay.data.formats.trl_stepwise import TrlStepwise
from assay.data.io import Counts, read, scan, write
from assay.data.lines import Bad, Row
from assay.data.sources import rows
from assay.errors import ConfigError, DataError, MissingExtra
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    StepLabels,
    ToolCall,
)

ROWS = [
    json.dumps({"prompt": f"p{i}", "completion": f"é{i}", "label": i % 2 == 0}).encode()
    for i in range(30)
]


def put(path: Path, *parts: bytes, end: bytes = b"\n") -> Path:
    body = end.join(parts) + end
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return path


def aside(path: Path) -> list[bytes]:
    """The raw rows in a file of rows set aside."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        base64.b64decode(e["raw_base64"]) if "raw_base64" in e else e["raw"].encode()
        for e in entries
    ]


def prompts(records: Iterator[Record]) -> list[str]:
    return [r.prompt.text for r in records if isinstance(r, StepLabels)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n  \n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_lines_blank_lines_line_ends_and_byte_order_marks(
    tmp_path: Path, name: str, end: bytes, start: bytes
) -> None:
    path = put(tmp_path / name, start + ROWS[0], *ROWS[1:], end=end)
    counts = Counts()
    assert prompts(read(path, counts=counts)) == [f"p{i}" for i in range(30)]
    assert counts == Counts(rows=30, records=30, formats={"trl-unpaired"})


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(ROWS))
    assert len(list(read(tmp_path / "a.jsonl"))) == 30


def test_rows_carry_their_place(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", ROWS[0], b"", ROWS[1])
    assert [row.where for row in rows(path)] == [f"{path}:1", f"{path}:3"]
    array = tmp_path / "a.json"
    array.write_bytes(b"[" + b",".join(ROWS) + b"]")
    assert [row.where for row in rows(array)][:2] == [f"{array}[0]", f"{array}[1]"]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 2**20])
def test_arrays_are_streamed_whatever_the_chunks(
    tmp_path: Path, name: str, indent: int | None, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.data.sources.CHUNK", chunk)
    body = json.dumps([json.loads(row) for row in ROWS], indent=indent, ensure_ascii=False).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(body) if name.endswith("gz") else body)
    values = [row.value for row in rows(path) if isinstance(row, Row)]
    assert values == [json.loads(row) for row in ROWS]


@pytest.mark.parametrize("chunk", [1, 7, 2**20])
def test_lines_are_the_same_whatever_the_chunks(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.data.sources.CHUNK", chunk)
    assert [
        row.value for row in rows(put(tmp_path / "a.jsonl", *ROWS)) if isinstance(row, Row)
    ] == [json.loads(row) for row in ROWS]


def test_an_array_is_not_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.data.sources.CHUNK", 100)
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b",".join(ROWS) + b"\x00 the rest is not read")
    stream = rows(path)
    assert [next(stream) for _ in range(29)]


def test_one_object_can_be_a_row_or_lists_of_rows(tmp_path: Path) -> None:
    row = json.loads(ROWS[0])
    (tmp_path / "one.json").write_text(json.dumps(row, indent=2))
    assert [r.value for r in rows(tmp_path / "one.json") if isinstance(r, Row)] == [row]
    (tmp_path / "keys.json").write_text(json.dumps({"x": [row], "y": [row, row]}))
    assert [r.where.partition("[")[2] for r in rows(tmp_path / "keys.json")] == [
        "x][0]",
        "y][0]",
        "y][1]",
    ]
    put(tmp_path / "lines.json", *ROWS)  # one object a line, under the wrong suffix
    assert len(list(read(tmp_path / "lines.json"))) == 30


def test_a_folder_is_its_data_files_in_order(tmp_path: Path) -> None:
    put(tmp_path / "b.jsonl", *ROWS[:2])
    (tmp_path / "a").mkdir()
    put(tmp_path / "a" / "x.jsonl.gz", ROWS[2])
    (tmp_path / ".cache").mkdir()
    put(tmp_path / ".cache" / "x.jsonl", b"not data")
    (tmp_path / "README.md").write_text("not data")
    assert prompts(read(tmp_path)) == ["p2", "p0", "p1"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no data files"):
        list(read(tmp_path / "empty"))


DAMAGE = {
    "cut": (ROWS[3][:20], "cut short"),
    "type": (
        b'{"prompt": "p", "completion": 5, "label": true}',
        "field 'completion': expected a string or a list of",
    ),
    "missing": (b'{"prompt": "p", "completion": "c"}', "expected true or false, got None"),
    "utf8": (ROWS[3].replace(b"p3", b"p\xff"), "not UTF-8"),
    "nan": (b'{"prompt": "p", "completion": "c", "label": NaN}', "NaN is not a number"),
    "masked": (b'{"prompt": "p", "completion": "c", "label": -100}', "-100"),
    "list": (b"[1, 2]", "a list, not an object"),
    "surrogate": (b'{"prompt": "\\ud800", "completion": "c", "label": true}', "lone surrogate"),
    "deep": (b'{"prompt": ' + b"[" * 100_000, "nested too deeply"),
    "digits": (
        b'{"prompt": "p", "completion": "c", "label": ' + b"9" * 5000 + b"}",
        "too many digits",
    ),
    "long": (
        b'{"prompt": "' + b"x" * 20_000_000 + b'", "completion": "c", "label": true}',
        "longer than 16 MiB",
    ),
    "syntax": (b'{"prompt" "p"}', "not JSON"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_bad_line_is_refused_in_one_line_or_set_aside_whole(tmp_path: Path, name: str) -> None:
    raw, complaint = DAMAGE[name]
    path = put(tmp_path / "a.jsonl", *ROWS[:20], raw, *ROWS[20:])
    with pytest.raises(DataError) as refused:
        list(read(path))
    head, line = str(refused.value).split("\n")
    assert "1 bad row" in head
    assert "--set-aside" in head
    assert line.strip().startswith(f"{path}:21: ")
    assert complaint in line
    assert len(line) < 300
    counts = Counts()
    assert prompts(read(path, set_aside=tmp_path / "bad.jsonl", counts=counts)) == [
        f"p{i}" for i in range(30)
    ]
    assert aside(tmp_path / "bad.jsonl") == [raw]
    assert (counts.rows, counts.bad) == (31, 1)


@pytest.mark.parametrize("name", sorted(DAMAGE.keys() - {"cut", "deep", "syntax", "digits"}))
def test_a_bad_row_of_an_array_is_set_aside_and_the_next_is_read(tmp_path: Path, name: str) -> None:
    raw, complaint = DAMAGE[name]
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b",\n".join([*ROWS[:20], raw, *ROWS[20:]]) + b"]")
    with pytest.raises(DataError, match=complaint):
        list(read(path))
    assert prompts(read(path, set_aside=tmp_path / "bad.jsonl")) == [f"p{i}" for i in range(30)]
    assert aside(tmp_path / "bad.jsonl") == [raw]


def test_an_array_broken_for_good_is_set_aside_from_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    rest = b'{"prompt" "p"}, ' + b", ".join(ROWS[20:]) + b"]"
    path.write_bytes(b"[" + b", ".join(ROWS[:20]) + b", " + rest)
    assert len(list(read(path, set_aside=tmp_path / "bad.jsonl"))) == 20
    assert aside(tmp_path / "bad.jsonl") == [rest]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz", "whole.json.gz"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.99])
def test_a_cut_gzip_file_gives_what_it_holds(tmp_path: Path, name: str, keep: float) -> None:
    many = [
        json.dumps({"prompt": f"p{i * 7919 % 1000003}", "completion": str(i**5), "label": True})
        for i in range(5000)
    ]
    bodies = {
        "a.jsonl.gz": "\n".join(many),
        "a.json.gz": "[" + ",".join(many) + "]",
        "whole.json.gz": '{"x": [' + ",".join(many) + "]}",
    }
    packed = gzip.compress(bodies[name].encode())
    path = tmp_path / name
    path.write_bytes(packed[: int(len(packed) * keep)])
    with pytest.raises(DataError, match="ends early"):
        list(read(path))
    good = len(list(read(path, set_aside=tmp_path / "bad.jsonl", format="trl-unpaired")))
    (raw,) = aside(tmp_path / "bad.jsonl")
    unpacked = bodies[name].encode()
    assert unpacked.count(raw) >= 1
    if name == "a.jsonl.gz":
        assert good > 5000 * keep * 0.8
        assert (
            "\n".join(many[:good]).encode() + b"\n" + raw
            == unpacked[: len("\n".join(many[:good])) + 1 + len(raw)]
        )


def test_other_damage_to_a_gzip_file_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl.gz", *ROWS)
    packed = path.read_bytes()
    path.write_bytes(packed[:-8] + bytes(8))
    with pytest.raises(DataError, match="CRC"):
        list(read(path))
    path.write_bytes(b"\n".join(ROWS))
    with pytest.raises(DataError, match="Not a gzipped file"):
        list(read(path))


@pytest.mark.parametrize("body", [b"", b"\n \n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, body: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(body) if name.endswith("gz") else body)
    with pytest.raises(DataError, match="holds no rows"):
        list(read(path))


class Picky(Plain):
    """Finds another fault in every other row."""

    def read(self, row: Mapping[str, Any]) -> Iterator[Record]:
        raise DataError(row["fault"])


def test_problems_are_listed_once_each_and_not_without_end(tmp_path: Path) -> None:
    faults = ["got none"] * 4 + [chr(ord("A") + i) for i in range(34)]
    path = put(tmp_path / "a.jsonl", *(json.dumps({"fault": f}).encode() for f in faults))
    with pytest.raises(DataError) as refused:
        list(read(path, format=Picky()))
    head, first, *more = str(refused.value).splitlines()
    assert "38 bad rows" in head
    assert first.endswith("got none (and 3 more like it)")
    assert len(more) == io.SHOWN - 1 + 1
    assert more[-1].strip() == "... and 15 more"


def test_rows_set_aside_earlier_are_never_overwritten(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", ROWS[0], b"{")
    list(read(path, set_aside=tmp_path / "bad.jsonl"))
    with pytest.raises(ConfigError, match="exists"):
        list(read(path, set_aside=tmp_path / "bad.jsonl"))
    assert aside(tmp_path / "bad.jsonl") == [b"{"]


def test_without_bad_rows_nothing_is_set_aside(tmp_path: Path) -> None:
    list(read(put(tmp_path / "a.jsonl", *ROWS), set_aside=tmp_path / "bad.jsonl"))
    assert not (tmp_path / "bad.jsonl").exists()


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(
        st.one_of(st.sampled_from(ROWS), st.binary(max_size=40).filter(lambda b: b"\n" not in b))
    )
)
def test_good_rows_and_rows_set_aside_are_all_rows(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    path = put(folder / "a.jsonl", *ROWS, *parts)
    counts = Counts()
    good = len(list(read(path, set_aside=folder / "bad.jsonl", counts=counts)))
    bad = aside(folder / "bad.jsonl") if counts.bad else []
    written = [part for part in [*ROWS, *parts] if part and not part.isspace()]
    assert counts.rows == len(written) == good + len(bad)
    remaining = list(written)
    for raw in bad:
        remaining.remove(raw)
    assert all(part in ROWS for part in remaining)


def test_a_format_is_told_by_most_of_the_first_rows_and_asked_for_when_unclear(
    tmp_path: Path,
) -> None:
    path = put(tmp_path / "a.jsonl", b'{"a": 1}', *ROWS[:3])
    with pytest.raises(DataError, match=r"a\.jsonl:1: field 'prompt' is missing"):
        list(read(path))
    with pytest.raises(
        DataError,
        match=r"columns a, b; nearest are\n  plain \{prompt, .*\n  trl-preference \{prompt",
    ):
        list(read(put(tmp_path / "b.jsonl", b'{"a": 1, "b": 2}')))
    with pytest.raises(
        DataError, match=r"trl-unpaired \{prompt, completion, label\}: has .*; lacks prompt"
    ):
        list(read(put(tmp_path / "d.jsonl", b'{"completion": "c", "label": 1}')))
    both = {"prompt": "p", "completion": "c", "label": True, "completions": ["c"], "labels": [True]}
    with pytest.raises(DataError, match=r"ambiguous .*; name one of trl-stepwise, trl-unpaired"):
        list(read(put(tmp_path / "c.jsonl", json.dumps(both).encode())))
    assert len(list(read(tmp_path / "c.jsonl", format="trl-stepwise"))) == 1
    assert len(list(read(tmp_path / "c.jsonl", format=TrlStepwise(separator="")))) == 1


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list(read(tmp_path / "nothing.jsonl"))
    (tmp_path / "a.txt").write_text("a,b")
    with pytest.raises(DataError, match=r"no known suffix; there is \.jsonl"):
        list(read(tmp_path / "a.txt"))
    with pytest.raises(ConfigError, match=r"cannot be written; give \.jsonl"):
        write([], tmp_path / "a.csv")


def test_one_object_too_large_to_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "WHOLE_LIMIT", 100)
    (tmp_path / "a.json").write_text(json.dumps({"x": [json.loads(ROWS[0])] * 5}))
    with pytest.raises(DataError, match="one row a line"):
        list(read(tmp_path / "a.json"))


def test_scan_gives_rows_one_by_one(tmp_path: Path) -> None:
    good, bad, other = scan(put(tmp_path / "a.jsonl", ROWS[0], b"{", ROWS[1]))
    assert isinstance(bad, Bad)
    assert bad.raw.read() == b"{"
    assert [len(x) for x in (good, other) if not isinstance(x, Bad)] == [1, 1]


class Hub(types.ModuleType):
    """Stands for the hub's client."""

    def load_dataset(
        self, name: str, config: str | None, split: str, streaming: bool
    ) -> Iterator[dict[str, Any]]:
        assert streaming
        if name != "owner/name":
            raise FileNotFoundError(f"{name} is not there")
        yield from (
            {"prompt": f"{config}/{split}/{i}", "completion": "c", "label": True} for i in range(3)
        )


def test_hub_data_sets_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", Hub("datasets"))
    monkeypatch.setattr("assay.data.sources.hub_unreachable", lambda: None)
    assert prompts(read("owner/name"))[0] == "None/train/0"
    assert prompts(read("hf:owner/name?config=main&split=test"))[2] == "main/test/2"
    with pytest.raises(ConfigError, match=r"owner/other is not there.*download it"):
        list(read("hf:owner/other"))
    with pytest.raises(ConfigError, match="there is config and split"):
        list(read("hf:owner/name?revision=1"))
    monkeypatch.setattr("assay.data.sources.hub_unreachable", lambda: "no network")
    with pytest.raises(ConfigError, match=r"cannot be reached \(no network\); give a file"):
        list(read("owner/name"))


def test_absent_extras_give_their_install_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'assay\[hub\]'"):
        list(read("hf:owner/name"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r"assay\[parquet\]"):
        list(read(tmp_path / "a.parquet"))
    with pytest.raises(MissingExtra, match=r"assay\[parquet\]"):
        write([Prompt.of("p")], tmp_path / "b.parquet")
    assert not (tmp_path / "b.parquet").exists()


# Round trips.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
chances = st.floats(0, 1)
metas = st.dictionaries(
    texts, st.one_of(texts, st.integers(-9, 9), numbers, st.booleans(), st.none()), max_size=2
)
plain_messages = st.builds(
    Message, role=st.sampled_from(["system", "user", "assistant", "tool"]), content=texts
)
calls = st.builds(
    ToolCall,
    name=st.sampled_from(["look", "add"]),
    arguments=st.sampled_from(["{}", '{"x": 1}', "no JSON"]),
    id=st.none() | st.just("c1"),
)
turns = st.builds(
    Message,
    role=st.just("assistant"),
    content=texts,
    reasoning=st.none() | texts,
    tool_calls=st.lists(calls, max_size=2).map(tuple),
)
answers = st.builds(
    Message, role=st.just("tool"), content=texts, tool_call_id=st.none() | st.just("c1")
)
pictures = st.builds(
    lambda text, url: Message(
        role="user",
        content=text,
        parts=({"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}),
    ),
    texts,
    texts,
)
messages = plain_messages | turns | pictures
tools = st.just(({"type": "function", "function": {"name": "look", "parameters": {"a": 1}}},))
some_prompts = st.builds(
    Prompt,
    messages=st.lists(messages, max_size=3).map(tuple),
    tools=st.just(()) | tools,
    reference=st.none() | texts,
    id=texts,
    meta=metas,
)
trajectories = st.builds(
    lambda first, said, last, stop: Response.trajectory((first, said, last), stop=stop),
    turns,
    answers,
    turns,
    st.none() | st.just("done"),
)
responses = trajectories | st.builds(
    Response, steps=st.lists(texts, max_size=3).map(tuple), finished=st.booleans(), meta=metas
)


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    answers = tuple(draw(st.lists(responses, max_size=4)))
    return Ranking(
        prompt=draw(some_prompts), responses=answers, grades=tuple(draw(numbers) for _ in answers)
    )


@st.composite
def step_labels(draw: st.DrawFn) -> StepLabels:
    response = draw(responses)
    labels = tuple(draw(st.none() | chances) for _ in response.steps)
    return StepLabels(prompt=draw(some_prompts), response=response, labels=labels)


preferences = st.builds(
    Preference,
    prompt=some_prompts,
    responses=st.tuples(responses, responses),
    prefer=chances,
    margin=st.none() | st.floats(0, 9),
)
groups = st.builds(Group, prompt=some_prompts, responses=st.lists(responses, max_size=3).map(tuple))
anything = st.one_of(some_prompts, groups, preferences, rankings(), step_labels())


@settings(max_examples=30, deadline=None)
@given(
    records=st.lists(anything, min_size=1, max_size=5),
    suffix=st.sampled_from([".jsonl", ".jsonl.gz", ".json"]),
)
def test_our_own_format_holds_every_record(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], suffix: str
) -> None:
    path = tmp_path_factory.mktemp("own") / f"a{suffix}"
    assert write(records, path) == len(records)
    assert list(read(path, format="assay")) == records


# Records without what most layouts have no place for, so that many layouts hold some.
words = st.text("ab é\n.", max_size=6).map(lambda text: f"x{text}x")
asked = words.map(lambda text: Message(role="user", content=text))
told = words.map(lambda text: Message(role="system", content=text))
simple_prompts = st.builds(
    Prompt,
    messages=st.tuples(asked) | st.tuples(told, asked),
    reference=st.none() | words,
    id=st.just("") | words,
)
simple_answers = words.map(Response.of) | trajectories
pairs = st.tuples(simple_answers, simple_answers)
usual = (
    simple_prompts,
    st.builds(Group, prompt=simple_prompts, responses=st.tuples(simple_answers)),
    st.builds(Ranking, prompt=simple_prompts, responses=pairs, grades=st.just((1.0, 0.0))),
    st.builds(Preference, prompt=simple_prompts, responses=pairs, prefer=st.just(1.0)),
    st.builds(StepLabels.outcome, simple_prompts, simple_answers, st.sampled_from([0.0, 1.0])),
    st.builds(
        StepLabels,
        prompt=simple_prompts,
        response=words.map(lambda text: Response(steps=(f"{text}\n", "end"))),
        labels=st.just((1.0, 0.0)),
    ),
)


def same(records: list[Record], back: Iterable[Record]) -> bool:
    """Whether records came back, preferences with the chosen response first."""
    return all(
        other in (record, record.swap() if isinstance(record, Preference) else record)
        for record, other in zip(records, back, strict=True)
    )


@settings(max_examples=25, deadline=None)
@given(
    records=st.one_of(*(st.lists(each, min_size=1, max_size=3) for each in (*usual, anything))),
    suffix=st.sampled_from([".jsonl", ".json", ".parquet"]),
    choice=st.integers(0, 99),
)
def test_a_layout_holds_records_exactly_or_refuses_them(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], suffix: str, choice: int
) -> None:
    holding = []
    for name in layouts.names():
        layout = layouts.resolve(name)
        with contextlib.suppress(DataError):
            rows = list(layout.write(records))
            back = chain.from_iterable(layout.read(json.loads(json.dumps(row))) for row in rows)
            assert same(records, back), name
            holding.append(name)
    assert "assay" in holding
    name = holding[choice % len(holding)]
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    try:
        write(records, path, name)
    except DataError:  # a column of two types, which parquet has none of
        assert suffix == ".parquet"
        assert not path.exists()
    else:
        assert same(records, read(path, format=name)), name


def simple(i: int) -> Preference:
    return Preference(
        prompt=Prompt.of(f"p{i}", id=str(i)),
        responses=(Response.of("a" * i), Response.of("b")),
        prefer=1.0,
    )


@pytest.mark.parametrize("name", ["assay", "trl-preference"])
def test_parquet_gives_the_same_records(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(io, "BATCH", 4)
    records = [simple(i) for i in range(10)]
    assert write(records, tmp_path / "a.parquet", name) == 10
    assert list(read(tmp_path / "a.parquet")) == records


def test_parquet_refuses_what_its_columns_would_change(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    mixed = [
        Prompt(messages=simple(0).prompt.messages, meta={"x": 1}),
        Prompt(messages=simple(0).prompt.messages, meta={"x": "one"}),
    ]
    with pytest.raises(DataError, match="one type a column"):
        write(mixed, tmp_path / "a.parquet")
    nothing = [Prompt(messages=simple(0).prompt.messages, meta={"x": None, "y": 1})]
    with pytest.raises(DataError, match="one type a column"):
        write(nothing, tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="not a readable parquet file"):
        list(read(tmp_path / "b.parquet"))
    assert [p.name for p in tmp_path.iterdir()] == ["b.parquet"]


def test_writing_is_all_or_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write([Prompt.of("old")], path)

    def failing() -> Iterator[Record]:
        yield Prompt.of("new")
        raise DataError("the source broke")

    with pytest.raises(DataError, match=r"^the source broke"):
        write(failing(), path)
    with pytest.raises(DataError, match="JSON cannot"):
        write([Prompt(messages=(), meta={"x": float("nan")})], path)
    assert list(read(path)) == [Prompt.of("old")]
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write([simple(i) for i in range(5)], tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_device_is_called_what_it_is() -> None:
    with pytest.raises(DataError, match="/dev/null is a pipe or a device"):
        list(io.read("/dev/null"))
