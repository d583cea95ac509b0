"""`assay runs FOLDER`: the runs under a folder, the latest first, and a page of links."""

import dataclasses
from pathlib import Path

from tyro.conf import Positional

from assay.errors import DataError
from assay.report.html import write_report

__all__ = ["Command"]


@dataclasses.dataclass(frozen=True)
class Command:
    """List the runs under a folder, and write an index page there."""

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
