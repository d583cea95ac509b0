"""Files that `assay score` wrote, read back beside the responses that were scored."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from assay.errors import DataError
from assay.types import Group, Score, Unscored

__all__ = ["prompt_hash", "read_scores"]


def prompt_hash(text: str) -> str:
    """Return what a file of scores names a prompt by: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_scores(path: Path, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
    """Read the scores of these responses, one per response.

    The path may be the folder of the run that wrote it. Scores of a prompt are taken in the order
    in which the file has them, which is that of the data. Raises `DataError` where the file is no
    file of scores, lacks a response, or is of other texts.
    """
    known: dict[str, list[tuple[Score | Unscored, str | None]]] = {}
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = json.loads(line)
            # Rows with the texts number the response by `index`, for `response` is its text.
            whole = "index" in row
            key = prompt_hash(row["prompt"]) if whole else row["prompt"]
            known.setdefault(key, []).append((_score(row), row["response"] if whole else None))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}:{number}: this is no line of scores ({error!r}); give a file that `assay"
                " score` wrote for the same data"
            ) from error
    taken: dict[str, int] = {}
    found = []
    for group in groups:
        key = prompt_hash(group.prompt.text)
        start = taken.get(key, 0)
        taken[key] = start + len(group.responses)
        row = known.get(key, [])[start : taken[key]]
        if len(row) < len(group.responses):
            raise DataError(
                f"{path} has {len(row)} scores for the {len(group.responses)} responses to prompt"
                f" {group.prompt.id or group.prompt.text[:60]!r}; score the same data with `assay"
                " score`"
            )
        for (_, text), response in zip(row, group.responses, strict=True):
            if text is not None and text != response.text:
                raise DataError(
                    f"{path} scores {text[:60]!r} where the data has {response.text[:60]!r}, as a"
                    f" response to {group.prompt.id or group.prompt.text[:60]!r}; score the same"
                    " data with `assay score`"
                )
        found.append([score for score, _ in row])
    return found


def _lines(path: Path) -> list[str]:
    if path.is_dir():
        path = path / "scores.jsonl"
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a file of scores: {error}") from error


def _score(row: dict[str, object]) -> Score | Unscored:
    if "unscored" in row:
        return Unscored(reason=str(row["unscored"]))
    steps = row.get("steps")
    known = tuple(map(float, steps)) if isinstance(steps, list) else ()
    return Score(value=float(str(row["value"])), steps=known)
