"""Programs that do not add, and the kinds of tests that they try to be passed by, or not to be
judged by.

A program gets no better verdict than *wrong*: one that is *undecided* has escaped it. `CHEATS` are
the programs, by what they try; `KINDS` are the tests, each of which fails for every one of them.

The programs are text files of marked blocks: `%% cheat WHAT IT TRIES`, and `%% after NAME` puts the
lines of `%% prelude NAME` before it. In kinds.txt are `%% kind NAME`, whose sources are parted by
`%% and`, and `%% before` with its helpers; the kinds below `%% pytest` are files for pytest.
"""

from pathlib import Path
from typing import Final

from assay.verifiers.code.suites import Assertions
from tests.verifiers.marked import blocks, text

__all__ = ["CHEATS", "HONEST", "KINDS"]

FOLDER: Final = Path(__file__).parent
FILES: Final = (
    "objects",
    "ends",
    "forgeries",
    "readers",
    "patches",
    "names",
    "runners",
    "files",
    "insiders",
)
HONEST: Final = "def add(a, b):\n    return a + b\n"


def _cheats(name: str) -> dict[str, str]:
    found, preludes = dict[str, str](), dict[str, str]()
    cheat = ""
    for word, rest, lines in blocks(FOLDER / f"{name}.txt"):
        if word == "prelude":
            preludes[rest] = text(lines)
        elif word == "cheat":
            assert rest not in found, f"two cheats are called {rest!r}"
            cheat = rest
            found[cheat] = text(lines)
        elif word == "after":
            found[cheat] = preludes[rest] + text(lines)
        else:
            raise ValueError(f"no mark is called {word!r}")
    return found


def _kinds() -> dict[str, Assertions]:
    found = dict[str, Assertions]()
    kind, pytest = "", False
    for word, rest, lines in blocks(FOLDER / "kinds.txt"):
        if word == "pytest":
            pytest = True
        elif word == "kind":
            kind = rest
            found[kind] = Assertions(entry="add", tests=(text(lines),), pytest=pytest)
        elif word == "and":
            found[kind] = found[kind].model_copy(
                update={"tests": (*found[kind].tests, text(lines))}
            )
        elif word == "before":
            found[kind] = found[kind].model_copy(update={"before": text(lines)})
        else:
            raise ValueError(f"no mark is called {word!r}")
    return found


CHEATS: Final = {what: program for name in FILES for what, program in _cheats(name).items()}
KINDS: Final = _kinds()
