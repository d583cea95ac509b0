"""Where a command writes, checked before any work: a place that cannot be written, or that holds
other work.

Raised is a `ConfigError`; nothing is made or changed here.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from assay.errors import ConfigError
from assay.renamed import current

__all__ = ["OUTPUTS", "check_file", "check_folder", "check_new", "kinds_of"]

SUMMARIES: Final = {"training.json": "train", "sft.json": "sft", "rl.json": "rl"}
"""The last file of a training run, and the command that it is of."""

WRITTEN: Final = (
    *("run.json", "metrics.jsonl", "samples.jsonl", "tracking.json", "report.html", *SUMMARIES),
    *(
        "config.json",
        "reward_model.json",
        "model.safetensors",
        "model",
        "reference",
        "checkpoint",
        "policy",
        "peak",
    ),
)
"""What training runs write into their folder, and may replace there."""

OUTPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(SUMMARIES.values(), WRITTEN),
    "score": ("run.json", "scores.jsonl"),
    "eval": ("run.json", "report.html", "eval.json"),
    "benchmark": ("run.json", "report.html", "benchmark.json"),
    "best_of_n": ("run.json", "report.html", "bestof.json"),
    "search": ("run.json", "report.html", "results.jsonl", "kept.jsonl"),
    "compare": ("run.json", "report.html", "compare.json"),
    "label": ("run.json", "report.html", "labels.jsonl"),
    "verify": ("run.json", "report.html"),
    "judge": ("run.json", "report.html", "judge.json", "verdicts.jsonl"),
    "arena": ("run.json", "report.html", "arena.json", "votes.jsonl", "leaderboard.csv"),
    "overopt": ("run.json", "report.html", "points.jsonl", "fits.json"),
    "overopt_rl": ("run.json", "report.html", "points.jsonl", "arms.json"),
    "quickstart": (
        *("run.json", "world.json", "stages.json", "summary.json", "report.html"),
        *("overoptimization.html", "policy", "data", "models", "scores", "overopt"),
    ),
}
"""What the run of a command writes into its folder. Files of paid work, whose lines say what they
are of, are not among them: `--overwrite` keeps those."""


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written into."""
    try:
        there = next(
            place for place in (folder, *folder.absolute().parents) if os.path.lexists(place)
        )
        usable, writable = there.is_dir(), os.access(there, os.W_OK | os.X_OK)
        # Of a name that no file system takes.
        folder.exists()
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}; give another place"
        ) from error
    if not usable:
        raise ConfigError(f"{folder} cannot be a folder: {there} is none; give another place")
    if not writable:
        raise ConfigError(
            f"{folder} cannot be written: {there} is not yours to write into; give another place"
        )


def check_file(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a file that cannot be written, or is one of the inputs, or one in a folder of them."""
    check_folder(path.parent)
    if not path.exists():
        return
    if not path.is_file():
        raise ConfigError(
            f"{path} is {'a folder' if path.is_dir() else 'no plain file'}; give the name of a file"
        )
    for source in map(Path, inputs):
        if _there(source) and (path.samefile(source) or source.resolve() in path.resolve().parents):
            raise ConfigError(f"{path} would replace what is read from {source}; give another file")


def check_new(folder: Path) -> None:
    """Refuse a folder that holds anything: it would be replaced."""
    check_folder(folder)
    if folder.is_dir() and (first := next(folder.iterdir(), None)):
        raise ConfigError(
            f"{folder} is not empty ({first.name} is there), and is not replaced; give a new folder"
        )


def kinds_of(folder: Path) -> set[str]:
    """The commands whose runs a folder holds."""
    kinds = {kind for name, kind in SUMMARIES.items() if (folder / name).is_file()}
    if (folder / "run.json").is_file():
        try:
            kinds.add(kind_of(json.loads((folder / "run.json").read_bytes())))
        except (KeyError, TypeError, ValueError, AttributeError):
            kinds.add("another program")
    return kinds


def kind_of(body: Mapping[str, Any]) -> str:
    """The command that a `run.json` is of, such as "train". Raises `KeyError` and others where it
    is none."""
    if isinstance(kind := body.get("run"), str):
        return kind
    component = current(body["settings"]["component"].partition("/")[2])
    return component.partition(":")[0].removeprefix("assay.cli.")


def _there(path: Path) -> bool:
    """Whether it exists; names of a hub may be no paths at all."""
    try:
        return path.exists()
    except OSError:
        return False
