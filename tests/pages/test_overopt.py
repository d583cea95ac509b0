import dataclasses
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from assay.errors import DataError
from assay.overopt import GaussianGoodhart, scaling, sweep_best_of_n
from assay.overopt.axis import Axis
from assay.overopt.study import Study, study
from assay.pages import overopt as overoptimization
from assay.pages.overopt import overoptimization_report
from assay.pages.overopt_plots import colours, fan, gaps, proxy_and_gold_over_n, responses, scaled
from assay.report.html import Bullets, Details, Figure, Headline, Paragraph, Section, Table, page
from tests.pages.test_curves import SVG, texts
from tests.pages.test_evaluation import RUN
from tests.report.test_html import NASTY, Document


@cache
def studies(
    taus: tuple[float, ...] = (0.0,), prompts: int = 40, size: int = 512, b: float = 0.35
) -> tuple[Study, ...]:
    """Proxies of the Gaussian world with more and more noise."""
    made = {tau: GaussianGoodhart(1.0, b, tau).pools(prompts, size, seed=1) for tau in taus}
    proxies = {f"noise {tau:g}": pools.proxy_P_N for tau, pools in made.items()}
    golds = {"gold": made[taus[0]].gold_P_N}
    sweep = sweep_best_of_n(proxies, golds, resamples=200)
    return study(sweep, proxies, golds, resamples=200)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures of single studies, which take longest."""
    for name in ("proxy_and_gold_over_n", "responses"):
        monkeypatch.setattr(overoptimization, name, lambda study: "<svg></svg>")


def all_texts(sections: Sequence[Section]) -> str:
    return page("t", sections)


def of(section: Section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def test_a_report_says_first_what_to_do() -> None:
    (one,) = studies()
    sections = overoptimization_report([one], run=RUN, notes=["A note."])
    titles = [section.title for section in sections]
    assert titles == ["What to do", "Which kind of Goodhart", "Fits", "Every point", "Settings"]
    assert isinstance(sections[0].blocks[0], Headline)
    first = sections[0].blocks[1]
    assert isinstance(first, Paragraph)
    assert first.text.startswith("Choose the best of at most n = ")
    assert "Beyond it gold falls while noise 0 keeps rising" in first.text
    assert "A note." in all_texts(sections)
    document = Document(all_texts(sections))
    assert document.tags.count("svg") == 3


def test_the_picture_marks_peak_stop_and_trust() -> None:
    (one,) = studies()
    said = texts(proxy_and_gold_over_n(one))
    assert one.stop is not None
    assert f"stop: n = {one.stop.n:.0f}" in said
    assert any(text.startswith("peak of the fit: ") for text in said)
    assert "shaded: n ≤ N/8, trusted" in said
    assert "n, responses to choose from (40 prompts)" in said
    assert "gold above one response, its units" in said
    assert "KL to the sampling policy, nats (square-root scale)" in said
    assert any(text.startswith("promised ") for text in said)


def test_n_stands_above_its_kl() -> None:
    """Ticks of n lie at the roots of their KLs."""
    (one,) = studies()
    root = ET.fromstring(proxy_and_gold_over_n(one))
    x = {}
    for element in root.iter(f"{SVG}text"):
        place = element.get("x") or (element.get("transform") or "").partition("(")[2].split()[
            0
        ].rstrip(",)")
        x.setdefault(element.text or "", float(place))
    kl = {p.n: p.kl for p in one.points}
    share = (x["16"] - x["8"]) / (x["64"] - x["8"])
    d = [math.sqrt(kl[n]) for n in (8, 16, 64)]
    assert share == pytest.approx((d[1] - d[0]) / (d[2] - d[0]), abs=0.03)


def test_a_peak_outside_the_data_is_said_to_be() -> None:
    (one,) = studies(b=0.1)
    assert one.fit is not None
    assert not one.fit.peak_in_range
    assert "peak of the fit lies beyond the data" in texts(proxy_and_gold_over_n(one))
    shown = all_texts(overoptimization_report([one]))
    assert "not in the data" in shown
    assert "Choose the best of up to n = 64" in shown
    (rising,) = studies(b=-0.2)
    assert "the fit does not turn down: no peak" in texts(proxy_and_gold_over_n(rising))


def test_promise_and_gap_by_hand() -> None:
    """proxy = phi, gold = phi - .35 phi^2 + .35: the slope is 1, so the promise is the proxy, and
    gold keeps less."""
    (one,) = studies()
    assert one.slope == pytest.approx(1, abs=0.03)
    last = len(one.points) - 1
    assert one.promise(0) == 0
    gap = (one.promise(last) or 0) - one.gains[last].value
    assert one.gaps[last].value == pytest.approx(gap)
    assert one.gaps[last].value > 1
    assert one.gaps[0].value == 0
    assert "promised less given, n = 40 prompts" in texts(gaps([one]))


def test_the_scatter_has_slopes_and_levels() -> None:
    (one,) = studies()
    said = texts(responses(one))
    assert sum(text.startswith("slope ") for text in said) == 2
    assert "400 of 20,480 responses" in said
    assert sum(level.gold.n for level in one.levels) == 40 * 512
    assert one.diagnosis is not None
    assert one.diagnosis.kind == "extremal"
    assert len(responses(one)) < 80_000


@pytest.mark.usefixtures("undrawn")
def test_proxies_side_by_side_with_sizes() -> None:
    three = studies((0.0, 0.5, 1.0))
    sizes = {"noise 0": 100.0, "noise 0.5": 10.0, "noise 1": 1.0}
    alphas = [s.fits.best_of_n.alpha.value for s in three if s.fits]
    by_size = Axis("size", sizes, {"alpha": scaling([*sizes.values()], alphas)})
    paired = {"gold": (64, {"noise 0.5": three[0].gains[1], "noise 1": three[0].gains[1]})}
    sections = overoptimization_report(three, axes=[by_size], paired=paired)
    titles = [section.title for section in sections]
    assert titles == ["What to do", "Side by side", *sizes, "Fits", "Every point"]
    (advice,) = of(sections[0], Table)
    assert [row[0] for row in advice.rows] == [*sizes]
    (table,) = of(sections[1], Table)
    assert [row[0] for row in table.rows] == [
        "noise 0 (size 100)",
        "noise 0.5 (size 10)",
        "noise 1 (size 1)",
    ]
    assert table.head[-1] == "gold at n = 64\nless noise 0"
    assert len(of(sections[1], Figure)) == 3
    assert any(
        "rank correlation with size 1.000" in text
        for b in of(sections[1], Bullets)
        for text in b.texts
    )
    tints = colours(three, sizes)
    assert tints == {"noise 0": "ramp7", "noise 0.5": "ramp4", "noise 1": "ramp0"}
    assert all(any(name in text for text in texts(fan(three, tints))) for name in sizes)
    assert texts(scaled(three, by_size)).count("100") == 2


@pytest.mark.usefixtures("undrawn")
def test_many_proxies_are_thinned_and_all_are_in_the_table() -> None:
    (one,) = studies()
    many = [dataclasses.replace(one, proxy=f"rm {k}") for k in range(12)]
    sections = overoptimization_report(many)
    (table,) = of(sections[1], Table)
    assert len(table.rows) == 12
    assert "8 of 12 proxies are drawn" in all_texts(sections)
    assert len(of(sections[-1], Details)) == 12


def test_heavy_tails_warn_at_the_top() -> None:
    rng = np.random.default_rng(0)
    gold = rng.normal(size=(40, 256))
    proxies = {"rm": gold + rng.standard_t(1.5, size=gold.shape)}
    sweep = sweep_best_of_n(proxies, {"gold": gold}, resamples=200)
    sections = overoptimization_report(study(sweep, proxies, {"gold": gold}, resamples=200))
    (warnings, *_) = of(sections[0], Bullets)
    assert any("Heavy tail of rm" in text and "catastrophic" in text for text in warnings.texts)


def test_little_can_still_be_said_of_little() -> None:
    flat = np.ones((4, 6))
    gold = np.arange(24.0).reshape(4, 6) % 5
    proxies = {"flat": flat, "rm": gold * 1.0, "two": (gold > 2) * 1.0}
    sweep = sweep_best_of_n(proxies, {"gold": gold}, resamples=100)
    made = study(sweep, proxies, {"gold": gold}, resamples=100)
    shown = all_texts(overoptimization_report(made, notes=sweep.notes))
    assert "flat scores all responses to a prompt alike" in shown
    assert "too small to trust any n above 1" in shown
    assert all_texts(overoptimization_report([made[0]]))
    with pytest.raises(DataError, match="no proxy with a gold"):
        overoptimization_report([])


def test_names_are_shown_and_not_interpreted() -> None:
    (one,) = studies()
    named = dataclasses.replace(one, proxy=NASTY, gold=f"{NASTY}2", notes=(NASTY,))
    for shown in ([named], [named, dataclasses.replace(named, proxy="other")]):
        text = all_texts(
            overoptimization_report(shown, notes=[NASTY], axes=[Axis(NASTY, {NASTY: 3}, {})])
        )
        assert "script" not in Document(text).tags
        assert "<script" not in text


def test_equal_studies_give_equal_pictures() -> None:
    (one,) = studies()
    assert proxy_and_gold_over_n(one) == proxy_and_gold_over_n(one)
