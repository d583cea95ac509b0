"""One honest program, its tests, and where sensible the same program with a bug."""

from dataclasses import dataclass

from assay.verifiers.code.suites import Assertions

__all__ = ["Item"]


@dataclass(frozen=True)
class Item:
    """A program that passes its tests in plain Python, and a mutant of it that fails them there."""

    feature: str
    program: str
    suite: Assertions
    mutant: str = ""
    """Empty where there is none."""
