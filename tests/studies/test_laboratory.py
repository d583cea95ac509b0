import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay import cli
from assay.errors import ConfigError
from assay.overopt import best_of_n_kl, read_points
from assay.overopt.ensembles import together
from assay.overopt.runs import read_run
from assay.stats import best_of_n
from assay.studies.essays.laboratory import ARMS, RL, Laboratory, Pool, Proxy
from assay.studies.essays.world import Essays


def small(self: Laboratory, seed: int) -> Essays:
    return Essays(seed=seed, policy_width=32, policy_steps=20, steps=8, standard=32)


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    monkeypatch.setattr(Laboratory, "world", small)
    monkeypatch.setattr("assay.studies.essays.laboratory.TEST", 64)
    monkeypatch.setattr("assay.studies.essays.laboratory.STANDARD", 16)
    quick = replace(RL, groups=2, samples=4, watch_prompts=4, watch_samples=4)
    monkeypatch.setattr("assay.studies.essays.laboratory.RL", quick)
    return Laboratory(out=tmp_path, pairs=96, pool=16)


def test_names_tell_proxies_apart() -> None:
    proxies = [
        Proxy(size="L", pairs=16_000),
        Proxy(size="L", pairs=4000),
        Proxy(size="L", pairs=16_000, noise=0.25),
        Proxy(size="L", pairs=16_000, noise=0.25, member=1),
        Proxy(size="L", pairs=16_000, member=1),
    ]
    assert [p.name for p in proxies] == [
        "L-16000",
        "L-4000",
        "L-16000-flipped0.25",
        "L-16000-flipped0.25-1",
        "L-16000-1",
    ]


def test_a_laboratory_trains_and_scores_nothing_twice(laboratory: Laboratory) -> None:
    proxies = [Proxy(size="XS", pairs=96), Proxy(size="XS", pairs=32, noise=0.25)]
    laboratory.prepare(0)
    for proxy in proxies:
        laboratory.learn(0, proxy)
    pool = laboratory.pooled(0, proxies)
    assert pool.gold.shape == (8, 16)
    assert {values.shape for values in pool.proxies.values()} == {(8, 16)}
    assert not np.isnan([pool.gold, *pool.proxies.values()]).any()
    assert pool.lengths[0, 0] == len(pool.texts[0][0].split())
    assert not np.array_equal(*pool.proxies.values())
    tested = laboratory.tested(0, proxies[0])
    assert tested["parameters"] == 492
    assert 0.3 < tested["accuracy"]["value"] < 1
    before = {path: path.stat().st_mtime_ns for path in laboratory.out.rglob("*") if path.is_file()}
    laboratory.prepare(0)
    for proxy in proxies:
        laboratory.learn(0, proxy)
    assert {
        path: path.stat().st_mtime_ns for path in laboratory.out.rglob("*") if path.is_file()
    } == before
    # A larger pool of the same policy asks the same proxies.
    wider = Laboratory(out=laboratory.out, pairs=96, pool=32)
    wider.prepare(0)
    wider.learn(0, proxies[0])
    assert wider.pooled(0, proxies[:1]).gold.shape == (8, 32)
    assert before.items() <= {
        p: p.stat().st_mtime_ns for p in laboratory.out.rglob("*") if p.is_file()
    }.items() | {
        (path, time) for path, time in before.items() if path.name in ("test.json", "run.json")
    }


