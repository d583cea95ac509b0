"""A run's folder in training: one process opens it, or the leader of several."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from assay.runs.run import Run
from assay.runs.tracking import tracking
from assay.workflows._data import aside_in

if TYPE_CHECKING:
    from assay.training.parallel import World

__all__ = ["together"]


@contextmanager
def together(
    device: str,
    out: Path,
    body: object,
    set_aside: str | Path | bool | None,
    *,
    track: Sequence[str] = (),
    **opening: Any,
) -> Iterator[tuple["World", Run | None, Path | None]]:
    """The processes that train, the run (`Run.open`), which is None but for the leader, and the
    file for malformed rows, which others throw away.

    track: trackers that the leader's metrics go to.
    """
    from assay.training.parallel import joined

    with joined(device) as world, TemporaryDirectory() as elsewhere:
        if world.leader:
            with Run.open(out, body, **opening) as run, tracking(track, out, run.body["settings"]):
                yield world, run, aside_in(set_aside, out)
        else:
            yield world, None, aside_in(bool(set_aside), elsewhere)
