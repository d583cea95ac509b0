"""Attempts to read what is not the program's own."""

import ctypes
import gc
import mmap
import os
import stat
import sys


def _read(path):
    with open(path, "rb") as file:
        return file.read(4096)


def _first(paths, what=_read):
    """The first of many doors that opens; raises the last refusal."""
    refusal = PermissionError("nothing was tried")
    for path in paths:
        try:
            return f"effective: {path} {what(path)!r:.60}"
        except OSError as error:
            refusal = error
    raise refusal


def a_file_of_the_host(world):
    return f"effective: {_read(world['secret'])!r}"


def a_file_through_the_root_of_a_process(world):
    pids = ("self", "1", world["host"], world["server"])
    return _first(f"/proc/{pid}/root{world['secret']}" for pid in pids)


def a_file_through_a_handle(world):
    handle = os.open(world["secret"], os.O_PATH)
    return f"effective: {_read(f'/proc/self/fd/{handle}')!r}"


def a_file_by_its_directory(world):
    folder = os.open(os.path.dirname(world["secret"]), os.O_RDONLY | os.O_DIRECTORY)
    return (
        "effective:"
        f" {os.read(os.open(os.path.basename(world['secret']), os.O_RDONLY, dir_fd=folder), 99)!r}"
    )


def a_file_mapped(world):
    with open(world["secret"], "rb") as file:
        return f"effective: {mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[:40]!r}"


def the_names_in_a_folder(world):
    return f"effective: {os.listdir(os.path.dirname(world['secret']))}"


def the_size_of_a_file(world):
    return f"effective: {os.stat(world['secret']).st_size} bytes"


def the_tests(world):
    return f"effective: {_read(world['tests'])!r:.60}"


def accounts(world):
    return _first(["/etc/passwd", "/etc/shadow", "/etc/ssh/ssh_config", "/etc/hostname"])


def home_folders(world):
    return _first(["/root", "/home", world["home"], world["home"] + "/.ssh"], os.listdir)


def the_environment_of_others(world):
    return _first(
        f"/proc/{pid}/environ" for pid in (world["host"], world["server"], 1, os.getppid())
    )


def the_command_lines_of_others(world):
    return _first(
        f"/proc/{pid}/cmdline" for pid in (world["host"], world["server"], 1, os.getppid())
    )


def the_own_environment(world):
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    names, index = set(os.environ), 0
    while environ[index]:
        names.add(environ[index].decode().partition("=")[0])
        index += 1
    known = {
        "PATH",
        "HOME",
        "LANG",
        "LC_CTYPE",
        "PYTHONHASHSEED",
        "LD_LIBRARY_PATH",
        "PWD",
        "MALLOC_ARENA_MAX",
    }
    more = {name for name in names if name not in known and not name.endswith("_NUM_THREADS")}
    return f"effective: {more}" if more else "blocked: nothing but what the sandbox sets"


def the_memory_of_others(world):
    return _first(
        f"/proc/{pid}/{what}"
        for pid in (world["host"], world["server"], 1)
        for what in ("mem", "maps")
    )


def the_memory_of_the_machine(world):
    return _first(
        ["/dev/mem", "/dev/kmem", "/dev/kmsg", "/proc/kcore", "/proc/kallsyms", "/proc/keys"]
    )


def inherited_descriptors(world):
    found = []
    for number in range(1024):
        try:
            kind = os.fstat(number)
        except OSError:
            continue
        null = stat.S_ISCHR(kind.st_mode) and kind.st_rdev == os.makedev(1, 3)
        if not null and not (number == 4 and stat.S_ISFIFO(kind.st_mode)):
            found.append((number, oct(kind.st_mode)))
    return f"effective: {found}" if found else "blocked: /dev/null and the pipe for results"


def what_the_pipe_holds(world):
    return f"effective: {os.read(4, 100)!r}"


def shared_memory(world):
    return _first(["/dev/shm", "/run/shm", "/dev/mqueue"], os.listdir)


def folders_of_other_programs(world):
    names = os.listdir(world["temporary"])
    return f"effective: {names}"


def what_was_left_in_the_folder(world):
    names = os.listdir(".")
    return f"effective: {names}" if names else "blocked: it is empty"


def what_was_left_in_memory(world):
    """Strings and bytes of an earlier program or of the tests: by the collector and by the
    frames."""
    found, frame = [], sys._getframe()
    while frame is not None:
        found += [name for name in frame.f_globals if "expected" in name.lower()]
        found += [value for value in frame.f_locals.values() if _marked(value)]
        frame = frame.f_back
    for box in gc.get_objects():
        if type(box) in (dict, list, tuple, set):
            values = list(box.values()) if type(box) is dict else list(box)
            found += [value for value in values if _marked(value)]
    return f"effective: {found}" if found else "blocked: nothing is there"


def _marked(value):
    return type(value) in (str, bytes) and len(value) >= 39 and value[:7] in ("CANARY-", b"CANARY-")


def the_raw_heap(world):
    """Every page near the interpreter's objects, copied through a pipe, which refuses where nothing
    is mapped."""
    libc, page = ctypes.CDLL(None, use_errno=True), 4096
    reading, writing = os.pipe()
    found, seen, near = [], 0, id(object()) & ~0xFFFFFF
    for address in range(near - (32 << 20), near + (32 << 20), page):
        if libc.write(writing, ctypes.c_void_p(address), ctypes.c_size_t(page)) == page:
            seen += 1
            text = os.read(reading, page)
            at = text.find(b"CANARY-")
            if at >= 0 and text[at + 7 : at + 39].isalnum() and len(text) >= at + 39:
                found.append(text[at : at + 39].decode())
    return f"effective: {found}" if found or not seen else f"blocked: not in {seen} pages"
