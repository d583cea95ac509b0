"""Averages of weights by hand, and what cannot be averaged."""

from typing import Any

import pytest
import torch

from assay.errors import ConfigError
from assay.models.averaging import average
from tests.training import planted


def moved(by: float, **shape: Any) -> Any:
    """The planted model with every weight moved by the same."""
    model = planted.model(**shape)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by)
    return model


def test_the_mean_of_the_weights() -> None:
    first, second, third = moved(0.0), moved(0.75), moved(-1.5)
    before = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    found = average([first, second, third])
    for name, tensor in found.state_dict().items():
        torch.testing.assert_close(tensor, before[name] - 0.25)
        assert torch.equal(first.state_dict()[name], before[name])
    assert not found.training
    assert found.scores is None


def test_a_model_averaged_with_itself_is_itself() -> None:
    model = planted.model()
    sequences = model.encoder.encode(
        [(p.prompt, r) for p in planted.preferences(4) for r in p.responses]
    )
    batch = model.collate(sequences)
    with torch.inference_mode():
        assert torch.equal(average([model, planted.model()])(batch), model.eval()(batch))


def test_the_precision_is_kept() -> None:
    models = [moved(0.0).bfloat16(), moved(1.0).bfloat16()]
    for model in models:
        model.network.score.float()
    found = average(models)
    assert next(found.backbone.parameters()).dtype == torch.bfloat16
    assert found.network.score.weight.dtype == torch.float32


def test_unlike_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 model cannot"):
        average([planted.model()])
    with pytest.raises(ConfigError, match="model 1 has readout"):
        average([planted.model(), planted.model("outcome")])
    with pytest.raises(ConfigError, match="model 1 has layout"):
        average([planted.model(), planted.model(max_length=32)])
    with pytest.raises(ConfigError, match="names or shapes"):
        average([planted.model(), planted.model(hidden_size=16)])
    with pytest.raises(ConfigError, match="model 0 has no head"):
        average([planted.implicit(), planted.implicit()])
