import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import DataError
from assay.overopt.runs import Run, arm, read_run, run_of, run_points, write_arms
from assay.overopt.sweep import read_points, write_points
from assay.pages.overopt_rl import policies_report
from assay.runs.evaluations import eval_points
from assay.stats import student


def look(step: int, kl: float, proxy: float, gold: float, half: float = 0.1) -> dict[str, Any]:
    return {
        "step": step,
        "eval": {
            "proxy": [proxy, proxy - half, proxy + half, 8, 0],
            "kl": [kl, kl, kl, 8, 0],
            "length": [step, step, step, 8, 0],
            "gold": {"truth": [gold, gold - half, gold + half, 8, 0]},
        },
    }


def made(kls: list[float], golds: list[float], proxies: list[float] | None = None) -> Run:
    steps = range(0, 5 * len(kls), 5)
    proxies = proxies or [float(k) for k in range(len(kls))]
    return run_of([look(*row) for row in zip(steps, kls, proxies, golds, strict=True)])


KLS = [0.0, 1.0, 4.0, 9.0]


def test_peak_end_and_fall_by_hand() -> None:
    """The mean over runs is highest at the second look, though the second run's own highest is the
    third."""
    runs = [
        made(KLS, [0.0, 3.0, 1.0, -1.0]),
        made(KLS, [0.2, 1.0, 1.2, 0.0]),
        made(KLS, [0.1, 2.0, 1.0, -2.0]),
    ]
    found = arm("single", runs)
    assert found.peak_step == 5
    assert found.peak == student([3.0, 1.0, 2.0])
    # A quarter of four evaluations is one.
    assert found.end == student([-1.0, 0.0, -2.0])
    assert found.fall == student([4.0, 1.0, 4.0])
    assert found.rise == student([-1.0, -0.2, -2.1])
    assert found.kl_at_peak.value == 1
    assert found.kl_at_end.value == 9
    assert found.proxy_rise.value == 2
    assert not found.over_optimized
    assert "not certain that gold fell over 3 runs" in found.verdict


def test_the_end_is_the_mean_of_the_last_evaluations() -> None:
    gold = [0.0, 5.0, *np.linspace(4, 0, 22).tolist()]
    run = made([float(k) for k in range(24)], gold)
    assert run.end("gold") == pytest.approx(np.mean(gold[-5:]))
    assert made([0.0, 1.0], [0.0, 1.0]).end("gold") == 1


def test_over_optimization_needs_gold_to_fall_and_the_proxy_to_rise() -> None:
    golds = [[0.0, 3.0, 1.0, -1.0], [0.0, 3.2, 1.0, -1.1], [0.0, 2.9, 1.0, -0.8]]
    # Runs whose proxies are all alike have no interval, and prove no rise.
    assert not arm("a", [made(KLS, g) for g in golds]).over_optimized
    climbing = [[0.0, 1.0, 2.0, 3.0 + 0.1 * k] for k in range(3)]
    fallen = arm("a", [made(KLS, g, proxies) for g, proxies in zip(golds, climbing, strict=True)])
    assert fallen.over_optimized
    assert "over-optimized over 3 runs" in fallen.verdict
    sinking = [0.0, 1.0, 0.5, 0.2]
    assert not arm("a", [made(KLS, g, sinking) for g in golds]).over_optimized
    rising = [[0.0, 1.0, 2.0, 3.0 + k] for k in range(3)]
    found = arm("a", [made(KLS, g) for g in rising])
    assert not found.over_optimized
    assert "no sign of over-optimization" in found.verdict
    # Of one run, by the intervals of its evaluations.
    assert arm("a", [made(KLS, golds[0])]).over_optimized
    assert not arm("a", [made(KLS, [0.0, 0.15, 0.1, 0.05])]).over_optimized


