"""How well a program is shut in, strongest first, and what each weaker level does not stop.

A level is asked for by name and never lowered silently: where the machine cannot give it, the
sandbox refuses.
"""

from typing import Final, Literal, get_args

__all__ = ["INSTALL", "LEVELS", "NOT_STOPPED", "Level", "describe"]

Level = Literal["namespaces", "landlock", "seccomp", "trust-the-code"]

LEVELS: Final[tuple[Level, ...]] = get_args(Level)

PARTS: Final[dict[Level, str]] = {
    "namespaces": (
        "bubblewrap's namespaces, a user of its own, resource limits, Landlock and seccomp"
    ),
    "landlock": "a user of its own (where started by root), resource limits, Landlock and seccomp",
    "seccomp": "a user of its own (where started by root), resource limits and seccomp",
    "trust-the-code": "resource limits alone",
}

NOT_STOPPED: Final[dict[Level, tuple[str, ...]]] = {
    "namespaces": (
        "an unknown hole in the kernel's allowed system calls",
        "what two programs time of each other",
    ),
    "landlock": (
        "more disk than the limit, in many files: its folder is on the machine's own disk",
        (
            "seeing which files and processes there are, how large files are, and the machine's"
            " name and load"
        ),
        "more threads than the limit, where it is not started by root",
        "one layer less around the kernel: a hole in Landlock alone opens the files",
    ),
    "seccomp": (
        "reading every file that the user can read: keys, data, the tests' expected values on disk",
        "writing and deleting every file that the user can write",
    ),
    "trust-the-code": (
        "reading and writing every file of the user's, and the network",
        "starting processes that stay, and signals to the user's other processes",
        "everything else that the user may do: this is no sandbox",
    ),
}

INSTALL: Final = (
    "install bubblewrap (apt install bubblewrap, dnf install bubblewrap, or pip install"
    " 'assay[sandbox]') and allow user namespaces (sysctl user.max_user_namespaces=10000; in"
    " Docker: --security-opt seccomp=unconfined)"
)


def describe(level: Level) -> str:
    """Return what a level is made of and what it does not stop, for a reader."""
    return f"{level}: {PARTS[level]}. It does not stop: " + "; ".join(NOT_STOPPED[level]) + "."
