"""Run the attacks at one level as one user, watch from outside, and print a report.

    python -m tests.sandbox.runner namespaces root|user [GROUP ...]

It runs in a process of its own because for `user` it gives up root, where it has it, and because
what it counts (descriptors, children, files) is then nobody else's. Everything is imported before
root is given up: the libraries may be where only root goes.
"""

import ast
import builtins
import contextlib
import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyseccomp

from assay.sandbox import Ended, Job, Limits, Sandbox
from assay.sandbox import filter as calls
from assay.sandbox.inside.codec import encode
from assay.sandbox.launch import bwrap

PROGRAMS: Final = Path(__file__).parent / "programs"
GROUPS: Final = ("reads", "writes", "network", "processes", "resources", "kernel")
PYTHON: Final = Path(os.environ.get("ASSAY_SANDBOX_PYTHON", "/usr/bin/python3"))
"""What runs the programs: of the system's, for one that is tested may be where only root goes."""
NOBODY: Final = 65534
LIMITS: Final = Limits(
    seconds=1, wall=4.0, memory=512 << 20, output=1 << 18, disk=4 << 20, threads=8, files=32
)
SHORT: Final = {
    "sleeps": 0.3,
    "pauses": 0.3,
    "waits_in_an_uninterruptible_way": 0.3,
    "writes_results_slowly": 0.5,
}
"""Attacks that end at the wall, and where it is for them."""
CONDITIONAL: Final = """
    clone clone3 prlimit64 ioctl fcntl socketpair sendto pipe2 getpgid getsid get_robust_list
    sched_getaffinity sched_getparam sched_getscheduler chmod fchmod fchmodat fchmodat2 utimensat
    listxattr llistxattr flistxattr getxattr lgetxattr fgetxattr
""".split()
"""Calls that the filter lets through with some arguments, or answers itself: attacked one by one,
by their effect."""
DEADLY: Final = {
    **dict.fromkeys(("foreign_numbers", "foreign_machine_code", "foreign_fork"), (signal.SIGSYS,)),
    **dict.fromkeys(
        ("recurses", "recurses_in_c", "returns_a_deep_nest"), (signal.SIGSEGV, signal.SIGKILL)
    ),
}
"""Signals that an attack is to die of; else it is only the kill at a limit that stops one."""
SLOW: Final = frozenset(
    "spins spins_in_one_instruction spins_in_threads spins_in_a_pattern converts_a_huge_number"
    " recurses_in_c returns_a_bush".split()
)
"""A second of processor time each: run in one setting only."""
HARMFUL_UNCONFINED: Final = frozenset(
    "kills_everybody kills_the_parent stops_the_parent kills_its_group kills_the_host"
    " kills_the_first_process becomes_a_daemon forks_without_end leaves_its_session"
    " vforks_by_a_raw_call clones_with_the_parent_s_memory sets_the_kernel poisons_the_system"
    " every_other_call the_machine another_root its_own_privileges files_without_names"
    " calls_multiprocessing".split()
)
"""Not run without a sandbox, where they would do what they are for, to the runner or to the
machine."""
HONEST: Final = "def work(xs):\n    return sorted(xs)"
PR_SET_CHILD_SUBREAPER: Final = 36


def attacks(group: str) -> list[str]:
    """The names of a group's attacks, in order."""
    tree = ast.parse((PROGRAMS / f"{group}.py").read_text())
    return [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"
    ]


