"""How a causal LM makes logits of its last hidden states, so that they can be made at a few places
only.

Found out, not believed: some architectures scale or cap what their head gives, and one name in a
config is a factor in one of them and a divisor in another. What the config names is tried against
the model's own logits, once a model.
"""

import logging
from dataclasses import dataclass
from itertools import product
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

__all__ = ["Formula", "formula_of", "precise"]

log = logging.getLogger(__name__)

LARGE = 50.0
"""Standard deviation of the logits of the trial: large enough for a cap to show."""


def precise(x: Tensor) -> Tensor:
    """In fp32, or float64 where it is in float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@dataclass(frozen=True)
class Formula:
    """From the outputs x of a head to logits: cap tanh(scale x / cap), or scale x without a cap."""

    scale: float = 1.0
    cap: float | None = None

    def __call__(self, head: nn.Module, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., D), in fp32 or better."""
        # Some backbones keep their last states in fp32.
        logits = precise(head(hidden.to(next(head.parameters()).dtype)))
        if self.scale != 1:
            logits = logits * self.scale
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


_known: "WeakKeyDictionary[nn.Module, Formula | None]" = WeakKeyDictionary()


def formula_of(model: nn.Module) -> Formula | None:
    """From the outputs of a model's head to its logits; None, with the reason logged once, where
    nothing tried fits."""
    if model not in _known:
        try:
            _known[model] = _find(model)
        # A model without a head or a backbone of its own, or one that does something else with
        # them.
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            name, reason = type(model).__name__, f"{type(error).__name__}: {error}"
            log.warning(
                "%s: logits of whole sequences, prompts recomputed for every response: %s",
                name,
                reason,
            )
            _known[model] = None
    return _known[model]


@torch.no_grad()
def _find(model: Any) -> Formula:
    """The formula that gives the model's own logits of hidden states put in place of its
    backbone's."""
    head = model.get_output_embeddings()
    if head is None:
        raise ValueError("it names no output embeddings")
    given: list[Tensor] = []

    def put(_: nn.Module, __: Any, output: Any) -> Any:
        like = output.last_hidden_state
        noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
        given.append(noise * (LARGE / Formula()(head, noise).std().clamp(min=1e-6)).to(noise))
        output.last_hidden_state = given[-1]
        return output

    ids = torch.arange(1, 5, device=model.device)[None]
    # Some heads read the decoder within the backbone, whose states are the backbone's.
    hooks = [
        module.register_forward_hook(put) for module in {model.base_model, model.get_decoder()}
    ]
    try:
        # Dropout must not move the generator: a run that goes on makes this trial at another step.
        with torch.random.fork_rng([ids.device] if ids.is_cuda else []):
            expected = precise(
                model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            )
    finally:
        for hook in hooks:
            hook.remove()
    if not given:
        raise ValueError("it does not call its backbone")
    for formula in _candidates(model.config.get_text_config()):
        off = float((formula(head, given[-1]) - expected).norm() / expected.norm().clamp(min=1e-6))
        if off <= max(1e-5, 2 * torch.finfo(next(head.parameters()).dtype).eps):
            return formula
    raise ValueError("its logits are not its head's outputs, scaled and capped as its config says")


def _candidates(config: Any) -> list[Formula]:
    """Return what the names in a config may mean."""

    def named(*names: str) -> list[float]:
        values = (getattr(config, name, None) for name in names)
        return [float(x) for x in values if isinstance(x, int | float) and x]

    scales = named("logit_scale", "logits_scaling", "lm_head_multiplier")
    caps = named("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
    return [
        Formula(*pair) for pair in product([1.0, *scales, *(1 / x for x in scales)], [None, *caps])
    ]