def test_the_verdict_and_the_stop_agree_on_whether_gold_fell() -> None:
    """Over two runs the fall to the last point is sure, and that to the mean of the last ones,
    tested alone, is not."""
    rng = np.random.default_rng(0)
    curve = 0.4 + 0.2 * np.sin(np.arange(12) / 3)
    kls = [0.3 * k for k in range(12)]
    told = set()
    for count in (1, 2, 2, 2, 3):
        found = arm("a", [made(kls, [*(curve + 0.01 * rng.normal(size=12))]) for _ in range(count)])
        assert found.stop is not None
        assert found.fell == found.stop.sure
        assert ("not certain" in found.verdict) != ("surely falls" in found.stop.words)
        told.add(found.fell)
    assert True in told
    # A fall that is made good by the end is told, too.
    back = arm("a", [made(KLS, [0.0, 2.0, 0.5 + 0.01 * k, 3.0]) for k in range(6)])
    assert back.fell
    assert "fell on the way, and came back" in back.verdict


def test_arms_are_compared_run_by_run() -> None:
    one = arm("one", [made(KLS, [0.0, 1.0, 1.0, k + 0.5]) for k in range(3)])
    other = arm("other", [made(KLS, [0.0, 1.0, 1.0, k + 0.1 * (k - 1)]) for k in range(3)])
    assert one.ends_less(other).value == pytest.approx(0.5)
    # Differences of .6, .5 and .4: t(.975, 2) = 4.3027.
    assert one.ends_less(other).low == pytest.approx(0.5 - 4.302653 * 0.1 / 3**0.5)
    # Without pairs the runs' own spread counts.
    fewer = arm("fewer", [made(KLS, [0.0, 1.0, 1.0, float(k)]) for k in range(2)])
    assert one.ends_less(fewer).value == pytest.approx(1.0)
    assert one.ends_less(fewer).low < 0


def test_gold_at_a_kl_is_on_straight_lines_and_knows_who_never_gets_there() -> None:
    found = arm(
        "a", [made(KLS, [1.0, 2.0, 5.0, 0.0]), made([0.0, 0.5, 1.0, 1.5], [1.0, 2.0, 3.0, 4.0])]
    )
    assert found.at_kl(2.5).value == pytest.approx(3.5 - 1.0)
    assert (found.at_kl(2.5).n, found.at_kl(2.5).unscored) == (1, 1)
    assert found.at_kl(1.0).value == pytest.approx((1.0 + 2.0) / 2)
    assert math.isnan(found.at_kl(100).value)


def test_planted_forms_are_recovered() -> None:
    kls = [0.0, *np.linspace(0.2, 12, 20).tolist()]
    d = np.sqrt(kls)
    runs = [
        made(kls, (0.3 + d * (1.2 - b * np.log(np.maximum(d, 1e-9)))).tolist()) for b in (0.8, 0.8)
    ]
    found = arm("a", runs)
    assert found.fits is not None
    assert found.fits.rl.alpha.value == pytest.approx(1.2, abs=1e-9)
    assert found.fits.rl.beta.value == pytest.approx(0.8, abs=1e-9)
    assert found.fits.preferred == "rl"
    assert found.stop is not None


def test_only_evaluations_that_all_runs_have_count() -> None:
    short, long = made(KLS[:3], [0.0, 1.0, 2.0]), made(KLS, [0.0, 1.0, 2.0, -9.0])
    found = arm("a", [short, long])
    assert found.end.value == 2
    assert any("3 evaluations that all 2 runs have" in note for note in found.notes)
    with pytest.raises(DataError, match="not evaluated after the same rounds"):
        arm("a", [made([1.0], [1.0]), Run(tuple(eval_points([look(7, 1, 1, 1)])), "truth")])
    with pytest.raises(DataError, match="no run"):
        arm("a", [])


