"""Policies, the language models that write responses: how they are opened, read and written in, and
kept.

A folder holds a stock `...ForCausalLM` and its tokenizer, which every other tool loads.
"""

import copy
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from assay.errors import ConfigError
from assay.models import lora
from assay.models.checkpoint import Dtype, publish
from assay.models.closeness import likelihoods, say_closeness
from assay.models.device import device_of
from assay.models.layout import Encoder, Layout
from assay.models.loading import (
    fetch,
    first_line,
    home_of,
    load_config,
    load_network,
    load_tokenizer,
    quiet,
)
from assay.models.lowbit import Weights
from assay.models.placing import settled
from assay.models.readout import PREFERENCE

__all__ = ["end_ids", "open_policy", "policy_encoder", "save_policy"]


def open_policy(
    name: str | Path,
    *,
    dtype: Dtype = "float32",
    device: str = "auto",
    trains: bool = False,
    weights: Weights = "saved",
) -> tuple[Any, Any, Path]:
    """A causal LM, its tokenizer and its folder: of a folder, a hub name, an adapter's folder, or
    "smol".

    trains: it is to be trained, so what could not be saved in the end is refused now. weights:
    what matrices are kept in; how far that moves log-probabilities is said. Raises
    `ConfigError` where the folder, or the device, is not to be had.
    """
    device = device_of(device, spread=not trains)
    if str(name).startswith(("http://", "https://")):
        raise ConfigError(f"{name} is a server, whose weights cannot be trained; give a folder")
    if name == "smol":
        from assay.models.smol import smol_folder

        folder = smol_folder()
    else:
        folder = fetch(name)
    tokenizer = load_tokenizer(folder)
    (kind,) = (load_config(folder).architectures or ["unknown"])[:1]
    if kind.endswith("Classification"):
        raise ConfigError(
            f"{folder} is a {kind}, which scores and labels texts and writes none; give a language"
            " model"
        )
    settings = {"trains": trains, "device": device, "dtype": getattr(torch, dtype)}
    model = load_network(AutoModelForCausalLM, folder, weights=weights, **settings)
    if trains:
        _rehearse(model, tokenizer, folder)
    if weights != "saved":
        say_closeness(
            home_of(folder),
            getattr(torch, dtype),
            device,
            partial(likelihoods, model, tokenizer),
            lambda: likelihoods(
                load_network(AutoModelForCausalLM, folder, **settings).to(device), tokenizer
            ),
        )
        return model, tokenizer, folder
    return settled(model, device), tokenizer, folder


def _rehearse(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write all of a policy but its weights, to nowhere: settings that cannot be saved are found
    before training."""
    try:
        with quiet(), tempfile.TemporaryDirectory() as nowhere:
            tokenizer.save_pretrained(nowhere)
            model.config.save_pretrained(nowhere)
            if model.generation_config is not None:
                model.generation_config.save_pretrained(nowhere)
    except Exception as error:
        raise ConfigError(
            f"{folder} could not be saved again after training: {first_line(error)}; correct its"
            " files first"
        ) from error


def save_policy(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a stock causal LM and its tokenizer: the whole folder takes its place, or what was
    there stays.

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
    """Return what a policy's prompts and responses become tokens by. Raises `ConfigError` for a
    layout it cannot write in."""
    if layout.strip or layout.between or layout.separator or layout.template == "turns":
        raise ConfigError(
            "this layout puts tokens between steps that a policy does not write; use one without"
            " strip, between and separator, and template 'plain' or 'chat'"
        )
    # A policy writes after a prefix that is the same whatever it will write.
    return Encoder(tokenizer, layout.model_copy(update={"whole": False}), PREFERENCE)


def end_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that end a response: the tokenizer's, and those of the model's generation settings."""
    settings = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = settings if isinstance(settings, list) else [settings]
    found = {int(i) for i in (tokenizer.eos_token_id, *listed) if i is not None}
    if not found:
        raise ConfigError(
            "neither the tokenizer nor the model names an end-of-sequence token; set one"
        )
    return tuple(sorted(found))
