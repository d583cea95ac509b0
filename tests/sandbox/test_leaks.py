"""One run leaves nothing for the next, a pool of threads gets its own answers, and nothing outlives
the host."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay.sandbox import Ended, Job, Limits, Sandbox
from tests.sandbox.reach import LANDLOCK
from tests.sandbox.runner import PYTHON, descendants
from tests.sandbox.test_closed import job

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no {PYTHON}, which every user may run"),
]
REPOSITORY = Path(__file__).resolve().parents[2]
LIMITS = Limits(seconds=1, wall=3.0)


@pytest.fixture(scope="module", params=["namespaces", LANDLOCK])
def one(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(request.param, workers=1, python=PYTHON) as sandbox:
        yield sandbox


def answer(ended: Ended) -> object:
    return json.loads(ended.result)[1]


LEAKS = {
    "files": (
        (
            "def f():\n    import os\n    os.mkdir('d')\n    open('x', 'w').close()\n"
            "    open('d/y', 'w').write('x' * 100)\n    return 1"
        ),
        "def f():\n    import os\n    return os.listdir('.')",
        ["list"],
    ),
    "modules": (
        (
            "import json, sys, math\njson.leak = math.leak = 1\nsys.modules['leak'] = json\ndef"
            " f(): return 1"
        ),
        (
            "import sys, json, math\ndef f(): return [hasattr(json, 'leak'), hasattr(math, 'leak'),"
            " 'leak' in sys.modules]"
        ),
        ["list", False, False, False],
    ),
    "built-in names": (
        "import builtins\nbuiltins.len = lambda x: 5\nbuiltins.leak = 1\ndef f(): return len([])",
        "import builtins\ndef f(): return [len([]), hasattr(builtins, 'leak')]",
        ["list", 0, False],
    ),
    "the environment": (
        (
            "import os\nos.environ['LEAK'] = 'x'\nos.putenv('LEAK', 'x')\nos.umask(0)\ndef f():"
            " return 1"
        ),
        "import os\ndef f(): return ['LEAK' in os.environ, os.umask(0o77)]",
        ["list", False, 0o77],
    ),
    "threads": (
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(30,)).start()\ndef"
            " f(): return 1"
        ),
        "import threading\ndef f(): return threading.active_count()",
        1,
    ),
    "signals and timers": (
        (
            "import signal\nsignal.signal(14, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_REAL,"
            " 9)\ndef f(): return 1"
        ),
        (
            "import signal\ndef f(): return [signal.getsignal(signal.SIGALRM) == signal.SIG_DFL,"
            " signal.getitimer(0)[0]]"
        ),
        ["list", True, 0.0],
    ),
    "the recursion limit": (
        "import sys\nsys.setrecursionlimit(7000)\nsys.set_int_max_str_digits(0)\ndef f(): return 1",
        "import sys\ndef f(): return [sys.getrecursionlimit(), sys.get_int_max_str_digits()]",
        ["list", 1000, 4300],
    ),
}


@pytest.mark.parametrize("what", LEAKS)
def test_a_run_leaves_nothing_for_the_next(one: Sandbox, what: str) -> None:
    leaves, looks, clean = LEAKS[what]
    assert answer(one.run(job(looks))[0]) == clean
    assert answer(one.run(job(leaves))[0]) is not None
    assert answer(one.run(job(looks))[0]) == clean


def test_random_numbers_differ_between_runs(one: Sandbox) -> None:
    code = "import random, os\ndef f(): return [random.random(), os.urandom(8)]"
    found = {json.dumps(answer(one.run(job(code))[0])) for _ in range(5)}
    assert len(found) == 5


def test_the_two_of_a_pair_share_no_folder(one: Sandbox) -> None:
    tests = {
        "tests": [
            "import os\nopen('ours', 'w').close()\nassert f() == ['mine']\nassert os.listdir('.') == ['ours']"  # noqa: E501
        ],
        "before": "",
        "entry": "f",
        "pytest": False,
        "module": "solution",
        "nonce": "n",
        "longest": 1 << 20,
    }
    code = "import os\nopen('mine', 'w').close()\ndef f(): return os.listdir('.')"
    judge, _ = one.run(Job("tests", tests, LIMITS), Job("candidate", {"code": code}, LIMITS))
    assert json.loads(judge.result)["passed"] == 1, judge


def test_a_hundred_mixed_jobs_from_eight_threads() -> None:
    """Honest ones, and some that exit, spin until killed, flood or crash: each gets its own
    answer."""
    kinds = [
        ("def f(x): return x * 2", lambda n, e: answer(e) == n * 2),
        ("import os\ndef f(x): os._exit(3)", lambda n, e: e.status == 3 and not e.result),
        ("import ctypes\ndef f(x): ctypes.string_at(0)", lambda n, e: e.status == -signal.SIGSEGV),
        (
            "import os\ndef f(x):\n    while True: os.write(4, b'x' * 65536)",
            lambda n, e: e.stopped == "output",
        ),
        ("import time\ndef f(x): time.sleep(9)", lambda n, e: e.stopped == "time"),
        (
            "def f(x): raise ValueError(x)",
            lambda n, e: json.loads(e.result)[2:] == ["ValueError", str(n)],
        ),
    ]
    limits = Limits(seconds=1, wall=0.6, output=1 << 16)
    open_before = len(os.listdir("/proc/self/fd"))
    with Sandbox("namespaces", workers=3, python=PYTHON) as sandbox:

        def run(n: int) -> bool:
            # A busy machine gets the honest ones time; what sleeps has none to spare.
            code, right = kinds[n % 20 % len(kinds)] if n % 20 < 6 else kinds[0]
            wall = limits if "sleep" in code else Limits(seconds=1, wall=10.0, output=1 << 16)
            return right(n, sandbox.run(job(code, n, limits=wall))[0])

        with ThreadPoolExecutor(8) as threads:
            wrong = [n for n, fine in enumerate(threads.map(run, range(120))) if not fine]
        assert not wrong
        assert len(sandbox._servers) <= 3
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_one_program_s_threads_do_not_starve_another_sandbox() -> None:
    bomb = """