def test_a_look_without_gold_is_left_out_with_a_note() -> None:
    run = run_of([look(0, 0, 0, 0.4), look(5, 1, 1, math.nan), look(10, 2, 2, 0.2)])
    assert run.left_out == (5,)
    assert (
        "evaluations without a gold, proxy or KL that is a number are left out, at 5"
        in " ".join(arm("a", [run]).notes)
    )


def test_folders_points_and_files(tmp_path: Path) -> None:
    rows = [
        {"reward": 1.0, "step": 0},
        look(0, 0, 0, 0),
        look(5, 1, 1, 2),
        {"alarm": "kl", "step": 5, "text": ""},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = read_run(tmp_path)
    assert run.steps_L == (0, 5)
    # An interval that does not exist is null in the file.
    rows[1]["eval"]["kl"] = [0.0, None, None, 1, 0]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kl = read_run(tmp_path).points[0].kl
    assert kl is not None
    assert math.isnan(kl.low)
    with pytest.raises(DataError, match="no gold 'other'; there is truth"):
        read_run(tmp_path, "other")
    with pytest.raises(DataError, match="assay rl"):
        read_run(tmp_path / "none")
    with pytest.raises(DataError, match="no evaluation with a gold"):
        run_of([{"step": 1, "reward": 2.0}])
    found = arm("a", [run])
    points = run_points(found)
    assert [(p.method, p.step, p.kl, p.gold_mean.value, p.length) for p in points] == [
        ("rl", 0, 0.0, 0.0, 0.0),
        ("rl", 5, 1.0, 2.0, 5.0),
    ]
    assert points[1].gold_mean.low == pytest.approx(1.9)
    write_points(tmp_path / "points.jsonl", points)
    assert read_points(tmp_path / "points.jsonl") == points
    write_arms(tmp_path / "arms.json", [found])
    (row,) = json.loads((tmp_path / "arms.json").read_text())["arms"]
    assert row["peak"]["value"] == 2
    assert row["fall"]["low"] == "nan"
    assert policies_report([found])[0].title == "What to do"


@pytest.mark.owed
def test_one_run_that_stops_before_its_end_is_written_as_json(tmp_path: Path) -> None:
    found = arm("a", [made([0.0, 0.5, 1.0, 2.0], [0.4, 0.9, 0.6, 0.2])])
    assert found.stop is not None
    assert (found.stop.index, type(found.stop.settled), type(found.fell)) == (1, bool, bool)
    write_arms(tmp_path / "arms.json", [found])
    (row,) = json.loads((tmp_path / "arms.json").read_text())["arms"]
    assert row["fell"] is True
    assert row["stop"]["fall"]["end"] == 3
    assert "round 5" in row["stop"]["words"]


def test_arms_of_which_little_can_be_said() -> None:
    assert "measured once" in arm("a", [made([0.0], [0.4])]).verdict
    assert "nothing to measure" in arm("a", [made(KLS, [0.4] * 4)]).verdict
    assert "falls from the start" in arm("a", [made(KLS, [0.9, 0.6, 0.3, 0.0])]).verdict
    # The luckiest of many points at one level is no peak.
    noise = np.random.default_rng(0).normal(size=(4, 30)) * 0.05
    runs = [made([float(k) for k in range(30)], (0.5 + row).tolist()) for row in noise]
    assert not arm("a", runs).over_optimized
    # An evaluation whose KL is unknown has no place on the curve.
    assert made([0.0, math.nan, 2.0], [0.4, 0.5, 0.6]).steps_L == (0, 10)


def test_the_page_says_over_what_its_intervals_are() -> None:
    several = arm("a", [made(KLS, [0.0, 3.0, 1.0, -1.0 - k]) for k in range(3)])
    alone = arm("b", [made(KLS, [0.0, 3.0, 1.0, -1.0])])
    assert "intervals by run" in repr(policies_report([several, several], kls=[2.5]))
    assert "intervals by run" not in repr(policies_report([alone]))
    with pytest.raises(DataError, match="no arm"):
        policies_report([])
