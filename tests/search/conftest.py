"""What the tests of searches share."""

import os

import pytest


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the disk: what a test breaks off is a program, not the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
