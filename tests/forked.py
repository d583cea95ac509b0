"""Programs of Python in processes of their own that import nothing again: forked from a process
that has imported what most of them need.

A test of what a fresh interpreter does (what is imported, how fast help comes) starts one itself.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

IMPORTED: Final = (
    "assay.workflows.train",
    "assay.workflows.rl",
    "assay.studies.arithmetic.records",
    "assay.report.paint",
    "tests.training.together",
    "tests.rl.together",
)
LIMIT_S: Final = 240


def context() -> Any:
    """What processes are made by. The first of a session takes as long as a fresh interpreter."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([*IMPORTED])
    return made


def start(
    words: Sequence[str],
    said: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Any:
    """Start `python WORDS` in a folder: a file, `-m` and a module, or `-c` and code. It writes its
    output to the files out and err of the folder `said`, which is made."""
    said.mkdir(parents=True, exist_ok=True)
    given = {**os.environ, **(environment or {})}
    process = context().Process(target=_work, args=([*words], given, str(said), folder))
    process.start()
    return process


def run(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` in a folder to its end."""
    with tempfile.TemporaryDirectory() as made:
        said = Path(made)
        process = start(words, said, environment, folder)
        process.join(LIMIT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        texts = [(said / name).read_text() for name in ("out", "err")]
    return subprocess.CompletedProcess([*words], process.exitcode, *texts)


def _work(words: list[str], environment: dict[str, str], said: str, folder: Path | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        with open(Path(said, name), "wb") as file:
            os.dup2(file.fileno(), number)
    if folder is not None:
        os.chdir(folder)
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")
