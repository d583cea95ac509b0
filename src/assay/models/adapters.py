"""Folders of PEFT adapters, as LoRA fine-tunes leave them: their base is looked up, and they are
merged into it.

What is loaded is then a stock network like any other, which trains, scores and is saved.
"""

import warnings
from itertools import product
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from assay.errors import ConfigError, MissingExtra
from assay.models.folder import WEIGHTS, first_line, read_json

__all__ = ["ADAPTER", "adapter_tensors", "base_of", "is_adapter", "merge_adapter"]

ADAPTER: Final = "adapter_config.json"
PREFIX: Final = "base_model.model."
"""What stands before a weight's own name in an adapter's file."""


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds an adapter. Raises `ConfigError` where it holds whole weights
    beside it."""
    if not (folder / ADAPTER).is_file():
        return False
    names = product(WEIGHTS, ("", ".index.json"))
    whole = [name for name, end in names if (folder / f"{name}{end}").is_file()]
    if whole:
        raise ConfigError(
            f"{folder} holds {whole[0]} and {ADAPTER}: whole weights and an adapter; keep one of"
            " the two, or nobody knows whether the adapter is in the weights already"
        )
    return True


def base_of(folder: Path) -> str:
    """Folder or hub name of the model that an adapter was trained on. Raises `ConfigError` where it
    names none."""
    name = read_json(folder / ADAPTER).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ConfigError(
            f"{folder} is an adapter that names no base; write its folder to"
            f" base_model_name_or_path in {ADAPTER}"
        )
    # Beside the adapter, where both were moved together.
    for place in (folder / name, folder.parent / name):
        if not Path(name).is_absolute() and not Path(name).is_dir() and place.is_dir():
            return str(place)
    return name


def adapter_tensors(folder: Path) -> dict[str, Tensor]:
    """The adapter's tensors by their names in its file; raises `ConfigError` where they are missing
    or damaged."""
    try:
        from peft.utils import load_peft_weights
    except ImportError as error:
        raise MissingExtra("a PEFT adapter", "train") from error

    if not any((folder / f"adapter_model.{end}").is_file() for end in ("safetensors", "bin")):
        raise ConfigError(
            f"{folder} has {ADAPTER} and no adapter_model.safetensors; fetch the adapter again,"
            " whole"
        )
    try:
        found: dict[str, Tensor] = load_peft_weights(str(folder), device="cpu")
    except Exception as error:
        raise ConfigError(
            f"the adapter in {folder} cannot be read: {first_line(error)}; fetch it again"
        ) from error
    return found


def merge_adapter(network: Any, folder: Path) -> Any:
    """Add an adapter to the network of its base, in place as far as that goes, and return the stock
    network.

    Layers that were trained whole (`modules_to_save`: a score head, embeddings) take the place of
    the base's; an embedding that the adapter made larger is made larger. Raises `ConfigError` where
    a weight of the adapter has no place in the network, or the adapter's kind cannot be merged.
    """
    tensors = adapter_tensors(folder)
    from peft import PeftConfig, get_peft_model
    from peft.utils import set_peft_model_state_dict

    try:
        config = PeftConfig.from_pretrained(str(folder))
    except Exception as error:
        raise ConfigError(f"{folder / ADAPTER} cannot be read: {first_line(error)}") from error
    if config.is_prompt_learning:
        raise ConfigError(
            f"{folder} is an adapter of kind {config.peft_type}, which cannot be merged into"
            " weights"
        )
    # Without its task it is put into any network, a classifier on its backbone as well.
    config.task_type, config.inference_mode = None, False
    # A classifier has no language-model head, and what was learned there is of no use to it.
    dropped = () if network.get_output_embeddings() is not None else (f"{PREFIX}lm_head.",)
    # Of an embedding that was resized and trained whole, peft may write the copy and what it was a
    # copy of.
    tensors = {
        name.replace(".modules_to_save.", "."): tensor
        for name, tensor in tensors.items()
        if not name.startswith(tuple(dropped)) and ".original_module." not in name
    }
    _make_room(network, tensors)
    try:
        with warnings.catch_warnings():
            # Peft asks transformers by names that are about to go, and tells that the base has
            # moved.
            warnings.simplefilter("ignore")
            adapted = get_peft_model(network, config)
        found = set_peft_model_state_dict(adapted, tensors)
        # Everything that the adapter adds bears its name, "default".
        empty = [name for name in found.missing_keys if ".default" in name]
        if empty or found.unexpected_keys:
            what = (
                f"lacks {empty[0]}"
                if empty
                else f"holds {found.unexpected_keys[0]}, which has no place there"
            )
            raise ConfigError(
                f"the adapter in {folder} does not fit {type(network).__name__}: it {what}"
            )
        merged = adapted.merge_and_unload(safe_merge=True)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the adapter in {folder} cannot be merged into its base, {type(network).__name__}:"
            f" {first_line(error)}"
        ) from error
    for parameter in merged.parameters():
        parameter.requires_grad = True
    return merged


def _make_room(network: Any, tensors: dict[str, Tensor]) -> None:
    """Give the embedding as many rows as the adapter's own copy of it has."""
    embedding = network.get_input_embeddings()
    (name,) = (n for n, m in network.named_modules() if m is embedding)
    rows = next(
        (
            t.shape[0]
            for n, t in tensors.items()
            if n.startswith(f"{PREFIX}{name}.") and n.endswith("weight")
        ),
        0,
    )
    if isinstance(embedding, nn.Embedding) and rows > embedding.num_embeddings:
        network.resize_token_embeddings(rows, mean_resizing=False)
