from pathlib import Path

import pytest

from assay.errors import DataError
from assay.types import Verdict
from assay.verifiers.kept import Kept, key_of

RIGHT, WRONG = Verdict(outcome="right", stage="tests", span=(0, 3)), Verdict(outcome="wrong", reason="no", credit=0.5)
OPEN = Verdict(outcome="undecided", reason="too long")


def test_what_was_decided_is_there_the_next_time_and_what_was_not_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "verdicts.jsonl"
    with Kept(path) as kept:
        kept.add([("a", RIGHT, {"response": "p, response 1"}), ("b", WRONG, {})])
        kept.add([("c", OPEN, {})])
        assert kept.get("a") == RIGHT
    with Kept(path) as kept:
        assert (kept.get("a"), kept.get("b"), kept.get("c")) == (RIGHT, WRONG, None)
    assert len(path.read_text().splitlines()) == 3


def test_a_kill_at_any_byte_loses_at_most_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with Kept(path) as kept:
        kept.add([("a", RIGHT, {}), ("b", WRONG, {})])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Kept(path) as kept:
            assert (kept.get("a") is not None) == (cut >= first)
            kept.add([("b", WRONG, {})])
        with Kept(path) as kept:
            assert kept.get("b") == WRONG


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    for line in ("{", '{"key": "a"}', '{"outcome": "right"}', "[]", '{"key": "a", "outcome": "maybe"}'):
        path.write_text(f'{{"key": "a", "outcome": "right"}}\n{line}\n')
        with pytest.raises(DataError, match="line 2"):
            Kept(path)


def test_without_a_path_nothing_is_written() -> None:
    with Kept() as kept:
        kept.add([("a", RIGHT, {})])
        assert kept.get("a") == RIGHT


def test_keys_tell_contents_apart() -> None:
    assert key_of("a", "b") == key_of("a", "b")
    assert len({key_of("a", "b"), key_of("ab"), key_of("b", "a"), key_of("a", "", "b")}) == 4
    assert key_of("\ud800")
