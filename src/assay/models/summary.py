"""What a saved reward model is, without loading its weights."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import ConfigError
from assay.models.checkpoint import read_manifest
from assay.models.readout import in_words

__all__ = ["summary"]


def summary(folder: Path) -> dict[str, str]:
    """Describe a saved model: architecture, size, layout, read-out and the parity it was saved
    with. Raises `ConfigError` for a folder that is none."""
    manifest = read_manifest(folder)
    config = json.loads((folder / "config.json").read_text())
    scores, parity = manifest.scores, manifest.parity_max_abs_diff
    return {
        "architecture": ", ".join(config.get("architectures") or ["unknown"]),
        "parameters": f"{_parameters(folder):,}",
        "read-out": in_words(manifest.readout),
        "layout": json.dumps(manifest.layout.model_dump(exclude_defaults=True), ensure_ascii=False),
        "longest input": f"{manifest.layout.max_length} tokens",
        "pad token": str(manifest.pad_id),
        "training scores": (
            f"mean {scores.mean:.4g}, std {scores.std:.4g}, n {scores.n}"
            if scores
            else "not stated"
        ),
        "parity": f"{parity:.3g} at most" if parity is not None else "not measured",
    }


def _parameters(folder: Path) -> int:
    """Count the parameters, read from the safetensors headers alone."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: Mapping[str, Any] = json.loads(file.read(length))
        count += sum(
            math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
        )
    if not count:
        raise ConfigError(f"{folder} holds no safetensors; give the folder of a saved reward model")
    return count
