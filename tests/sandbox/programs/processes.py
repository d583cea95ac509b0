"""Attempts to make a process, to outlive the run, or to touch another process."""

import ctypes
import fcntl
import multiprocessing
import os
import signal
import struct
import subprocess
import threading
import time

THREAD = 0x00010000 | 0x0800 | 0x0100 | 0x0200 | 0x0400  # THREAD, SIGHAND, VM, FS, FILES

libc = ctypes.CDLL(None, use_errno=True)


def _call(world, name, *arguments):
    result = libc.syscall(ctypes.c_long(world["calls"][name]), *map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def _forked(pid):
    if pid == 0:
        os._exit(0)
    return f"effective: made {pid}"


def forks(world):
    return _forked(os.fork())


def forks_by_a_raw_call(world):
    return _forked(_call(world, "fork"))


def vforks_by_a_raw_call(world):
    return _forked(_call(world, "vfork"))


def clones(world):
    return _forked(_call(world, "clone", 17, 0, 0, 0, 0))


def clones_with_the_parent_s_memory(world):
    return _forked(_call(world, "clone", 0x4000 | 0x100 | 17, 0, 0, 0, 0))


def clones_as_a_sibling(world):
    return _forked(_call(world, "clone", 0x8000 | 17, 0, 0, 0, 0))


def clones_with_high_bits(world):
    return _forked(_call(world, "clone", (1 << 32) | 17, 0, 0, 0, 0))


def clones_threads_into_namespaces(world):
    """Flags that make a namespace beside the one that makes a thread."""
    done = []
    for name, flag in (
        ("user", 1 << 28),
        ("pid", 1 << 29),
        ("net", 1 << 30),
        ("mount", 1 << 17),
        ("ipc", 1 << 27),
        ("uts", 1 << 26),
        ("cgroup", 1 << 25),
    ):
        flags = (THREAD | flag) & ~(0x200 if name == "mount" else 0)
        result = libc.syscall(
            ctypes.c_long(world["calls"]["clone"]), ctypes.c_long(flags), None, None, None, None
        )
        if result == 0:
            libc.syscall(ctypes.c_long(world["calls"]["exit"]), 0)
        if result > 0:
            done.append(name)
    return f"effective: {done}" if done else "blocked: every one"


def clones_by_the_new_call(world):
    arguments = struct.pack("11Q", 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    result = libc.syscall(
        ctypes.c_long(world["calls"]["clone3"]), arguments, ctypes.c_long(len(arguments))
    )
    if result < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return _forked(result)


def runs_a_shell(world):
    os.execv("/bin/sh", ["sh", "-c", "echo effective >&4"])


def runs_a_shell_by_a_handle(world):
    handle = os.open("/bin/sh", os.O_RDONLY)
    os.execve(handle, ["sh", "-c", "echo effective >&4"], {})


def runs_a_program_of_its_own(world):
    with open("mine", "w") as file:
        file.write("#!/bin/sh\necho effective >&4\n")
    _call(world, "execve", *(ctypes.cast(ctypes.c_char_p(b"mine"), ctypes.c_void_p).value, 0, 0))


def spawns(world):
    return f"effective: {os.posix_spawn('/bin/true', ['true'], {})}"


def calls_subprocess(world):
    return f"effective: {subprocess.run(['/bin/true'], check=False)}"


def calls_system(world):
    status = os.system("exit 7")
    return (
        f"effective: {status}"
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 7
        else "blocked: no shell"
    )


def calls_multiprocessing(world):
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    return f"effective: {process.pid}"


def becomes_a_daemon(world):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(30)
        os._exit(0)
    return "effective: left a process behind"


def leaves_its_session(world):
    os.setsid()
    return "effective: a session of its own"


def leaves_its_group(world):
    os.setpgid(0, 0)
    return "effective: a group of its own"


def forks_without_end(world):
    made = 0
    while True:
        try:
            if os.fork() == 0:
                time.sleep(1)
                os._exit(0)
            made += 1
        except OSError as error:
            return f"effective: {made} processes" if made else f"blocked: {error}"


def threads_without_end(world):
    made, end = 1, threading.Event()
    try:
        while made < 500:
            threading.Thread(target=end.wait, daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    return f"effective: {made} threads" if made > world["threads"] else f"blocked: {made} threads"


def stops_the_parent(world):
    os.kill(os.getppid() or 1, signal.SIGSTOP)
    return "effective: stopped"


def kills_the_parent(world):
    os.kill(os.getppid() or 1, signal.SIGKILL)
    return "effective: killed"


def kills_the_first_process(world):
    os.kill(1, signal.SIGTERM)
    return "effective: killed"


def kills_its_group(world):
    os.kill(0, signal.SIGTERM)
    return "effective: killed"


def kills_everybody(world):
    os.kill(-1, signal.SIGKILL)
    return "effective: killed"


def kills_the_host(world):
    os.kill(world["host"], signal.SIGUSR1)
    return "effective: killed"


def kills_a_neighbour(world):
    os.kill(world["neighbour"], signal.SIGKILL)
    return "effective: killed"


def kills_a_thread_of_a_neighbour(world):
    _call(world, "tgkill", world["neighbour"], world["neighbour"], 9)
    return "effective: killed"


def kills_by_the_old_call(world):
    _call(world, "tkill", world["neighbour"], 9)
    return "effective: killed"


def queues_a_signal(world):
    info = ctypes.create_string_buffer(struct.pack("iii", 9, 0, -1), 128)
    _call(world, "rt_sigqueueinfo", world["neighbour"], 9, ctypes.addressof(info))
    return "effective: killed"


def kills_by_a_handle(world):
    handle = os.pidfd_open(world["neighbour"])
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    return "effective: killed"


def owns_a_descriptor_s_signals(world):
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, world["neighbour"])
    fcntl.fcntl(reading, 10, signal.SIGKILL)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"x")
    return "effective: a signal for another process"


def traces_a_neighbour(world):
    _call(world, "ptrace", 0x4206, world["neighbour"], 0, 0)
    return "effective: traced"


def asks_to_be_traced(world):
    _call(world, "ptrace", 0, 0, 0, 0)
    return "effective: traced"


def _vectors():
    buffer = ctypes.create_string_buffer(64)
    vector = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(buffer), 64))
    return buffer, vector


