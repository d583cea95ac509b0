r"""Open a reward model by a word: a folder, or the name of a published model, with its layout's
settings behind it.

    runs/rm
    skywork-reward-v2
    Skywork/Skywork-Reward-V2-Qwen3-0.6B
    some/stock-classifier,template=plain,join=\n

A folder that `assay train` or `assay models import` wrote says itself how it is read. Of any other
one the weights tell the head, but nothing tells the text that it was trained on: that is a setting,
and what is taken without one is said.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch

from assay.errors import ConfigError
from assay.models.checkpoint import MANIFEST, Dtype, load
from assay.models.closeness import say_closeness, scores
from assay.models.loading import home_of
from assay.models.lowbit import Weights
from assay.models.presets import PRESETS, REFUSED
from assay.models.published import guess, load_preset
from assay.models.reward_model import RewardModel

__all__ = ["open_model", "split_words"]


def split_words(text: str) -> tuple[str, dict[str, str]]:
    r"""Return what a word names, and its settings: `NAME,key=value,...`; a comma within is written
    `\,`.

    A name that exists as a folder is taken whole. Raises `ConfigError` for a setting without a
    value.
    """
    if Path(text).exists():
        return text, {}
    name, *rest = (part.replace(r"\,", ",") for part in re.split(r"(?<!\\),", text))
    settings = {}
    for part in filter(None, rest):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{text!r}: {part!r} is no setting; write key=value")
        settings[key] = value
    return name, settings


def open_model(
    name: str,
    settings: Mapping[str, str] | None = None,
    *,
    dtype: Dtype | None = None,
    device: str = "cpu",
    weights: Weights = "saved",
) -> RewardModel:
    """A reward model from a folder, or a published one that was downloaded before, ready to score.

    weights: what matrices are kept in; how far that moves its scores is measured against the model
    as saved, where both fit, and said.

    settings: those of its layout, `preset`, how its head is read where its weights do not tell, and
    calibration=none, which leaves out the temperature that was fitted for a saved model.
    Raises `ConfigError`, in one sentence, for what is not there, is no reward model, or leaves open
    how it is read.
    """
    open_ = partial(_open, name, settings, dtype=dtype, device=device)
    model = open_(weights)
    if weights != "saved":
        known = _downloaded(name) if name in PRESETS else name
        say_closeness(
            home_of(_cached(known) or Path(known)),
            getattr(torch, dtype) if dtype else "auto",
            device,
            partial(scores, model),
            lambda: scores(open_("saved")),
        )
    return model


def _open(
    name: str,
    settings: Mapping[str, str] | None,
    weights: Weights,
    *,
    dtype: Dtype | None,
    device: str,
) -> RewardModel:
    words = dict(settings or {})
    if (calibration := words.pop("calibration", None)) not in (None, "none"):
        raise ConfigError(f"calibration={calibration}: there is none, or leave it out")
    if (Path(name) / MANIFEST).is_file():
        if words:
            given = ", ".join(f"{key}={value}" for key, value in words.items())
            raise ConfigError(f"{name} says itself how its texts are laid out; leave out {given}")
        return load(
            name, dtype=dtype, device=device, calibrated=calibration is None, weights=weights
        )
    preset = words.pop("preset", None)
    if name in REFUSED:
        raise ConfigError(f"{name} cannot be loaded: {REFUSED[name].why}")
    if name in PRESETS:
        preset, name = preset or name, _downloaded(name)
    if not Path(name).is_dir() and _cached(name) is None:
        raise ConfigError(
            f"there is no folder {name}, and no model of that name was downloaded to this machine;"
            f" where it is a name of the hub, `hf download {name}` fetches it"
        )
    preset = preset or next((p.name for p in PRESETS.values() if name in p.checkpoints), None)
    return load_preset(
        preset or guess(_cached(name) or Path(name)),
        name,
        layout=words,
        dtype=dtype,
        device=device,
        weights=weights,
    )


def _downloaded(preset: str) -> str:
    """The first of a preset's checkpoints that is on this machine."""
    checkpoints = PRESETS[preset].checkpoints
    for checkpoint in checkpoints:
        if _cached(checkpoint) is not None:
            return checkpoint
    if not checkpoints:
        raise ConfigError(
            f"{preset} names a kind of checkpoint and none in particular; give"
            f" FOLDER,preset={preset}"
        )
    raise ConfigError(
        f"none of {preset}'s checkpoints was downloaded to this machine; `hf download"
        f" {checkpoints[0]}` fetches one, or give FOLDER,preset={preset}"
    )


def _cached(name: str) -> Path | None:
    """Folder of a hub model's files in the cache; None where it was not downloaded."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None