class World:
    """What there is to steal, break and reach: a secret, a canary, listeners and a neighbour, and
    what happened to them."""

    def __init__(self, server: int) -> None:
        self.folder = Path(tempfile.gettempdir())
        self.secret = f"CANARY-{os.urandom(16).hex()}"
        self.name = f"assay-{os.urandom(8).hex()}"
        open_to_all = self.folder / "open"
        open_to_all.mkdir()
        (open_to_all / "secret").write_text(self.secret)
        (open_to_all / "canary").write_text("untouched")
        for path in (
            open_to_all,
            *open_to_all.iterdir(),
        ):  # more than the files' permissions must stop a program
            path.chmod(0o777)
        os.environ["ASSAY_HOSTILE_SECRET"] = self.secret
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._unix, self._abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        self._unix.bind(str(open_to_all / "socket"))
        (open_to_all / "socket").chmod(0o777)
        self._abstract.bind(f"\0{self.name}")
        for listener in (self._unix, self._abstract):
            listener.listen()
        for each in (self._tcp, self._udp, self._unix, self._abstract):
            each.setblocking(False)
        self.neighbour = _sleeper()
        self._got = list[int]()
        signal.signal(signal.SIGUSR1, lambda number, _: self._got.append(number))
        self._before = self._files()
        names = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in _named()}
        self.told: dict[str, Any] = {
            "secret": str(open_to_all / "secret"),
            "canary": str(open_to_all / "canary"),
            "readable": str(Path("/usr/lib/os-release").resolve()),
            "tests": __file__,
            "home": os.path.expanduser("~"),
            "temporary": str(self.folder),
            "host": os.getpid(),
            "server": server,
            "neighbour": self.neighbour.pid,
            "address": id(self),
            "tcp": self._tcp.getsockname()[1],
            "udp": self._udp.getsockname()[1],
            "unix": str(open_to_all / "socket"),
            "abstract": self.name,
            "memory": LIMITS.memory,
            "disk": LIMITS.disk,
            "threads": LIMITS.threads,
            "files": LIMITS.files,
            "calls": names,
            "allowed": sorted(
                names[name] for name in {*calls.ALLOWED, *CONDITIONAL} if names[name] >= 0
            ),
        }

    def changes(self) -> list[str]:
        """What happened since the last time it was asked."""
        found = [
            name for name in ("tcp", "unix", "abstract") if _accepted(getattr(self, f"_{name}"))
        ]
        with contextlib.suppress(BlockingIOError):
            found.append(f"datagram {self._udp.recv(100)!r}")
        now = self._files()
        found += [f"file {path}" for path in sorted({*now.items()} ^ {*self._before.items()})]
        self._before = now
        if (status := self.neighbour.poll()) is not None:
            found.append(f"the neighbour ended with {status}")
            self.neighbour = _sleeper()
            self.told["neighbour"] = self.neighbour.pid
        if _state(self.neighbour.pid) not in "SR":
            found.append("the neighbour is stopped")
        found += [f"signal {number}" for number in self._got]
        self._got.clear()
        return found

    def close(self) -> None:
        self.neighbour.kill()
        self.neighbour.wait()
        for each in (self._tcp, self._udp, self._unix, self._abstract):
            each.close()

    def _files(self) -> dict[str, tuple[Any, ...]]:
        """Every file of the runner's folder, the sandbox's own folders among them once a program
        has ended."""
        found = {}
        for folder, folders, names in os.walk(self.folder):
            if folder.count("/") > 8:
                folders.clear()  # an attack makes folders in folders without end
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                seen = os.lstat(path)
                text = Path(path).read_bytes()[:100] if stat.S_ISREG(seen.st_mode) else b""
                times = seen.st_mtime_ns if not stat.S_ISDIR(seen.st_mode) else 0
                found[path] = (
                    seen.st_mode,
                    seen.st_uid,
                    seen.st_size * (not stat.S_ISDIR(seen.st_mode)),
                    times,
                    text,
                )
        return found


def judge(name: str, ended: Ended | Exception, seconds: float, limits: Limits, world: World) -> str:
    """ "effective ...", "blocked ..." or "broken ...": an attack that failed by its own fault."""
    changed = world.changes()
    if isinstance(ended, Exception):
        return f"effective: the sandbox fails: {type(ended).__name__}: {ended}"
    if changed:
        return f"effective: {changed}"
    if any(
        world.secret.encode() in output for output in (ended.result, ended.stdout, ended.stderr)
    ):
        return "effective: the secret came out"
    # What is left to end is ended while other work may run: seconds, and never without end.
    if seconds > limits.clock + 4:
        return f"effective: it ran for {seconds:.1f} s"
    if ended.memory > limits.memory + (64 << 20):
        return f"effective: {ended.memory} bytes of memory"
    if ended.stopped == "output":
        return f"blocked: stopped after {len(ended.result)} bytes"
    if b"effective" in ended.result:
        return ended.result.decode(errors="replace").strip('[]" 0,\n')[:300]
    lines = ended.result.splitlines()
    if ended.status < 0 and -ended.status not in DEADLY.get(name, (signal.SIGKILL,)):
        return f"broken: it ends by signal {-ended.status}"
    if ended.stopped or ended.status < 0 or not lines:
        return f"blocked: stopped {ended.stopped!r}, status {ended.status}, {ended.seconds:.2f} s"
    try:
        answer = json.loads(lines[0])
    except ValueError:
        return f"blocked: no answer but {lines[0][:50]!r}"
    if len(answer) == 2:
        said = answer[1]
        return (
            said
            if isinstance(said, str) and said.startswith("blocked")
            else f"blocked: answered {said!r:.60}"
        )
    kind, message = answer[2:]
    refused = issubclass(getattr(builtins, kind, Exception), (OSError, MemoryError, RecursionError))
    return f"{'blocked' if refused else 'broken'}: {kind}: {message}"


