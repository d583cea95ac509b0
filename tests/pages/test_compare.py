import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from assay.errors import DataError
from assay.pages.compare import CostPoint, compare_report, cost_curves
from assay.report.html import Bullets, Estimates, Figure, Paragraph, Section, Table, page
from assay.stats import Estimate
from tests.pages.test_curves import SVG, texts
from tests.pages.test_evaluation import RUN
from tests.report.cases import estimate
from tests.report.test_html import NASTY, Document

NAN = estimate(math.nan)
CURVES = {
    "best of n": [
        CostPoint(1, 150.0, estimate(0.4), scored_tokens=200.0),
        CostPoint(4, 600.0, estimate(0.5), scored_tokens=800.0),
        CostPoint(16, 2400.0, estimate(0.55, unscored=3), scored_tokens=3200.5),
    ],
    "beam": [
        CostPoint(4, 1000.0, estimate(0.52), samples=22.5),
        CostPoint(16, 15_000.0, estimate(0.7), samples=90.25),
    ],
}
BASELINES: dict = {
    "greedy": estimate(0.42),
    "oracle": [CostPoint(1, 150.0, estimate(0.4)), CostPoint(16, 2400.0, estimate(0.9))],
}
EQUAL = {
    "best of n": {1000: estimate(0.5), 2000: estimate(0.54, unscored=3)},
    "beam": {1000: estimate(0.52), 2000: estimate(0.61)},
    "mcts": {2000: estimate(0.5)},
}


def blocks(section: Section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def ticks(svg: str) -> dict[str, float]:
    """The amounts on the lower axis, and where they stand."""
    found = [(t.text or "", t) for t in ET.fromstring(svg).iter(f"{SVG}text")]
    return {
        said: float(t.get("x", "nan"))
        for said, t in found
        if re.fullmatch(r"\d[\d.]*[kM]?", said) and t.get("x")
    }


def test_lines_and_baselines_are_named_at_their_ends_on_an_axis_of_tokens() -> None:
    svg = cost_curves(CURVES, BASELINES, ylabel="share right")
    said = texts(svg)
    assert {"best of n 0.550", "beam 0.700", "greedy 0.420", "oracle 0.900"} <= set(said)
    assert {"tokens generated per prompt, on average", "share right"} <= set(said)
    dashed = [e for e in ET.fromstring(svg).iter() if "stroke-dasharray" in e.get("style", "")]
    assert len(dashed) == 2
    assert all("#4b5563" in e.get("style", "") for e in dashed)


def test_tokens_are_on_a_log_axis() -> None:
    places = ticks(cost_curves(CURVES))
    assert [t for t in places if not t.startswith("0")] == ["200", "500", "1k", "2k", "5k", "10k"]
    assert places["2k"] - places["200"] == pytest.approx(places["10k"] - places["1k"], abs=0.1)
    assert places["500"] - places["200"] == pytest.approx(places["5k"] - places["2k"], abs=0.1)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([300.0], ["300"]),
        ([312.4, 341.0], ["312", "341"]),
        ([90.0, 3e6], ["100", "1k", "10k", "100k", "1M"]),
    ],
)
def test_the_axis_has_ticks_however_narrow_and_wide_it_is(
    tokens: list[float], said: list[str]
) -> None:
    points = [CostPoint(i, x, estimate(0.5)) for i, x in enumerate(tokens, start=1)]
    assert [t for t in ticks(cost_curves({"x": points})) if not t.startswith("0")] == said


def test_points_are_joined_by_cost_and_those_without_a_value_left_out() -> None:
    points = [
        CostPoint(4, 900.0, estimate(0.6)),
        CostPoint(1, 100.0, estimate(0.3)),
        CostPoint(8, 9000.0, NAN),
    ]
    said = texts(cost_curves({"x": points, "gone": [CostPoint(1, 5.0, NAN)]}, {"none": NAN}))
    assert "x 0.600" in said
    assert not any("nan" in text or "gone" in text or "none" in text for text in said)
    assert cost_curves({"x": points}) == cost_curves({"x": points[::-1]})
    with pytest.raises(DataError, match="no curve"):
        cost_curves({"gone": [CostPoint(1, 5.0, NAN)]})
    with pytest.raises(DataError, match="x: a curve and a baseline have one name"):
        cost_curves({"x": points}, {"x": estimate(0.5)})


def test_where_tokens_are_not_known_all_are_drawn_over_samples() -> None:
    curves = CURVES | {
        "beam": [CostPoint(4, None, estimate(0.5), samples=20), CostPoint(16, 9e9, estimate(0.6))]
    }
    svg = cost_curves(curves)
    assert "samples per prompt, on average" in texts(svg)
    # 20 samples are said, and 16 are those of n = 16.
    assert [t for t in ticks(svg) if not t.startswith("0")] == ["1", "2", "5", "10", "20"]
    first = compare_report(curves)[0]
    assert "not counted for every point" in blocks(first, Paragraph)[0].text
    assert blocks(compare_report(CURVES)[0], Paragraph) == []