def reads_a_neighbour_s_memory(world):
    _, mine = _vectors()
    theirs = ctypes.create_string_buffer(struct.pack("QQ", world["address"], 64))
    count = _call(
        world,
        "process_vm_readv",
        world["neighbour"],
        ctypes.addressof(mine),
        1,
        ctypes.addressof(theirs),
        1,
        0,
    )
    return f"effective: {count} bytes"


def writes_a_neighbour_s_memory(world):
    _, mine = _vectors()
    theirs = ctypes.create_string_buffer(struct.pack("QQ", world["address"], 64))
    count = _call(
        world,
        "process_vm_writev",
        world["neighbour"],
        ctypes.addressof(mine),
        1,
        ctypes.addressof(theirs),
        1,
        0,
    )
    return f"effective: {count} bytes"


def takes_a_neighbour_s_descriptor(world):
    handle = os.pidfd_open(world["neighbour"])
    return f"effective: {_call(world, 'pidfd_getfd', handle, 0, 0)}"


def limits_a_neighbour(world):
    new = ctypes.create_string_buffer(struct.pack("QQ", 1, 1))
    _call(world, "prlimit64", world["neighbour"], 0, ctypes.addressof(new), 0)
    return "effective: limited"


def slows_a_neighbour(world):
    os.setpriority(os.PRIO_PROCESS, world["neighbour"], 19)
    return "effective: slowed"


def pins_a_neighbour(world):
    os.sched_setaffinity(world["neighbour"], {0})
    return "effective: pinned"


def looks_for_other_processes(world):
    found = []
    for pid in {world["host"], world["server"], world["neighbour"]} - {0}:
        try:
            os.getsid(pid)
            found.append(pid)
        except OSError:
            pass
    return f"effective: {found} exist" if found else "blocked: none in sight"


def dies_by_a_signal(world):
    os.kill(os.getpid(), signal.SIGKILL)
    return "effective: signalled itself"
