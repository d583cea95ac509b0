"""The head that a checkpoint brings, and whether training goes on with it or draws another.

A checkpoint that is a reward model already, ours or a stock classifier of one label, goes on with
its own head: trained with a learning rate of 0 it scores as it did. A head that this run cannot
read is refused by name, for whoever names a reward model to start from does not expect it to be
thrown away.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, Literal

from safetensors import safe_open
from torch import Tensor

from assay.errors import ConfigError
from assay.models.adapters import PREFIX, adapter_tensors, base_of, is_adapter
from assay.models.folder import WEIGHTS, read_json
from assay.models.layout import Layout
from assay.models.loading import fetch, home_of, read_tensors, say
from assay.models.readout import Readout

__all__ = ["OTHER", "HeadChoice", "existing_head", "own_names", "tensor_names"]

HeadChoice = Literal["auto", "keep", "new"]

OTHER: Final = re.compile(
    r"^(v_head|value_head|reward_head|rm_head|regression\w*|classifier|classification_head|score\.(?!weight$|bias$))"
)
"""Names of heads that are not a stock decoder's classifier's."""

NEW: Final = "draw a new head with --head new"


def existing_head(
    folder: Path,
    config: Any,
    readout: Readout,
    layout: Layout,
    choice: HeadChoice,
    manifest: Any = None,
) -> Tensor | None:
    """The checkpoint's own head (outputs, width) in its own precision, or None where a new one is
    to be drawn.

    manifest: what reward_model.json says, where there is one. What is decided about a head that is
    there is said. Raises `ConfigError` where there is a head that this read-out cannot use and
    nobody chose a new one.
    """
    names = tensor_names(folder)
    there = "score.weight" in names or any(OTHER.match(name) for name in names)
    if choice == "new" or not there:
        if choice == "keep":
            raise ConfigError(
                f"{folder} has no head to keep: it is no reward model with a head; leave out --head"
                " keep"
            )
        if there:
            say(f"head: drawn anew; that of {folder} is left out")
        return None
    head = read_tensors(folder, ["score.weight"]).get("score.weight")
    why = _unusable(names, config, head, readout, manifest)
    if why is not None:
        raise ConfigError(f"{folder} brings a head that this run cannot go on with: {why}")
    note = ""
    if manifest is not None and (other := _laid_out_otherwise(manifest.layout, layout)):
        note = f"; it learned with {other}"
    say(f"head: kept from {folder}{note} (--head new draws another)")
    return head


def _unusable(
    names: Collection[str], config: Any, head: Tensor | None, readout: Readout, manifest: Any
) -> str | None:
    """Why the head is none that this read-out goes on with, and what would work; None where it
    is."""
    (kind,) = (config.architectures or ["unknown"])[:1]
    others = sorted(name for name in names if OTHER.match(name))
    if others or head is None:
        return f"{others[0]} is of another kind than a linear head of one layer; {NEW}"
    if kind.endswith("ForTokenClassification") or "score.bias" in names:
        return (
            f"it is a {kind}, whose head has a bias or labels every token; load it by a preset to"
            f" score, or {NEW}"
        )
    if head.shape[0] != len(readout.weights):
        return f"it has {head.shape[0]} labels, and this run reads {len(readout.weights)}; {NEW}"
    if manifest is None:
        return None
    for what in ("at", "tag", "weights", "tokens", "link", "steps"):
        old, new = getattr(manifest.readout, what), getattr(readout, what)
        if old != new:
            return (
                f"it is read with {what}={old!r}, and this run reads with {what}={new!r}; use the"
                f" same loss, or {NEW}"
            )
    return None


def _laid_out_otherwise(old: Layout, new: Layout) -> str:
    """In which settings the layout that a head learned with differs."""
    told = ("template", "join", "system", "strip", "between", "separator", "close")
    differing = [what for what in told if getattr(old, what) != getattr(new, what)]
    return ", ".join(
        f"{what}={getattr(old, what)!r} (now {getattr(new, what)!r})" for what in differing
    )


def own_names(folder: Path) -> set[str]:
    """Names, as in the whole network, of the tensors that an adapter's folder brings whole."""
    own = {name.removeprefix(PREFIX) for name in adapter_tensors(folder)}
    return {name for name in own if "lora_" not in name}


def tensor_names(folder: Path) -> set[str]:
    """Names of all tensors of a folder, an adapter's own with those of its base, and of a head
    beside the weights."""
    if is_adapter(folder):
        home_of(folder)
        return tensor_names(fetch(base_of(folder))) | own_names(folder)
    names: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            names |= set(file.keys())
    if names:
        # LLaMA-Factory's value heads have a pickle of their own.
        return names | _pickled(folder / "value_head.bin")
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if index.is_file():
            names |= set(read_json(index)["weight_map"])
    return names | _pickled(folder / WEIGHTS[1])


def _pickled(path: Path) -> set[str]:
    """Names of the tensors in a pickle; none where there is none."""
    if not path.is_file():
        return set()
    import torch

    return set(torch.load(path, map_location="cpu", weights_only=True))
