import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from assay.pages.curves import Counts, Histogram
from assay.pages.evaluation import (
    Evaluation,
    evaluation_sections,
    findings,
    pool_report,
    pool_section,
    training_report,
    training_section,
)
from assay.report.html import (
    Details,
    Estimates,
    Figure,
    Figures,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Table,
    page,
)
from assay.stats import Bin, Covered, CurvePoint, Estimate, McNemar
from tests.report.cases import BASELINES, CURVES, NS, curve, estimate, metrics_rows
from tests.report.test_html import Document

RUN = {
    "settings": {"component": "any/x:Y", "settings": {"epochs": 2.0}},
    "command": ["train", "--data", "a b.jsonl"],
    "started": "2026-01-01T00:00:00+00:00",
    "versions": {"python": "3.11"},
    "data": {"a b.jsonl": "9f86"},
}


@dataclass(frozen=True)
class Found:
    metrics: Mapping[str, Estimate] = field(default_factory=dict)
    baselines: Mapping[str, Estimate] = field(default_factory=dict)
    tests: Mapping[str, McNemar] = field(default_factory=dict)
    curves: Mapping[str, Sequence[CurvePoint]] = field(default_factory=dict)
    reliability: Sequence[Bin] = ()
    selective: Sequence[Covered] = ()
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    notes: Sequence[str] = ()


FOUND = Found(
    metrics={"auroc": estimate(0.9), "accuracy": estimate(0.8), "best_of_64": estimate(0.7)},
    baselines={"base_rate": estimate(0.3), "accuracy/longer": estimate(0.6)},
    tests={"accuracy/longer": McNemar(only_a=30, only_b=10, n=100, p_value=0.002)},
    curves={
        "scorer": CURVES["outcome"],
        "weighted_majority": CURVES["process"],
        "oracle": curve([1.0] * 7),
    },
    reliability=[Bin(low=0.1, high=0.4, predicted=0.25, observed=estimate(0.3))],
    selective=[
        Covered(threshold=2.0, share=estimate(0.5), accuracy=estimate(0.9)),
        Covered(threshold=1.0, share=estimate(1.0), accuracy=estimate(0.8)),
    ],
    histograms={
        "chosen": Counts([0, 1, 2], [1, 3]),
        "rejected": Counts([0, 1, 2], [3, 1]),
        "margin": Counts([0, 1], [4]),
    },
    notes=["ties count one half"],
)


@cache
def of_found() -> list[Section]:
    evaluation: Evaluation = FOUND
    return evaluation_sections(evaluation, of="mine")


