"""Processes of a test, started as torchrun starts them."""

import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.forked import context
from tests.training.together import work

SECONDS = 240


def start(size: int, calls: Sequence[Sequence[str]], folder: Path) -> list[Any]:
    """One process a rank, told what torchrun would tell; calls: of each, or one of all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    told["ASSAY_WORLD_TIMEOUT"] = SECONDS
    made = []
    for rank in range(size):
        mine = {k: str(v) for k, v in (told | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        given = mine, calls[rank % len(calls)], folder / f"said.{rank}"
        made.append(context().Process(target=work, args=given, name=str(given[2]), daemon=True))
        made[-1].start()
    return made


def ends(processes: Sequence[Any]) -> list[tuple[int, str]]:
    """Exit code and error output of each."""
    for process in processes:
        process.join(SECONDS)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return [(code, Path(p.name).read_text()) for code, p in zip(codes, processes, strict=True)]


def lose_one_of_two(command: Sequence[str], out: Path, folder: Path) -> None:
    """Run a command on two processes, kill one behind a checkpoint: the other ends in one line that
    says how to go on."""
    leader, other = start(2, [["assay", *command]], folder)
    deadline = time.monotonic() + SECONDS
    while not list(out.glob("checkpoint/parts-*/state.json")) and leader.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    other.kill()
    (code, said), (killed, _) = ends([leader, other])
    assert (code, killed) == (2, -signal.SIGKILL)
    assert said.splitlines()[-1] == (
        f"assay {command[0]}: another of the 2 processes was lost; the same command again goes on"
        " from the last checkpoint"
    )
    assert "Traceback" not in said
