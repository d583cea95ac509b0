"""Fill what pages take from the log: everything between a marker and `<!-- end -->`.

A table (rows and columns as the log names them, or `all`; `as` gives another name):

    <!-- from log/PAGE.md, table 2: rows 0 / process as process model | 0 / outcome; columns all -->

A cell, within a line: `<!-- from log/PAGE.md, table 1: row fp32; column times -->`. In the log's
index: `<!-- answers: PAGE | PAGE -->` and `<!-- pages by date -->`. All are invisible on the site.
"""

import itertools
import re
import textwrap
from pathlib import Path
from typing import Final

from docs.log_tables import DOCS, LOG, asked, table, titled

MARKED: Final = re.compile(
    r"(<!-- (?:from (?P<page>\S+\.md), table (?P<table>\d+): (?P<what>[^>]*?)"
    r"|answers: (?P<answers>[^>]*?)|(?P<dates>pages by date)) -->).*?(<!-- end -->)",
    re.DOTALL,
)
WIDTH: Final = 100


def filled() -> dict[Path, str]:
    """Return the text that is due for every page with a marker.

    Raises `LookupError` with the page's name where the log has no such table, row or column.
    """
    due = {}
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        if MARKED.search(text):
            try:
                due[page] = MARKED.sub(_filling, text)
            except LookupError as error:
                raise LookupError(f"{page.relative_to(DOCS)}: {error.args[0]}") from None
    return due


def _filling(mark: re.Match[str]) -> str:
    begin, end = mark[1], mark[mark.lastindex or 0]
    if mark["answers"]:
        return f"{begin}\n\n{_answers(mark['answers'])}\n\n{end}"
    if mark["dates"]:
        return f"{begin}\n\n{_dates()}\n\n{end}"
    source = table(mark["page"], int(mark["table"]))
    what = dict(part.strip().split(" ", 1) for part in " ".join(mark["what"].split()).split("; "))
    if "row" in what:
        return f"{begin}{source.cell(what['row'], what['column']).replace('*', '')}{end}"
    rows = _renamed(what["rows"], list(source.rows))
    columns = _renamed(what["columns"], list(source.columns[source.width :]))
    head = what.get("named", ", ".join(source.columns[: source.width]))
    lines = [[head, *(new for _, new in columns)]]
    lines += [[new, *(source.cell(row, column) for column, _ in columns)] for row, new in rows]
    first, *rest = (f"| {' | '.join(line)} |" for line in lines)
    said = "\n".join([first, "|---" * len(lines[0]) + "|", *rest])
    return f"{begin}\n\n{said}\n\n{end}"


def _renamed(names: str, every: list[str]) -> list[tuple[str, str]]:
    """Pairs of a name in the log and the one to show."""
    if names == "all":
        return [(name, name) for name in every]
    parts = [name.strip().partition(" as ") for name in names.split("|")]
    return [(old, new or old) for old, _, new in parts]


def _answers(names: str) -> str:
    items = []
    for name in names.split("|"):
        page = LOG / f"{name.strip()}.md"
        if not page.exists():
            raise LookupError(f"there is no page log/{page.name}")
        question, answer = asked(page)
        items.append(_item(f"**{question}** {answer} [{page.name[:10]}]({page.name})"))
    return "\n".join(items)


def _dates() -> str:
    pages = sorted(LOG.glob("2*.md"), key=lambda page: page.name, reverse=True)
    groups = itertools.groupby(pages, key=lambda page: page.name[:10])
    parts = [
        "\n".join([f"{date}:\n", *(_item(f"[{titled(one)}]({one.name})") for one in group)])
        for date, group in groups
    ]
    return "\n\n".join(parts)


def _item(text: str) -> str:
    """An item of a list; intervals are not broken."""
    whole = re.sub(r"\[[-+.\d][^\]]*\]", lambda match: match[0].replace(" ", "\0"), text)
    wrap = textwrap.TextWrapper(
        width=WIDTH - 2, break_long_words=False, break_on_hyphens=False, subsequent_indent="  "
    )
    return "- " + "\n".join(wrap.wrap(whole)).replace("\0", " ")
