import builtins
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from assay.errors import DataError, MissingExtra
from assay.pages import curves as plots
from assay.pages.compare import CostPoint, cost_curves
from assay.stats import CurvePoint, reliability, selective
from tests.report.cases import BASELINES, CURVES, NS, curve, estimate, metrics_rows

SVG = "{http://www.w3.org/2000/svg}"
COSTS = [CostPoint(n, 150.0 * n, estimate(0.4 + n / 40)) for n in (1, 4, 16)]


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def some_bins() -> Any:
    return reliability(
        [i / 100 for i in range(100)], [float(i % 3 > 0) for i in range(100)], bins=5
    )


PLOTS: dict[str, Callable[[], str]] = {
    "training": lambda: plots.training_curves(metrics_rows(200)),
    "reliability": lambda: plots.reliability(some_bins()),
    "selective": lambda: plots.selective(
        selective(
            [i / 100 for i in range(100)], [float(i % 7 > 2 or i > 60) for i in range(100)]
        ).curve
    ),
    "scores": lambda: plots.score_histogram([0.0, 1.0, 2.0], [-1.0, 0.5], ("chosen", "rejected")),
    "best of n": lambda: plots.best_of_n(CURVES, BASELINES),
    "cost": lambda: cost_curves({"a": COSTS, "b": COSTS[1:]}, {"low": estimate(0.2)}),
}


@cache
def drawn(name: str) -> str:
    return PLOTS[name]()


@pytest.mark.parametrize("name", PLOTS)
def test_plots_are_lone_svg_elements_that_refer_to_nothing_outside(name: str) -> None:
    svg = drawn(name)
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        assert element.tag not in (f"{SVG}style", f"{SVG}script", f"{SVG}image", f"{SVG}metadata")
        href = element.get("href")
        assert href is None or href.removeprefix("#") in ids
        assert all("xlink" not in key for key in element.attrib)
        for used in re.findall(r"url\(([^)]*)\)", " ".join(element.attrib.values())):
            assert used.removeprefix("#") in ids
    assert len(svg) < 80_000


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_numbers_draw_the_same_text_whatever_the_readers_settings(name: str) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.hashsalt": "other"}):
        assert PLOTS[name]() == drawn(name)
        assert matplotlib.rcParams["font.size"] == 30


def test_ids_of_different_plots_differ() -> None:
    found = [set(re.findall(r' id="([^"]*)"', drawn(name))) for name in PLOTS]
    assert all(found)
    assert sum(map(len, found)) == len(set().union(*found))


def test_peaks_baselines_and_ends_of_best_of_n_are_named() -> None:
    said = texts(plots.best_of_n(CURVES, BASELINES, ylabel="accuracy"))
    assert {"0.613 at n=4", "0.742 at n=8", "0.943 at n=16"} <= set(said)
    assert {
        "outcome 0.257",
        "process 0.860",
        "majority 0.907",
        "oracle 1.000",
        "mean@1 0.518",
        "accuracy",
    } <= set(said)
    assert [t for t in said if t.isdigit()] == [str(n) for n in NS]


def test_n_is_on_a_log2_axis() -> None:
    svg = ET.fromstring(drawn("best of n"))
    said = [(t.text or "", float(t.get("x", "nan"))) for t in svg.iter(f"{SVG}text")]
    places = [x for text, x in said if text in map(str, NS)]
    gaps = [b - a for a, b in pairwise(places)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps), abs=0.1)


def test_points_without_a_value_are_left_out_and_curves_without_any_too() -> None:
    nan = estimate(math.nan)
    part = [CurvePoint(1, estimate(0.5)), CurvePoint(2, estimate(0.6)), CurvePoint(4, nan)]
    said = texts(plots.best_of_n({"part": part, "none": [CurvePoint(1, nan)]}, {"gone": nan}))
    assert "part 0.600" in said
    assert not any("nan" in text or "none" in text or "gone" in text for text in said)
    with pytest.raises(DataError, match="no curve"):
        plots.best_of_n({"none": [CurvePoint(1, nan)]}, {})
    with pytest.raises(DataError, match="part: a curve and a baseline have one name"):
        plots.best_of_n({"part": part}, {"part": nan})


