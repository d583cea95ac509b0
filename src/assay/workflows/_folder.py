"""The folder that a job writes into, where one is given."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.runs.run import Run

__all__ = ["opened", "write_into"]


@contextmanager
def opened(
    out: str | Path | None,
    settings: Any,
    command: str,
    *,
    data: Iterable[Path] = (),
    inputs: Iterable[str | Path] = (),
    overwrite: bool = False,
) -> Iterator[Run | None]:
    """Open the folder of a run for as long as the work takes; None where there is none.

    The arguments are those of `Run.open`.
    """
    if out is None:
        yield None
        return
    with Run.open(
        out, settings, command=command, data=data, inputs=inputs, overwrite=overwrite
    ) as run:
        yield run


def write_into(
    out: str | Path,
    write: Callable[[Run], object],
    settings: Any,
    command: str,
    *,
    data: Iterable[Path] = (),
) -> list[Path]:
    """Write a result into a folder; return its files."""
    with Run.open(out, settings, command=command, data=data) as run:
        write(run)
        names = [*run.body["files"], "run.json"]
    return [run.folder / name for name in names]
