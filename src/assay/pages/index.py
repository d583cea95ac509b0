"""An index of runs: what is under a folder, with each run's first number and a link to its page."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from assay.report.html import Link, Paragraph, Section, Table

__all__ = ["Listed", "index_report", "runs_under"]

TILE: Final = re.compile(
    r'<dl class="headline">\s*<div><dt>(?P<name>.*?)</dt>'
    r"<dd><strong>(?P<value>.*?)</strong>\s*<span>(?P<interval>.*?)</span>"
)
"""The first large number of a page."""
TITLE: Final = re.compile(r"<h1>(.*?)</h1>")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run, as an index lists it."""

    folder: Path
    kind: str
    """The command that made it."""
    started: str
    title: str = ""
    headline: str = ""
    """The first number of its page, with its name and its interval; "" where the run has no page or
    the page no such number."""
    page: Path | None = None


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
        body.append(
            [cell, run.kind, run.headline or "–", run.started[:16].replace("T", " ") or "–"]
        )
    head = ["run", "command", "headline", "started (UTC)"]
    return [
        Section("Runs", [Table(head, body, f"{len(runs):,} runs, the latest first", words=True)])
    ]


def _listed(path: Path) -> Listed | None:
    try:
        body = json.loads(path.read_text("utf-8"))
        settings = body["settings"]
        component = str(settings.get("component", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    command = [word for word in body.get("command") or () if isinstance(word, str)]
    # `search beam prompts.jsonl`: words that name a command come before what is data or an option.
    words = [word for word in command[:2] if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
    # A run from Python has no command line; it says its job.
    kind = " ".join(words) or str(body.get("run") or component.rpartition("/")[2])
    page = path.with_name("report.html")
    text = page.read_text("utf-8", errors="replace") if page.is_file() else ""
    tile, title = TILE.search(text), TITLE.search(text)
    headline = f"{tile['name']}: {tile['value']} {tile['interval']}" if tile else ""
    return Listed(
        folder=path.parent,
        kind=kind,
        started=str(body.get("started") or ""),
        title=html.unescape(title[1]) if title else "",
        headline=html.unescape(headline),
        page=page if text else None,
    )
