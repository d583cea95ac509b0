"""The file beneath every ledger and record; that a kill at any byte loses at most a line, and that
a damaged line is named, is shown on a ledger (`labelling/test_ledger.py`)."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.runs.journal import Journal

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.lists(
    st.dictionaries(st.text().filter(lambda key: key != "sha256"), JSON, max_size=3), max_size=4
)


def read(path: Path) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = []
    Journal(path, held.append).close()
    return held


@settings(deadline=None, max_examples=40)
@given(bodies=BODIES, cut=st.integers(0, 10**6))
def test_what_was_appended_is_read_back_also_behind_a_cut(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[dict[str, Any]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    journal = Journal(path, lambda _: pytest.fail("nothing is there"))
    for body in bodies:
        journal.append(body)
    journal.close()
    assert read(path) == bodies
    whole = path.read_bytes()
    assert whole.count(b"\n") == len(bodies)
    kept = whole[: cut % (len(whole) + 1)].count(b"\n")
    path.write_bytes(whole[: cut % (len(whole) + 1)])
    assert read(path) == bodies[:kept]
    journal = Journal(path, lambda _: None)
    for body in bodies[kept:]:
        journal.append(body)
    journal.close()
    assert path.read_bytes() == whole


def test_a_line_is_on_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "er" / "j.jsonl"
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(path.stat().st_size))
    journal = Journal(path, lambda _: None)
    for i in range(3):
        journal.append({"i": i})
        # Flushed before it was synced: the file had its new size by then.
        assert (
            synced == [path.stat().st_size]
            if i == 0
            else synced[-1] == path.stat().st_size > synced[-2]
        )
    journal.close()
    assert [row["i"] for row in map(json.loads, path.read_text().splitlines())] == [0, 1, 2]


@pytest.mark.parametrize("error", [KeyError, TypeError, ValueError])
def test_what_the_reader_refuses_is_damaged_and_left_where_it_is(
    tmp_path: Path, error: type[Exception]
) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path, lambda _: None)
    for i in range(3):
        journal.append({"i": i})
    journal.close()
    before = path.read_bytes()
    held = []

    def take(body: dict[str, Any]) -> None:
        if body["i"] == 1:
            raise error("no")
        held.append(body["i"])

    with pytest.warns(
        UserWarning, match=r"j\.jsonl, line 2 is damaged; what it held will be made again"
    ):
        journal = Journal(path, take)
    journal.close()
    assert (held, journal.damaged, path.read_bytes()) == ([0, 2], 1, before)


@pytest.mark.parametrize(
    "line", ['{"i": 1, "sha256": "0000000000000000"}', '{"i": 1}', "3", "null", "{", "", "\ufeff"]
)
def test_a_line_that_nobody_wrote_is_not_believed(tmp_path: Path, line: str) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text(line + "\n")
    with pytest.warns(UserWarning, match="line 1 is damaged"):
        journal = Journal(path, lambda _: pytest.fail("it was believed"))
    journal.append({"i": 2})
    journal.close()
    with pytest.warns(UserWarning, match="line 1 is damaged"):
        assert read(path) == [{"i": 2}]


def test_another_process_is_kept_out_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    code = (
        "from pathlib import Path; from assay.runs.journal import Journal;"
        f" Journal(Path({str(path)!r}), print)"
    )

    def other() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )

    journal = Journal(path, lambda _: None)
    journal.append({"i": 7})
    assert "is open in another process; wait for it, or give another file" in other().stderr
    with pytest.raises(ConfigError, match="open in another process"):
        Journal(path, lambda _: None)
    journal.append({"i": 8})  # the refused ones did no harm
    journal.close()
    assert other().stdout == "{'i': 7}\n{'i': 8}\n"


def test_a_number_that_json_cannot_hold_is_null(tmp_path: Path) -> None:
    kept: list[dict[str, object]] = []
    journal = Journal(tmp_path / "j.jsonl", kept.append)
    journal.append({"a": [float("nan"), 1.0], "b": float("inf")})
    journal.close()
    assert "NaN" not in (tmp_path / "j.jsonl").read_text()
    Journal(tmp_path / "j.jsonl", kept.append).close()
    assert kept == [{"a": [None, 1.0], "b": None}]
