"""The model of a loss: layout, read-out and aggregation follow from it."""

from pathlib import Path

import pytest

from assay import components
from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.step_bce import StepBCE
from assay.models.implicit import ImplicitRewardModel
from assay.training.backbone import model_for, readout_for
from assay.training.loop import READOUTS
from tests.models import tiny
from tests.training import planted


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    tiny.causal(hidden_size=16, intermediate_size=32, head_dim=8).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", components.names("losses"))
def test_every_loss_gets_the_model_that_it_trains(name: str, backbone: Path) -> None:
    loss = components.load("losses", name)()
    model = model_for(loss, backbone, [])
    assert model.readout.link == READOUTS[loss.trains].link
    # A step reads the same whether or not it is the last, so nothing closes a process model's.
    assert model.layout.close == (loss.trains != "process")


def test_labels_that_are_values_are_read_at_the_last_step() -> None:
    sound = planted.steps(2)
    values = [r.model_copy(update={"meaning": "monte_carlo"}) for r in sound]
    assert readout_for(StepBCE(), sound).aggregate == "product"
    assert readout_for(StepBCE(), values).aggregate == "last"
    assert readout_for(StepBCE(), values, "min").aggregate == "min"
    with pytest.raises(ConfigError, match="BradleyTerry trains none"):
        readout_for(BradleyTerry(), [], "min")


def test_an_implicit_model_has_no_head_to_keep(backbone: Path) -> None:
    model = model_for(BradleyTerry(), backbone, [], implicit_beta=0.1)
    assert isinstance(model, ImplicitRewardModel)
    assert model.readout.steps == "difference"
    with pytest.raises(ConfigError, match="no head"):
        model_for(BradleyTerry(), backbone, [], implicit_beta=0.1, head="keep")
    with pytest.raises(ConfigError):
        model_for(StepBCE(), backbone, [], implicit_beta=0.1)