def test_a_folder_of_another_policy_is_refused(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory.prepare(0, pooled=False)
    monkeypatch.setattr(
        Laboratory, "world", lambda self, seed: replace(small(self, seed), policy_width=40)
    )
    with pytest.raises(ConfigError, match="holds a policy of width 32, not 40"):
        laboratory.prepare(0)
    with pytest.raises(ConfigError, match="multiple of 8"):
        Essays(policy_width=30)


def test_members_together_by_hand() -> None:
    a, b = np.array([[0.0, 2.0], [4.0, 6.0]]), np.array([[10.0, 10.0], [0.0, 0.0]])
    za, zb = (a - 3) / 5**0.5, (b - 5) / 5
    assert together([a, b], "mean") == pytest.approx((za + zb) / 2)
    assert together([a, b], "worst") == pytest.approx(np.minimum(za, zb))
    assert together([a, b], "uwo", 0.5) == pytest.approx((za + zb) / 2 - 0.5 * ((za - zb) / 2) ** 2)
    assert together([a, b], "uwo", 0.0) == pytest.approx(together([a, b], "mean"))


def test_a_policy_is_pressed_against_one_and_against_four(laboratory: Laboratory) -> None:
    weak = Proxy(size="XS", pairs=64)
    arms = [replace(ARMS[name], proxy=weak) for name in ("single, KL .1", "uwo of 4")]
    assert [p.name for p in laboratory.members(arms[1])] == [
        "XS-64",
        "XS-64-1",
        "XS-64-2",
        "XS-64-3",
    ]
    laboratory.ready(0, arms)
    for arm in arms:
        done = laboratory.optimise(0, arm, 5)
        assert done.steps == 5
        run = read_run(laboratory.run(0, arm))
        assert run.steps_L == (0, 5)
        assert run.values_L("kl")[0] == pytest.approx(0, abs=1e-6)
    assert RL.kl == 0
    assert not (laboratory.out / "seed0" / "pool-16.jsonl").exists()
    assert laboratory.run(0, ARMS["single, KL .1"]).name == "single-KL-0.1"


def test_bon_in_the_world(
    laboratory: Laboratory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The curve that is printed is the one that the files of the world give."""
    monkeypatch.setattr(
        "assay.studies.essays.laboratory.Laboratory.__init__", _sized(pairs=96, pool=64)
    )
    monkeypatch.setattr("assay.runs.run.Run.page", lambda *_, **__: True)
    out = tmp_path / "bon"
    cli.main(
        ["overopt", "bon", "--world", "essays", "--seeds", "2", "--workers", "1", "--out", str(out)]
    )
    shown = capsys.readouterr().out
    assert "2 seeds x 8 topics" in shown
    assert "alpha over parameters: Spearman" in shown
    assert "highest gain over preferences" in shown
    lab = Laboratory(out=out / "world")
    pools: list[Pool] = [lab.pooled(seed, [Proxy(size="S", pairs=96)]) for seed in (0, 1)]
    (x,) = (np.concatenate([pool.proxies["S-96"] for pool in pools]) for _ in (0,))
    y = np.concatenate([pool.gold for pool in pools])
    (point,) = (p for p in read_points(out / "points.jsonl") if (p.proxy, p.n) == ("S-96", 2))
    assert point.gold_mean.value == pytest.approx(float(best_of_n(x, y, [2]).mean()))
    assert point.gold_mean.n == 16
    assert point.kl == pytest.approx(float(best_of_n_kl(2)))


def test_rl_in_the_world(
    laboratory: Laboratory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "assay.studies.essays.laboratory.Laboratory.__init__", _sized(pairs=1000, pool=16)
    )
    out = tmp_path / "rl"
    words = [
        "overopt",
        "rl",
        "--world",
        "essays",
        "--seeds",
        "2",
        "--workers",
        "1",
        "--steps",
        "5",
        "--out",
        str(out),
    ]
    cli.main([*words, "--arm", "single", "single, KL .1"])
    shown = capsys.readouterr().out
    assert "end less single" in shown
    assert [row["runs"] for row in json.loads((out / "arms.json").read_text())["arms"]] == [2, 2]
    assert {(p.method, p.proxy, p.step) for p in read_points(out / "points.jsonl")} == {
        ("rl", name, step) for name in ("single", "single, KL .1") for step in (0, 5)
    }
    assert "What each arm buys" in (out / "report.html").read_text()
    # The same runs by their folders say the same.
    runs = [f"single={out}/world/seed{s}/rl/single" for s in (0, 1)]
    runs += [f"single, KL .1={out}/world/seed{s}/rl/single-KL-0.1" for s in (0, 1)]
    cli.main(["overopt", "rl", *runs])
    assert capsys.readouterr().out.split() == shown.partition("\nwrote")[0].split()


def test_what_is_asked_for_wrongly_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["rl"], "give folders of `assay rl`"),
        (["rl", "--world", "essays", "--arm", "luck"], "no arm is called 'luck'; there is single"),
        (["rl", "--world", "essays", "--seeds", "0"], "--seeds 1 or more"),
        (["rl", "--world", "essays", str(tmp_path)], "runs of its own"),
        (["rl", str(tmp_path)], "metrics.jsonl cannot be read"),
        (["bon", "--world", "essays", "--seeds", "0"], "give 1 or more"),
    ):
        with pytest.raises(SystemExit):
            cli.main(["overopt", *words])
        assert said in capsys.readouterr().err


def _sized(**sizes: int):  # type: ignore[no-untyped-def]
    """A laboratory of this size, whatever is asked for."""
    made = Laboratory.__init__

    def init(self: Laboratory, **fields: object) -> None:
        made(self, **{**fields, **sizes})  # type: ignore[arg-type]

    return init
