"""An index of runs: what is under a folder, with each run's result and a link to its page."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from assay.pages.headlines import job_of, result_of
from assay.report.html import Link, Paragraph, Section, Table
from assay.runs.run import state_of

__all__ = ["Listed", "index_report", "runs_under"]

TILE: Final = re.compile(
    r'<dl class="headline">\s*<div><dt>(?P<name>.*?)</dt>'
    r"<dd><strong>(?P<value>.*?)</strong>\s*<span>(?P<interval>.*?)</span>"
)
"""The first large number of a page."""
TITLE: Final = re.compile(r"<h1>(.*?)</h1>")

INTERVAL: Final = re.compile(r"(\[\S+), (\S+\])")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run, as an index lists it."""

    folder: Path
    kind: str
    """The command that made it."""
    started: str
    title: str = ""
    headline: str = ""
    """Its result, with its name and its interval: the first number of its page where nothing else
    is known to be; "" where there is none."""
    state: str = ""
    """finished, running or stopped."""
    page: Path | None = None

    @property
    def cells(self) -> list[str]:
        """What a table shows of it beside its name."""
        started = self.started[:16].replace("T", " ")
        return [self.kind, self.headline or "–", self.state, started or "–"]


def runs_under(folder: Path) -> list[Listed]:
    """Find the runs in a folder and below, by their `run.json`, the latest first.

    A `run.json` that cannot be read is left out.
    """
    runs = [run for path in sorted(folder.rglob("run.json")) if (run := _listed(path)) is not None]
    return sorted(runs, key=lambda run: run.started, reverse=True)


def index_report(runs: Sequence[Listed], folder: Path) -> list[Section]:
    """The section of an index page that stands in `folder`, with links relative to it."""
    if not runs:
        return [Section("Runs", [Paragraph("No run has been made here.")])]
    body = []
    for run in runs:
        name = run.folder.relative_to(folder).as_posix()
        where = quote(run.page.relative_to(folder).as_posix()) if run.page is not None else ""
        # An address relative to this page, whatever a folder's name begins with.
        cell = Link(name, f"./{where}") if where else name
        kind, result, state, started = run.cells
        # A narrow column breaks neither an interval nor a date; a terminal gets plain text.
        result = INTERVAL.sub("\\1,\N{NO-BREAK SPACE}\\2", result)
        body.append([cell, kind, result, state, started.replace("-", "\N{NON-BREAKING HYPHEN}")])
    head = ["run", "command", "result", "state", "started (UTC)"]
    return [
        Section("Runs", [Table(head, body, f"{len(runs):,} runs, the latest first", words=True)])
    ]


def _listed(path: Path) -> Listed | None:
    try:
        body = json.loads(path.read_text("utf-8"))
        kind = job_of(body)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    page = path.with_name("report.html")
    text = page.read_text("utf-8", errors="replace") if page.is_file() else ""
    tile, title = TILE.search(text), TITLE.search(text)
    first = f"{tile['name']}: {tile['value']} {tile['interval']}" if tile else ""
    return Listed(
        folder=path.parent,
        kind=kind,
        started=str(body.get("started") or ""),
        title=html.unescape(title[1]) if title else "",
        headline=result_of(path.parent, body) or html.unescape(first),
        state=state_of(path.parent, body),
        page=page if text else None,
    )
