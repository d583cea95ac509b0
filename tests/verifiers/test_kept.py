import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.types import Verdict
from assay.verifiers import kept as kept_module
from assay.verifiers.kept import InOrder, Kept, key_of

RIGHT, WRONG = (
    Verdict(outcome="right", stage="tests", span=(0, 3)),
    Verdict(outcome="wrong", reason="no", credit=0.5),
)
OPEN = Verdict(outcome="undecided", reason="too long")


def test_what_was_decided_is_there_the_next_time_and_what_was_not_is_asked_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "verdicts.jsonl"
    with Kept(path) as kept:
        kept.add("a", RIGHT, {"response": "p, response 1"})
        kept.add("b", WRONG, {})
        kept.add("c", OPEN, {})
        assert kept.get("a") == RIGHT
    with Kept(path) as kept:
        assert (kept.get("a"), kept.get("b"), kept.get("c")) == (RIGHT, WRONG, None)
    assert len(path.read_text().splitlines()) == 3


def test_a_kill_at_any_byte_loses_at_most_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with Kept(path) as kept:
        kept.add("a", RIGHT, {})
        kept.add("b", WRONG, {})
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Kept(path) as kept:
            assert (kept.get("a") is not None) == (cut >= first)
            kept.add("b", WRONG, {})
        with Kept(path) as kept:
            assert kept.get("b") == WRONG


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    for line in (
        "{",
        '{"key": "a"}',
        '{"outcome": "right"}',
        "[]",
        '{"key": "a", "outcome": "maybe"}',
    ):
        path.write_text(f'{{"key": "a", "outcome": "right"}}\n{line}\n')
        with pytest.raises(DataError, match="line 2"):
            Kept(path)


def test_without_a_path_nothing_is_written() -> None:
    with Kept() as kept:
        kept.add("a", RIGHT, {})
        assert kept.get("a") == RIGHT


def test_keys_tell_contents_apart() -> None:
    assert key_of("a", "b") == key_of("a", "b")
    assert len({key_of("a", "b"), key_of("ab"), key_of("b", "a"), key_of("a", "", "b")}) == 4
    assert key_of("\ud800")


def test_a_verdict_is_there_for_the_next_run_before_the_file_is_closed(tmp_path: Path) -> None:
    with Kept(tmp_path / "verdicts.jsonl") as kept:
        kept.add("a", RIGHT, {})
        with Kept(tmp_path / "verdicts.jsonl") as next_run:
            assert next_run.get("a") == RIGHT


def test_what_is_added_twice_is_there_once(tmp_path: Path) -> None:
    with Kept(tmp_path / "verdicts.jsonl") as kept:
        for _ in range(2):
            kept.add("a", OPEN, {})
            kept.add("b", WRONG, {})
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 2


def test_an_interrupt_at_any_step_neither_loses_a_line_nor_doubles_it(tmp_path: Path) -> None:
    """The verdict is added again after it, as the command does."""

    def interrupts_at(step: int) -> Callable[..., Any]:
        steps = itertools.count()

        def trace(*_: Any) -> Any:
            if next(steps) == step:
                sys.settrace(tracing)
                raise KeyboardInterrupt
            return trace

        return trace

    tracing, interrupted = sys.gettrace(), 0
    for step in range(150):
        path = tmp_path / f"{step}.jsonl"
        with Kept(path) as kept:
            kept.add("a", RIGHT, {})
            try:
                sys.settrace(interrupts_at(step))
                kept.add("b", WRONG, {})
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                sys.settrace(tracing)
            kept.add("b", WRONG, {})
            assert kept.get("b") == WRONG  # it is counted, too
        assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["a", "b"]
    assert 20 < interrupted < 150


def test_verdicts_are_passed_on_in_order_as_far_as_none_waits_for_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_module, "MOST_HELD", 3)
    passed: list[int] = []
    steps = [
        (1, []),
        (0, [0, 1]),
        (4, []),
        (6, []),
        (5, [4, 5, 6]),
        (3, [3]),
        (9, []),
        (7, [7]),
        (2, [2, 9]),
        (12, []),
    ]
    with InOrder(lambda place, _: passed.append(place)) as reached:
        for place, expected in steps:
            before = len(passed)
            reached(place, RIGHT)
            assert passed[before:] == expected
    assert passed[-1] == 12


def test_what_waits_is_passed_on_when_it_is_interrupted() -> None:
    passed: list[int] = []

    def interrupted() -> None:
        with InOrder(lambda place, _: passed.append(place)) as reached:
            reached(3, RIGHT)
            reached(1, WRONG)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert passed == [1, 3]