import threading, time
def f():
    made = 0
    try:
        while made < 99:
            threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
            made += 1
    except RuntimeError: pass
    time.sleep(0.5)
    return made"""
    honest = (
        "import threading\ndef f():\n    t = threading.Thread(target=int)\n    t.start()\n   "
        " t.join()\n    return 7"
    )
    with Sandbox(workers=1, python=PYTHON) as one, Sandbox(workers=1, python=PYTHON) as other:
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(one.run, job(bomb))
            time.sleep(0.25)
            found = other.run(job(honest))[0].result
            assert answer(running.result()[0]) in range(1, 16)
        assert found == b"[0, 7]\n"


IN_A_FORK = """
import json, os, sys
from pathlib import Path
from assay.sandbox import Sandbox
from tests.sandbox.runner import PYTHON
from tests.sandbox.test_closed import job, server
sandbox = Sandbox("namespaces", workers=1, python=PYTHON)
parents = server(sandbox)
reading, writing = os.pipe()
if os.fork() == 0:
    right = sandbox.run(job("def f(x): return x", "child"))[0].result == b'[0, "child"]\\n'
    os.write(writing, json.dumps([right, server(sandbox) != parents]).encode())
    sandbox.close()
    os._exit(0)
os.wait()
right = sandbox.run(job("def f(x): return x", "parent"))[0].result == b'[0, "parent"]\\n'
print(json.dumps([right, server(sandbox) == parents, *json.loads(os.read(reading, 99))]))
"""


def test_a_fork_of_the_host_has_fork_servers_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FORK],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr[-1000:]
    assert json.loads(done.stdout) == [True, True, True, True]


TO_BE_KILLED = """
import sys, threading, time
from pathlib import Path
from assay.sandbox import Limits, Sandbox
from tests.sandbox.test_closed import job
sandbox = Sandbox(sys.argv[1], workers=2, python=Path("/usr/bin/python3"))
code = "import time\\ndef f():\\n    while True: time.sleep(1)"
for _ in range(2):
    threading.Thread(target=sandbox.run, args=(job(code, limits=Limits(seconds=5, wall=60.0)),), daemon=True).start()
time.sleep(0.5)
print("running", flush=True)
time.sleep(60)
"""  # noqa: E501


@pytest.mark.parametrize("level", ["namespaces", LANDLOCK])
def test_everything_ends_with_a_host_that_is_killed(level: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="assay-killed-"))  # of a killed host nobody cleans up
    folder.chmod(0o755)
    host = subprocess.Popen(
        [sys.executable, "-c", TO_BE_KILLED, level],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert host.stdout is not None
    assert host.stdout.readline() == b"running\n"
    pids = descendants(host.pid)
    assert len(pids) >= 4  # two fork servers and two programs
    host.kill()
    host.wait()
    host.stdout.close()
    deadline = time.monotonic() + 3
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)
    assert not left


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_closing_while_programs_run_leaves_no_process() -> None:
    before = set(descendants(os.getpid()))
    sandbox = Sandbox(workers=2, python=PYTHON)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            sandbox.run(job("import time\ndef f(): time.sleep(1)"))
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    for thread in threads:
        thread.join()
    sandbox.close()
    sandbox.close()
    deadline = time.monotonic() + 5
    while (left := set(descendants(os.getpid())) - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
    assert not errors
