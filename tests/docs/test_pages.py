"""The pages of the site, as files: links, headings, what comes next, and nothing from outside."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LOGGED = sorted((DOCS / "log").glob("2*.md"))
BESIDE = [ROOT / name for name in ("README.md", "LOG.md", "CHANGELOG.md", "CONTRIBUTING.md")]
FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OUT = re.compile(r"--out (\S+)")
MADE = {"changelog.md", "contributing.md"}
"""Pages that the build makes of files at the root."""


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and text of each heading."""
    found = re.findall(r"^(#{1,6}) (.+)$", prose(page), re.MULTILINE)
    return [(len(marks), text) for marks, text in found]


def anchors(page: Path) -> set[str]:
    """Anchors as the site and code hosts make them."""
    made = set()
    for _, text in headings(page):
        said = re.search(r"\{ #(\S+) \}", text)
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"\{ #\S+ \}", "", text)).strip().lower()
        made.add(said[1] if said else re.sub(r"[\s-]+", "-", plain))
    return made


def walked(nav: Any) -> Iterator[str]:
    """The pages that a navigation names."""
    for entry in nav if isinstance(nav, list) else nav.values():
        if isinstance(entry, str):
            yield entry
        else:
            yield from walked(entry)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "code", prose(page))):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        to = (page.parent / path).resolve() if path else page
        if str(to).removeprefix(f"{DOCS}/") in MADE:
            continue
        assert to.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(to), f"{page.name} links to {target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_has_one_title_and_skips_no_level(page: Path) -> None:
    levels = [level for level, _ in headings(page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_says_what_comes_next(page: Path) -> None:
    last = page.read_text().strip().split("\n\n")[-1]
    assert last.startswith("Next: ")
    assert LINK.search(last)


def test_how_tos_follow_each_other_in_one_folder() -> None:
    # Each is run after start alone, and a reader goes on from one to the next.
    pages = [*(DOCS / "how-to").glob("*.md"), DOCS / "start.md"]
    given = Counter(out for page in pages for out in set(OUT.findall(page.read_text())))
    assert given
    assert [out for out, times in given.items() if times > 1] == []


def test_every_page_is_in_the_navigation_once() -> None:
    """The log's own pages are in its index."""
    nav = sorted(walked(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    pages = {str(page.relative_to(DOCS)) for page in PAGES if page not in LOGGED} | MADE
    assert len(nav) == len(set(nav))
    assert pages == set(nav)


def test_nothing_comes_from_outside() -> None:
    assets = [path for path in (DOCS / "assets").rglob("*") if path.is_file()]
    sources = [*PAGES, *assets, ROOT / "mkdocs.yml"]
    for path in sources:
        text = path.read_text()
        assert not re.search(r"(src=|url\(|@import|import )['\"(]?https?:", text), path
        assert not re.search(r"!\[[^\]]*\]\(https?:", text), path
        # An image without words says nothing to who cannot see it.
        assert not re.search(r"!\[\]\(", text), path
    theme = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["theme"]
    assert theme["font"] is False
