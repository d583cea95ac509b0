"""What the jobs write beside their numbers: the settings of a call, and a page."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from assay.errors import MissingExtra
from assay.report.html import Section
from assay.runs.settings import finite, to_json, write_run
from assay.stats import Estimate

__all__ = ["described", "estimate_json", "write_page"]


_WHERE: Final = ("out", "settings", "overwrite")


def described(job: str, **arguments: Any) -> dict[str, Any]:
    """Return the arguments of a call from Python as settings for `run.json`.

    An object that JSON cannot hold is named by its type, an array by its shape. What says where to
    write is left out.
    """
    kept = {name: value for name, value in arguments.items() if name not in _WHERE}
    return {"job": job, **{name: _plain(value) for name, value in kept.items()}}


def write_page(
    out: Path,
    title: str,
    sections: Callable[[Mapping[str, Any]], Sequence[Section]],
    *,
    settings: Any,
    data: Iterable[Path],
    subtitle: str = "",
    **more: Any,
) -> list[Path]:
    """Write `run.json` and `report.html`; return the files.

    sections: of the page, from the body of `run.json`. more: goes into `run.json`. Numbers are
    never lost for want of what draws them: a missing extra is a note on standard error.
    """
    from assay.report import write_report

    run = write_run(out, settings, data, **more)
    page = out / "report.html"
    try:
        write_report(page, title, sections(json.loads(run.read_text())), subtitle=subtitle)
    except MissingExtra as error:
        print(f"no report.html: {error}", file=sys.stderr)
        return [run]
    return [page, run]


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