def test_a_comparison_has_the_plot_equal_budgets_every_point_and_the_run() -> None:
    sections = compare_report(
        CURVES, equal=EQUAL, baselines=BASELINES, run=RUN, gold="share right", notes=["a note"]
    )
    first, _, every, _ = sections
    titles = [
        "What strategies get for what they cost",
        "At equal generated tokens",
        "Every point",
        "Settings",
    ]
    assert [s.title for s in sections] == titles
    assert "share right" in texts(blocks(first, Figure)[0].svg)
    assert blocks(first, Bullets)[0].texts == ["a note"]
    (table,) = blocks(every, Table)
    assert len(table.head) == 8
    assert table.rows[2] == [
        "best of n",
        "16",
        "16",
        "2,400",
        "3,200",
        "0.550",
        "[0.520, 0.580]",
        "3",
    ]
    assert table.rows[3] == ["beam", "4", "22.5", "1,000", "–", "0.520", "[0.490, 0.550]", "0"]
    assert [row[0] for row in table.rows] == ["best of n"] * 3 + ["beam"] * 2 + ["oracle"] * 2
    assert table.caption.endswith("; 300 prompts")
    assert list(blocks(every, Estimates)[0].values) == ["greedy"]
    text = page("t", sections)
    assert Document(text).of("h2") == titles
    assert len(text) < 80_000


def test_equal_budgets_are_columns_and_strategies_rows() -> None:
    (section,) = [s for s in compare_report(CURVES, equal=EQUAL) if s.title.startswith("At equal")]
    (table,) = blocks(section, Table)
    assert list(table.head) == ["strategy", "1,000", "2,000"]
    assert table.rows == [
        ["best of n", "0.500\n[0.470, 0.530]", "0.540\n[0.510, 0.570]\n3 unscored"],
        ["beam", "0.520\n[0.490, 0.550]", "0.610\n[0.580, 0.640]"],
        ["mcts", "–", "0.500\n[0.470, 0.530]"],
    ]
    assert blocks(section, Bullets)[0].texts == [
        (
            "At 1,000 tokens, beam is highest with 0.520 [0.490, 0.550], not told apart from best"
            " of n."
        ),
        (
            "At 2,000 tokens, beam is highest with 0.610 [0.580, 0.640], its interval above all"
            " others."
        ),
    ]


def test_equal_budgets_are_left_out_where_there_are_none_and_claim_nothing_of_one() -> None:
    assert len(compare_report(CURVES)) == len(compare_report(CURVES, equal={"beam": {}})) == 2
    alone = compare_report(CURVES, equal={"beam": {500: estimate(0.5)}, "mcts": {500: NAN}})[1]
    assert blocks(alone, Bullets) == []
    assert blocks(alone, Table)[0].rows[1] == ["mcts", "n/a\n(no interval)"]
    mixed: dict[str, dict[int, Estimate]] = {
        "a": {500: estimate(0.5, n=9)},
        "b": {500: estimate(0.5, n=10)},
    }
    assert blocks(compare_report(CURVES, equal=mixed)[1], Table)[0].caption.endswith(
        "9 to 10 prompts"
    )


def test_comparisons_without_a_value_say_so_instead_of_a_plot() -> None:
    first, every = compare_report({"x": [CostPoint(1, None, NAN)]})
    assert blocks(first, Figure) == []
    assert blocks(first, Paragraph)[0].text == "No strategy has a value."
    assert blocks(every, Table)[0].rows == [["x", "1", "1", "–", "–", "n/a", "(no interval)", "0"]]
    first, every = compare_report({})
    assert blocks(every, Table)[0].rows == []


def test_labels_at_the_ends_do_not_overlap() -> None:
    close = {f"c{i}": [CostPoint(1, 10.0 + i, estimate(0.5 + i / 1000))] for i in range(5)}
    svg = ET.fromstring(cost_curves(close, {"low": estimate(0.1), "high": estimate(0.9)}))
    heights = sorted(
        float(t.get("y", "nan"))
        for t in svg.iter(f"{SVG}text")
        if re.match(r"c\d 0\.5", t.text or "")
    )
    assert len(heights) == 5
    assert min(b - a for a, b in pairwise(heights)) > 9


def test_hostile_names_are_shown_and_never_interpreted() -> None:
    sections = compare_report(
        {NASTY: CURVES["beam"]},
        equal={NASTY: EQUAL["beam"], "b": EQUAL["beam"]},
        gold=NASTY,
        notes=[NASTY],
    )
    document = Document(page("t", sections))
    assert "script" not in document.tags
    for tag in ("td", "th", "li", "caption", "text"):
        assert any(NASTY[:19] in text for text in document.of(tag)), tag
