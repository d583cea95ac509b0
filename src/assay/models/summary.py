"""What saved and published reward models are, without loading their weights."""

import json
import math
from pathlib import Path

from safetensors import safe_open

from assay.errors import ConfigError
from assay.models.calibration import read_calibration
from assay.models.checkpoint import read_manifest
from assay.models.folder import check_weights
from assay.models.readout import in_words

__all__ = ["published", "summary"]


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
        **_calibrated(folder),
    }


def _calibrated(folder: Path) -> dict[str, str]:
    """The temperatures beside a model's weights, or why they do not count."""
    try:
        found = read_calibration(folder)
    except ConfigError as error:
        return {"calibration": str(error)}
    said = [
        f"{what} / {one.temperature:.4g} (fitted on {one.measured.get('rows', '?')} rows)"
        for what, one in (found.temperatures.items() if found else ())
    ]
    return {"calibration": "; ".join(said) or "none"}


def published() -> list[str]:
    """List every published checkpoint, whether it is on this machine, and how each is read."""
    from huggingface_hub import try_to_load_from_cache

    from assay.models.presets import PRESETS, REFUSED

    rows = [("preset", "here", "checkpoint")]
    for preset in PRESETS.values():
        for checkpoint in preset.checkpoints:
            here = isinstance(try_to_load_from_cache(checkpoint, "config.json"), str)
            rows.append((preset.name, "yes" if here else "no", checkpoint))
    for name, family in REFUSED.items():
        rows += [(name, "refused", checkpoint) for checkpoint in family.checkpoints]
    lines = [f"{name:<18} {status:<8} {checkpoint}" for name, status, checkpoint in rows]
    lines += [f"\n{it.name}: {in_words(it.readout)}.\n  {it.notes}" for it in PRESETS.values()]
    return lines + [f"\n{name}: refused, because {it.why}." for name, it in REFUSED.items()]


def _parameters(folder: Path) -> int:
    """Count the parameters, read from the safetensors headers alone."""
    check_weights(folder)
    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    if not count:
        raise ConfigError(f"{folder} holds no safetensors; give the folder of a saved reward model")
    return count
