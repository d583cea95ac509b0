"""Over-optimization from Python: arrays, records with scorers, files of scores."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.data import io
from assay.errors import ConfigError, DataError
from assay.overopt.scored import ScoredPool
from assay.stats import best_of_n
from assay.studies.gaussian import gaussian_pool
from assay.types import Group, Prompt, Response
from assay.workflows.overoptimization import combined, overoptimization


def arrays(prompts: int = 20, size: int = 32) -> tuple[Any, Any]:
    """A proxy and a gold that turns where the proxy is large."""
    proxy = np.random.default_rng(0).normal(size=(prompts, size))
    return proxy, proxy - 0.4 * proxy**2


def test_arrays_go_in_once() -> None:
    proxy, gold = arrays()
    found = overoptimization(proxy=proxy, gold=gold)
    (study,) = found.studies
    assert study.name == "proxy against gold"
    assert found.verdict == study.verdict
    assert found.verdict.startswith("Choose the best of")
    for point in found.points:
        # Point n is the plain estimator over the arrays.
        exact = best_of_n(proxy, gold, [point.n or 1])[:, 0]
        assert point.gold_mean.value == pytest.approx(float(exact.mean()))
    assert list(found.fits) == ["proxy against gold"]
    assert found.to_json()["studies"][0]["verdict"] == found.verdict


def test_several_proxies_by_name_with_sizes_and_ensembles(tmp_path: Path) -> None:
    proxy, gold = arrays()
    noisy = proxy + np.random.default_rng(1).normal(size=proxy.shape)
    proxies = {"good": proxy, "noisy": noisy}
    found = overoptimization(
        proxy=proxies,
        gold={"human": gold.tolist()},
        size={"good": 10, "noisy": 1},
        ensemble=["mean"],
    )
    assert [s.name for s in found.studies] == [
        "good against human",
        "noisy against human",
        "mean of 2 against human",
    ]
    assert found.axes[0].sizes == {"good": 10, "noisy": 1}
    assert [line.partition(":")[0] for line in found.verdict.splitlines()] == list(found.fits)
    with pytest.raises(ConfigError, match="no proxy is called 'bad'; there is good, noisy"):
        overoptimization(proxy=proxies, gold=gold, size={"bad": 1})


def test_a_pool_with_scorers_and_files_of_scores(tmp_path: Path) -> None:
    prompts = [Prompt.of(f"{i} and {i}?", reference=str(2 * i)) for i in range(1, 7)]
    texts = [(f"{2 * i}", f"surely {2 * i}", "no", "I do not know") for i in range(1, 7)]
    groups = [
        Group(prompt=prompt, responses=tuple(map(Response.of, row)))
        for prompt, row in zip(prompts, texts, strict=True)
    ]
    pool = tmp_path / "pool.jsonl"
    io.write(groups, pool)
    lengths = np.array([[float(len(text)) for text in row] for row in texts])
    by_word = overoptimization(pool, proxy="longest", gold="numeric")
    by_array = overoptimization(pool, proxy={"longest": lengths}, gold="numeric")
    assert repr(by_word.points) == repr(by_array.points)
    from assay import cli

    cli.main(["score", "longest", str(pool), "--out", str(tmp_path / "scores.jsonl")])
    file = [f"longest={tmp_path / 'scores.jsonl'}"]
    by_file = overoptimization(pool, proxy_scores=file, gold="numeric")
    assert repr(by_word.points) == repr(by_file.points)
    with pytest.raises(DataError, match="has the shape"):
        overoptimization(pool, proxy=lengths[:, :2], gold="numeric")


def test_what_cannot_be_swept_is_refused() -> None:
    proxy, gold = arrays(4, 8)
    with pytest.raises(ConfigError, match="there is no gold"):
        overoptimization(proxy=proxy)
    with pytest.raises(ConfigError, match="'math' scores responses, and there is no pool"):
        overoptimization(proxy=proxy, gold="math")
    with pytest.raises(ConfigError, match="leave the scorers out"):
        overoptimization(ScoredPool(proxies={"a": proxy}, golds={"b": gold}), proxy=proxy)


def test_results_are_put_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.runs.run.Run.page", lambda *_, **__: True)
    proxy, gold = arrays(10, 16)
    found = overoptimization(proxy=proxy, gold=gold, out=tmp_path / "a")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {
        "points.jsonl", "fits.json", "run.json",
    }  # fmt: skip
    files = found.report(tmp_path / "b")
    assert [file.name for file in files] == ["points.jsonl", "fits.json", "run.json"]
    both = combined([tmp_path / "a", tmp_path / "b"], size={"a/proxy": 1, "b/proxy": 2})
    assert [s.proxy for s in both.studies] == ["a/proxy", "b/proxy"]
    settings = json.loads((tmp_path / "a" / "run.json").read_text())["settings"]
    assert settings["proxy"] == "array of 10 x 16"


def test_the_gaussian_pool_tells_its_truth() -> None:
    pool = gaussian_pool(seed=1)
    assert list(pool.proxies) == ["noise 0", "noise 0.5", "noise 1"]
    assert pool.golds["gold"].shape == (60, 512)
    assert "peak" in pool.notes[0]