def run(sandbox: Sandbox, group: str, name: str, world: World) -> str:
    """One attack, judged."""
    limits = Limits(**{**vars(LIMITS), "wall": SHORT.get(name, LIMITS.wall)})
    job = _job((PROGRAMS / f"{group}.py").read_text(), name, world.told, limits=limits)
    started = time.monotonic()
    ended: Ended | Exception
    try:
        (ended,) = sandbox.run(job)
    except Exception as error:  # noqa: BLE001  whatever an attack makes the host raise is its effect
        ended = error
    return judge(name, ended, time.monotonic() - started, limits, world)


def honest(sandbox: Sandbox) -> bool:
    """Whether a harmless program gets its answer."""
    return sandbox.run(_job(HONEST, "work", [3, 1, 2]))[0].result == b'[0, ["list", 1, 2, 3]]\n'


def _job(code: str, entry: str, *arguments: Any, limits: Limits = LIMITS) -> Job:
    return Job(
        "calls",
        {"code": code, "entry": entry, "cases": [[encode(list(arguments)), encode({})]]},
        limits,
    )


def health(sandbox: Sandbox, world: World) -> dict[str, Any]:
    """What a group may not change."""
    return {
        "honest": honest(sandbox),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "processes": len(descendants(os.getpid())),
        "changes": world.changes(),
    }


def descendants(pid: int) -> list[int]:
    """The processes below a process, with what was orphaned to it."""
    below: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            below.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = list[int](), [pid]
    while queue:
        children = below.get(queue.pop(), [])
        found += children
        queue += children
    return found


def _group(sandbox: Sandbox, level: str, group: str, world: World, slow: bool) -> dict[str, Any]:
    before, started = health(sandbox, world), time.monotonic()
    left_out = (
        HARMFUL_UNCONFINED if level == "trust-the-code" else frozenset[str]() if slow else SLOW
    )
    names = [name for name in attacks(group) if name not in left_out]
    found = {name: run(sandbox, group, name, world) for name in names}
    seconds = time.monotonic() - started
    return {"before": before, "attacks": found, "after": health(sandbox, world), "seconds": seconds}


def remaining(seconds: float = 5.0) -> list[int]:
    """Processes that do not end within that time; orphans come to this process, which buries
    them."""
    deadline = time.monotonic() + seconds
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        time.sleep(0.01)
    return left


def become_nobody() -> None:
    """Give up root for good."""
    bwrap()  # What it imports may be closed to others, as a Python in root's home is.
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def report(level: str, groups: tuple[str, ...], slow: bool) -> Iterator[tuple[str, Any]]:
    """By group: health before, each attack's judgement, health after."""
    folder = Path(tempfile.mkdtemp(prefix="assay-hostile-"))
    folder.chmod(0o755)
    tempfile.tempdir = str(folder)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        # One slot: what is counted below is then the same before and after.
        with Sandbox(level, workers=1, python=PYTHON) as sandbox:  # type: ignore[arg-type]
            world = World(descendants(os.getpid())[-1])
            try:
                world.changes()
                # A program that knew the secret was here before: nothing of it is left for those
                # that follow.
                sandbox.run(
                    _job(
                        "def keep(x):\n    global kept\n    kept = [x * 2, x]", "keep", world.secret
                    )
                )
                for group in groups:
                    yield group, _group(sandbox, level, group, world, slow)
            finally:
                world.close()
        yield "left", {"processes": remaining(), "user": os.getuid()}
    finally:
        subprocess.run(["/bin/rm", "-rf", str(folder)], check=True)


def _named() -> list[str]:
    """Names of system calls that the attacks or the list of allowed ones mention."""
    texts = [(PROGRAMS / f"{group}.py").read_text() for group in GROUPS]
    words = {
        word
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for word in node.value.split()
        if word.isidentifier()
    }
    return sorted(words | {*calls.ALLOWED, *CONDITIONAL})


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sleep", "300"], env={}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _accepted(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def main() -> None:
    """Print the report as JSON."""
    level, user, *groups = sys.argv[1:]
    calls.program()
    slow = level == "namespaces" and (user == "root" or os.getuid() != 0)
    if user == "user" and os.getuid() == 0:
        become_nobody()
    print(json.dumps(dict(report(level, tuple(groups) or GROUPS, slow))))


if __name__ == "__main__":
    main()
