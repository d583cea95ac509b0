"""Mirror a run's `metrics.jsonl` to experiment trackers, while it is written.

The file stays the truth. A thread follows it and sends every row once, also of a run that is
resumed: resuming repeats rows as they were, so how many were sent is all there is to remember. What
a tracker cannot do is said once, and stops no run.
"""

import json
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from assay.errors import ConfigError, MissingExtra
from assay.files import write_atomic
from assay.runs.metrics import METRICS

__all__ = ["TRACKERS", "TRACKING", "scalars", "track", "tracking"]

TRACKING: Final = "tracking.json"
"""What was sent where: in the run's folder."""
EVERY: Final = 2.0
"""Seconds between two looks at the file."""
PARTS: Final = ("low", "high", "n", "unscored")
"""What an estimate has besides its value (`stats.Estimate.to_json`)."""
LONGEST: Final = 500
"""Characters that MLflow takes of a parameter."""

Send = Callable[[Mapping[str, float], int], None]


def scalars(row: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Flatten a row: `eval/accuracy` of {"eval": {"accuracy": ...}}.

    An estimate gives its value and, by their names behind it, its interval's ends, n and the count
    of unscored items. Texts, and what is not finite, are left out.
    """
    found: dict[str, float] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= scalars(value, f"{name}/")
        elif isinstance(value, list) and len(value) == 1 + len(PARTS):
            found |= scalars({name: value[0]})
            found |= scalars(dict(zip(PARTS, value[1:], strict=True)), f"{name}.")
        elif isinstance(value, (int, float)) and math.isfinite(value):
            found[name] = float(value)
    return found


@contextmanager
def tracking(words: Sequence[str], out: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Follow a run's metrics for as long as it goes on, and send the rest when it ends.

    words: trackers, each a name of `TRACKERS`, or NAME:PROJECT. settings: what is logged as the
    run's configuration. Raises `ConfigError` for an unknown word, `MissingExtra` for a tracker that
    is not installed.
    """
    if not words:
        yield
        return
    done = threading.Event()
    with ExitStack() as stack:
        mirrors = [stack.enter_context(_mirror(word, out, settings)) for word in words]

        def follow() -> None:
            while not done.wait(EVERY):
                for mirror in mirrors:
                    mirror()

        thread = threading.Thread(target=follow, name="tracking", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            for mirror in mirrors:
                mirror()


def track(words: Sequence[str], out: Path, settings: Mapping[str, Any]) -> int:
    """Send what a run's metrics hold and was not sent yet; return the number of its rows."""
    with tracking(words, out, settings):
        return len(_lines(out / METRICS))


@contextmanager
def _mirror(word: str, out: Path, settings: Mapping[str, Any]) -> Iterator[Callable[[], None]]:
    """A function that sends the rows that came since it was called last."""
    name, _, project = word.partition(":")
    if name not in TRACKERS:
        raise ConfigError(f"no tracker is called {name!r}; there is {', '.join(TRACKERS)}")
    kept = _kept(out)
    start = kept.get(word, {"rows": 0, "id": None})
    open_tracker = TRACKERS[name]
    try:
        opened = open_tracker(project or "assay", out, settings, start["id"])
        with opened as (id, send):
            rows, broken = int(start["rows"]), False

            def mirror() -> None:
                nonlocal rows, broken
                if broken:
                    return
                before = rows
                try:
                    try:
                        for line in _lines(out / METRICS)[rows:]:
                            row = json.loads(line)
                            values = scalars({k: v for k, v in row.items() if k != "step"})
                            if values:
                                send(values, int(row.get("step", 0)))
                            rows += 1
                    finally:
                        # Also of a tracker that fails now: what it has is not sent again.
                        if rows > before:
                            body = {**_kept(out), word: {"rows": rows, "id": id}}
                            write_atomic(out / TRACKING, json.dumps(body, indent=2) + "\n")
                except Exception as error:  # noqa: BLE001 - a stranger's library: the run goes on
                    broken = True
                    print(f"note: {word} gets no more rows: {error}", file=sys.stderr)

            yield mirror
    except ImportError as error:
        raise MissingExtra(f"--track {name}", "track") from error


def _kept(out: Path) -> dict[str, Any]:
    path = out / TRACKING
    body: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return body


def _lines(path: Path) -> list[bytes]:
    """Whole rows: what is being written has no end of line yet."""
    if not path.is_file():
        return []
    return path.read_bytes().split(b"\n")[:-1]


Opened = tuple[str | None, Send]
"""The run's id there, by which it is found again, and what sends."""


@contextmanager
def _wandb(
    project: str, out: Path, settings: Mapping[str, Any], id: str | None
) -> Iterator[Opened]:
    import wandb

    run = wandb.init(
        project=project, name=out.name, dir=out, config=dict(settings), id=id, resume="allow"
    )
    try:
        yield run.id, lambda values, step: run.log(dict(values), step=step)
    finally:
        run.finish()


@contextmanager
def _mlflow(
    project: str, out: Path, settings: Mapping[str, Any], id: str | None
) -> Iterator[Opened]:
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    if id is None:
        there = client.get_experiment_by_name(project)
        experiment = there.experiment_id if there else client.create_experiment(project)
        id = client.create_run(experiment, run_name=out.name).info.run_id
        params = [Param(k, str(v)[:LONGEST]) for k, v in settings.items()]
        client.log_batch(id, params=params)

    def send(values: Mapping[str, float], step: int) -> None:
        metrics = [Metric(name, value, 0, step) for name, value in values.items()]
        client.log_batch(id, metrics=metrics)

    try:
        yield id, send
    finally:
        client.set_terminated(id)


@contextmanager
def _tensorboard(
    project: str, out: Path, settings: Mapping[str, Any], id: str | None
) -> Iterator[Opened]:
    from tensorboard.summary import Writer

    folder = out / "tensorboard"
    os.makedirs(folder, exist_ok=True)
    writer = Writer(str(folder))

    def send(values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    try:
        yield None, send
    finally:
        writer.close()


@contextmanager
def _trackio(
    project: str, out: Path, settings: Mapping[str, Any], id: str | None
) -> Iterator[Opened]:
    import trackio

    run = trackio.init(
        project=project, name=id or out.name, config=dict(settings), resume="allow", embed=False
    )
    try:
        yield run.name, lambda values, step: run.log(dict(values), step=step)
    finally:
        run.finish()


TRACKERS: Final[Mapping[str, Callable[..., Any]]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
    "trackio": _trackio,
}
