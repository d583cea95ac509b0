"""Runs from one initialisation average well; weights that do not belong together are refused."""

from pathlib import Path

import pytest
import torch

from assay.errors import ConfigError, DataError
from assay.losses.bradley_terry import BradleyTerry
from assay.models import checkpoint
from assay.training.loop import Settings, train
from assay.training.warm import warm
from tests.training import planted

HELD = planted.preferences(100, seed=9)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs from one initialisation, and the first with both factors of its reward turned round:
    the same scores."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("warm")
    for i in range(2):
        settings = Settings(epochs=4, batch_size=32, learning_rate=5e-3, seed=i)
        records = planted.preferences(200, seed=i)
        train(
            planted.model(),
            records,
            loss=BradleyTerry(),
            settings=settings,
            out=folder / str(i),
            progress=False,
        )
    turned = checkpoint.load(folder / "0")
    with torch.no_grad():
        turned.network.score.weight.neg_()
        turned.network.model.norm.weight.neg_()
    checkpoint.save(turned, folder / "turned")
    return folder


def test_runs_of_one_initialisation_are_averaged(runs: Path, tmp_path: Path) -> None:
    found = warm([runs / "0", runs / "1"], HELD, tmp_path / "warm")
    assert found.accuracy >= sum(found.members) / 2
    assert found.accuracy > 0.9
    saved = checkpoint.load(tmp_path / "warm")
    weights = [checkpoint.load(runs / name).network.score.weight for name in ("0", "1")]
    torch.testing.assert_close(saved.network.score.weight, (weights[0] + weights[1]) / 2)
    assert saved.scores is not None
    assert saved.scores.n == 200


def test_an_average_that_is_worse_is_refused_with_both_numbers(runs: Path, tmp_path: Path) -> None:
    # The average's factors are 0, and so is every reward: half of the pairs are right.
    with pytest.raises(
        ConfigError,
        match=r"accuracy 0\.500 on 100 held-out records, and its members (1\.0|0\.9)\d\d on",
    ):
        warm([runs / "0", runs / "turned"], HELD, tmp_path / "warm")
    assert not (tmp_path / "warm").exists()


def test_accuracy_needs_decided_records(runs: Path, tmp_path: Path) -> None:
    ties = [record.model_copy(update={"prefer": 0.5}) for record in HELD[:4]]
    with pytest.raises(ConfigError, match="no held-out record prefers"):
        warm([runs / "0", runs / "1"], ties, tmp_path / "warm")
    with pytest.raises(DataError, match="no record is left"):
        warm([runs / "0", runs / "1"], [], tmp_path / "warm")
