"""What works on this machine: versions, extras, devices, sandbox, hub, disk."""

import dataclasses
import importlib.metadata
import importlib.util
import logging
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from assay.errors import EXTRA_OF
from assay.http.reach import ENDPOINT, hub_unreachable, offline

__all__ = ["Line", "doctor"]

SMALL: Final = 5e9
"""Bytes free below which a model may not fit."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One thing that was tried: whether it works, what it is, and what would make it work."""

    name: str
    works: bool
    what: str
    advice: str = ""

    def __str__(self) -> str:
        """The thing, works or absent, what it is, and the advice below it."""
        mark = "works" if self.works else "absent"
        told = f"{self.name:<22} {mark:<7} {self.what}"
        return f"{told}\n{'':<31}{self.advice}" if self.advice else told


def doctor() -> Iterator[Line]:
    """Try out what the commands need on this machine; a line for each thing tried."""
    for made in (_versions, _extras, _devices, _sandbox, _hub, _disk):
        yield from made()


def _versions() -> Iterator[Line]:
    yield Line("assay", True, importlib.metadata.version("assay"))
    yield Line("python", True, f"{platform.python_version()}, {platform.platform()}")


def _extras() -> Iterator[Line]:
    for extra in dict.fromkeys(EXTRA_OF.values()):
        modules = [module for module, of in EXTRA_OF.items() if of == extra]
        if platform.system() != "Linux" and extra == "sandbox":
            modules = ["pytest"]
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        advice = f"pip install 'assay[{extra}]'" if missing else ""
        what = f"without {', '.join(missing)}" if missing else ", ".join(modules)
        yield Line(f"extra {extra}", not missing, what, advice)


def _devices() -> Iterator[Line]:
    yield Line("cpu", True, f"{os.cpu_count()} cores")
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    for kind in ("cuda", "xpu", "mps"):
        there = getattr(torch, kind).is_available()
        names = "none found"
        if there and kind == "cuda":
            cards = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
            names = ", ".join(
                f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" for card in cards
            )
        elif there:
            names = f"{getattr(torch, kind).device_count()} found"
        if there or kind == "cuda":
            yield Line(kind, there, f"{names}; torch {torch.__version__}")


def _sandbox() -> Iterator[Line]:
    from assay.sandbox import refusal
    from assay.sandbox.levels import LEVELS

    logging.getLogger("assay.sandbox").setLevel(logging.ERROR)
    for level in LEVELS:
        why = refusal(level)
        yield Line(f"sandbox {level}", why is None, why or "for `assay verify code`")
        if why is None:
            return


def _hub() -> Iterator[Line]:
    if offline():
        yield Line("hub", False, "HF_HUB_OFFLINE is set: only what was downloaded is found")
        return
    why = hub_unreachable()
    advice = "give folders, or names that were downloaded before" if why else ""
    yield Line("hub", why is None, why or os.environ.get("HF_ENDPOINT", ENDPOINT), advice)


def _disk() -> Iterator[Line]:
    cache = os.environ.get("ASSAY_CACHE", "~/.cache/assay")
    hub = os.environ.get("HF_HOME", "~/.cache/huggingface")
    for name, place in (("disk here", "."), ("disk cache", cache), ("disk hub", hub)):
        path = Path(place).expanduser().absolute()
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        free = shutil.disk_usage(there).free
        writable = os.access(there, os.W_OK)
        what = f"{free / 1e9:,.0f} GB free in {path}"
        advice = "" if writable else f"{there} cannot be written; set ASSAY_CACHE or HF_HOME"
        if writable and free < SMALL:
            advice = "little room for a model"
        yield Line(name, writable, what, advice)
