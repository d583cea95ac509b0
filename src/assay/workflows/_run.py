"""The folder of a job's run, and the settings that `run.json` holds."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from assay.runs.run import Run
from assay.runs.settings import to_json
from assay.workflows._output import described

__all__ = ["recorded", "run_in"]

UNRECORDED: Final = frozenset({"out", "overwrite", "resume", "settings"})
"""Arguments that say where, and how often."""


def recorded(job: str, settings: object, given: Mapping[str, Any], **more: Any) -> object:
    """The settings given, such as a command's, or else the arguments of this call."""
    if settings is not None:
        return settings
    names = {name: value for name, value in {**given, **more}.items() if name not in UNRECORDED}
    return described(job, **{name: _value(value) for name, value in names.items()})


def _value(value: Any) -> Any:
    """Settings of a component by its fields; other values as they are."""
    whole = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return to_json(value) if whole else value


@contextmanager
def run_in(
    out: str | Path | None,
    settings: object,
    command: str,
    *,
    data: Iterable[Path] = (),
    inputs: Iterable[str | Path] = (),
    overwrite: bool = False,
) -> Iterator[Run | None]:
    """Open the folder of a run, locked while the job lasts; None where there is no folder."""
    if out is None:
        yield None
        return
    with Run.open(
        out, settings, command=command, data=data, inputs=inputs, overwrite=overwrite
    ) as run:
        yield run