def blocks(section: Section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def test_findings_say_where_curves_peak_and_whether_selecting_harms() -> None:
    said = findings(CURVES)
    assert (
        said["outcome"]
        == "Falls from 0.613 [0.583, 0.643] at n=4 to 0.257 [0.227, 0.287] at n=64, which is worse"
        " than no selection (0.518 [0.488, 0.548])."
    )
    assert said["process"].startswith("Falls from 0.943 [0.913, 0.973] at n=16 to 0.860")
    assert "which is better than no selection" in said["process"]


def test_findings_claim_nothing_where_intervals_touch() -> None:
    wide = findings({"outcome": curve([0.518, 0.601, 0.613, 0.562, 0.47, 0.36, 0.257], half=0.2)})[
        "outcome"
    ]
    assert wide.startswith("Highest at n=4")
    assert "not told apart from no selection" in wide
    rising = findings({"x": curve([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])})["x"]
    assert rising.startswith(
        "Highest at n=64 with 0.700 [0.670, 0.730], which is better than no selection"
    )
    later = findings({"x": CURVES["outcome"][1:]})["x"]
    assert "worse than best of 2 (0.601" in later
    assert findings({"x": [CurvePoint(1, estimate(math.nan))]}) == {"x": "No n has a value."}


def test_a_pool_report_has_the_plot_the_baselines_and_every_number() -> None:
    section, scores, settings = pool_report(
        CURVES, BASELINES, run=RUN, metrics={"a": estimate(0.5)}, gold="accuracy"
    )
    assert [s.title for s in (section, scores, settings)] == ["Best of n", "Scores", "Settings"]
    assert "accuracy of the choice" in blocks(section, Figure)[0].svg
    assert list(blocks(section, Estimates)[0].values) == ["mean@1"]
    tables = blocks(section, Details)[0].blocks
    assert [table.caption for table in tables] == [
        "preference",
        "outcome",
        "process",
        "majority",
        "oracle",
    ]
    assert list(tables[1].values) == [f"best of {n}" for n in NS]
    assert tables[1].rows[-1] == ("best of 64", "0.257", "[0.227, 0.287]", "300", "0")


def test_curves_of_an_evaluation_are_told_from_its_baselines() -> None:
    held, pool = of_found()
    assert (held.title, pool.title) == ("Held-out results: mine", "Best of n: mine")
    assert list(blocks(pool, KeyValues)[0].values) == ["scorer", "weighted majority"]


def test_each_metric_stands_above_its_baselines() -> None:
    held = of_found()[0]
    (table,) = blocks(held, Estimates)
    assert list(table.values) == [
        "auroc",
        "accuracy",
        "accuracy / longer",
        "best of 64",
        "base rate",
    ]
    assert set(table.muted) == {"accuracy / longer", "base rate"}
    assert list(blocks(held, Headline)[0].values) == ["auroc", "accuracy", "best of 64"]
    assert blocks(held, Table)[0].rows == [["accuracy/longer", "30", "10", "100", "0.002"]]
    (figures,) = blocks(held, Figures)
    assert ["Calibration" in f.svg for f in figures.figures] == [True, False, False, False]
    assert ["Risk against" in f.svg for f in figures.figures] == [False, True, False, False]


def test_an_empty_evaluation_and_an_empty_run_are_pages_too() -> None:
    text = page("t", training_report({}, [{"records": 3}], evaluation=Found()))
    assert "No step was taken." in Document(text).of("p")


def test_training_names_its_best_step() -> None:
    section = training_section(metrics_rows(60), title="Training: outcome")
    assert section.title == "Training: outcome"
    assert (
        blocks(section, Paragraph)[0].text
        == "60 steps; the lowest held-out loss is 0.3000, at step 30."
    )


def test_a_training_report_shows_results_first_and_settings_last() -> None:
    sections = training_report(RUN, metrics_rows(60), data={"records": 20000}, evaluation=FOUND)
    assert [s.title for s in sections] == [
        "Held-out results",
        "Best of n",
        "Training",
        "Data",
        "Settings",
    ]
    text = page("A run", sections)
    document = Document(text)
    assert document.of("span")[-5:] == ["assay", "train", "--data", "'a", "b.jsonl'"]
    assert "settings.epochs" in document.of("th")
    assert "20,000" in document.of("td")
    assert "9f86" in document.of("td")
    assert len(text) < 200_000


@pytest.mark.parametrize("kind", ["preference", "pool"])
def test_real_evaluations_fit(kind: str) -> None:
    from assay.evaluation import evaluate
    from assay.types import Preference, Prompt, Ranking, Response, Score

    responses = (Response.of("aa"), Response.of("b"))
    prompts = [Prompt.of(f"p{i}") for i in range(30)]
    records: list = (
        [Preference(prompt=p, responses=responses, prefer=1.0) for p in prompts]
        if kind == "preference"
        else [Ranking(prompt=p, responses=responses, grades=(1.0, 0.0)) for p in prompts]
    )
    scores = [[Score(value=(i % 7) / 7), Score(value=(i % 5) / 5)] for i in range(30)]
    evaluation = evaluate(records, scores, resamples=50)
    titles = [s.title for s in evaluation_sections(evaluation)]
    assert titles == (
        ["Held-out results"] if kind == "preference" else ["Held-out results", "Best of n"]
    )


def test_pools_without_an_estimate_as_ruler_have_no_table_of_baselines() -> None:
    section = pool_section(CURVES, {"oracle": BASELINES["oracle"]})
    assert blocks(section, Estimates) == []


def test_pools_without_a_value_say_so_instead_of_a_plot() -> None:
    section = pool_section({"x": [CurvePoint(1, estimate(math.nan))]}, BASELINES)
    assert blocks(section, Figure) == []
    assert blocks(section, KeyValues)[0].rows == [("x", "No n has a value.")]
