"""The ledger of paid answers: kills, two processes, broken files."""

import os
import signal
import subprocess
import sys

import pytest

from assay.answerers.ledger import Entry, Ledger, Usage
from assay.errors import BackendError

WRITES = """
import sys
from assay.answerers.ledger import Entry, Ledger
with Ledger(sys.argv[1]) as ledger:
    for i in range(int(sys.argv[3])):
        ledger.put([Entry(key=f"{sys.argv[2]}{i}", repeat=0, answer={"i": i, "text": "x" * 500})])
        print(i, flush=True)
"""


def _writes(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITES, path, name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_answers_come_back_with_what_they_cost(tmp_path):
    usage = Usage(requests=2, tokens_in=5, tokens_out=None, seconds=0.5, money=0.25)
    entry = Entry(key="a", repeat=3, answer={"text": "ü", "n": [1, None]}, usage=usage)
    with Ledger(tmp_path / "folder" / "ledger") as ledger:
        ledger.put([entry, entry.model_copy(update={"repeat": 4})])
        assert (ledger.paid.money, ledger.saved.requests) == (0.5, 0)
    with Ledger(tmp_path / "folder" / "ledger") as ledger:
        assert ledger.get("a", 3) == entry
        assert ledger.get("a", 0) is None
        assert ledger.get("b", 3) is None
        assert (ledger.paid, ledger.saved) == (Usage(), usage)
        assert len(ledger) == 2
        assert ledger.total() == usage + usage
        assert ledger.total().tokens_out is None


def test_what_is_there_stays():
    ledger = Ledger()
    ledger.put([Entry(key="a", repeat=0, answer=1)])
    ledger.put([Entry(key="a", repeat=0, answer=2)])
    found = ledger.get("a")
    assert found is not None
    assert found.answer == 1


def test_a_kill_loses_nothing_that_was_put(tmp_path):
    path = str(tmp_path / "ledger")
    process = _writes(path, "a", 10**6)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    process.stdout.close()
    with Ledger(path) as ledger:
        kept = [ledger.get(f"a{i}") for i in said]
        assert [entry.answer["i"] for entry in kept if entry is not None] == said
        ledger.put([Entry(key="after", repeat=0, answer=1)])
        # The one more is what was on disk before it could be said.
        assert len(said) + 1 <= len(ledger) <= len(said) + 2


def test_two_processes_write_into_one_file(tmp_path):
    path = str(tmp_path / "ledger")
    processes = [_writes(path, name, 100) for name in "ab"]
    assert all(process.communicate()[0].count("\n") == 100 for process in processes)
    with Ledger(path) as ledger:
        assert len(ledger) == 200


def test_a_broken_file_is_said_to_be_one(tmp_path):
    path = tmp_path / "ledger"
    path.write_text("this is no database" * 500)
    with pytest.raises(BackendError, match="is no ledger, or a broken one"):
        Ledger(path)
    with pytest.raises(BackendError, match="is no ledger, or a broken one"):
        Ledger(tmp_path)


def test_a_file_broken_in_the_middle_is_no_empty_answer(tmp_path):
    path = tmp_path / "ledger"
    with Ledger(path) as ledger:
        ledger.put(Entry(key=f"a{i}", repeat=0, answer="x" * 500) for i in range(500))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    def read():
        with Ledger(path) as ledger:
            return [ledger.get(f"a{i}") for i in range(500)]

    with pytest.raises(BackendError, match=r"cannot be read|is no ledger"):
        read()


def test_two_processes_that_asked_the_same_have_one_answer(tmp_path):
    """What the second was told is paid, but not kept: asked again, both would say the first's."""
    with Ledger(tmp_path / "ledger") as one, Ledger(tmp_path / "ledger") as other:
        usage = Usage(requests=1)
        [mine] = one.put([Entry(key="a", repeat=0, answer="first", usage=usage)])
        found = other.put(
            Entry(key=key, repeat=0, answer="second", usage=usage) for key in ("b", "a")
        )
        assert mine.answer == "first"
        assert [entry.answer for entry in found] == ["second", "first"]
        assert (other.paid.requests, other.saved.requests) == (2, 0)


def test_a_sum_of_some_prices_is_no_sum(tmp_path):
    with Ledger() as ledger:
        ledger.put([Entry(key="a", repeat=0, answer=1, usage=Usage(tokens_out=5, money=0.5))])
        assert ledger.total().money == 0.5
        # What counts no tokens, such as a server's tokenizer, costs nothing.
        ledger.put([Entry(key="b", repeat=0, answer=1, usage=Usage(requests=1))])
        assert ledger.total().money == 0.5
        ledger.put([Entry(key="c", repeat=0, answer=1, usage=Usage(tokens_out=5))])
        assert ledger.total().money is None
