"""What Markdown, LaTeX and code become."""

import pytest

from assay.annotate_app.rendering import LONGEST, code, rich, tidy


@pytest.mark.parametrize(
    ("text", "formulas", "absent"),
    [
        (r"Let $a_1 * b_2 * c_3$ and \(x_1\) be *it*.", 2, "<em>b"),
        ("$$\nx\n- y\n= z\n$$", 1, "<li>"),
        ("so\n\\[\nx\n+ y\n\\]\nand *on*", 1, "<li>"),
        ("It costs $5 and $6.", 0, "<math"),
        ("As `$x$` and\n\n    $y$", 0, "<math"),
        ("```\n$x$\n```", 0, "<math"),
    ],
)
def test_formulas_are_taken_whole_and_only_where_they_are_meant(text, formulas, absent):
    shown = rich(text)
    assert shown.count("<math") == formulas
    assert absent not in shown


def test_links_and_pictures_are_words_with_their_address():
    shown = rich("[a *b*](https://a.example/x?y=1&z) ![a cat](/cat.png) <https://b.example>")
    assert 'a <em>b</em> <span class="address">(https://a.example/x?y=1&amp;z)</span>' in shown
    assert '[picture: a cat]</span> <span class="address">(/cat.png)</span>' in shown
    assert shown.count("https://b.example") == 1
    assert "<a" not in shown
    assert "<img" not in shown


def test_headings_stand_below_the_pages_and_tables_have_no_style():
    assert rich("# a\n\n### b") == "<h4>a</h4>\n<h6>b</h6>\n"
    assert "style" not in rich("| a |\n|--:|\n| 1 |")


def test_code_is_coloured_where_its_language_is_known_and_its_text_kept():
    shown = code('def f(x): return "<b>"\n', "python")
    assert '<span class="k">def</span>' in shown
    assert shown.striptags() == 'def f(x): return "<b>"'
    assert code("<b>", "brainfuck") == "&lt;b&gt;"
    assert tidy('{"b":[1],"a":"é"}') == '{\n  "b": [\n    1\n  ],\n  "a": "é"\n}'
    assert tidy("{not json") == "{not json"


def test_long_texts_are_cut():
    assert len(rich("word " * LONGEST).striptags()) <= LONGEST
