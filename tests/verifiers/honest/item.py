"""One honest program, its tests, and where sensible the same program with a bug."""

from dataclasses import dataclass

from assay.verifiers.suites import Assertions

__all__ = ["Item", "honest"]


@dataclass(frozen=True)
class Item:
    """A program that passes its tests in plain Python, and a mutant of it that fails them there."""

    feature: str
    program: str
    suite: Assertions
    mutant: str = ""


def honest(
    feature: str,
    program: str,
    *tests: str,
    bug: tuple[str, str] | None = None,
    entry: str = "",
    before: str = "",
    pytest: bool = False,
    module: str = "solution",
) -> Item:
    """An item; `bug` says which piece of the program to put another in the place of."""
    suite = Assertions(tests=tests, entry=entry, before=before, pytest=pytest, module=module)
    if bug is None:
        return Item(feature, program, suite)
    assert bug[0] in program, f"{feature}: no {bug[0]!r} to put a bug in the place of"
    return Item(feature, program, suite, program.replace(*bug))
