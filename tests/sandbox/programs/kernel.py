"""Attempts to reach parts of the kernel that a computation does not need, by raw system calls and
machine code."""

import ctypes
import fcntl
import mmap
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)


def _call(number, *arguments):
    """0 when it worked, else the error's number."""
    ctypes.set_errno(0)
    result = libc.syscall(
        ctypes.c_long(number),
        *(ctypes.c_long(a) for a in (*arguments, *(0,) * (6 - len(arguments)))),
    )
    return ctypes.get_errno() if result == -1 else 0


def _reached(world, *names, arguments=(-1,) * 6):
    """Which calls got past the filter: any answer but "not permitted" and "no such call" is the
    call's own."""
    past = {
        n: e
        for n in names
        if (number := world["calls"].get(n, -1)) >= 0
        and (e := _call(number, *arguments)) not in (1, 38)
    }
    return f"effective: {past}" if past else f"blocked: {len(names)} calls"


def _text(text):
    buffer = ctypes.create_string_buffer(text)
    _KEPT.append(buffer)
    return ctypes.addressof(buffer)


_KEPT = []


def new_namespaces(world):
    flags = {
        "user": 1 << 28,
        "pid": 1 << 29,
        "net": 1 << 30,
        "mount": 1 << 17,
        "ipc": 1 << 27,
        "uts": 1 << 26,
        "cgroup": 1 << 25,
        "time": 1 << 7,
        "files": 1 << 10,
    }
    made = [name for name, flag in flags.items() if _call(world["calls"]["unshare"], flag) == 0]
    return f"effective: {made}" if made else "blocked: every one"


def other_namespaces(world):
    return _reached(world, "setns", "pidfd_open")


def mounts(world):
    calls = world["calls"]
    folder, kind = _text(b"."), _text(b"tmpfs")
    done = {
        "mount": _call(calls["mount"], kind, folder, kind, 0, 0),
        "bind": _call(calls["mount"], _text(b"/"), folder, 0, 4096, 0),
        "umount": _call(calls["umount2"], _text(b"/tmp"), 2),
    }
    got = [name for name, error in done.items() if error == 0]
    more = _reached(
        world,
        "mount",
        "umount2",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "move_mount",
        "open_tree",
        "mount_setattr",
    )
    return f"effective: {got}" if got else more


def another_root(world):
    os.mkdir("jail")
    try:
        os.chroot("jail")
    except OSError:
        return _reached(world, "pivot_root", "chroot")
    return "effective: chroot"


def asynchronous_input_and_output(world):
    return _reached(
        world, "io_uring_setup", "io_uring_enter", "io_uring_register", "io_setup", "io_submit"
    )


def programs_for_the_kernel(world):
    return _reached(
        world, "bpf", "perf_event_open", "userfaultfd", "seccomp", "landlock_create_ruleset"
    )


def keys(world):
    return _reached(world, "add_key", "request_key", "keyctl")


def files_by_handle(world):
    return _reached(world, "name_to_handle_at", "open_by_handle_at", "openat2")


def modules(world):
    return _reached(
        world, "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"
    )


def the_machine(world):
    return _reached(
        world,
        "reboot",
        "swapon",
        "swapoff",
        "acct",
        "sethostname",
        "setdomainname",
        "quotactl",
        "syslog",
        "vhangup",
        "iopl",
        "ioperm",
        "personality",
        "modify_ldt",
        arguments=(0, 0, 0, 0, 0, 0),
    )


def the_clock(world):
    return _reached(
        world, "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "timer_create"
    )


def files_without_names(world):
    return _reached(
        world, "memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open", "uselib"
    )


def pipes_without_copies(world):
    return _reached(
        world, "splice", "tee", "vmsplice", "process_madvise", "process_mrelease", "cachestat"
    )


def watching(world):
    return _reached(
        world, "inotify_init1", "fanotify_init", "fanotify_mark", "lookup_dcookie", "kcmp"
    )


def other_users(world):
    names = "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset".split()  # noqa: E501
    past = [name for name in names if _call(world["calls"][name], *(0,) * 3) != 1]
    return f"effective: {past}" if past else "blocked: every one"


