"""What a page is said to be about, in `llms.txt` and in a search engine."""

import re
from pathlib import Path

import pytest
from docs.summary import summary

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1. **One.** A list.\n2. Two.\n\nIt is prose. More.", "It is prose."),
        ("1) One.\n\n- a\n\n* b\n\n+ c\n\n*Assay* is a word. More.", "*Assay* is a word."),
        (
            "## Part\n\n| a |\n|---|\n\n> quoted\n\nSee [data](data.md), e.g. rows.",
            "See data, e.g. rows.",
        ),
        ("2026-11-23. One thread.\n\n**Does it\nwork?** It does. Now.", "Does it work? It does."),
        ("<!-- a\n\nb -->\n\n```sh\n\nrun it.\n```\n\nRun it:\n\n```\n", "Run it:"),
        ("- a\n\nNext: [x](x.md).", ""),
    ],
)
def test_the_first_sentence_of_prose(body: str, said: str) -> None:
    assert summary(f"# Title\n\n{body}\n") == said
    assert summary(f"---\ntags: x\n---\n# Title\n\n{body}\n") == said


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_every_page_says_what_it_is_about(page: Path) -> None:
    said = summary(page.read_text())
    assert len(re.findall(r"[A-Za-z]{2,}", said)) >= 3, said
    assert not re.match(r"\d+\.|\d{4}-", said)
