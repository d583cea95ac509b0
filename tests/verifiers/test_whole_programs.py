"""A run that `python program.py` passes is right, and one that it fails is wrong."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay.verifiers.code.compare import same_text
from assay.verifiers.code.suites import Stream, Streams
from assay.verifiers.code.verifier import Code
from tests.verifiers.whole_programs import RIGHT, WRONG

pytest.importorskip("pyseccomp")

CODE = Code(extract="text")


def suite(stdin: str, stdout: str) -> Streams:
    return Streams(cases=(Stream(stdin=stdin, stdout=stdout),))


def plain(folder: Path, code: str, stdin: str, stdout: str) -> bool:
    """Whether it passes without any of this."""
    folder.mkdir()
    (folder / "program.py").write_text(code, newline="")
    (folder / "input").write_text(stdin, newline="")
    (folder / "run").mkdir()
    (folder / "program.py").rename(folder / "run" / "program.py")
    with (folder / "input").open() as file:
        done = subprocess.run(
            [sys.executable, "-B", "program.py"],
            stdin=file,
            capture_output=True,
            cwd=folder / "run",
            timeout=30,
            env={"LANG": "C.UTF-8"},
        )
    return done.returncode == 0 and same_text(stdout, done.stdout.decode())


def test_the_tables_are_what_plain_python_does(tmp_path: Path) -> None:
    every = [*RIGHT.items(), *WRONG.items()]
    with ThreadPoolExecutor(4) as threads:
        passed = threads.map(lambda i: plain(tmp_path / str(i), *every[i][1]), range(len(every)))
    assert {name for (name, _), well in zip(every, passed, strict=True) if well} == RIGHT.keys()
    assert len(RIGHT) + len(WRONG) == len({**RIGHT, **WRONG})


@pytest.mark.parametrize("name", RIGHT)
def test_an_honest_program_is_right(name: str) -> None:
    code, stdin, stdout = RIGHT[name]
    verdict = CODE.check(code, suite(stdin, stdout))
    assert verdict.outcome == "right", verdict.reason


@pytest.mark.parametrize("name", WRONG)
def test_a_near_miss_is_wrong(name: str) -> None:
    code, stdin, stdout = WRONG[name]
    assert CODE.check(code, suite(stdin, stdout)).outcome == "wrong"
