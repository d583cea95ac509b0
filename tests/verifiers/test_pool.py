"""Workers driven by one caller: what comes back, whose fault a failure is, and what is left behind
when one leaves."""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.verifiers.pool import AHEAD, Pool

OBEDIENT = """
import json, os, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("noted"):
        os.pwrite(int(sys.argv[1]), f"{request['id']:>16} {time.process_time():>16.3f}".encode(), 0)
    end = time.monotonic() + request.get("for", 0.0)
    match request["do"]:
        case "die":
            os._exit(1)
        case "sleep":
            time.sleep(request["for"])
        case "compute":
            while time.monotonic() < end:
                pass
        case "lie":
            request["id"] += 1
    print(json.dumps({"id": request["id"], "outcome": "right", "stage": request["do"], "pid": os.getpid()}), flush=True)
"""  # noqa: E501
"""A worker that does as it is told."""


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    (tmp_path / "obedient.py").write_text(OBEDIENT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = Pool("obedient", size=2)
    yield pool
    pool.close()


def asked(
    pool: Pool, *requests: dict[str, Any], seconds: float = 5.0
) -> dict[int, tuple[str, str]]:
    return {n: (r["outcome"], r["stage"]) for n, r in pool.ask_all(enumerate(requests), seconds)}


def test_all_are_answered_by_both_workers(pool: Pool) -> None:
    found = list(pool.ask_all(((n, {"do": "sleep", "for": 0.002}) for n in range(200)), 5.0))
    assert sorted(n for n, _ in found) == list(range(200))
    assert len({reply["pid"] for _, reply in found}) == 2
    assert len(pool.pids()) == 2
    assert not list(pool.ask_all([], 5.0))


def test_requests_are_taken_as_there_is_room_for_them(pool: Pool) -> None:
    taken = itertools.count()
    for done, _ in enumerate(
        pool.ask_all(((next(taken), {"do": "echo"}) for _ in range(100)), 5.0)
    ):
        assert next(taken) <= done + 2 * AHEAD + 2
        taken = itertools.count(next(taken) - 1)


def test_long_requests_do_not_fill_the_pipe(pool: Pool) -> None:
    long = [{"do": "sleep", "for": 0.01, "text": "x" * 40_000} for _ in range(20)]
    assert set(asked(pool, *long).values()) == {("right", "sleep")}


def test_those_behind_one_that_hangs_or_dies_are_asked_again(pool: Pool) -> None:
    rows = (
        [{"do": "echo"}] * 5
        + [{"do": "sleep", "for": 60.0}]
        + [{"do": "echo"}] * 5
        + [{"do": "die"}, {"do": "lie"}]
    )
    found = asked(pool, *rows, *[{"do": "echo"}] * 30, seconds=1.0)
    assert len(found) == 43
    assert {n: f for n, f in found.items() if f != ("right", "echo")} == {
        5: ("undecided", "timeout"),
        11: ("undecided", "died"),
        12: ("undecided", "died"),
    }


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"do": "compute", "for": 60.0, "noted": True}, ("wrong", "timeout")),
        ({"do": "compute", "for": 60.0}, ("undecided", "timeout")),
        (
            {"do": "sleep", "for": 60.0, "noted": True},
            ("undecided", "timeout"),
        ),  # the machine was busy otherwise
        ({"do": "die", "noted": True}, ("wrong", "died")),
        ({"do": "die"}, ("undecided", "died")),
    ],
)
def test_a_failure_beside_a_reference_that_was_read_is_the_answers(
    pool: Pool, request_: dict[str, Any], expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "assay.verifiers.pool.COMPUTED", 0.05
    )  # the machine that runs the tests may be busy
    assert asked(pool, {"do": "echo", "noted": True}, request_, {"do": "echo"}, seconds=1.0) == {
        0: ("right", "echo"),
        1: expected,
        2: ("right", "echo"),
    }


def test_who_leaves_early_leaves_nothing_running(pool: Pool) -> None:
    requests = ((n, {"do": "compute", "for": 0.0 if n == 0 else 60.0}) for n in range(10))
    with contextlib.closing(pool.ask_all(requests, 60.0)) as replies:
        next(replies)
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    assert pool.pids() == []
    assert asked(pool, {"do": "echo"}) == {0: ("right", "echo")}


def test_workers_are_in_a_session_of_their_own(pool: Pool) -> None:
    pool.ask({"do": "echo"}, 5.0)
    assert os.getsid(pool.pids()[0]) != os.getsid(0)


def test_threads_wait_for_each_others_workers(pool: Pool) -> None:
    found: list[int] = []

    def ask() -> None:
        found.extend(
            n for n, _ in pool.ask_all(((n, {"do": "sleep", "for": 0.01}) for n in range(20)), 5.0)
        )

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert sorted(found) == sorted([*range(20)] * 5)
    assert len(pool.pids()) <= 2
