"""Reads a table of honest pairs from a text file of marked blocks.

%% program          the program of the tests that follow; `%% program of errors` takes the one of
errors.txt %% entry add        the function under test, until the next program; `%% module shop` its
module's name %% pytest           all tests of the file are files for pytest %% test FEATURE     a
test of a feature, in as many sources as there are `%% and` between them %% before           helpers
of the suite %% - old            the mutant: this piece of the program (each line of it) ... %% +
new            ... makes place for that one
"""

from dataclasses import dataclass, field
from pathlib import Path

from assay.verifiers.code.suites import Assertions
from tests.verifiers.honest.item import Item
from tests.verifiers.marked import blocks, text

__all__ = ["table"]

FOLDER = Path(__file__).parent


@dataclass
class _Written:
    """One test as it stands in the file."""

    feature: str
    sources: list[list[str]]
    before: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def add(self, word: str, rest: str, lines: list[str]) -> None:
        """Take in one more block."""
        if word == "and":
            self.sources.append(lines)
        elif word == "before":
            self.before = lines
        elif word in ("-", "+"):
            (self.old if word == "-" else self.new).append(rest)
        else:
            raise ValueError(f"no mark is called {word!r}")


def table(name: str) -> list[Item]:
    """The items of a file."""
    found = []
    program, entry, module, pytest = "", "", "solution", False
    for word, rest, lines in blocks(FOLDER / f"{name}.txt"):
        if word == "program":
            program = _program_of(rest.removeprefix("of ")) if rest else text(lines)
            entry, module = "", "solution"
        elif word == "entry":
            entry = rest
        elif word == "module":
            module = rest
        elif word == "pytest":
            pytest = True
        elif word == "test":
            found.append((_Written(rest, [lines]), program, entry, module, pytest))
        else:
            found[-1][0].add(word, rest, lines)
    return [_item(*row) for row in found]


def _program_of(name: str) -> str:
    """The first program of a file."""
    return next(
        text(lines) for word, _, lines in blocks(FOLDER / f"{name}.txt") if word == "program"
    )


def _item(test: _Written, program: str, entry: str, module: str, pytest: bool) -> Item:
    sources = tuple(map(text, test.sources))
    before = text(test.before) if test.before else ""
    suite = Assertions(tests=sources, entry=entry, before=before, pytest=pytest, module=module)
    if not test.old:
        return Item(test.feature, program, suite)
    old, new = "\n".join(test.old), "\n".join(test.new)
    assert old in program, f"{test.feature}: the program has no {old!r}"
    return Item(test.feature, program, suite, program.replace(old, new))
