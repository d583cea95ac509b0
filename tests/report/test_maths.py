import sys

import pytest

from assay.report.maths import maths


def test_prices_and_lone_dollars_are_no_mathematics() -> None:
    for text in (
        "It costs $5 and sells for $6.",
        "He paid $5, then $7 for 3.",
        "between $5-$6",
        "$ x $",
        "one \\$x\\$ two",
    ):
        assert "<math" not in maths(text)
        assert str(maths(text)) == text


def test_formulas_become_mathml_and_the_rest_is_escaped() -> None:
    pytest.importorskip("latex2mathml")
    said = str(maths("a < b, so $x^2$ and \\(y\\), then \\[ \\frac{1}{2} \\] & $$z$$."))
    assert said.count("<math") == 4
    assert said.count('display="block"') == 2
    assert said.startswith("a &lt; b, so <math")
    assert "<mfrac>" in said
    assert " &amp; " in said


def test_what_a_model_writes_in_a_formula_stays_text() -> None:
    pytest.importorskip("latex2mathml")
    for formula in (
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\text{&lt;script&gt;}",
        r"\style{color:red}{x} \class{a}{b}",
    ):
        said = str(maths(f"${formula}$"))
        assert "<script" not in said
        assert "href" not in said.replace(formula, "")
        assert "style=" not in said


def test_what_cannot_be_read_and_what_has_no_reader_stands_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = "$x_1_2$"
    assert str(maths(broken)) == broken
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    assert str(maths("$x^2$")) == "$x^2$"