def test_labels_at_the_ends_do_not_overlap() -> None:
    close = {f"c{i}": curve([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 + i / 1000]) for i in range(5)}
    svg = ET.fromstring(plots.best_of_n(close, {"low": estimate(0.1), "high": estimate(0.9)}))
    heights = sorted(
        float(t.get("y", "nan"))
        for t in svg.iter(f"{SVG}text")
        if re.match(r"c\d 0\.5", t.text or "")
    )
    assert len(heights) == 5
    assert min(b - a for a, b in pairwise(heights)) > 9


def test_labels_are_text_and_neither_markup_nor_mathematics() -> None:
    said = texts(
        plots.best_of_n({"$x^$ <script>&": CURVES["outcome"], "long" * 50: CURVES["process"]}, {})
    )
    assert "$x^$ <script>& 0.257" in said
    assert "longlonglonglonglon… 0.860" in said


def test_training_curves_draw_only_what_there_is() -> None:
    titles = {"loss", "accuracy", "learning rate", "tokens per second"}
    said = texts(plots.training_curves(metrics_rows(40)))
    assert titles | {"training", "held out"} <= set(said)
    few = texts(plots.training_curves([{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.6}]))
    assert "loss" in few
    assert not (titles - {"loss"}) & set(few)
    with pytest.raises(DataError, match=r"metrics\.jsonl"):
        plots.training_curves([{"records": 3}, {"step": 1, "loss": None}])


def test_long_runs_stay_light() -> None:
    assert len(plots.training_curves(metrics_rows(20_000))) < 1.5 * len(
        plots.training_curves(metrics_rows(300))
    )


def test_running_means_and_thinning_keep_the_mean() -> None:
    line = [plots.Point(float(i), float(i)) for i in range(1000)]
    thin = plots._thinned(line)
    assert len(thin) == plots.POINTS
    assert all(point.x == point.y for point in thin)
    assert thin[0].y == pytest.approx(1.5)  # mean of 0, 1, 2, 3
    smooth = plots._running_mean(line)
    assert smooth[500].y == 500
    assert smooth[0].y == pytest.approx(12.5)  # mean of 0..25


def test_reliability_of_pairs_begins_at_one_half() -> None:
    folded = reliability(
        [0.5 + i / 200 for i in range(100)], [float(i % 4 > 0) for i in range(100)], bins=5
    )
    said = texts(plots.reliability(folded))
    assert "0.5" in said
    assert "0.0" not in said
    assert "0.0" in texts(plots.reliability(some_bins()))
    with pytest.raises(DataError, match="no bins"):
        plots.reliability([])


def test_the_score_histogram_counts_each_group_and_refuses_what_is_not_a_score() -> None:
    said = texts(drawn("scores"))
    assert {"chosen, n=3", "rejected, n=2"} <= set(said)
    with pytest.raises(DataError, match="1 scores are not finite"):
        plots.score_histogram([0.0, math.nan], [1.0], ("a", "b"))
    with pytest.raises(DataError, match="no scores"):
        plots.score_histogram([], [], ("a", "b"))


@pytest.mark.parametrize(
    ("edges", "counts", "median"),
    [
        ([0, 1, 2], [2, 2], 1.0),
        ([0, 1, 2], [0, 4], 1.5),
        ([0, 1, 2, 3], [1, 0, 1], 1.0),
        ([0, 2], [7], 1.0),
    ],
)
def test_medians_of_counts(edges: list[float], counts: list[int], median: float) -> None:
    assert plots._median(plots.Counts(edges, counts)) == pytest.approx(median)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"assay\[report\]"):
        plots.best_of_n(CURVES, BASELINES)
