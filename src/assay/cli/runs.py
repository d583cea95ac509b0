"""`assay runs FOLDER`: the runs under a folder, the latest first, and a page of links; `assay runs
track RUN` sends a run's metrics to a tracker."""

import dataclasses
from pathlib import Path
from typing import Any, Final

from tyro.conf import Positional

from assay.errors import DataError
from assay.report.html import write_report

__all__ = ["COMMANDS", "Command"]


@dataclasses.dataclass(frozen=True)
class Command:
    """List the runs under a folder, and write an index page there.

    Beside it: `assay runs track RUN --to wandb` sends the metrics of a run to a tracker.
    """

    folder: Positional[Path] = Path("runs")
    """Folder with runs in it or below."""
    page: bool = True
    """Page `index.html` in the folder."""

    def __call__(self) -> None:
        """Print the table and write the page."""
        from rich.markup import escape
        from rich.table import Table

        from assay.console.tables import show
        from assay.pages.index import index_report, runs_under

        if not self.folder.is_dir():
            raise DataError(f"{self.folder} is not a folder; give one that holds runs")
        runs = runs_under(self.folder)
        table = Table("run", "command", "result", "state", "started", box=None, padding=(0, 1))
        table.caption = None if runs else "no run has been made here"
        for run in runs:
            name = run.folder.relative_to(self.folder).as_posix()
            table.add_row(escape(name), *map(escape, run.cells))
        show(table)
        if self.page:
            target = self.folder / "index.html"
            write_report(target, f"Runs in {self.folder.name}", index_report(runs, self.folder))
            print(f"wrote {target}")


@dataclasses.dataclass(frozen=True)
class RunsTrack:
    """Send a run's metrics.jsonl to trackers: the rows that they did not get yet."""

    run: Positional[Path]
    """Folder of a run of train, sft or rl."""
    to: tuple[str, ...]
    """Trackers: wandb, mlflow, tensorboard, trackio, each with :PROJECT behind it where it is not
    assay."""

    def __call__(self) -> None:
        """Send, and say how many rows there are."""
        from assay.runs.metrics import METRICS
        from assay.runs.settings import read_body
        from assay.runs.tracking import track

        if not (self.run / METRICS).is_file():
            raise DataError(f"{self.run} holds no {METRICS}; give the folder of a training run")
        count = track(self.to, self.run, read_body(self.run / "run.json")["settings"])
        print(f"{', '.join(self.to)}: {count} rows of {self.run / METRICS}")


COMMANDS: Final[dict[str, Any]] = {"track": RunsTrack}
