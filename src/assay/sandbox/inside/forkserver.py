"""The process that makes the sandbox's processes: `python -m inside.forkserver CONTROL_FD`.

It is started once, with the standard library already imported, and forks a fresh process for every
program: a fork takes a millisecond where an interpreter takes fifty. It never reads, holds or runs
a program itself: a child locks itself down, and only then reads its job from its own pipe, so one
program finds nothing of another.

On the control socket, one message each way: `{"spawn": {...}}` with the child's descriptors gives a
handle (pidfd) that the host can kill it by; `{"reap": pid}` gives how it ended. It ends when the
socket closes, that is with the host.
"""

import base64
import gc
import importlib
import json
import os
import resource
import site
import socket
import sys
from typing import Any, Final

from . import candidate, joint, lockdown, roles, tester

__all__ = ["main"]

SET_UP_FAILED: Final = 97
RESULT: Final = 4
PLACES: Final = 7
"""Descriptors of a child: 0-2, then its job, its results, and the pipes to and from the other
process of a pair."""
MAX_DESCRIPTORS: Final = 256
ROLES: Final = {
    "calls": roles.calls,
    "program": roles.program,
    "candidate": candidate.candidate,
    "tests": tester.tests,
    "joint": joint.joint,
}


def main() -> None:
    """Serve until the host goes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(control.recv(1 << 18))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_DESCRIPTORS, MAX_DESCRIPTORS))
    site.setquit()  # `exit` and `quit`, which programs take for built in
    sys.path[:0] = settings["path"]
    for name in settings["preload"]:
        importlib.import_module(name)
    program = base64.b64decode(settings["filter"])
    own = os.pidfd_open(os.getpid())
    gc.freeze()  # so that a child's collector does not touch, and thereby copy, every page
    control.send(json.dumps({"ready": os.getpid()}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 8)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if "reap" in request:
            _, status, usage = os.wait4(request["reap"], 0)
            used = {"seconds": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss * 1024}
            control.send(json.dumps({"status": os.waitstatus_to_exitcode(status), **used}).encode())
            continue
        try:
            pid = _fork(request["spawn"], settings, descriptors, program, own)
        except OSError as error:
            control.send(json.dumps({"error": str(error)}).encode())
        else:
            handle = os.pidfd_open(pid)
            socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [handle])
            os.close(handle)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(
    spawn: dict[str, Any],
    settings: dict[str, Any],
    descriptors: list[int],
    program: bytes,
    own: int,
) -> int:
    if settings["namespaces"]:
        lockdown.reenter_pids(own)
        lockdown.new_namespaces(lockdown.NEW_PIDS)  # for the next child alone
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    # The child. Nothing may get past this block: what follows in the parent is not its own.
    try:
        _place(descriptors, dict(zip(spawn["places"], range(len(descriptors)), strict=True)))
        _lock_down(spawn, settings, program, parent)
    except BaseException as error:  # noqa: BLE001
        os.write(
            RESULT, json.dumps({"set_up": f"{type(error).__name__}: {error}"}).encode() + b"\n"
        )
        os._exit(SET_UP_FAILED)
    try:
        os.write(RESULT, b'{"ready": 1}\n')
        ROLES[spawn["role"]]()
    finally:
        os._exit(1)


def _place(descriptors: list[int], places: dict[str, int]) -> None:
    """Every descriptor at its number, /dev/null where there is none, and no other open."""
    high = [os.dup2(descriptor, 100 + i) for i, descriptor in enumerate(descriptors)]
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(PLACES):
        os.dup2(high[places[str(number)]] if str(number) in places else null, number)
    os.closerange(PLACES, MAX_DESCRIPTORS)


def _lock_down(
    spawn: dict[str, Any], settings: dict[str, Any], program: bytes, parent: int
) -> None:
    os.umask(0o077)
    uid, limits = spawn["uid"], spawn["limits"]
    if settings["namespaces"]:
        lockdown.new_namespaces(lockdown.NEW_MOUNTS | lockdown.NEW_IPC)
        owner = os.getuid() if uid is None else uid
        lockdown.mount_tmp(limits["disk"], owner, os.getgid() if uid is None else uid)
    lockdown.no_new_privileges()
    if uid is not None:
        lockdown.drop_user(uid, uid)
    if settings["namespaces"]:
        lockdown.drop_capabilities()
    # After the change of user, which would undo it; the first process of a namespace sees no
    # parent.
    lockdown.die_with_parent(0 if settings["namespaces"] else parent)
    os.chdir(spawn["folder"])
    lockdown.limit(limits)
    if settings["landlock"]:
        lockdown.landlock(settings["readable"], [spawn["folder"], os.devnull])
    if program:
        lockdown.filter_calls(program)


if __name__ == "__main__":
    main()
