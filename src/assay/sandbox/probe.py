"""Does the sandbox hold on this machine? A real run of an honest program, then of one that tries to
get out.

It is asked once, when a sandbox is made. A suite that only counts attacks without effect would pass
where nothing runs at all; so the honest program comes first, and has to give its answer.
"""

import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

from assay.errors import BackendError
from assay.sandbox.inside.codec import encode
from assay.sandbox.launch import INSIDE, Interpreter, open_python, shut_above, shut_folder
from assay.sandbox.levels import INSTALL, Level
from assay.sandbox.process import ForkServer, Job, Limits

__all__ = ["SandboxUnavailable", "probe"]


class SandboxUnavailable(BackendError):
    """The level of isolation that was asked for is not to be had on this machine."""


HONEST: Final = """
import fractions, json, re, threading, unicodedata
def work(xs):
    with open("note", "w") as file:
        file.write(json.dumps(xs))
    thread = threading.Thread(target=xs.sort)
    thread.start(); thread.join()
    return [xs, str(fractions.Fraction(1, 2)), open("note").read(), unicodedata.name("x")]
"""
ANSWER: Final = [[1, 2, 3], "1/2", "[3, 1, 2]", "LATIN SMALL LETTER X"]

CANARIES: Final = """
import ctypes, os, resource, socket
def reads(path):
    return open(path).read()
def writes(path):
    open(path + ".new", "w").close()
def appends(path):
    open(path, "a").close()
def lists_home(path):
    return os.listdir(os.path.dirname(path))
def forks(path):
    if os.fork() == 0: os._exit(0)
    os.wait()
def runs_programs(path):
    os.execv("/bin/sh", ["sh", "-c", ":"])
def connects(path):
    with open(path + ".port") as file: port = int(file.read())
    socket.create_connection(("127.0.0.1", port), 1).close()
def opens_sockets(path):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def signals(path):
    os.kill(os.getppid() or -1, 0)
def becomes_root(path):
    os.setuid(0)
def is_root(path):
    assert os.getuid() == 0
def raises_limits(path):
    resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))
def makes_memory_files(path):
    os.memfd_create("x")
def makes_namespaces(path):
    assert ctypes.CDLL(None).unshare(0x10000000) == 0
def takes_memory(path):
    bytearray(1 << 30)
def fills_the_disk(path):
    with open("much", "wb") as file:
        for _ in range(20): file.write(bytes(1 << 20))
EVERY = [reads, writes, appends, lists_home, connects, opens_sockets, signals, becomes_root, is_root, raises_limits,
         makes_memory_files, makes_namespaces, takes_memory, fills_the_disk, forks, runs_programs]
def attempt(index, path):
    EVERY[index](path)
"""  # noqa: E501
NAMES: Final = """
    reads writes appends lists_home connects opens_sockets signals becomes_root is_root
    raises_limits makes_memory_files makes_namespaces takes_memory fills_the_disk forks
    runs_programs
""".split()
FILES: Final = frozenset({"reads", "writes", "appends", "lists_home"})
"""Canaries that only a level with Landlock stops."""


def probe(server: ForkServer, level: Level) -> None:
    """Raises `SandboxUnavailable` unless the honest program works and no canary of the level gets
    out."""
    limits = Limits(seconds=5, wall=30.0, memory=1 << 30, disk=16 << 20)
    honest = {"code": HONEST, "entry": "work", "cases": [[encode([[3, 1, 2]]), encode({})]]}
    result = server.run(Job("calls", honest, limits))[0].result
    if result != json.dumps([0, encode(ANSWER)]).encode() + b"\n":
        raise SandboxUnavailable(
            f"an honest program does not run in the sandbox: {result.decode()[:300]}"
        )
    if level == "trust-the-code":
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        path = Path(folder) / "canary"
        path.write_text("canary")
        Path(f"{path}.port").write_text(str(listener.getsockname()[1]))
        # Another user must be stopped by more than the file's permissions.
        os.chmod(folder, 0o777)
        os.chmod(path, 0o666)
        cases = [[encode([index, str(path)]), encode({})] for index in range(len(NAMES))]
        wrote = server.run(
            Job("calls", {"code": CANARIES, "entry": "attempt", "cases": cases}, limits)
        )[0].result
    answers = [json.loads(line) for line in wrote.splitlines()]
    silent = set(NAMES) - {NAMES[answer[0]] for answer in answers if isinstance(answer[0], int)}
    out = {NAMES[answer[0]] for answer in answers if len(answer) == 2} | silent
    out -= FILES if level == "seccomp" else set()
    if out:
        raise SandboxUnavailable(
            f"the sandbox does not hold here: a program {', '.join(sorted(out))}"
        )


def _own_folder(level: Level) -> Path | None:
    """The folder that keeps the sandbox from its own files; None where they can be read."""
    as_another = os.getuid() == 0 and level != "namespaces"
    try:
        shut = shut_above(INSIDE)
    except PermissionError:
        return INSIDE
    return shut if as_another or not os.access(INSIDE, os.R_OK) else None


def explain(level: Level, python: Interpreter, error: Exception) -> SandboxUnavailable:
    """Why a level is refused, and what would help."""
    shut, own = shut_folder(python), _own_folder(level)
    if own:
        helps = (
            f"Assay itself is in {own}, which only the owner may enter, and the sandbox's files are"
            f" read by another user; chmod o+x {own}, or install Assay elsewhere"
        )
    elif shut and (level != "namespaces" or os.getuid() != 0):
        other = open_python()
        example = (
            "one that all may run, with --python"
            if other is None
            else f"another one: --python {other}"
        )
        helps = f"Its Python is in {shut}, which only the owner may enter; give {example}"
    elif level == "namespaces":
        helps = f"For it, {INSTALL}"
    else:
        helps = (
            "For it, run a Linux kernel of 5.13 or newer with Landlock and seccomp, and install"
            " libseccomp2"
        )
    return SandboxUnavailable(
        f"no sandbox of level {level!r} here: {str(error).strip()}. {helps}. Or ask for a weaker"
        " level by name, knowing what it does not stop (assay verify levels)"
    )