def its_own_privileges(world):
    """prctl: dumpable, keep capabilities, a subreaper, the name, no more filter."""
    return _reached(world, "prctl", arguments=(36, 1, 0, 0, 0, 0))


def every_other_call(world):
    """All numbers that are not on the list of allowed calls, with arguments that no call takes."""
    # 335 and 336 are x86-64's uretprobe and uprobe: the kernel lets them past every filter, and
    # kills who calls them.
    tried = sorted(set(range(600)) - {*world["allowed"], 335, 336})
    past = {n: e for n in tried if (e := _call(n, *(-1,) * 6)) not in (1, 38)}
    return f"effective: {past}" if past else f"blocked: {len(tried)} calls"


def notification_pipes(world):
    """`pipe2` has a flag that opens a queue of the kernel's events."""
    pair = (ctypes.c_int * 2)()
    error = _call(world["calls"]["pipe2"], ctypes.addressof(pair), 0o200)
    return (
        f"blocked: error {error}"
        if error in (1, 22, 38)
        else f"effective: the kernel was asked, error {error}"
    )


def foreign_numbers(world):
    """The calls of x32: bit 30 and the number, fork among them. The process is killed."""
    if platform.machine() != "x86_64":
        return "blocked: no such thing here"
    return f"effective: error {_call(0x40000000 + 39)}"


def foreign_machine_code(world):
    """`int 0x80`, i386's getpid, from a page of our own. The process is killed."""
    if platform.machine() != "x86_64":
        return "blocked: no such thing here"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("b814000000cd80c3"))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    return f"blocked: error {result}" if result < 0 else f"effective: {result}"


def foreign_fork(world):
    """`int 0x80`, i386's fork."""
    if platform.machine() != "x86_64":
        return "blocked: no such thing here"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("b802000000cd80c3"))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    if result == 0:
        os._exit(0)
    return f"blocked: error {result}" if result < 0 else f"effective: {result}"


def typing_for_the_terminal(world):
    done = []
    for number in (0, 1, 2):
        for request in (0x5412, 0x541C, 0x540E, 0x5414, 0x5423, 0x5422, 0x8901, 0x8902):
            try:
                fcntl.ioctl(number, request, b"x\0\0\0")
                done.append((number, request))
            except OSError as error:
                if error.errno != 1:
                    done.append((number, request, error.errno))
    return f"effective: {done}" if done else "blocked: every request"


def devices(world):
    opened = []
    for path in "/dev/kvm /dev/fuse /dev/net/tun /dev/vhost-net /dev/loop-control /dev/tty /dev/ptmx /dev/sda /dev/vda".split():  # noqa: E501
        try:
            os.close(os.open(path, os.O_RDWR))
            opened.append(path)
        except OSError:
            pass
    return f"effective: {opened}" if opened else "blocked: every one"


def the_own_process_s_files(world):
    opened = []
    # Not `cwd`, which is its own folder, nor `ns`, whose handles are of no use without `setns`.
    for name in ("mem", "maps", "status", "root", "fd", "uid_map", "setgroups", "attr/current"):
        try:
            os.close(os.open(f"/proc/self/{name}", os.O_RDONLY))
            opened.append(name)
        except OSError:
            pass
    return f"effective: {opened}" if opened else "blocked: every one"


def abilities(world):
    """What `capget` tells: no capability is left, in no set."""
    header = ctypes.create_string_buffer(bytes.fromhex("2205082000000000"), 8)
    header.raw = (0x20080522).to_bytes(4, "little") + bytes(4)
    sets = ctypes.create_string_buffer(24)
    if _call(world["calls"]["capget"], ctypes.addressof(header), ctypes.addressof(sets)):
        return "blocked: not told"
    return f"effective: {sets.raw.hex()}" if any(sets.raw) else "blocked: none"


def the_superuser(world):
    ids = (*os.getresuid(), *os.getresgid(), *os.getgroups())
    return f"effective: {ids}" if 0 in ids else f"blocked: {ids}"
