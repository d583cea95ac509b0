"""Attempts to take more than the limits give."""

import ctypes
import mmap
import os
import re
import resource
import signal
import socket
import sys
import threading
import time


def _filled(take, limit, what="bytes"):
    taken = 0
    try:
        while taken <= limit:
            taken += take()
    except (MemoryError, OSError, RuntimeError):
        pass
    return f"effective: {taken} {what}" if taken > limit else f"blocked: {taken} {what}"


def _started(threads):
    """Start as many as memory allows: each reserves room for a stack and a heap."""
    while threads:
        try:
            threads[-1].start()
        except RuntimeError:
            break
        threads = threads[:-1]


def takes_memory(world):
    kept = []
    return _filled(lambda: kept.append(bytearray(1 << 20)) or 1 << 20, world["memory"])


def takes_memory_in_one_piece(world):
    return f"effective: {len(bytearray(4 * world['memory']))}"


def takes_memory_by_mapping(world):
    kept = []
    return _filled(lambda: kept.append(mmap.mmap(-1, 1 << 20)) or 1 << 20, world["memory"])


def takes_memory_in_threads(world):
    kept, taken = [], []

    def take():
        try:
            while sum(taken) < 4 * world["memory"]:
                kept.append(bytearray(1 << 20))
                taken.append(1 << 20)
        except MemoryError:
            pass

    threads = [threading.Thread(target=take) for _ in range(4)]
    _started(threads)
    for thread in threads:
        if thread.ident:
            thread.join()
    return (
        f"effective: {sum(taken)}"
        if sum(taken) > world["memory"]
        else f"blocked: {sum(taken)} bytes"
    )


def reserves_memory(world):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, ctypes.c_size_t(1 << 40), 0, 0x4022, -1, ctypes.c_long(0))
    if at == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    return "effective: a terabyte"


def makes_files_in_memory(world):
    return f"effective: {os.memfd_create('x')}"


def makes_shared_memory(world):
    with open("/dev/shm/assay-hostile", "wb") as file:
        file.write(bytes(1 << 20))
    return "effective: /dev/shm"


def makes_system_v_memory(world):
    number = ctypes.CDLL(None, use_errno=True).shmget(0, ctypes.c_size_t(1 << 20), 0o1600)
    if number < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    return f"effective: {number}"


def fills_the_disk_with_one_file(world):
    with open("big", "wb", buffering=0) as file:
        return _filled(lambda: file.write(bytes(1 << 18)), world["disk"])


def fills_the_disk_with_many_files(world):
    count = iter(range(1 << 30))

    def take():
        with open(f"f{next(count)}", "wb", buffering=0) as file:
            return file.write(bytes(1 << 20))

    return _filled(take, world["disk"])


def makes_files_without_end(world):
    count = iter(range(1 << 30))

    def take():
        os.close(os.open(f"e{next(count)}", os.O_CREAT | os.O_WRONLY))
        return 1

    return _filled(take, 1024, "files")


def makes_folders_in_folders(world):
    """Deeper than a recursion goes: what tells is whether the host can clean up."""
    made = 0
    try:
        while made < 1500:
            os.mkdir("d")
            os.chdir("d")
            made += 1
    except OSError:
        pass
    return f"blocked: {made} folders, of no consequence unless they stay"


def makes_a_file_with_holes(world):
    os.truncate(os.open("holes", os.O_CREAT | os.O_RDWR), 1 << 40)
    return "effective: a terabyte"


def opens_files_without_end(world):
    return _filled(lambda: os.open("/dev/null", os.O_RDONLY) * 0 + 1, world["files"], "files")


def opens_pipes_without_end(world):
    kept = []
    return _filled(lambda: kept.append(os.pipe()) or 2, world["files"], "files")


def makes_pipes_larger(world):
    import fcntl

    return f"effective: {fcntl.fcntl(4, 1031, 1 << 20)}"


def fills_sockets(world):
    kept = []

    def take():
        one, other = socket.socketpair()
        kept.append((one, other))
        one.setblocking(False)
        try:
            return one.send(bytes(1 << 20))
        except BlockingIOError:
            return 0

    return _filled(take, world["memory"])


def writes_results_without_end(world):
    while True:
        os.write(4, b"x" * 65536)


def writes_results_slowly(world):
    """One byte at a time, so that there is always an event and never an end."""
    while True:
        os.write(4, b" ")
        time.sleep(0.001)


def returns_too_much(world):
    return "x" * (8 << 20)


def returns_a_huge_number(world):
    return 1 << (8 << 20)


def returns_a_deep_nest(world):
    nest = []
    for _ in range(100_000):
        nest = [nest]
    return nest


def returns_a_bush(world):
    bush = [1]
    for _ in range(60):
        bush = [bush] * 8
    return bush


def spins(world):
    while True:
        pass


def spins_in_one_instruction(world):
    return 10**10**9 % 7


def spins_with_signals_blocked(world):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    while True:
        pass


def spins_in_threads(world):
    _started([threading.Thread(target=spins, args=(world,)) for _ in range(world["threads"] - 1)])
    spins(world)


def spins_in_a_pattern(world):
    return bool(re.match(r"(a+)+$", "a" * 60 + "b"))


def converts_a_huge_number(world):
    sys.set_int_max_str_digits(0)
    return len(str(1 << (1 << 27)))


def sleeps(world):
    time.sleep(60)
    return "effective: slept"


def pauses(world):
    while True:
        signal.pause()


def waits_in_an_uninterruptible_way(world):
    threading.Event().wait()


def exits_with_a_thread_left(world):
    """The result is given, and the process stays: it counts, and nothing of it stays."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    return "blocked: the thread does not keep the process"


def recurses(world):
    sys.setrecursionlimit(1 << 30)

    def deeper(n):
        return deeper(n + 1) + 1

    return deeper(0)


def recurses_in_c(world):
    sys.setrecursionlimit(1 << 30)
    nest = ()
    for _ in range(10_000_000):
        nest = (nest,)
    return hash(nest) and "effective: hashed"


def raises_a_limit(world):
    raised = []
    for number in range(16):
        try:
            soft, hard = resource.getrlimit(number)
            for wanted in (
                (hard, hard),
                (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
                (max(soft, 0) + 1, hard),
            ):
                resource.setrlimit(number, wanted)
                raised.append(number)
        except (OSError, ValueError):
            pass
    return f"effective: {raised}" if raised else "blocked: every one"


def becomes_more_important(world):
    os.nice(-5)
    return "effective: nicer"


def locks_memory(world):
    if ctypes.CDLL(None, use_errno=True).mlockall(3):
        raise OSError(ctypes.get_errno(), "mlockall")
    return "effective: locked"


def sets_timers(world):
    """Allowed, and of no consequence to anybody else."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    time.sleep(0.05)
    return "blocked: its own timer"
