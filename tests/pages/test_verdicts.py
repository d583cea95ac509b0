import pytest

from assay.pages.verdicts import Checked, estimates, verdict_sections
from assay.report.html import page
from assay.types import Verdict

pytest.importorskip("jinja2")

RIGHT = Verdict(outcome="right", stage="tests", source="fence", answer="print(1)")
WRONG = Verdict(outcome="wrong", stage="time", source="fence", reason="<b>slow</b>")
OPEN = Verdict(outcome="undecided", stage="sandbox", reason="no room")


def item(verdict: Verdict, label: float | None = None, cluster: str = "") -> Checked:
    return Checked("p, response 1", cluster or str(id(verdict)), "the text", verdict, label)


def test_undecided_ones_are_counted_and_in_no_share() -> None:
    checked = [
        item(RIGHT, 1.0, "a"),
        item(WRONG, 1.0, "b"),
        item(WRONG, 0.0, "c"),
        item(OPEN, 1.0, "d"),
        item(RIGHT, None, "e"),
    ]
    found = estimates(checked)
    assert (found["right"].value, found["right"].n, found["right"].unscored) == (0.5, 4, 1)
    agreement = found["agreement with the labels"]
    assert (agreement.value, agreement.n, agreement.unscored) == (pytest.approx(2 / 3), 3, 1)
    assert "credit" not in found
    part = WRONG.model_copy(update={"credit": 0.5})
    assert estimates([item(part, cluster="a"), item(RIGHT, cluster="b")])["credit"].value == 0.75


def test_a_label_of_zero_on_a_wrong_verdict_agrees() -> None:
    """And not only a label of one on a right one."""
    assert estimates([item(WRONG, 0.0)])["agreement with the labels"].value == 1.0
    assert estimates([item(RIGHT, 0.0)])["agreement with the labels"].value == 0.0
    assert "agreement with the labels" not in estimates([item(WRONG)])


def test_the_page_shows_every_kind_and_escapes() -> None:
    checked = [item(RIGHT, 1.0), item(WRONG, 1.0), item(OPEN)]
    sections = verdict_sections(checked, estimates(checked))
    titles = [section.title for section in sections]
    assert titles == [
        "Verdicts",
        "Where labels and verdicts disagree",
        *(f"Some that are {x}" for x in ("undecided", "wrong", "right")),
    ]
    html = page("t", sections)
    assert "&lt;b&gt;slow" in html
    assert "<b>slow" not in html
    assert "no room" in html
    assert "print(1)" in html
