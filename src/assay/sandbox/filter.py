"""The system calls a sandboxed program may make: a list of what a computation needs, and nothing
else.

What is not on the list fails with "operation not permitted"; a call of another architecture (i386,
x32) kills. There is no way on it to make a process, a socket to the outside, a namespace, a mount,
an executable or an anonymous file in memory, to signal, trace or read another process, or to raise
a limit. Written with libseccomp, which knows the numbers of every architecture, as the classic BPF
that the kernel loads.
"""

import errno
import functools
import tempfile
from typing import Any, Final

from assay.errors import BackendError, MissingExtra

__all__ = ["ALLOWED", "program"]

ALLOWED: Final = """
    read write readv writev pread64 pwrite64 lseek close close_range dup dup2 dup3 pipe open openat
    access faccessat faccessat2 stat fstat lstat newfstatat statx statfs fstatfs getdents getdents64
    getcwd chdir fchdir readlink readlinkat mkdir mkdirat rmdir unlink unlinkat rename renameat
    renameat2 truncate ftruncate fsync fdatasync umask fadvise64 sendfile copy_file_range poll ppoll
    select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd eventfd2
    timerfd_create timerfd_settime timerfd_gettime mmap mprotect munmap mremap madvise brk mincore
    membarrier rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
    sigaltstack pause restart_syscall alarm getitimer setitimer nanosleep clock_nanosleep
    clock_gettime clock_getres gettimeofday time times getpid getppid gettid getpgrp getuid geteuid
    getgid getegid getresuid getresgid getgroups getrlimit getrusage sysinfo uname getcpu getrandom
    sched_yield sched_get_priority_max sched_get_priority_min futex futex_waitv set_robust_list rseq
    set_tid_address arch_prctl recvfrom recvmsg shutdown getsockopt exit exit_group
""".split()
"""Without conditions; names that an architecture lacks are left out there."""

_CLONE_THREAD: Final = 0x00010000
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, 0o2004000
# TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, FIONCLEX, FIOCLEX
_IOCTL: Final = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)
_FCNTL: Final = (0, 1, 2, 3, 4, 1030, 1032)  # not F_SETOWN, F_SETSIG, F_NOTIFY, F_SETPIPE_SZ
_LOCKS: Final = (6, 7, 37, 38)  # F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
_PIPE_FLAGS: Final = 0o2000000 | 0o4000 | 0o40000  # O_CLOEXEC, O_NONBLOCK, O_DIRECT


@functools.cache
def program() -> bytes:
    """The filter as BPF. Raises `MissingExtra` without pyseccomp, `BackendError` without the
    libseccomp it binds."""
    try:
        import pyseccomp as seccomp
    except ImportError as error:
        raise MissingExtra("the sandbox's filter of system calls", "sandbox") from error
    except (OSError, RuntimeError) as error:
        raise BackendError(
            f"libseccomp is not there ({error}); install it: apt install libseccomp2"
        ) from error
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    rules.set_attr(seccomp.Attr.ACT_BADARCH, seccomp.KILL_PROCESS)

    def allow(name: str, *conditions: Any, action: int = seccomp.ALLOW) -> None:
        if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0:
            rules.add_rule(action, name, *conditions)

    equal, masked = seccomp.EQ, seccomp.MASKED_EQ
    for name in ALLOWED:
        allow(name)
    # Threads, not processes. The arguments of clone3 are in memory, where no filter sees them; libc
    # then takes clone.
    allow("clone", seccomp.Arg(0, masked, _CLONE_THREAD, _CLONE_THREAD))
    allow("clone3", action=seccomp.ERRNO(errno.ENOSYS))
    allow("prlimit64", seccomp.Arg(0, equal, 0), seccomp.Arg(2, equal, 0))  # reads one's own limits
    for name in (
        "getpgid",
        "getsid",
        "get_robust_list",
        "sched_getaffinity",
        "sched_getparam",
        "sched_getscheduler",
    ):
        allow(name, seccomp.Arg(0, equal, 0))  # of oneself
    allow("pipe2", seccomp.Arg(1, masked, 0xFFFFFFFF & ~_PIPE_FLAGS, 0))
    # Copying a file sets its mode and times, and a data base locks its file. None of it matters in
    # here, and on files that can be read Landlock would not stop it: these calls succeed and do
    # nothing.
    for command in _LOCKS:
        allow("fcntl", seccomp.Arg(1, equal, command), action=seccomp.ERRNO(0))
    for name in ("chmod", "fchmod", "fchmodat", "fchmodat2", "utimensat"):
        allow(name, action=seccomp.ERRNO(0))
    for name in ("listxattr", "llistxattr", "flistxattr", "getxattr", "lgetxattr", "fgetxattr"):
        allow(name, action=seccomp.ERRNO(errno.EOPNOTSUPP))
    for request in _IOCTL:
        allow("ioctl", seccomp.Arg(1, equal, request))
    for command in _FCNTL:
        allow("fcntl", seccomp.Arg(1, equal, command))
    # A pair of sockets that know each other alone, as an event loop wakes itself with; and no
    # address to send to.
    kind = seccomp.Arg(1, masked, 0xFFFFFFFF & ~_SOCK_FLAGS, _SOCK_STREAM)
    allow("socketpair", seccomp.Arg(0, equal, _AF_UNIX), kind, seccomp.Arg(2, equal, 0))
    allow("sendto", seccomp.Arg(4, equal, 0))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
