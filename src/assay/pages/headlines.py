"""A run in a line: its result, what made it, and whether it came to its end."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from assay.errors import DataError
from assay.runs.evaluations import eval_points
from assay.runs.outputs import kind_of
from assay.stats import Estimate

__all__ = ["job_of", "result_of"]

WORD: Final = re.compile(r"[a-z][a-z0-9-]*")
"""A word that names a command; data and options look otherwise."""
TODAY: Final = {"bestof": "best-of-n", "overopt-rl": "overopt rl"}
"""Other names of a job -> its name today."""


def job_of(body: Mapping[str, Any]) -> str:
    """Return what made a run, by one name: `search beam`, whether typed or called."""
    command = [word for word in body.get("command") or () if isinstance(word, str)]
    # `search beam prompts.jsonl`: words that name a command come before what is data or an option.
    words = [word for word in command[:2] if WORD.fullmatch(word)]
    job = words[0] if words else kind_of(body).replace("_", "-")
    return " ".join([TODAY.get(job, job), *words[1:]])


def result_of(folder: Path, body: Mapping[str, Any]) -> str:
    """Return the number that a run was for, with its name; "" where the folder does not say it."""
    try:
        job = job_of(body).partition(" ")[0]
        read = RESULTS.get(job)
        return "" if read is None else read(folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, DataError):
        # Of an older version, or damaged: a list of runs is no place to end with an error.
        return ""


def _best_of_n(folder: Path) -> str:
    """The scorer's choice at the largest n."""
    points = json.loads((folder / "bestof.json").read_text("utf-8"))["curves"]["best-of-n"]
    return f"best of {points[-1]['n']}: {_shown(points[-1])}"


def _overopt(folder: Path) -> str:
    """Gold where to stop, or the verdict where no stop is known."""
    first = json.loads((folder / "fits.json").read_text("utf-8"))["studies"][0]
    stop = first.get("stop")
    if stop is None:
        return str(first["verdict"]).partition(". ")[0]
    where = f"{stop['kl']:.2f} nats" if stop["n"] is None else f"n = {stop['n']:g}"
    return f"gold at the stop ({where}): {_shown(stop['gold'])}"


def _rl(folder: Path) -> str:
    """The last evaluation's gold, or its proxy."""
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    last = eval_points([json.loads(line) for line in lines])[-1]
    name, found = next(iter((last.gold or {}).items()), ("proxy", last.proxy))
    return "" if found is None else f"{name} at step {last.step}: {found:.3f}"


RESULTS: Final[Mapping[str, Callable[[Path], str]]] = {
    "best-of-n": _best_of_n,
    "overopt": _overopt,
    "overoptimization": _overopt,
    "rl": _rl,
}
"""Jobs whose result is not the first number of their page."""


def _shown(body: Any) -> str:
    if not isinstance(body, Mapping):
        return f"{Estimate.from_json(body):.3f}"
    ends = [body["low"], body["high"]]
    if not all(isinstance(end, float | int) for end in ends):
        return f"{body['value']:.3f}"
    return f"{body['value']:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]"
