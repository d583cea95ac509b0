"""What the jobs write beside their numbers: the settings of a call, and a page."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from assay.runs.settings import finite, to_json
from assay.stats import Estimate

__all__ = ["described", "estimate_json"]


_WHERE: Final = ("out", "settings", "overwrite")


def described(job: str, **arguments: Any) -> dict[str, Any]:
    """Return the arguments of a call from Python as settings for `run.json`.

    An object that JSON cannot hold is named by its type, an array by its shape. What says where to
    write is left out.
    """
    kept = {name: value for name, value in arguments.items() if name not in _WHERE}
    return {"job": job, **{name: _plain(value) for name, value in kept.items()}}


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as plain data, None for numbers that are not finite."""
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {**finite(ends), "n": estimate.n, "unscored": estimate.unscored}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)) and len(value) <= 64:
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (str, int, float, bool, Path)):
        return to_json(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(to_json(value))
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"array of {' x '.join(map(str, shape))}"
    return f"{type(value).__module__}.{type(value).__qualname__}"
