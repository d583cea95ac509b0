import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay.errors import BackendError, ConfigError, MissingExtra
from assay.protocols import Verifier
from assay.types import Score, Unscored
from assay.verifiers import Math
from assay.verifiers.pool import Pool

pytest.importorskip("math_verify")

WORKER = "assay.verifiers.answers.worker"
SHARED = Math(timeout=20.0, workers=1)  # a busy machine must not turn a verdict into a timeout


def verdict(gold: str, answer: str) -> float | str:
    found = SHARED.verify(rf"so \boxed{{{answer}}}", gold)
    return found.value if isinstance(found, Score) else found.reason


SAME = [
    ("1/2", "0.5"),
    (r"\frac{1}{2}", r"\dfrac12"),
    ("1,234", "1234"),
    (r"\text{Tuesday}", "Tuesday"),
    (r"\frac{\sqrt2}{2}", r"\frac{1}{\sqrt 2}"),
    ("2", r"\sqrt{4}"),
    ("x+1", "1+x"),
    ("x^2-1", "(x-1)(x+1)"),
    (r"\{1,2\}", r"\{2,1\}"),
    (r"2\sqrt{3}+1", r"1+\sqrt{12}"),
    (r"2^3 \cdot 3^2", "72"),
    (r"\frac{3}{4}\pi", r"\frac{3\pi}{4}"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ("x=5", "5"),
    ("0", r"\sin(\pi)"),
    (r"10\text{ cm}", "10"),
    ("10^{100}", "10^{100}"),
]
DIFFERENT = [
    ("1/2", "0.51"),
    ("x", "y"),
    ("Tuesday", "Monday"),
    ("(1,2)", "(2,1)"),
    ("[1,2)", "[1,2]"),
    ("x=5", "y=5"),
    ("3", "3 x"),
    ("5", "5x"),
    ("10^{100}", "10^{100}+1"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    ("5", "+"),
    # math-verify alone accepts these
    ("1/2004!", "1/2006!"),
    ("2^{-99}", "2^{-98}"),
    ("0", r"10^{-12}\sqrt{2}"),
    ("1e-9", "2e-9"),
    ("0.1234567", "0.1234569"),
    ("(1,2)", r"\{1,2\}"),
    ("3", "1=2=3"),
    ("1011_2", "1011_3"),
    (r"3\text{ million}", "3"),
    ("3x-y+13=0", "3x+4y+14=0"),
    ("4", r"4\sqrt(2)"),
]
REFUSED = [
    ("9^9^9^9", "tower"),
    ("9^{9^{9^9}}", "tower"),
    ("(9^9)^9", "tower"),
    ("9^{-9^{9}}", "tower"),
    ("9**9**9", "tower"),
    ("10^{1000000000}", "exponent"),
    (r"\sum_{i=1}^{1000000000} i", "bound"),
    ("100000000!", "factorial"),
    ("x" * 5000, "bytes"),
    ("x+" + "9" * 301, "digits"),
    ("(" * 50 + "x" + ")" * 50, "nested"),
]


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_the_same_mathematics(gold: str, answer: str) -> None:
    assert verdict(gold, answer) == 1.0
    assert verdict(gold, gold) == 1.0


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different_mathematics(gold: str, answer: str) -> None:
    assert verdict(gold, answer) == 0.0


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_cannot_be_checked_is_refused_before_a_worker_sees_it(text: str, why: str) -> None:
    """An answer that cannot be checked is wrong, so that it is no way around a 0; such a reference
    decides nothing."""
    start = time.perf_counter()
    for gold, answer, who, outcome in (
        ("5", text, "answer", "wrong"),
        (text, "5", "reference", "undecided"),
    ):
        found = SHARED.check(rf"so \boxed{{{answer}}}", gold)
        assert (found.outcome, found.stage) == (outcome, "refused")
        assert why in found.reason
        assert who in found.reason
    assert time.perf_counter() - start < 4


@pytest.mark.parametrize(
    "fine", ["2^{3}4^{5}", "e^{-x^2}", "2^{2^n}", "x^{2}3^{4}", "5!", "(n+1)!", "2^3 3^2"]
)
def test_ordinary_exponents_are_not_towers(fine: str) -> None:
    assert verdict(fine, "0.123") == 0.0


def test_no_answer_is_wrong_and_an_unreadable_reference_is_unscored() -> None:
    assert SHARED.verify("I do not know", "5") == Score(value=0.0)
    assert SHARED.extract("I have 5 apples") is None  # a bare number is no stated answer
    for gold in ("", "+", r"\foo{1}", "5 6"):
        assert isinstance(SHARED.verify(r"\boxed{5}", gold), Unscored)


def test_canonical_keys() -> None:
    assert SHARED.canonical("0.5") == SHARED.canonical(r"\dfrac{1}{2}") == "1/2"
    assert SHARED.canonical(r"$x + 1$.") == SHARED.canonical("x+1")
    assert SHARED.canonical("x+1") != SHARED.canonical("x+2")


def test_numbers_need_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.verifiers.answers.math._pool", None)
    assert SHARED.verify(r"\boxed{0.5}", "1/2") == Score(value=1.0)
    assert SHARED.verify(r"\boxed{x}", "x") == Score(value=1.0)


def test_a_warm_verdict_takes_milliseconds() -> None:
    verdict(r"\sqrt{4}", "2")
    times = []
    for n in range(2, 22):
        start = time.perf_counter()
        assert verdict(str(n), rf"\sqrt{{{n * n}}}") == 1.0
        times.append(time.perf_counter() - start)
    assert sorted(times)[10] < 0.1  # measured: 4 ms


@pytest.fixture
def pool():  # type: ignore[no-untyped-def]
    pool = Pool(WORKER, size=1)
    yield pool
    pool.close()


EASY = {"gold": "2", "answer": r"\sqrt{4}"}


def test_a_hanging_comparison_is_killed_at_the_deadline_and_the_worker_replaced(pool: Pool) -> None:
    assert pool.ask(EASY, 20)["outcome"] == "right"
    (pid,) = pool.pids()
    start = time.perf_counter()
    found = pool.ask(
        {"gold": "9^{9^{9^9}}", "answer": "9^{9^{9^8}}"}, 1.0
    )  # past the pre-checks of `Math`
    assert (found["outcome"], found["stage"]) == ("undecided", "timeout")
    assert "1 s" in found["reason"]
    assert time.perf_counter() - start < 4.0
    assert pool.pids() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert pool.ask(EASY, 20)["outcome"] == "right"


@pytest.mark.parametrize(
    ("gold", "answer", "outcome"),
    [
        (r"\frac{\sqrt{2}}{2}", "9^{9^{9^9}}", "wrong"),
        (r"\frac{\pi}{4}", "(10^{9999})^{99999}", "wrong"),
        ("x+1", "9^{9^{9^9}}", "undecided"),
        ("9^{9^{9^9}}", r"\sqrt{2}", "undecided"),
    ],
)
def test_what_cannot_be_computed_beside_a_plain_number_is_wrong(
    gold: str, answer: str, outcome: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "assay.verifiers.pool.COMPUTED", 0.02
    )  # the machine that runs the tests may be busy
    assert pool.ask(EASY, 20)["outcome"] == "right"
    assert pool.ask({"gold": gold, "answer": answer}, 2.0)["outcome"] == outcome


def test_a_worker_killed_while_idle_is_replaced_without_anyone_noticing(pool: Pool) -> None:
    pool.ask(EASY, 20)
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGKILL)
    assert pool.ask(EASY, 20)["outcome"] == "right"
    assert pool.pids() != [pid]


def test_workers_are_recycled(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.verifiers.pool.RECYCLE_AFTER", 2)
    pool.ask(EASY, 20)
    assert len(pool.pids()) == 1
    pool.ask(EASY, 20)
    assert pool.pids() == []


def test_a_module_that_does_not_start_is_an_error_that_says_how_to_look() -> None:
    with pytest.raises(BackendError, match=r"python -m assay\.no_such_module"):
        Pool("assay.no_such_module", size=1).ask(EASY, 1)


def test_threads_may_share_it() -> None:
    """`signal.alarm`, which math-verify uses by itself, fails off the main thread."""
    shared = Math(timeout=20.0, workers=2)
    cases = [(gold, answer, 1.0) for gold, answer in SAME] + [
        (gold, answer, 0.0) for gold, answer in DIFFERENT
    ]
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda case: shared.verify(rf"\boxed{{{case[1]}}}", case[0]), cases)
        )
    assert [f.value for f in found if isinstance(f, Score)] == [
        expected for _, _, expected in cases
    ]
    assert threading.active_count() < 8


