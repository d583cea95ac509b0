"""What a server has in use: what it has allocated and not freed, as the C library counts it.

What a process holds (RSS) grows on when nothing is kept, as the allocator finds no hole for a new
size, and no count of it tells a leak from that. The server is started with PYTHONMALLOC=malloc, so
that Python's own objects are in the count, and `InUse`, one of its models, reads it while all
clients are stopped.
"""

import ctypes
import gc
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.request import Request, urlopen

from assay.types import Group, Score, Unscored

KEY = "free"
"""The key by which it is asked."""
COUNTS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
RESTING_S = 0.3
"""Time in which what was asked before is answered."""


class Mallinfo(ctypes.Structure):
    """What glibc's `mallinfo2` gives."""

    _fields_: ClassVar = [(name, ctypes.c_size_t) for name in COUNTS.split()]


@dataclass(frozen=True)
class InUse:
    """The bytes in use of the process that scores, in MiB."""

    fingerprint: str = "in use"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[in_use() for _ in group.responses] for group in groups]


def in_use() -> Score | Unscored:
    """MiB that are allocated and not freed; unknown without glibc's counts."""
    gc.collect()
    try:
        count = ctypes.CDLL("libc.so.6").mallinfo2
    except (OSError, AttributeError):
        return Unscored(reason="this C library does not count what is in use")
    count.restype = Mallinfo
    found = count()
    return Score(value=(found.uordblks + found.hblkhd) / 2**20)


def resting(port: int, clients: Sequence[Any]) -> float:
    """What a server has in use while its clients are stopped, in MiB; NaN where it is unknown."""
    body = json.dumps({"model": "in-use", "prompt": "q", "responses": ["a"]}).encode()
    headers = {"Authorization": f"Bearer {KEY}"}
    asked = Request(f"http://127.0.0.1:{port}/v1/score", body, headers)
    for client in clients:
        os.kill(client.pid, signal.SIGSTOP)
    try:
        time.sleep(RESTING_S)
        with urlopen(asked, timeout=60) as answer:
            return float(json.load(answer)["scores"][0].get("value", "nan"))
    finally:
        for client in clients:
            os.kill(client.pid, signal.SIGCONT)
