"""Shapes of models: what a network is before it has weights, from a folder's configuration or by a
name, counted on the meta device."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import AutoConfig, PreTrainedConfig

from assay.errors import ConfigError
from assay.models.folder import check_weights, has_weights
from assay.models.generic import classifier_of
from assay.models.loading import fetch, home_of, load_config, quiet
from assay.models.lowbit import WHOLE

__all__ = ["SHAPES", "Counts", "config_of", "counts_of", "network_of"]


def _llama(
    layers: int, width: int, inner: int, heads: int, groups: int, words: int, **others: Any
) -> Mapping[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "vocab_size": words,
        "max_position_embeddings": 8192,
        **others,
    }


TIED: Final[Mapping[str, Any]] = {"tie_word_embeddings": True}
SHAPES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "tiny": ("llama", _llama(2, 64, 128, 4, 2, 512, **TIED)),
    "135m": ("llama", _llama(30, 576, 1536, 9, 3, 49_152, **TIED)),
    "0.5b": ("qwen2", _llama(24, 896, 4864, 14, 2, 151_936, **TIED)),
    "1b": ("llama", _llama(16, 2048, 8192, 32, 8, 128_256, **TIED)),
    "3b": ("llama", _llama(28, 3072, 8192, 24, 8, 128_256, **TIED)),
    "8b": ("llama", _llama(32, 4096, 14_336, 32, 8, 128_256)),
    "32b": ("qwen2", _llama(64, 5120, 27_648, 40, 8, 152_064)),
    "70b": ("llama", _llama(80, 8192, 28_672, 64, 8, 128_256)),
}
"""Model types and settings by name: the shapes of SmolLM2-135M, Qwen2.5-0.5B and 32B, and Llama 3
of 1B, 3B, 8B and 70B parameters."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Parameters of a classifier, and what one token of its context keeps."""

    parameters: int
    embeddings: int
    """Of them in the table of tokens, which take no part in matrix products."""
    layers: int
    width: int
    """Numbers in a hidden state."""
    words: int
    """Tokens in the vocabulary."""
    head: int
    """Parameters of a language model's own head, 0 where it is the table of tokens."""
    kept: int
    """Numbers that the cache of keys and values holds per token."""
    matrices: int = 0
    """Parameters of linear layers but heads: what can be quantised."""
    matrix: int = 0
    """Parameters of the largest of them."""

    @property
    def products(self) -> int:
        """Parameters that a token is multiplied with."""
        return self.parameters - self.embeddings


def config_of(word: str) -> PreTrainedConfig:
    """Return the configuration of a named shape, a folder or a downloaded model.

    A folder may hold its configuration alone. Raises `ConfigError` for a word that is none, a
    shape's name that there is none of, and a folder whose weights are damaged or not all there.
    """
    if word.lower() in SHAPES:
        kind, settings = SHAPES[word.lower()]
        return AutoConfig.for_model(kind, **settings)
    if not Path(word).is_dir() and "/" not in word:
        raise ConfigError(
            f"{word} is neither a folder nor a shape; there is {', '.join(SHAPES)}, or give a"
            " folder with a config.json"
        )
    folder = fetch(word)
    config = load_config(folder)
    if has_weights(home := home_of(folder)):
        check_weights(home)
    return config


def network_of(config: Any, device: str = "meta", dtype: torch.dtype = torch.float32) -> Any:
    """Return a classifier of one output without weights, or with random ones on a real device."""
    config.num_labels = 1
    kind = classifier_of(config)
    with quiet(), torch.device(device):
        if hasattr(kind, "from_config"):
            return kind.from_config(config, dtype=dtype)
        return kind._from_config(config, dtype=dtype)


def counts_of(config: Any) -> Counts:
    """Count a configuration's parameters on the meta device, which holds no number.

    Of a mixture of experts all experts count, for all of them are held.
    """
    network = network_of(config)
    text = config.get_text_config()
    table = network.get_input_embeddings().weight
    heads = int(getattr(text, "num_attention_heads", 1))
    groups = int(getattr(text, "num_key_value_heads", None) or heads)
    width = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    layers = int(text.num_hidden_layers)
    sizes = [
        module.weight.numel()
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name not in WHOLE
    ]
    tied = bool(getattr(text, "tie_word_embeddings", False))
    return Counts(
        parameters=sum(p.numel() for p in network.parameters()),
        embeddings=table.numel(),
        layers=layers,
        width=int(text.hidden_size),
        words=int(table.shape[0]),
        head=0 if tied else table.numel(),
        kept=2 * groups * width * layers,
        matrices=sum(sizes),
        matrix=max(sizes, default=0),
    )
