"""A run's folder: who writes into it, and what it holds.

`Run.open` locks the folder, refuses one that holds other finished work, and keeps `run.json`:
settings, versions, the hash of each data file, and when the run began and ended. What is written
through it is listed there, so that `overwrite` replaces that and nothing else.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from assay.errors import ConfigError, MissingExtra
from assay.files import write_atomic
from assay.runs.journal import Journal
from assay.runs.metrics import METRICS, metrics_file, read_rows
from assay.runs.outputs import OUTPUTS, SUMMARIES, check_folder, kinds_of
from assay.runs.settings import (
    changed_data,
    differences,
    dumps,
    read_body,
    read_run,
    run_body,
)

if TYPE_CHECKING:
    from assay.report.html import Section

__all__ = ["Run", "state_of"]

T = TypeVar("T")
RUN: Final = "run.json"
PAGE: Final = "report.html"
MODEL: Final = ("config.json", "reward_model.json")
ADVICE: Final = "give another folder, or --overwrite"


class Run:
    """An open folder. Use it as a context: leaving it marks the run as finished, or, after an
    error, leaves it unfinished.

    body: what `run.json` holds.
    """

    def __init__(self, folder: Path, body: dict[str, Any], lock: int, *, fresh: bool) -> None:
        self.folder = folder
        self.body = body
        self._lock = lock
        self._fresh = fresh
        """Whether the folder held no run before."""

    @classmethod
    def open(
        cls,
        out: str | Path,
        settings: object,
        *,
        command: str | None = None,
        data: Iterable[str | Path] = (),
        inputs: Iterable[str | Path] = (),
        restart: bool = False,
        overwrite: bool = False,
    ) -> Self:
        """Lock a folder for a run and write its `run.json`.

        settings: a dataclass, or a mapping of plain values, then with the command's name. data:
        files whose hashes are kept; names that are no files are passed over. inputs: what else is
        read, such as the model to start from. restart: replace what a run of the same command left.
        overwrite: replace also the finished work of another command; files that no run wrote stay.

        The same settings over the same data resume, or repeat, what is there. Raises `ConfigError`
        where another process has the folder, where it holds other finished work or files that would
        be replaced, and where it holds one of the inputs.
        """
        folder, files = Path(out), list(map(Path, data))
        check_folder(folder)
        body = run_body(settings, files, command)
        kind = body["run"]
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
        try:
            _check_inputs(folder, kind, [*files, *map(Path, inputs)])
            there = read_body(folder / RUN) if (folder / RUN).is_file() else None
            if restart and not overwrite:
                _check_kind(folder, kind, there)
            if restart or overwrite:
                _clear(folder, kind, there)
                there = None
            else:
                _check(folder, kind, body, there)
            if there is None:
                write_atomic(folder / RUN, dumps(body, indent=2) + "\n")
            else:
                body["files"] = list(there.get("files", []))
                for note in changed_data(there):
                    print(f"note: {note}", file=sys.stderr)
        except BaseException:
            os.close(lock)
            if made:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(folder, body, lock, fresh=there is None)

    def settings(self, cls: type[T]) -> T:
        """The settings that the folder's run was started with."""
        return read_run(self.folder, cls)

    def path(self, name: str) -> Path:
        """Where a file of the run stands; it is listed among the run's files from now on."""
        if name not in self.body["files"]:
            self.body["files"].append(name)
        return self.folder / name

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row to `metrics.jsonl`."""
        path = self.path(METRICS)
        size = path.stat().st_size if path.exists() else 0
        with metrics_file(path, size) as write:
            write(row)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`; none where there is no such file."""
        path = self.folder / METRICS
        return read_rows(path) if path.exists() else []

    def save(self, name: str, value: Any) -> Path:
        """Write a file whole: a text or bytes as they are, rows of a `.jsonl` a line each, other
        data as JSON."""
        path = self.path(name)
        if isinstance(value, (str, bytes)):
            text = value
        elif name.endswith(".jsonl"):
            text = "".join(f"{dumps(row)}\n" for row in value)
        else:
            text = dumps(value, indent=2) + "\n"
        write_atomic(path, text)
        return path

    def journal(self, name: str, take: Callable[[dict[str, Any]], None]) -> Journal:
        """Open a file of paid work, which `overwrite` keeps: its lines say what they are of."""
        return Journal(self.folder / name, take)

    def note(self, **more: Any) -> None:
        """Add to what `run.json` holds, such as results."""
        self.body.update(more)

    def page(
        self,
        title: str,
        sections: "Sequence[Section] | Callable[[], Sequence[Section]]",
        *,
        subtitle: str = "",
        name: str = PAGE,
    ) -> bool:
        """Write the run's page; whether it could be.

        sections: also a function that makes them, for drawing needs the same packages as writing.
        The work is done by then, so an absent package is a note and no error.
        """
        from assay.report.html import write_report

        try:
            made = sections() if callable(sections) else sections
            write_report(self.folder / name, title, made, subtitle=subtitle)
        except MissingExtra as error:
            print(f"no {name}: {error}", file=sys.stderr)
            return False
        self.path(name)
        return True

    def written(self) -> str:
        """The files of the run, for a command's last line."""
        names = [str(self.folder / name) for name in (*self.body["files"], RUN)]
        return "wrote " + " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)

    def finish(self) -> None:
        """Mark the run as finished, with the settings and data of this time."""
        self.body["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_atomic(self.folder / RUN, dumps(self.body, indent=2) + "\n")

    def close(self) -> None:
        """Let others write into the folder."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish()
            elif self._fresh and {path.name for path in self.folder.iterdir()} <= {RUN}:
                # A run that failed before it wrote anything leaves no trace.
                (self.folder / RUN).unlink(missing_ok=True)
                self.folder.rmdir()
        finally:
            self.close()


def _locked(folder: Path) -> int:
    """A descriptor of the folder that locks it; the system releases it when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(
            f"{folder} is being written by another process; wait for it, or give another folder"
        ) from None
    except OSError as error:
        # Some network file systems lock no folders.
        print(f"note: {folder} cannot be locked ({error.strerror})", file=sys.stderr)
    return descriptor


def _check_inputs(folder: Path, kind: str, inputs: Iterable[Path]) -> None:
    """Refuse a folder that is read itself, or holds what is read where it would be replaced."""
    place = folder.resolve()
    for path in inputs:
        try:
            inside = path.exists() and path.resolve().is_relative_to(place)
        except OSError:
            # Names of a hub may be no paths at all.
            continue
        if not inside:
            continue
        parts = path.resolve().relative_to(place).parts
        if not parts or parts[0] in OUTPUTS.get(kind, ()):
            raise ConfigError(
                f"{folder} holds {path}, which is read and would be replaced; give another folder"
            )


def _check(
    folder: Path, kind: str, body: Mapping[str, Any], there: Mapping[str, Any] | None
) -> None:
    """Refuse the finished work of another command or of other settings, and files of no run."""
    _check_kind(folder, kind, there)
    if there is None or not finished(folder, there):
        return
    if different := differences(there, body):
        raise ConfigError(
            f"{folder} holds a finished run of {kind.replace('_', '-')} that differs in"
            f" {', '.join(different)}; {ADVICE}"
        )


def _check_kind(folder: Path, kind: str, there: Mapping[str, Any] | None) -> None:
    """Refuse a run of another command, and files of no run that would be replaced."""
    if others := sorted(kinds_of(folder) - {kind}):
        raise ConfigError(
            f"{folder} holds a run of {others[0]}, whose files would be replaced; {ADVICE}"
        )
    if there is None and not kinds_of(folder):
        if any((folder / name).is_file() for name in MODEL):
            raise ConfigError(f"{folder} is a model's folder; give another one for the run")
        held = [name for name in OUTPUTS.get(kind, ()) if os.path.lexists(folder / name)]
        if held:
            raise ConfigError(
                f"{folder} holds no run of {kind}, and {held[0]} in it would be replaced; give"
                " another folder"
            )


def finished(folder: Path, body: Mapping[str, Any]) -> bool:
    """Whether the run that a `run.json` is of came to its end.

    Runs of before `finished` was kept: trainings wrote their summary last, others `run.json`.
    """
    if "finished" in body:
        return body["finished"] is not None
    summaries = [name for name, kind in SUMMARIES.items() if kind in kinds_of(folder)]
    return all((folder / name).is_file() for name in summaries)


def state_of(folder: Path, body: Mapping[str, Any]) -> str:
    """Return whether a run is finished, is running, or was stopped before its end."""
    if finished(folder, body):
        return "finished"
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return "stopped"
    try:
        # Who writes into it holds the lock alone.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return "running"
    finally:
        os.close(descriptor)
    return "stopped"


def _clear(folder: Path, kind: str, there: Mapping[str, Any] | None) -> None:
    """Remove what runs wrote; files that no run wrote are not replaced."""
    kinds = kinds_of(folder)
    if not kinds:
        return _check_kind(folder, kind, None)
    names = set(chain.from_iterable(OUTPUTS.get(one, ()) for one in kinds))
    for name in names | {RUN, *(there or {}).get("files", [])}:
        path = folder / name
        if Path(name).name != name:
            # Whatever a file says, only what stands in the folder itself goes.
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
