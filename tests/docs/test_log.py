"""The log of experiments is whole, and what other pages take from it is what it says."""

import re
from pathlib import Path

import pytest

from docs import log_tables, marked
from tests.docs.test_pages import DOCS, LOGGED, PAGES, ROOT, prose
from tests.docs.test_truth import plain

LOG = DOCS / "log"
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
HAND = """# A page

| what | n | figure | note |
|---|---|---|---|
| a | 1 | **.50 [-.40, 1,000]** | x |
| | 2 | 3 (4) | |
| b | 1 | no | y |

Legend: none.
"""


def paragraphs(page: Path) -> list[str]:
    return page.read_text().strip().split("\n\n")


def test_there_is_a_log() -> None:
    assert len(LOGGED) > 70
    assert {page.name for page in LOG.glob("*.md")} == {"index.md", *(p.name for p in LOGGED)}


@pytest.mark.parametrize("page", LOGGED, ids=lambda page: page.stem)
def test_a_page_of_the_log_has_what_each_must_have(page: Path) -> None:
    title, first, answer, rerun, *rest = paragraphs(page)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-[a-z0-9-]+", page.stem)
    assert title.startswith("# ")
    assert first.startswith(f"{page.stem[:10]}. ")
    assert answer.startswith("**")
    assert rerun.startswith("Rerun:")
    assert rest[0].startswith("```\n") or "no command" in rerun
    assert rest[-1].startswith("Next: [the log by question](index.md), ")


@pytest.mark.parametrize("page", LOGGED, ids=lambda page: page.stem)
def test_the_answer_is_what_the_page_says(page: Path) -> None:
    _, _, answer, *rest = paragraphs(page)
    assert not plain(answer) - plain("\n".join(rest))


@pytest.mark.parametrize("page", LOGGED, ids=lambda page: page.stem)
def test_what_reruns_an_experiment_is_there(page: Path) -> None:
    text = page.read_text()
    for module in re.findall(r"^python -m ([\w.]+)", text, re.MULTILINE):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module
    for script in re.findall(r"^(?:python )?((?:bench|experiments)/[\w.]+)", text, re.MULTILINE):
        assert (ROOT / script).exists(), script
    for line in re.findall(r"`pytest ([^`]+)`", text):
        assert all((ROOT / path).exists() for path in line.split() if "/" in path), line


@pytest.mark.parametrize("page", [*LOGGED, LOG / "index.md"], ids=lambda page: page.stem)
def test_no_line_of_the_log_is_wider_than_a_screen(page: Path) -> None:
    wide = [line for line in page.read_text().splitlines() if len(line) > 100]
    assert not wide


@pytest.mark.parametrize("page", LOGGED, ids=lambda page: page.stem)
def test_every_table_has_its_legend(page: Path) -> None:
    text = prose(page)
    for found in TABLE.finditer(text):
        assert text[found.end() :].startswith("\nLegend: "), found[0].split("\n")[0]
        widths = {line.count("|") for line in found[0].splitlines()}
        assert len(widths) == 1, found[0]


def test_the_index_has_every_page_by_its_question_and_by_its_date() -> None:
    by_question, by_date = (LOG / "index.md").read_text().split("\n## By date, newest first\n")
    for page in LOGGED:
        question, _ = log_tables.asked(page)
        said = " ".join(by_question.split())
        assert said.count(f"]({page.name})") == 1, f"{page.name} is not under a subject"
        assert f"**{question}**" in said
        assert by_date.count(f"]({page.name})") == 1
    dates = re.findall(r"^(\d{4}-\d\d-\d\d):$", by_date, re.MULTILINE)
    assert dates == sorted(dates, reverse=True)


def test_what_pages_take_from_the_log_is_what_it_says() -> None:
    due = marked.filled()
    assert {DOCS / "field-guide.md", DOCS / "speed.md", LOG / "index.md"} <= set(due)
    stale = [page.name for page, text in due.items() if page.read_text() != text]
    assert not stale, f"run `python docs/generate.py`: {', '.join(stale)}"
    for page in PAGES:
        text = prose(page)
        begun = text.count("<!-- from ") + text.count("<!-- answers: ") + text.count("<!-- pages ")
        assert begun == text.count("<!-- end -->") == len(marked.MARKED.findall(text)), page


def test_figures_are_drawn_from_the_log() -> None:
    pytest.importorskip("matplotlib")
    from docs import plots

    due = plots.drawn()
    assert due == plots.drawn()
    assert set(due) == set(plots.FOLDER.glob("*.svg"))
    stale = [path.name for path, text in due.items() if path.read_text() != text]
    assert not stale, f"run `python docs/generate.py`: {', '.join(stale)}"
    shown = "\n".join(page.read_text() for page in PAGES)
    for path, text in due.items():
        assert re.search(rf"!\[[^\]]{{40,}}\]\([./]*assets/figures/{path.name}\)", shown), path
        assert "prefers-color-scheme:dark" in text
        assert not re.search(r"(?:href|src)=\"(?!#)|url\((?!#)|<script", text)


@pytest.fixture
def hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one page that a table was written into by hand."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log/a.md").write_text(HAND)
    monkeypatch.setattr(log_tables, "DOCS", tmp_path)
    monkeypatch.setattr(marked, "DOCS", tmp_path)
    return tmp_path


def test_cells_of_a_table_read_by_hand(hand: Path) -> None:
    table = log_tables.table("log/a.md", 1)
    assert list(table.rows) == ["a / 1", "a / 2", "b / 1"]
    assert table.cell("a / 2", "figure") == "3 (4)"
    assert table.value("a / 1", "figure") == (0.5, -0.4, 1000)
    assert table.value("a / 2", "figure")[0] == 3
    with pytest.raises(LookupError, match="'no' begins with no number"):
        table.value("b / 1", "figure")


def test_a_block_is_filled_and_a_stale_one_is_another(hand: Path) -> None:
    begin = "<!-- from log/a.md, table 1: rows b / 1 as B | a / 2; columns figure as F; named N -->"
    inline = "<!-- from log/a.md, table 1: row a / 1; column figure -->9<!-- end --> times"
    (hand / "page.md").write_text(f"{begin}\n\n| old |\n\n<!-- end -->\n{inline}\n")
    table = "| N | F |\n|---|---|\n| B | no |\n| a / 2 | 3 (4) |"
    line = inline.replace("-->9<", "-->.50 [-.40, 1,000]<")
    assert marked.filled() == {hand / "page.md": f"{begin}\n\n{table}\n\n<!-- end -->\n{line}\n"}


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("log/b.md, table 1: rows all; columns all", "no page log/b.md"),
        ("log/a.md, table 2: rows all; columns all", "has 1 tables, and no table 2"),
        ("log/a.md, table 1: rows c / 1; columns all", "no row 'c / 1'; it has a / 1, "),
        ("log/a.md, table 1: rows all; columns x", "no column 'x'; it has what, n, figure"),
        ("log/a.md, table 1: row a / 1; column x", "no column 'x'"),
    ],
)
def test_what_the_log_does_not_have_is_named(hand: Path, source: str, wrong: str) -> None:
    (hand / "page.md").write_text(f"<!-- from {source} -->\n\n<!-- end -->\n")
    with pytest.raises(LookupError, match=f"page.md: .*{re.escape(wrong)}"):
        marked.filled()
