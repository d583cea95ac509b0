import os
import select
import threading
import time

import pytest

from assay.sandbox.side_by_side import Stopped, side_by_side, stop_file


def waits(seconds: float) -> None:
    """What work that can be stopped does where it waits."""
    stop = stop_file()
    assert stop is not None
    ready, _, _ = select.select([stop], [], [], seconds)
    if ready:
        raise Stopped


def test_every_item_is_taken_with_its_result_in_the_callers_thread() -> None:
    taken: dict[int, int] = {}

    def take(item: int, result: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        taken[item] = result

    for threads in (1, 3, 200):
        taken.clear()
        side_by_side(lambda item: item * item, range(100), threads, take)
        assert taken == {n: n * n for n in range(100)}
    side_by_side(lambda item: item, [], 3, take)
    assert stop_file() is None


def test_so_many_run_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10.0)
    side_by_side(lambda _: together.wait(), range(9), 3, lambda *_: None)


@pytest.mark.parametrize("error", [ValueError("no"), IndexError("empty"), KeyboardInterrupt()])
def test_an_error_of_the_work_goes_on_at_once(error: BaseException) -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise error
        waits(60.0)
        return item

    start = time.monotonic()
    with pytest.raises(type(error)):
        side_by_side(work, range(50), 2, lambda *_: None)
    assert time.monotonic() - start < 30.0
    assert len(begun) <= 3


def test_an_interrupt_stops_what_runs_and_loses_no_result() -> None:
    files = len(os.listdir("/proc/self/fd"))
    both_there = threading.Barrier(2, timeout=10.0)
    taken: list[int] = []

    def work(item: int) -> int:
        if item < 2:
            both_there.wait()
        else:
            waits(60.0)
        return item

    def take(item: int, _: int) -> None:
        taken.append(item)
        if len(taken) == 1:
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, range(50), 2, take)
    assert time.monotonic() - start < 30.0
    assert set(taken) == {0, 1}
    assert len(os.listdir("/proc/self/fd")) == files


def test_work_that_does_not_stop_is_left_alone() -> None:
    let_go = threading.Event()
    start = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        side_by_side(
            lambda item: let_go.wait(60.0) if item else int("no"), range(2), 2, lambda *_: None
        )
    assert time.monotonic() - start < 30.0
    let_go.set()