def test_it_leaves_the_alarm_signal_alone() -> None:
    rings = []
    before = signal.signal(signal.SIGALRM, lambda *_: rings.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        verdict(r"\sqrt{9}", "3")
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert rings == [1]


def test_a_script_without_a_main_guard_and_a_decoy_beside_it(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the decoy was imported')")
    code = (
        "from assay.verifiers import Math; print(Math(timeout=20).verify(r'\\boxed{\\sqrt{4}}',"
        " '2').value)"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "1.0"


def test_workers_end_with_their_parent() -> None:
    code = (
        "import os, signal, assay.verifiers.pool as p\n"
        f"pool = p.Pool({WORKER!r}, 1); pool.ask({EASY!r}, 20); print(pool.pids()[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_fork_does_not_share_its_parents_workers() -> None:
    code = (
        "import os; from assay.verifiers import Math; m = Math(timeout=20, workers=1)\n"
        "ask = lambda: m.verify(r'\\boxed{\\sqrt{4}}', '2').value\n"
        "ask(); child = os.fork()\n"
        "right = all(ask() == 1.0 for _ in range(20))\n"
        "if child: right = os.waitpid(child, 0)[1] == 0 and ask() == 1.0 and right\n"
        "raise SystemExit(not right)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_math_verify_numbers_still_work_and_the_rest_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assay.verifiers.answers.math.importlib.util.find_spec", lambda _: None)
    alone = Math(workers=3)  # a pool nobody has made yet
    assert alone.verify(r"\boxed{0.5}", "1/2") == Score(value=1.0)
    with pytest.raises(MissingExtra, match=r"assay\[math\]"):
        alone.verify(r"\boxed{\sqrt{4}}", "2")


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="positive"):
        Math(timeout=0)
    with pytest.raises(ConfigError, match="positive"):
        Math(workers=0)
    assert isinstance(Math(), Verifier)


def test_a_large_parent_does_not_cost_its_workers_their_life(pool: Pool) -> None:
    """After fork and exec Linux counts the parent's memory as the child's peak; a process with
    torch in it is large."""
    ballast = bytearray(700 << 20)
    ballast[:: 1 << 12] = b"x" * len(ballast[:: 1 << 12])  # every page is there
    assert pool.ask(EASY, 20)["outcome"] == "right"
    assert len(pool.pids()) == 1
