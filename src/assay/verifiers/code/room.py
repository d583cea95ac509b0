"""Room for what a suite itself brings into a sandbox, beside what a program may use.

A program is not condemned for the size of its tests: where their input is larger than the limits on
disk, memory or time would allow, or the right answer is longer than the limit on output, the limits
grow by that much. They depend on the suite alone, so a program cannot widen them.
"""

from dataclasses import replace
from typing import Final

from assay.errors import BackendError
from assay.sandbox import Limits

__all__ = ["MOST", "room_for"]

MOST: Final = 256 << 20
"""Most bytes that the input of one run, or all of a suite's calls, may have."""
FREE: Final = 1 << 16
"""Bytes that need no room of their own."""
MEMORY_SHARE: Final = 32
"""Bytes of memory that a byte of JSON takes at most while it is read: as a text, as objects, and as
arguments."""
PER_SECOND: Final = 4 << 20
"""Bytes of JSON that are read in a second, on a slow machine."""
ANSWER_SHARE: Final = 8
"""Times its own length that a right answer may be written at: with more digits, or other white
space."""


def room_for(limits: Limits, given: int, answer: int = 0, files: int = 0) -> Limits:
    """The limits, widened for `given` bytes that the process reads, a right answer of `answer`
    bytes, and `files` bytes that are laid out in files for the program. Raises `BackendError` where
    it is given too much to be run at all."""
    if given > MOST:
        raise BackendError(f"a test gives the program {given:,} bytes, and {MOST:,} is the most")
    seconds = given // PER_SECOND
    return replace(
        limits,
        seconds=limits.seconds + seconds,
        wall=None if limits.wall is None else limits.wall + 2 * seconds,
        memory=limits.memory + (MEMORY_SHARE * given if given > FREE else 0),
        output=max(limits.output, ANSWER_SHARE * answer),
        disk=limits.disk + (files + FREE if files else 0),
    )
