"""The process in which mathematics is parsed and compared: `python -m
assay.verifiers.answers.worker`, driven by `pool`.

One JSON object a line in, one a line out: `{"id": 1, "gold": "1/2", "answer": "0.5"}` gives `{"id":
1, "outcome": "right", "stage": "points", "reason": "", "megabytes": 80}`. SymPy can loop, or build
a number that fills the memory, inside C code that no signal handler interrupts; so the parent keeps
the time and kills, and the limits below are the second fence. It ends by itself when its input
closes, that is when its parent is gone.

A reference that it has read, and that is a plain number, it notes in a file that the parent looks
at when it has to
kill: what takes too long then is the answer.
"""

import functools
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import IO, Any

from sympy import Add, Mul, NumberSymbol, Pow, Rational, exp, log, preorder_traversal
from sympy.functions.elementary.trigonometric import TrigonometricFunction

from assay.verifiers.answers.equivalence import compare
from assay.verifiers.answers.latex import parse

__all__ = ["main"]

MEMORY_BYTES = 900 << 20
SETTINGS = ("intervals", "tolerance")
PLAIN = (Add, Mul, Rational, NumberSymbol, log, TrigonometricFunction)
WARM = (
    r"\frac{\sqrt{2}}{2}",
    "x^2+3x-1",
    r"(1,2)\cup[3,\infty)",
    r"\{1,2\}",
    "x=5",
    r"2\le x<3",
    r"\frac{3\pi}{4}",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    r"\log_2 x+\sin x",
    "e^{2x}",
    r"\frac{x+1}{x-1}",
    "2\\sqrt{3}+1",
    "-1/2",
)
"""What the grammar's tables are filled with before the first request: they are slow only the first
time."""


def main() -> None:
    """Answer requests until the input closes."""
    replies = _private_stdout()
    note = int(sys.argv[1]) if len(sys.argv) > 1 else os.open(os.devnull, os.O_WRONLY)
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
        reply = _answer(request, note)
        _reply(replies, {"id": request["id"], **reply, "megabytes": _megabytes()})


def _answer(request: dict[str, Any], note: int) -> dict[str, Any]:
    settings = {name: request[name] for name in SETTINGS if name in request}
    plain = False
    try:
        plain = _is_plain_number(request["gold"])
        if plain:
            os.pwrite(note, f"{request['id']:>16} {time.process_time():>16.3f}".encode(), 0)
        return vars(compare(request["gold"], request["answer"], **settings))
    except Exception as error:  # noqa: BLE001  SymPy raises anything at all; the caller gets it as a reason
        kind = "memory" if isinstance(error, MemoryError) else "failed"
        reason = f"the checker failed: {type(error).__name__}"
        if plain:
            return {"outcome": "wrong", "stage": kind, "reason": f"{reason}, beside a plain number"}
        return {"outcome": "undecided", "stage": kind, "reason": reason}


@functools.lru_cache(maxsize=4096)
def _is_plain_number(latex: str) -> bool:
    """Return whether it is a number of which any digit is had in no time: no tower of powers, no
    sum with bounds."""
    found = parse(latex)
    return bool(getattr(found, "is_number", False)) and all(
        map(_is_plain, preorder_traversal(found))
    )


def _is_plain(part: Any) -> bool:
    return bool(part.exp.is_Rational) if isinstance(part, (Pow, exp)) else isinstance(part, PLAIN)


def _megabytes() -> int:
    """Memory in use. Not `ru_maxrss`: on Linux that begins, after an exec, at what the parent
    had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (
            20 if sys.platform == "darwin" else 10
        )


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
