"""In one process with the program: it is ended when it looks at frames, at memory or at other
people's code."""

import os
import sys
from types import FrameType
from typing import Any, Final

__all__ = ["watch"]

# Python's own functions that look at the caller's frame and do not hand it on.
_DISCREET: Final = frozenset(
    "namedtuple _create_ _caller make_dataclass print_exc format_exc print_exception"
    " format_exception print_tb format_tb extract_tb _find_and_load".split()
)
_PRYING: Final = (
    "sys._getframe sys._current_frames sys._current_exceptions sys.settrace sys.setprofile"
    " sys.addaudithook sys.monitoring.register_callback gc.get_objects gc.get_referrers"
    " gc.get_referents code.__new__ marshal.loads marshal.load object.__getattr__"
    " object.__setattr__ compile open"
).split()


def watch(judges: tuple[str, ...], program: dict[str, Any]) -> None:
    """End the process when code of the program's looks at frames or memory. It cannot be undone.

    Of the program is all code that does not come from Python's own files or from those of `judges`;
    of functions it may look into those alone whose names are in `program`.
    """
    end, get_frame, prying, pries = os._exit, sys._getframe, frozenset(_PRYING), _pries
    python = (os.path.dirname(os.__file__), "<frozen")
    busy = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or not (event in prying or event.startswith("ctypes.")):
            return
        busy = True
        try:
            reads_own = (
                event == "object.__getattr__"
                and getattr(arguments[0], "__globals__", None) is program
            )
            if not reads_own and pries(event, arguments, get_frame(1), python, judges):
                end(1)
        finally:
            busy = False

    sys.addaudithook(hook)


def _pries(
    event: str,
    arguments: tuple[Any, ...],
    frame: FrameType | None,
    python: tuple[str, ...],
    judges: tuple[str, ...],
) -> bool:
    """Return whether the program is behind an event, and is up to no good."""
    if event == "compile" and not str(arguments[1]).startswith((*python, *judges)):
        return False  # in a name of its own
    if event == "open" and not str(arguments[0]).startswith("/proc/"):
        return False
    if event == "object.__getattr__" and not str(arguments[1]).endswith(("_frame", "__code__")):
        return False
    if event == "object.__setattr__" and arguments[1] != "__code__":
        return False
    through = set[str]()
    while frame is not None and frame.f_code.co_filename.startswith(python):
        through.add(frame.f_code.co_name)
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename.startswith(judges):
        return False
    return not through & _DISCREET  # without a frame: a thread that runs nothing else
