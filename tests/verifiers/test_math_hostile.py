"""Answers made to hang, to fill the memory or to run code: a verdict within the limit, and the pool
lives on."""

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.verifiers import Math, Numeric
from assay.verifiers.answers.math import _pool
from assay.verifiers.pool import Pool

pytest.importorskip("math_verify")

LIMIT = 1.0
WORKERS = 1
CODE = [
    "__import__('os').system('touch {file}')",
    "().__class__.__bases__[0].__subclasses__()",
    "exec(\"open('{file}','w')\")",
    "[open('{file}','w') for x in [1]]",
    r"\input{{{file}}}",
    r"\immediate\write18{{touch {file}}}",
    "lambda: open('{file}','w')",
    "{{0.__class__}}",
]
SLOW = [
    "9^9^9^9",
    "9^{9^{9^9}}",
    "9**9**9**9",
    "2^{1000000000}",
    "10^(10^9)",
    "10^{10^{9}}",
    "(20!)!",
    "((20!)!)!",
    "100000000!",
    r"(10^8)!",
    r"\sum_{i=1}^{1000000000} i",
    r"\sum_{i=1}^{1000000000} \sin(i)",
    r"\sum_{n=1}^{10000} \frac{1}{n!}",
    r"\prod_{i=1}^{100000000} i",
    r"\prod_{i=1}^{9999}\prod_{j=1}^{9999}(i+j)",
    r"\binom{10^{12}}{10^9}",
    r"\binom{1000000000000}{1000000000}",
    "C(10^{12},10^9)",
    "(((2^{999})^{999})^{999})^{999}",
    r"e^{e^{e^{e^{100}}}}",
    r"\exp(\exp(\exp(\exp(100))))",
    "x^" * 40 + "x",
    r"\int_0^1 e^{x^{100}\sin(x^{50})} dx",
    r"\frac{1}{" * 39 + "2" + "}" * 39,
    r"\sqrt{" * 39 + "2" + "}" * 39,
    "x^{9999}+x^{9998}+3=0",
]
LARGE = [
    "(" * 3000 + "1" + ")" * 3000,
    "{" * 3000 + "}" * 3000,
    "1 " * 100_000,
    "000 " * 50_000,
    "1" * 200_000,
    "1," * 100_000,
    "$" * 200_000,
    r"\boxed" * 30_000,
    r"\boxed{" * 30_000,
    "a" * 200_000,
    r"\frac{1" * 25_000,
    "answer is $" * 18_000,
    '{"answer": "' * 16_000,
    "-" * 200_000,
    "1/" * 100_000,
]
ODD = [
    "",
    "\x00",
    "\ud800",
    "\u202e5",
    "🦆" * 50,
    "{",
    "}",
    "\\",
    "$$",
    "%",
    "^",
    "_",
    "\\boxed{",
    "5" + "\n" * 100,
]


@pytest.fixture(autouse=True)
def survivors() -> Iterator[None]:
    """After each test an honest comparison is right, and no worker has grown beyond a gigabyte."""
    yield
    assert Math(timeout=20.0, workers=WORKERS).check(r"\boxed{\sqrt{16}}", "4").outcome == "right"
    for pid in _pool(WORKERS, os.getpid()).pids():
        peak = next(
            line
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("VmPeak")
        )
        assert int(peak.split()[1]) < 1 << 20  # kB of address space; measured: 83,000


@pytest.mark.parametrize("code", CODE)
def test_code_is_never_run(code: str, tmp_path: Path) -> None:
    file = tmp_path / "written"
    attack = code.format(file=file)
    verifier = Math(timeout=5.0, workers=WORKERS)
    for text, reference in ((rf"\boxed{{{attack}}}", "5"), (r"\boxed{5}", attack)):
        assert verifier.check(text, reference).outcome != "right"
        assert Numeric().check(text, reference).outcome != "right"
    assert not file.exists()


UNSEEN = itertools.count(70_001)
"""Numbers that no other test asks about: what was judged before is remembered, and needs no
worker."""


@pytest.mark.parametrize("attack", SLOW)
def test_endless_computations_end(attack: str) -> None:
    verifier = Math(timeout=LIMIT, workers=WORKERS)
    number = next(UNSEEN)
    # A worker is there: starting one is not on the clock.
    verifier.check(rf"\boxed{{\sqrt{{{number**2}}}}}", str(number))
    start = time.perf_counter()
    verdict = verifier.check(rf"\boxed{{{attack}}}", "0.123")
    assert time.perf_counter() - start < LIMIT + 2.0
    assert verdict.outcome != "right"
    assert verdict.reason
    if verdict.outcome == "undecided":
        assert verdict.stage in (
            "refused",
            "timeout",
            "unreadable",
            "memory",
            "failed",
            "died",
            "math-verify",
        )


@pytest.mark.parametrize("attack", LARGE, ids=lambda text: f"{text[:12]!r} x {len(text)}")
def test_large_inputs_are_refused_in_time(attack: str) -> None:
    policies = ("boxed", "open_box", "hashes", "phrase", "field", "choice", "final_line")
    anywhere = Math(timeout=LIMIT, workers=WORKERS, find=policies)
    for text, reference in ((attack, "5"), (rf"\boxed{{{attack}}}", "5"), (r"\boxed{5}", attack)):
        start = time.perf_counter()
        assert anywhere.check(text, reference).outcome != "right"
        assert Numeric().check(text, reference).outcome != "right" or "1" not in reference
        assert time.perf_counter() - start < LIMIT + 2.0


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_get_a_verdict(text: str) -> None:
    verifier = Math(timeout=LIMIT, workers=WORKERS)
    for response, reference in ((text, "5"), (rf"\boxed{{{text}}}", "x+1"), (r"\boxed{x}", text)):
        assert verifier.check(response, reference).outcome in ("right", "wrong", "undecided")
        Numeric().check(response, reference)


def test_a_request_that_fills_the_memory_ends_as_undecided() -> None:
    """Past the pre-checks, straight to a worker."""
    pool = Pool("assay.verifiers.answers.worker", size=1)
    try:
        reply = pool.ask({"gold": "2", "answer": "(10^{9999})^{99999}"}, 10.0)
        assert reply["outcome"] != "right"
        assert pool.ask({"gold": "2", "answer": r"\sqrt{4}"}, 20.0)["outcome"] == "right"
    finally:
        pool.close()
