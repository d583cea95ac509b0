"""Policies, the language models that write responses: what they read and write in, and how they are kept.

A folder holds a stock `...ForCausalLM` and its tokenizer, which every other tool loads.
"""

import copy
import shutil
import tempfile
from pathlib import Path
from typing import Any

from assay.errors import ConfigError
from assay.models import lora
from assay.models.checkpoint import publish
from assay.models.layout import Encoder, Layout
from assay.models.loading import quiet
from assay.models.readout import PREFERENCE

__all__ = ["end_ids", "policy_encoder", "save_policy"]


def save_policy(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a stock causal LM and its tokenizer: the whole folder takes its place, or what was there stays.

    Adapters are merged in a copy; the model itself goes on as it is.
    """
    if lora.adapted(model):
        model = copy.deepcopy(model)
        lora.merge(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with quiet():
            tokenizer.save_pretrained(staging)
            model.save_pretrained(staging)
        publish(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def policy_encoder(tokenizer: Any, layout: Layout) -> Encoder:
    """What a policy's prompts and responses become tokens by. Raises `ConfigError` for a layout it cannot write in."""
    if layout.strip or layout.between or layout.separator or layout.template == "turns":
        raise ConfigError(
            "this layout puts tokens between steps that a policy does not write; use one without strip, between "
            "and separator, and template 'plain' or 'chat'"
        )
    # A policy writes after a prefix that is the same whatever it will write.
    return Encoder(tokenizer, layout.model_copy(update={"whole": False}), PREFERENCE)


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that end a response: the tokenizer's, and those of the model's generation settings."""
    settings = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = settings if isinstance(settings, list) else [settings]
    found = {int(i) for i in (tokenizer.eos_token_id, *listed) if i is not None}
    if not found:
        raise ConfigError("neither the tokenizer nor the model names an end-of-sequence token; set one")
    return tuple(sorted(found))
