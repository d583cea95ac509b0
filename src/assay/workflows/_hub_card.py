"""The card of a model on the hub: what its run measured, its curve, its audit, its gate, and what
none of them says."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from assay.audit.gate import read_gate
from assay.errors import ConfigError
from assay.models.calibration import read_calibration
from assay.models.checkpoint import read_manifest
from assay.models.serving import card
from assay.models.summary import summary
from assay.runs.metrics import METRICS, read_rows
from assay.runs.settings import read_body

__all__ = ["hub_card"]

POINTS: Final = 12
"""Most rows of a curve."""
LEAST: Final = 100
"""Held-out records below which a card says that they are few."""


def hub_card(folder: Path, name: str, *, audit: Path | None, gate: Path | None) -> str:
    """Return the card of a saved model, with no path of this machine in it.

    name: on the hub. Raises `ConfigError` for a run that is not finished, and for an audit or a
    gate of something else.
    """
    run = read_body(folder) if (folder / "run.json").is_file() else None
    if run is not None and not run.get("finished"):
        raise ConfigError(f"{folder} holds a run that is not finished; run it again, then push")
    body = run or {}
    rows = read_rows(folder / METRICS) if (folder / METRICS).is_file() else []
    more = {"Training": _curve(rows)} if any("eval_loss" in row for row in rows) else {}
    more |= {"Limits": _bullets(_limits(folder, rows, audit, gate))}
    if audit is not None:
        more["Audit"] = _audit(folder, audit)
    if gate is not None:
        more["Gate"] = _gate(folder, gate)
    if versions := body.get("versions"):
        more["Made with"] = ", ".join(
            f"{package} {version}" for package, version in versions.items()
        )
    return card(
        folder,
        about=summary(folder),
        data=_names(body.get("data", {})),
        metrics=body.get("measured", {}),
        notes=tuple(body.get("notes", ())),
        name=name,
        more=more,
    )


def _names(data: Mapping[str, str]) -> dict[str, str]:
    """Hashes by the files' own names, for where they lie is nobody's business."""
    count = Counter(Path(path).name for path in data)
    named = {}
    for place, (path, sha256) in enumerate(data.items(), 1):
        last = Path(path).name
        named[last if count[last] == 1 else f"{last} ({place})"] = sha256
    return named


def _curve(rows: Sequence[Mapping[str, Any]]) -> str:
    """Held-out loss and accuracy by step, thinned to a few rows that keep first, best and last."""
    points = [row for row in rows if row.get("eval_loss") is not None]
    best = min(range(len(points)), key=lambda i: points[i]["eval_loss"])
    spread = {round(i * (len(points) - 1) / (POINTS - 2)) for i in range(POINTS - 1)}
    lines = ["| step | held-out loss | held-out accuracy |", "| ---: | ---: | ---: |"]
    for place in sorted(spread | {best}):
        row = points[place]
        accuracy = row.get("eval_accuracy")
        said = "" if accuracy is None else f"{accuracy:.3f}"
        lines.append(f"| {row['step']} | {row['eval_loss']:.4f} | {said} |")
    return "\n".join(lines)


def _limits(
    folder: Path, rows: Sequence[Mapping[str, Any]], audit: Path | None, gate: Path | None
) -> list[str]:
    """What a reader would else have to guess, or guess wrong."""
    manifest = read_manifest(folder)
    said = [
        f"Longer inputs than {manifest.layout.max_length} tokens are not scored; nothing is cut.",
        "A score is for comparing responses to one prompt. Optimise against it hard enough, and it"
        " stops being what people want: watch a gold measure, and stop early.",
    ]
    held = next((row["held_out_records"] for row in rows if "held_out_records" in row), None)
    if held is None:
        said.append("How many records were held out is not known.")
    elif held < LEAST:
        said.append(f"{held} records were held out, which says little.")
    if read_calibration(folder) is None:
        said.append("Its probabilities are not calibrated.")
    if audit is None:
        said.append("It comes without an audit: how it is gamed is not known.")
    if gate is None:
        said.append("It comes without a gate: nobody has shown that it says what people say.")
    return said


def _audit(folder: Path, audit: Path) -> str:
    """The audit's own card."""
    try:
        of = json.loads((audit / "audit.json").read_bytes())["reward"]
        text = (audit / "card.md").read_text()
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{audit} is no folder of `assay audit` ({error}); give one") from error
    _same(folder, of, f"the audit {audit}")
    # It names the folder of this machine.
    return text.replace(of, "this model").replace("### ", "", 1).rstrip()


def _gate(folder: Path, path: Path) -> str:
    """The gate's numbers and verdict, without the texts that it keeps."""
    gate = read_gate(path)
    _same(folder, gate.judge.word, f"the gate {path}")
    return (
        f"Labels by {gate.labels.by}, made {gate.made:%Y-%m-%d}; the file's SHA-256 of itself is"
        f" {gate.sha256}.\n\n```\n{gate}\n```"
    )


def _same(folder: Path, word: str, what: str) -> None:
    """Refuse what was measured on another model."""
    if Path(word.partition(",")[0]).resolve() != folder.resolve():
        raise ConfigError(f"{what} is of {word or 'something without a name'}, not of {folder}")


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)
