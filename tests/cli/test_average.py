"""Several reward models from the command line: their weights averaged, and their scores put
together."""

from pathlib import Path

import pytest
import torch

from assay.cli import main
from assay.data import io
from assay.losses.bradley_terry import BradleyTerry
from assay.models import checkpoint
from assay.scorers.ensemble import Ensemble
from assay.specs.rewards import part
from assay.specs.scorers import scorer
from assay.training.loop import Settings, train
from assay.types import Group, Score
from tests.training import planted


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    for i in range(2):
        settings = Settings(epochs=2, batch_size=32, learning_rate=5e-3, seed=i)
        records = planted.preferences(100, seed=i)
        train(
            planted.model(),
            records,
            loss=BradleyTerry(),
            settings=settings,
            out=folder / str(i),
            progress=False,
        )
    return folder


def test_weights_are_averaged(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = tmp_path / "held.jsonl"
    io.write(planted.preferences(60, seed=9), held)
    words = ["models", "average", str(runs / "0"), str(runs / "1"), "--records", str(held)]
    main([*words, "--out", str(tmp_path / "average")])
    assert "accuracy on 60 records: average" in capsys.readouterr().out
    both = [checkpoint.load(runs / name).network.score.weight for name in ("0", "1")]
    torch.testing.assert_close(
        checkpoint.load(tmp_path / "average").network.score.weight, sum(both) / 2
    )
    with pytest.raises(SystemExit):
        main(
            [
                "models",
                "average",
                str(runs / "0"),
                "--records",
                str(held),
                "--out",
                str(tmp_path / "one"),
            ]
        )
    assert "two folders or more" in capsys.readouterr().err


def test_scores_are_put_together(runs: Path) -> None:
    record = planted.preferences(1, seed=3)[0]
    groups = [Group(prompt=record.prompt, responses=record.responses)]
    single = []
    for name in ("0", "1"):
        scores, of = scorer(str(runs / name)).score(groups)[0], checkpoint.load(runs / name).scores
        assert of is not None
        single.append([(s.value - of.mean) / of.std for s in scores if isinstance(s, Score)])
    words = f"{runs / '0'}+{runs / '1'}"
    for how, expected in (
        ("mean", [(a + b) / 2 for a, b in zip(*single, strict=True)]),
        ("worst", [min(a, b) for a, b in zip(*single, strict=True)]),
        ("uwo", [(a + b) / 2 - 0.5 * ((a - b) / 2) ** 2 for a, b in zip(*single, strict=True)]),
    ):
        found = scorer(f"{how}:{words}").score(groups)[0]
        assert [s.value for s in found if isinstance(s, Score)] == pytest.approx(expected, rel=1e-5)
    weighed = part(f"uwo:{words},variance=0.1,weight=2")
    assert isinstance(weighed.scorer, Ensemble)
    assert (weighed.scorer.weight, weighed.weight) == (0.1, 2)
