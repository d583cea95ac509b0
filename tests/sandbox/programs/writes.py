"""Attempts to change what stays after the program."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import sys
import time


def overwrites(world):
    with open(world["canary"], "w") as file:
        file.write("changed")
    return "effective: overwritten"


def appends(world):
    with open(world["canary"], "a") as file:
        file.write("changed")
    return "effective: appended"


def truncates(world):
    os.truncate(world["canary"], 0)
    return "effective: truncated"


def deletes(world):
    os.unlink(world["canary"])
    return "effective: deleted"


def renames_over(world):
    with open("mine", "w") as file:
        file.write("changed")
    os.rename("mine", world["canary"])
    return "effective: replaced"


def renames_away(world):
    os.rename(world["canary"], "mine")
    return "effective: taken"


def makes_a_file_beside(world):
    with open(world["canary"] + ".new", "w"):
        return "effective: created"


def makes_a_folder_beside(world):
    os.mkdir(world["canary"] + ".folder")
    return "effective: created"


def writes_through_a_symlink(world):
    with contextlib.suppress(FileExistsError):
        os.symlink(world["canary"], "link")
    with open("link", "w") as file:
        file.write("changed")
    return "effective: written through a link"


def makes_a_hard_link(world):
    os.link(world["canary"], "link")
    return "effective: linked"


def changes_the_mode(world):
    os.chmod(world["canary"], 0o700)  # may pretend to have worked
    mode = os.stat(world["canary"]).st_mode & 0o777
    return f"effective: mode {mode:o}" if mode == 0o700 else "blocked: it is as it was"


def changes_the_owner(world):
    os.chown(world["canary"], os.getuid(), -1)
    return "effective: owner changed"


def changes_the_times(world):
    os.utime(world["canary"], (0, 0))
    return (
        "effective: times changed"
        if os.stat(world["canary"]).st_mtime == 0
        else "blocked: it is as it was"
    )


def changes_attributes(world):
    os.setxattr(world["canary"], "user.mark", b"x")
    return "effective: attribute set"


def makes_a_device(world):
    os.mknod("disk", 0o600 | 0o060000, os.makedev(8, 0))
    return "effective: block device made"


def makes_a_fifo(world):
    os.mkfifo(world["canary"] + ".fifo")
    return "effective: fifo made"


def writes_through_a_mapping(world):
    with open(world["canary"], "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:1] = b"X"
    return "effective: written through a mapping"


def rewrites_the_harness(world):
    with open(sys.modules["inside.roles"].__file__, "r+") as file:
        file.write(" ")
    return "effective: harness opened for writing"


def poisons_the_library(world):
    home = os.path.dirname(os.__file__)
    for name in (
        "sitecustomize.py",
        "poison.pth",
        "__pycache__/os.cpython-311.pyc",
        "site-packages/x.pth",
    ):
        try:
            with open(os.path.join(home, name), "a"):
                return f"effective: {name}"
        except OSError as error:
            refusal = error
    raise refusal


def poisons_the_system(world):
    for path in (
        "/usr/local/bin/ls",
        "/etc/cron.d/x",
        "/etc/ld.so.preload",
        "/usr/lib/x",
        "/bin/x",
        "/x",
        "/dev/x",
    ):
        try:
            with open(path, "a"):
                return f"effective: {path}"
        except OSError as error:
            refusal = error
    raise refusal


def sets_the_kernel(world):
    paths = (
        "/proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/self/oom_score_adj"
        " /proc/self/uid_map /sys/kernel/uevent_helper /sys/fs/cgroup/cgroup.procs"
        " /sys/fs/cgroup/memory/tasks"
    )
    for path in paths.split():
        try:
            os.close(os.open(path, os.O_WRONLY))
            return f"effective: {path}"
        except OSError as error:
            refusal = error
    raise refusal


def writes_after_its_end(world):
    """A marker beside the canary, later, by whatever is left of the program."""
    libc = ctypes.CDLL(None)
    if libc.fork() == 0:
        time.sleep(0.3)
        with open(world["canary"] + ".later", "w"):
            os._exit(0)
    with open(world["canary"] + ".now", "w"):
        return "effective: created"


def locks_a_file_of_the_host(world):
    with open(world["readable"]) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return f"effective: {world['readable']} is locked against everybody"
