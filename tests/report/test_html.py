import builtins
import math
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from assay.errors import MissingExtra
from assay.pages import curves as plots
from assay.report import html
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Estimates,
    Figure,
    Figures,
    Fold,
    Fork,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Step,
    Table,
    Text,
    Tree,
    page,
    write_report,
)
from assay.stats import Estimate
from tests.report.cases import BASELINES, CURVES, estimate

VOID = {"meta", "link", "br", "img", "input", "hr", "col"}
NASTY = "<script>alert(1)</script> {{ 7*7 }} {% raw %} ${x} & \"'"


class Document(HTMLParser):
    """Tags in order, attributes, ids and the text of each element; fails on a tag that is closed
    out of turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.said: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.said.append((self.stack[-1], data.strip()))

    def of(self, tag: str) -> list[str]:
        return [text for where, text in self.said if where == tag]

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


@cache
def svgs(text: str) -> tuple[str, str]:
    curves, baselines = {text: CURVES["outcome"]}, {text + " ": BASELINES["majority"]}
    return plots.best_of_n(curves, baselines), plots.score_histogram([0.0], [1.0], (text, "other"))


def everything(text: str) -> list[Section]:
    """Every kind of block, saying `text` wherever text can be."""
    large, small = svgs(text)
    blocks: list[Block] = [
        Paragraph(text),
        Bullets([text]),
        Text(text),
        KeyValues({text: text, "nested": {text: [text]}}),
        Estimates({text: estimate(0.5)}, caption=text, muted=[text]),
        Headline({text: estimate(0.5)}),
        Table([text, text], [[text, text]], text),
        Figure(large, text),
        Figures([Figure(small, text)]),
        Details(text, [Paragraph(text)]),
        Tree(
            text,
            [text],
            [
                Fork(
                    Step(text, 0.5, [text]),
                    text,
                    text,
                    True,
                    [Fold(text, [[Fork(Step(text, None))]])],
                )
            ],
        ),
    ]
    return [Section(text, blocks), Section("Second", [Paragraph("more")])]


def test_a_page_is_one_whole_document() -> None:
    text = page("A title", everything("x"), subtitle="Below", footer="Foot")
    assert text.startswith("<!doctype html>\n<html lang=")
    document = Document(text)
    for tag in ("h1", "header", "main", "footer", "nav"):
        assert document.tags.count(tag) == 1
    assert document.of("h1") == document.of("title")[:1] == ["A title"]
    assert document.of("h2") == ["x", "Second"]
    assert ("meta", "charset", "utf-8") in document.attributes
    assert "width=device-width, initial-scale=1" in document.values("content")


def test_navigation_leads_to_every_section_and_ids_are_unique() -> None:
    sections = [Section("Same name", []), Section("Same name", []), Section("→ ?", [])]
    document = Document(page("t", [*sections, Section("x", []), Section("Second", [])]))
    ids = document.values("id")
    assert len(ids) == len(set(ids))
    targets = [value for tag, name, value in document.attributes if (tag, name) == ("a", "href")]
    assert targets == ["#1-same-name", "#2-same-name", "#3-section", "#4-x", "#5-second"]
    assert {target[1:] for target in targets} <= set(ids)


def test_text_is_shown_and_never_interpreted() -> None:
    document = Document(page(NASTY, everything(NASTY), subtitle=NASTY, footer=NASTY))
    assert "script" not in document.tags
    for tag in (
        "title",
        "h1",
        "h2",
        "a",
        "p",
        "li",
        "pre",
        "th",
        "td",
        "caption",
        "dt",
        "figcaption",
        "summary",
        "small",
        "b",
    ):
        assert any(NASTY in text for text in document.of(tag)), tag
    assert sum(text.startswith("<script>alert(1)</") for text in document.of("text")) == 3
    assert not any("49" in text for tag, text in document.said if tag in ("p", "li", "pre", "h1"))


def test_nothing_is_fetched_and_nothing_runs() -> None:
    document = Document(page("t", everything("x")))
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(document.tags)
    assert all(value.startswith("#") for name in ("href", "src") for value in document.values(name))
    assert not [name for _, name, _ in document.attributes if name.startswith("on")]
    # XML namespaces are names, not addresses.
    assert set(document.values("xmlns")) == {"http://www.w3.org/2000/svg"}
    style = "".join(document.of("style"))
    assert "url(" not in style
    assert "@import" not in style
    assert not any("://" in value for _, name, value in document.attributes if name != "xmlns")
    assert any(value.startswith("default-src 'none'") for value in document.values("content"))


def test_estimates_show_value_interval_n_and_what_is_unscored() -> None:
    rows = Estimates(
        {
            "a": Estimate(value=0.5184, low=0.48951, high=0.54749, n=1319, unscored=2),
            "b": Estimate(value=math.nan, low=math.nan, high=math.nan, n=0),
        }
    ).rows
    assert rows == [
        ("a", "0.518", "[0.490, 0.547]", "1,319", "2"),
        ("b", "n/a", "(no interval)", "0", "0"),
    ]
    table = Estimates({"a": estimate(0.5)}, muted=["a"])
    document = Document(page("t", [Section("s", [table])]))
    assert document.of("th") == ["value", "95 % interval", "n", "unscored"]
    assert document.of("td") == ["a", "0.500", "[0.470, 0.530]", "300", "0"]
    assert document.values("class").count("number") == 8
    assert "muted" in document.values("class")


def test_headlines_name_the_unscored_only_where_there_are_any() -> None:
    head = Headline({"a": estimate(0.871, n=1000), "b": estimate(0.5, unscored=7)}, digits=2)
    document = Document(page("t", [Section("s", [head])]))
    assert document.of("strong") == ["0.87", "0.50"]
    assert document.of("span") == [
        "[0.84, 0.90]",
        "n = 1,000",
        "[0.47, 0.53]",
        "n = 300, 7 unscored",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (20000, "20,000"),
        (2e-5, "2e-05"),
        (12345.6, "12,346"),
        (-1234.0, "-1,234"),
        (1e20, "1e+20"),
        (0.123456, "0.1235"),
        (math.nan, "n/a"),
        ((1, "x"), "1, x"),
        ([], "–"),
        (Path("a/b"), "a/b"),
        (estimate(0.5, unscored=1), "0.500 [0.470, 0.530], n=300, 1 unscored"),
    ],
)
def test_values_as_people_read_them(value: Any, text: str) -> None:
    assert html.shown(value) == text


def test_nested_settings_get_dotted_names() -> None:
    assert KeyValues({"a": {"b": 1, "c": {"d": None}}, "e": "x"}).rows == [
        ("a.b", "1"),
        ("a.c.d", "–"),
        ("e", "x"),
    ]


def test_two_renders_are_equal() -> None:
    first = page("t", everything("x"))
    svgs.cache_clear()
    assert page("t", everything("x")) == first


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "run" / "report.html"
    write_report(path, "Ünïcode", [Section("s", [Paragraph("–")])], footer="f")
    assert path.read_text("utf-8") == page("Ünïcode", [Section("s", [Paragraph("–")])], footer="f")
    assert list(path.parent.iterdir()) == [path]


def test_without_jinja_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("jinja2"):
            raise ImportError(name)
        return real(name, *rest, **more)

    html._template.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"assay\[report\]"):
        page("t", [])
