"""One model from several: the average of their weights (WARM, arXiv:2401.12187).

θ = (1/M) Σ_m θ_m. Of models that were fine-tuned from one set of weights, the average scores about
as their ensemble does at the price of one, and forgets more of the labels' noise, which they learnt
differently. Of models that were not, it is noise: nothing in the weights tells for sure, so
`assay.training.warm` measures it.
"""

import copy
from collections.abc import Sequence

import torch

from assay.errors import ConfigError
from assay.models.implicit import ImplicitRewardModel
from assay.models.lora import adapted
from assay.models.reward_model import RewardModel

__all__ = ["average"]


def average(models: Sequence[RewardModel]) -> RewardModel:
    """A reward model whose weights are the mean of those of models with one initialisation, head
    and layout.

    It is of the first one's precision and on its device, and knows no training scores. Raises
    `ConfigError` where the models cannot be averaged. The given models stay as they are.
    """
    if len(models) < 2:
        raise ConfigError(f"{len(models)} model cannot be averaged; give two or more")
    first = models[0]
    for i, model in enumerate(models):
        if isinstance(model, ImplicitRewardModel) or adapted(model.network):
            raise ConfigError(
                f"model {i} has no head, or carries LoRA adapters: average merged models with a"
                " head"
            )
        for what in ("readout", "layout", "pad_id"):
            if (own := getattr(model, what)) != (its := getattr(first, what)):
                raise ConfigError(
                    f"model {i} has {what} {own!r}, and model 0 has {its!r}; average models of one"
                    " kind"
                )
        if model.encoder.tokenizer.get_vocab() != first.encoder.tokenizer.get_vocab():
            raise ConfigError(
                f"model {i} has another vocabulary than model 0; average models of one backbone"
            )
    states = [model.network.state_dict() for model in models]
    for i, state in enumerate(states):
        shapes = {name: tensor.shape for name, tensor in state.items()}
        if shapes != {name: tensor.shape for name, tensor in states[0].items()}:
            raise ConfigError(
                f"model {i} has weights of other names or shapes than model 0; average one"
                " architecture"
            )
    mean = {}
    for name, tensor in states[0].items():
        total = torch.zeros_like(tensor, dtype=torch.float64)
        for state in states:
            total += state[name].to(total)
        mean[name] = (total / len(states)).to(tensor.dtype)
    network = copy.deepcopy(first.network)
    network.load_state_dict(mean)
    return (
        RewardModel(network, first.encoder, pad_id=first.pad_id)
        .to(next(first.parameters()).device)
        .eval()
    )
