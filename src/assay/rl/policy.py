"""The policy being trained: a stock causal LM, what it was at the start, and how it writes and is
read.

The reference is a frozen copy, or, where adapters are what is trained (LoRA), the model itself with
its adapters off: no second copy. A value head, where there is one, is linear in the last hidden
state from which a token was predicted, scaled to length 1; it learns from what the policy makes of
a text, and the policy learns nothing from it.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from assay.engines.hf import Grammar, HuggingFace, Sample
from assay.errors import ConfigError
from assay.models import lora
from assay.models.layout import Layout
from assay.models.log_probabilities import LogProbabilities, Reference, log_probabilities
from assay.models.policy import save_policy
from assay.protocols import Splitter
from assay.training.parallel import ALONE, World
from assay.training.sharding import whole

__all__ = ["Policy"]


class Policy:
    """A causal LM and its tokenizer, to be trained in place.

    layout, split, grammar: as `HuggingFace` has them. adapters: rank of LoRA adapters to train
    instead of the model; 0 trains every parameter. critic: with a value head. Dropout is off:
    samples are drawn from what is trained.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        layout: Layout | None = None,
        split: Splitter | None = None,
        grammar: Grammar | None = None,
        adapters: int = 0,
        critic: bool = False,
        seed: int = 0,
    ) -> None:
        if lora.adapted(model):
            raise ConfigError(
                "this policy carries adapters of its own, which would be trained and saved as"
                " something else; merge them into its weights first (assay.models.lora.merge), or"
                " give the folder of the merged model"
            )
        self.model, self.tokenizer, self.grammar = model.eval(), tokenizer, grammar
        self.world: World = ALONE
        """The processes on which the model lies in parts."""
        if adapters:
            torch.manual_seed(seed)
            lora.adapt(model, adapters, 2 * adapters)
            self.reference = Reference(model, partial(_adapters_off, model))
        else:
            self.reference = Reference(copy.deepcopy(model).requires_grad_(False))
            model.requires_grad_(True)
        width = int(model.get_output_embeddings().weight.shape[-1])
        self.critic = nn.Linear(width, 1).to(model.device) if critic else None
        if self.critic is not None:
            # It says 0 until there are returns (`begin_values`).
            nn.init.zeros_(self.critic.weight)
            nn.init.zeros_(self.critic.bias)
        settings: dict[str, Any] = {"layout": layout, "grammar": grammar, "remember": 0}
        if split is not None:
            settings["split"] = split
        self.generator = HuggingFace(model, tokenizer, **settings)
        self._old = HuggingFace(self.reference.model, tokenizer, **settings)

    def network_parameters(self) -> dict[str, nn.Parameter]:
        """Trained parameters of the language model, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def parameters(self) -> dict[str, nn.Parameter]:
        """Trained parameters by name; the value head's come last."""
        critic = {} if self.critic is None else dict(self.critic.named_parameters(prefix="critic"))
        return self.network_parameters() | critic

    def begin_values(self, mean: float) -> bool:
        """Let a value head that has learned nothing say the mean return; whether it was such a
        one."""
        if self.critic is None or any(bool(p.any()) for p in self.critic.parameters()):
            return False
        with torch.no_grad():
            self.critic.bias.fill_(mean)
        return True

    @property
    def positions(self) -> int:
        """Most tokens of a sequence: the layout's limit, and what the model has positions for."""
        of_model = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        limit = self.generator.encoder.layout.max_length
        return min(limit, of_model) if isinstance(of_model, int) and of_model > 0 else limit

    @contextmanager
    def as_it_is(self) -> Iterator[HuggingFace]:
        """Give the policy's generator, to be used while it lasts."""
        with whole(self.model, self.world):
            yield self.generator

    @contextmanager
    def as_it_was(self) -> Iterator[HuggingFace]:
        """Give the generator of the policy as it was, to be used while it lasts."""
        with whole(self.reference.model, self.world), self.reference.inside():
            yield self._old

    def read(
        self,
        samples: Sequence[Sample],
        *,
        temperature: float = 1.0,
        entropy: bool = False,
        reference: bool = True,
        micro_tokens: int = 8192,
    ) -> tuple[LogProbabilities, Tensor | None]:
        """Log-probabilities of samples under the policy, within its grammar, and the (B, T) values
        of the states their tokens were chosen in. Differentiable where gradients are on."""
        if self.world.size > 1:
            # All processes run the layers as often.
            micro_tokens = 1 << 30
        sequences = [(*sample.prefix_ids, *sample.ids) for sample in samples]
        starts = [len(sample.prefix_ids) for sample in samples]
        result = log_probabilities(
            self.model,
            sequences,
            starts,
            temperature=temperature,
            entropy=entropy,
            reference=self.reference if reference else None,
            states=self.critic is not None,
            allowed_P_V=None if self.grammar is None else self._allowed(samples, sequences, starts),
            micro_tokens=micro_tokens,
        )
        if self.critic is None or result.hidden_B_R_D is None:
            return result, None
        states_B_T_D = normalize(result.hidden_B_R_D.detach().to(self.critic.weight.dtype), dim=-1)
        values_B_T = self.critic(states_B_T_D).squeeze(-1)
        return replace(result, hidden_B_R_D=None), torch.where(result.mask_B_R, values_B_T, 0.0)

    def save(self, folder: Path) -> None:
        """Write the policy as a stock checkpoint, adapters merged."""
        save_policy(self.model, self.tokenizer, folder)

    def _allowed(
        self,
        samples: Sequence[Sample],
        sequences: Sequence[Sequence[int]],
        starts: Sequence[int],
    ) -> Tensor:
        """(P, V) tokens that the grammar lets come at each of all P response tokens, in order."""
        assert self.grammar is not None
        size = int(self.model.config.get_text_config().vocab_size)
        first = np.cumsum(
            [0, *(len(row) - start for row, start in zip(sequences, starts, strict=True))]
        )
        allowed_P_V = torch.empty(int(first[-1]), size, dtype=torch.bool)
        for t in range(min(starts), max(map(len, sequences))):
            rows = [
                i
                for i, (row, start) in enumerate(zip(sequences, starts, strict=True))
                if start <= t < len(row)
            ]
            if not rows:
                continue
            ids = torch.tensor([sequences[i][:t] for i in rows])
            scores = self.grammar(ids, torch.zeros(len(rows), size))
            allowed_P_V[[int(first[i]) + t - starts[i] for i in rows]] = scores.isfinite()
        for i, sample in enumerate(samples):
            for start, end in sample.given:
                # Nobody chose these tokens, so the grammar need not allow them.
                allowed_P_V[int(first[i]) + start : int(first[i]) + end] = True
        return allowed_P_V


@contextmanager
def _adapters_off(model: Any) -> Iterator[None]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
