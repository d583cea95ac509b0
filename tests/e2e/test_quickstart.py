import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assay.cli import COMMANDS
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.overopt import read_points
from assay.runs.settings import to_json
from assay.studies.arithmetic import (
    Arithmetic,
    Summary,
    first_look,
    next_steps,
    quickstart,
    run,
    size_note,
)
from assay.studies.arithmetic.models import train_and_score
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.scored import read_scores
from assay.studies.arithmetic.stages import Stages
from assay.types import Score

TINY = Arithmetic(
    train_problems=30,
    samples=6,
    test_problems=8,
    pool=8,
    policy_steps=30,
    steps=12,
    batch_size=16,
    workers=1,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    out = tmp_path_factory.mktemp("quickstart")
    return out, run(out, world=TINY, progress=False)


def test_the_summary_holds_what_it_promises(done: tuple[Path, Summary]) -> None:
    out, summary = done
    body = json.loads((out / "summary.json").read_text())
    assert {
        "mean_at_1",
        "majority",
        "oracle",
        "best_of_n",
        "parity_max_abs_diff",
        "seconds",
    } <= body.keys()
    for name in ("mean_at_1", "majority", "oracle"):
        assert body[name]["low"] <= body[name]["value"] <= body[name]["high"]
        assert body[name]["n"] == 8
    assert body["best_of_n"].keys() == {"preference", "outcome", "process"}
    for curve in body["best_of_n"].values():
        assert [point["n"] for point in curve] == [1, 2, 4, 8]
        # The best of one is no selection, whoever selects.
        assert curve[0]["value"] == pytest.approx(body["mean_at_1"]["value"])
        assert all(point["value"] <= body["oracle"]["value"] + 1e-9 for point in curve)
    assert body["parity_max_abs_diff"] == summary.parity_max_abs_diff <= 1e-4
    assert (out / "report.html").stat().st_size > 10_000


def test_it_ends_with_the_over_optimization_of_its_models(done: tuple[Path, Summary]) -> None:
    """The same curves as the summary's, from other code."""
    out, summary = done
    points = {(p.proxy, p.n): p for p in read_points(out / "overopt" / "points.jsonl")}
    for kind, curve in summary.best_of_n.items():
        for n, estimate in ((p.n, p.estimate) for p in curve):
            assert points[kind, n].gold_mean.value == pytest.approx(estimate.value)
    assert "When each stops being gold" in (out / "report.html").read_text()
    assert (out / "overoptimization.html").stat().st_size > 10_000


def test_the_pool_is_of_other_problems_and_graded(done: tuple[Path, Summary]) -> None:
    out, _ = done
    train, test = (
        read_pools(out / "data" / f"{name}.jsonl") for name in ("train_pool", "test_pool")
    )
    assert not {p.prompt.text for p in train} & {p.prompt.text for p in test}
    assert [len(p.responses) for p in test] == [8] * 8
    for pool in test:
        right = [r.text.endswith(f"ans={pool.prompt.reference}") for r in pool.responses]
        assert list(pool.grades) == [float(x) for x in right]


def test_every_model_is_saved_and_gave_the_scores(done: tuple[Path, Summary]) -> None:
    out, _ = done
    pools = read_pools(out / "data" / "test_pool.jsonl")
    for kind in TINY.kinds:
        scores, _ = read_scores(out / "scores" / f"{kind}.json")
        assert [len(row) for row in scores] == [8] * 8
        model = checkpoint.load(out / "models" / kind)
        assert model.layout.close == (kind != "process")
        steps = scores[0][0].steps if isinstance(scores[0][0], Score) else ()
        assert len(steps) == len(pools[0].responses[0].steps)


def test_a_second_run_resumes_the_first(done: tuple[Path, Summary], tmp_path: Path) -> None:
    first, summary = done
    out = tmp_path / "again"
    shutil.copytree(first, out)
    before = (out / "policy" / "model.safetensors").stat().st_mtime_ns
    (out / "scores" / "outcome.json").unlink()
    (out / "summary.json").unlink()
    again = run(out, world=TINY, progress=False)
    assert again.best_of_n == summary.best_of_n
    assert (out / "policy" / "model.safetensors").stat().st_mtime_ns == before
    assert (out / "summary.json").is_file()


def test_models_trained_side_by_side_are_the_same(
    done: tuple[Path, Summary], tmp_path: Path
) -> None:
    first, _ = done
    out = tmp_path / "side_by_side"
    shutil.copytree(first / "data", out / "data")
    world = replace(TINY, workers=2, kinds=("outcome", "process"))
    train_and_score(world, out, progress=False)
    for kind in world.kinds:
        assert (out / "scores" / f"{kind}.json").read_text() == (
            first / "scores" / f"{kind}.json"
        ).read_text()


def test_a_folder_of_another_run_is_refused_by_the_settings_that_differ(
    done: tuple[Path, Summary],
) -> None:
    before = (done[0] / "world.json").read_text()
    with pytest.raises(ConfigError, match="seed 0 there, 1 here") as error:
        run(done[0], world=replace(TINY, seed=1, pool=16), progress=False)
    assert "pool 8 there, 16 here" in str(error.value)
    assert "samples" not in str(error.value)
    assert (done[0] / "world.json").read_text() == before


def test_a_folder_of_the_worlds_old_name_is_resumed(tmp_path: Path) -> None:
    settings = json.dumps(to_json(TINY))
    assert "assay.studies.arithmetic.running_sums:Arithmetic" in settings
    old = settings.replace("studies.arithmetic.running_sums", "quickstart.world")
    body = json.loads(old)
    del body["workers"]
    (tmp_path / "world.json").write_text(json.dumps(body))
    Stages(tmp_path).open(TINY)
    with pytest.raises(ConfigError, match="steps 12 there, 13 here"):
        Stages(tmp_path).open(replace(TINY, steps=13))


def test_what_to_run_next_is_runnable_and_a_first_look_says_that_it_is_one(
    done: tuple[Path, Summary],
) -> None:
    out, _ = done
    for command in next_steps(TINY, out):
        program, name, *rest = shlex.split(command)
        assert program == "assay"
        assert name in COMMANDS
        paths = [Path(word) for word in rest if word.startswith(str(out))]
        assert all(path.exists() for path in paths)
    assert size_note(TINY) == size_note(quickstart(3)) == ""
    assert "wider" in size_note(first_look(3))
    assert next(iter(next_steps(first_look(3), out))) == "assay quickstart"
