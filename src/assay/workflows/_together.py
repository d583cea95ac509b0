"""Several processes: a run's folder in training, which the leader opens, and a model in parts, of
which the leader asks."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar, cast

from assay.errors import ConfigError
from assay.protocols import Scorer
from assay.runs.run import Run
from assay.runs.tracking import tracking
from assay.workflows._data import aside_in

if TYPE_CHECKING:
    from assay.training.parallel import World

__all__ = ["Asking", "on_processes", "together"]

T = TypeVar("T")
Asking = Callable[[Scorer], AbstractContextManager[None]]


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


def on_processes(
    device: str,
    executor: str,
    made: Callable[[str], Scorer],
    work: Callable[[str, Asking], T],
    short: Callable[[T], T],
) -> T:
    """Return what work gives: with a model in parts on the processes that torchrun started, or
    alone.

    made: opens the scorer on a device, where one follows. work: is given the device, and opens
    around what it asks of a scorer what it is given besides. Only the leader does it; others are
    told its result, cut `short`. Raises `ConfigError` for what is no reward model.
    """
    if "LOCAL_RANK" not in os.environ:
        return work(device, lambda _: nullcontext())
    from assay.models import parts
    from assay.training.parallel import joined

    with joined(device) as world:
        if world.size == 1:
            return work(device, lambda _: nullcontext())
        if executor != "local":
            raise ConfigError(
                f"torchrun and --executor {executor} both start processes; leave out one"
            )
        if not world.leader:
            parts.follow(_backbone(made(parts.PARTS), world))
            told: list[T | None] = world.everybodys(None)
            return cast(T, told[0])
        result = work(parts.PARTS, lambda scorer: parts.leading(_backbone(scorer, world)))
        world.everybodys(short(result))
        return result


def _backbone(scorer: Scorer, world: "World") -> Any:
    """Return the backbone that processes run together."""
    from assay.models.implicit import ImplicitRewardModel
    from assay.models.reward_model import RewardModel

    model = getattr(scorer, "model", None)
    if isinstance(model, RewardModel) and not isinstance(model, ImplicitRewardModel):
        return model.backbone
    raise ConfigError(
        f"torchrun started {world.size} processes, which lay the matrices of one reward model in"
        f" parts, and this is a {type(scorer if model is None else model).__name__}; start it by"
        " itself"
    )
