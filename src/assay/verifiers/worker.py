"""The process in which mathematics is parsed and compared: `python -m assay.verifiers.worker`, driven by `pool`.

One JSON object a line in, one a line out: `{"id": 1, "gold": "1/2", "answer": "0.5"}` gives `{"id": 1, "outcome":
"right", "stage": "points", "reason": "", "megabytes": 80}`. SymPy can loop, or build a number that fills the memory,
inside C code that no signal handler interrupts; so the parent keeps the time and kills, and the limits below are the
second fence. It ends by itself when its input closes, that is when its parent is gone.
"""

import json
import logging
import os
import resource
import sys
from pathlib import Path
from typing import IO, Any

from assay.verifiers.equivalence import compare

__all__ = ["main"]

MEMORY_BYTES = 900 << 20
SETTINGS = ("intervals", "tolerance")
WARM = (
    r"\frac{\sqrt{2}}{2}", "x^2+3x-1", r"(1,2)\cup[3,\infty)", r"\{1,2\}", "x=5", r"2\le x<3", r"\frac{3\pi}{4}",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\log_2 x+\sin x", "e^{2x}", r"\frac{x+1}{x-1}", "2\\sqrt{3}+1", "-1/2",
)  # fmt: skip
"""What the grammar's tables are filled with before the first request: they are slow only the first time."""


def main() -> None:
    """Answer requests until the input closes."""
    replies = _private_stdout()
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    logging.disable(logging.CRITICAL)  # it warns of every unset timeout
    for latex in WARM:
        compare("1", latex)
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        # An orphan in an endless computation never sees its input close: processor time ends it.
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + 2 * request["seconds"]) + 2)
        reply = _answer(request)
        _reply(replies, {"id": request["id"], **reply, "megabytes": _megabytes()})


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    settings = {name: request[name] for name in SETTINGS if name in request}
    try:
        return vars(compare(request["gold"], request["answer"], **settings))
    except Exception as error:  # noqa: BLE001  SymPy raises anything at all; the caller gets it as a reason
        kind = "memory" if isinstance(error, MemoryError) else "failed"
        return {"outcome": "undecided", "stage": kind, "reason": f"the checker failed: {type(error).__name__}"}


def _megabytes() -> int:
    """Memory in use. Not `ru_maxrss`: on Linux that begins, after an exec, at what the parent had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def _reply(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _private_stdout() -> IO[str]:
    """The parent's pipe, to be used by `_reply` alone: what a library prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return replies


def _limit(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    try:
        resource.setrlimit(what, (soft, hard))
    except (ValueError, OSError) as error:
        # Some systems (macOS) refuse a limit on address space; the parent's clock still holds.
        logging.getLogger(__name__).warning("no limit on %s: %s", what, error)


if __name__ == "__main__":
    main()
