"""A process gives up everything it will not need, for good, before it reads a line of a stranger's
program.

The order matters: mounts need the capability, the user is dropped after them, limits hold for the
dropped user, and the system calls that did all this are themselves forbidden last. Every step
raises when the kernel refuses it.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = [
    "drop_capabilities",
    "drop_user",
    "filter_calls",
    "landlock",
    "landlock_abi",
    "limit",
    "new_namespaces",
]

_libc = ctypes.CDLL(None, use_errno=True)

NEW_MOUNTS: Final = 0x00020000
NEW_IPC: Final = 0x08000000
NEW_PIDS: Final = 0x20000000
_NOSUID_NODEV_NOEXEC: Final = 2 | 4 | 8

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SYS: Final = {
    "x86_64": {"capset": 126, "seccomp": 317},
    "aarch64": {"capset": 91, "seccomp": 277},
}.get(os.uname().machine, {})
_LANDLOCK_CREATE = 444
_LANDLOCK_ADD = 445
_LANDLOCK_RESTRICT = 446  # the same on every architecture

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (
    1 << bit for bit in range(6)
)
_MAKE_DIR, _MAKE_REGULAR, _TRUNCATE = 1 << 7, 1 << 8, 1 << 14


def new_namespaces(flags: int) -> None:
    """Leave namespaces shared with others for new ones."""
    _check(_libc.unshare(flags), "unshare")


def reenter_pids(own_pidfd: int) -> None:
    """Make the caller's own process namespace the one its children are put in, so that another may
    be made."""
    _check(_libc.setns(own_pidfd, NEW_PIDS), "setns")


def mount_tmp(size: int, uid: int, gid: int) -> None:
    """An empty /tmp in memory that nobody else sees and that is gone with the last process in it.
    `size` in bytes."""
    options = f"size={size},nr_inodes=1024,mode=0700,uid={uid},gid={gid}"
    _check(
        _libc.mount(b"tmpfs", b"/tmp", b"tmpfs", _NOSUID_NODEV_NOEXEC, options.encode()),
        "mount /tmp",
    )


def drop_user(uid: int, gid: int) -> None:
    """Become another user, in all three ids and without groups; capabilities go with root."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid) or os.getgroups():
        raise PermissionError(f"still {os.getresuid()}, {os.getresgid()}, {os.getgroups()}")


def drop_capabilities() -> None:
    """Give up every capability: those of a user namespace's owner are kept through a change of
    user."""
    header, nothing = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *(0,) * 6)
    _check(
        _libc.syscall(_SYS["capset"], ctypes.c_char_p(header), ctypes.c_char_p(nothing)), "capset"
    )


def no_new_privileges() -> None:
    """No program started from here may gain what this one has lost."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def die_with_parent(parent: int) -> None:
    """Be killed when the process that forked this one ends. `parent` is 0 where it is in another
    namespace."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "pdeathsig")
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone")


def limit(limits: Mapping[str, Any]) -> None:
    """Hard limits: processor time in seconds, memory and disk in bytes, threads, open files; no
    core, no locked pages.

    Soft and hard are the same, so that there is no warning signal to catch and nothing to raise
    again.
    """
    values = {
        resource.RLIMIT_CPU: limits["cpu"],
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_FSIZE: limits["disk"],
        resource.RLIMIT_NPROC: limits["threads"],
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_STACK: 8 << 20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for what, value in values.items():
        if value is None:
            continue
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    return max(0, int(_libc.syscall(_LANDLOCK_CREATE, None, 0, 1)))


def landlock(readable: Iterable[str], writable: Iterable[str]) -> None:
    """No file but these, whatever the mounts show; no TCP port, no signal and no abstract socket of
    the outside.

    https://docs.kernel.org/userspace-api/landlock.html
    """
    abi = landlock_abi()
    if abi < 1:
        raise OSError("the kernel has no Landlock")
    files = (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1
    network, scopes = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    attributes = struct.pack("QQQ", files, network, scopes)[
        : 8 if abi < 4 else 16 if abi < 6 else 24
    ]
    rules = _libc.syscall(
        _LANDLOCK_CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(len(attributes)), 0
    )
    _check(min(rules, 0), "landlock")
    read = _READ_FILE | _READ_DIR
    write = read | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REGULAR | _TRUNCATE
    for paths, rights in ((readable, read), (writable, write)):
        for path in paths:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = (
                rights if os.path.isdir(path) else rights & (_READ_FILE | _WRITE_FILE | _TRUNCATE)
            )
            rule = struct.pack("=Qi", allowed & files, handle)
            _check(
                _libc.syscall(_LANDLOCK_ADD, rules, 1, ctypes.c_char_p(rule), 0), f"landlock {path}"
            )
            os.close(handle)
    _check(_libc.syscall(_LANDLOCK_RESTRICT, rules, 0), "landlock")
    os.close(rules)


def filter_calls(program: bytes) -> None:
    """Only the system calls that a seccomp program lets through, in every thread, for good."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    buffer = ctypes.create_string_buffer(program, len(program))
    whole = Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p).value)
    _check(_libc.syscall(_SYS["seccomp"], 1, 1, ctypes.byref(whole)), "seccomp")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
