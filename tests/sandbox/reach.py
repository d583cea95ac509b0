"""Whether other users may enter this checkout: without namespaces, programs that root runs are
another user's, who must be able to read the sandbox's own files."""

import os
from pathlib import Path

import pytest

__all__ = ["CLOSED", "LANDLOCK"]

REPOSITORY = Path(__file__).resolve().parents[2]
_SHUT = [folder for folder in (REPOSITORY, *REPOSITORY.parents) if not folder.stat().st_mode & 1]
CLOSED = (
    f"{_SHUT[-1]} is closed to other users; clone into a folder that they may enter"
    if _SHUT and os.getuid() == 0
    else ""
)
"""Why not; "" where they may, or where nobody is to become another user."""
LANDLOCK = pytest.param("landlock", marks=pytest.mark.skipif(bool(CLOSED), reason=CLOSED))
"""The level, of tests that go by level."""
