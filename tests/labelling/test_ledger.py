import json
from pathlib import Path

import pytest

from assay.errors import ConfigError
from assay.labelling.ledger import Ledger, Rollout, RolloutBatch

ODD = 'a "quote"\n\u2028 line, \x00 and \U0001f600'


def batch(prefix: str, first: int, *rights: bool | None) -> RolloutBatch:
    rollouts = tuple(
        Rollout(
            steps=(f"{prefix}{first + i}", ODD),
            right=right,
            reason="" if right is not None else "?",
            tokens=i,
        )
        for i, right in enumerate(rights)
    )
    return RolloutBatch(prefix=prefix, first=first, rollouts=rollouts, seconds=0.5)


BATCHES = [batch("a", 0, True, False), batch("b", 0, None), batch("a", 2, False, True, True)]


def write(path: Path) -> None:
    with Ledger(path) as ledger:
        for one in BATCHES:
            ledger.append(one)


def held(ledger: Ledger) -> dict[str, list[int]]:
    return {prefix: sorted(ledger.of(prefix)) for prefix in "ab"}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "x" / "ledger.jsonl")
    with Ledger(tmp_path / "x" / "ledger.jsonl") as ledger:
        assert held(ledger) == {"a": [0, 1, 2, 3, 4], "b": [0]}
        assert ledger.of("a")[3] == BATCHES[2].rollouts[1]
        assert ledger.of("b")[0].right is None
        assert ledger.of("never") == {}


def test_a_kill_at_any_byte_loses_at_most_the_line_in_flight(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 3
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        kept = sum(end <= cut for end in ends)
        with Ledger(path) as ledger:
            assert sum(len(numbers) for numbers in held(ledger).values()) == [0, 2, 3, 6][kept]
            assert ledger.damaged == 0
            for one in BATCHES[kept:]:
                ledger.append(one)
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.replace(b"true", b"null"),
        lambda line: line[:20] + line[30:],
        lambda line: b"\xff" + line,
        lambda line: b"[1]\n",
        lambda line: b"\n",
    ],
)
def test_a_damaged_line_is_named_and_left_out(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path)
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(spoil(first) + b"".join(others))  # type: ignore[operator]
    with pytest.warns(UserWarning, match="line 1 is damaged"):
        ledger = Ledger(path)
    with ledger:
        assert held(ledger) == {"a": [2, 3, 4], "b": [0]}
        assert ledger.damaged == 1
        ledger.append(BATCHES[0])
        assert held(ledger) == {"a": [0, 1, 2, 3, 4], "b": [0]}


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path), pytest.raises(ConfigError, match="open in another process"):
        Ledger(path)
    Ledger(path).close()


def test_a_line_is_plain_json(tmp_path: Path) -> None:
    write(tmp_path / "ledger.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [(row["prefix"], row["first"], len(row["rollouts"])) for row in rows] == [
        ("a", 0, 2),
        ("b", 0, 1),
        ("a", 2, 3),
    ]
    assert len({row["sha256"] for row in rows}) == 3


def test_without_a_path_nothing_is_kept_on_disk() -> None:
    ledger = Ledger()
    ledger.append(BATCHES[0])
    assert sorted(ledger.of("a")) == [0, 1]
    ledger.close()
