"""Load published reward models as their presets say.

The weights go into the stock backbone that the configuration names, and the head is rebuilt from
the checkpoint's own tensors; one that is missing, left over or of another shape is an error.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assay.errors import ConfigError
from assay.models.adapters import is_adapter
from assay.models.checkpoint import Dtype
from assay.models.fit import fitted
from assay.models.folder import check_weights
from assay.models.head import head_of
from assay.models.heads import OTHER, own_names, tensor_names
from assay.models.internlm2 import is_internlm2
from assay.models.layout import Encoder, Layout, single_token
from assay.models.loading import (
    fetch,
    home_of,
    load_config,
    load_network,
    load_tokenizer,
    read_tensors,
    say,
)
from assay.models.lowbit import Weights
from assay.models.placing import settled
from assay.models.presets import HEADS, PRESETS, REFUSED, Preset
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from assay.models.words import changed
from assay.types import Message

__all__ = [
    "check_architecture",
    "guess",
    "head_names",
    "head_tensors",
    "layout_of",
    "load_as",
    "load_preset",
    "say_template",
]


def load_preset(
    name: str,
    checkpoint: str | Path,
    *,
    layout: Layout | Mapping[str, str] | None = None,
    dtype: Dtype | None = None,
    device: str = "cpu",
    weights: Weights = "saved",
) -> RewardModel:
    """A published model from a local folder or a hub name, ready to score.

    layout: how its texts are laid out, whole or as settings in words (`{"template": "plain"}`);
    where the folder cannot say and nobody does, the choice is said. dtype: None keeps the
    checkpoint's; the head computes in fp32 either way. weights: what matrices are kept in. Raises
    `ConfigError` when the checkpoint is of another kind than the preset, lacks a weight, holds one
    that the preset does not read, or has another tokenizer.
    """
    if name in REFUSED:
        raise ConfigError(f"{name} cannot be loaded: {REFUSED[name].why}")
    if name not in PRESETS:
        raise ConfigError(f"no preset is called {name!r}; there is {', '.join(PRESETS)}")
    preset = PRESETS[name]
    folder = fetch(checkpoint)
    check_architecture(preset, folder)
    tokenizer = load_tokenizer(folder)
    if not isinstance(layout, Layout):
        words = layout or {}
        layout = layout_of(preset, tokenizer, words)
        if (
            preset.any_text
            and "template" not in words
            and str(checkpoint) not in preset.checkpoints
        ):
            say_template(checkpoint, layout)
    return load_as(preset, folder, tokenizer, layout, dtype=dtype, device=device, weights=weights)


def load_as(
    preset: Preset,
    folder: Path,
    tokenizer: Any,
    layout: Layout,
    *,
    dtype: Dtype | None = None,
    device: str = "cpu",
    weights: Weights = "saved",
) -> RewardModel:
    """The model in a folder, its head read as a preset says and its texts laid out as a layout
    does."""
    _check_ignored(preset, folder)
    for text, expected in preset.tokens:
        if (found := single_token(tokenizer, text)) != expected:
            raise ConfigError(
                f"{folder}: {text!r} is token {found}, but {preset.name} was trained with"
                f" {expected}"
            )
    tensors = [] if preset.head == "token_rows" else head_tensors(preset, folder)
    outputs = (
        [tensor for tensor in tensors if tensor.ndim > 1][-1].shape[0]
        if tensors
        else len(preset.readout.weights)
    )
    if outputs != len(preset.readout.weights):
        raise ConfigError(
            f"{folder}: the head has {outputs} outputs; {preset.name} reads"
            f" {len(preset.readout.weights)}"
        )
    network = _network(preset, folder, dtype, device, weights)
    if preset.any_text and preset.head == "linear" and layout.unread is None:
        # Its own pooling reads the last token that it does not pad with.
        pad = network.config.pad_token_id
        if pad is not None and pad in tokenizer.all_special_ids:
            layout = layout.model_copy(update={"unread": tokenizer.convert_ids_to_tokens(pad)})
    encoder = Encoder(tokenizer, fitted(layout, network), preset.readout)
    tensors = tensors or _token_rows(network, encoder, folder)
    tensors = _normalised(tensors, network.config) if preset.name == "openrlhf" else tensors
    network.score = head_of(tensors)
    model = RewardModel(network, encoder, pad_id=_pad_id(tokenizer, network.config))
    return settled(model, device).eval()


def layout_of(preset: Preset, tokenizer: Any, words: Mapping[str, str]) -> Layout:
    """A preset's layout with settings in words; a chat where any text may be meant and the
    tokenizer has a template."""
    layout = preset.layout
    template = words.get("template") or (
        "plain" if preset.any_text and tokenizer.chat_template is None else layout.template
    )
    if template == "plain" and layout.template == "chat":
        # As TRL writes it: the tokenizer begins the text, if it does so by itself, and nothing
        # stands in between.
        begun = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
        layout = layout.model_copy(update={"template": "plain", "join": "", "bos": begun})
    layout = changed(layout, words)
    if preset.name == "openrlhf" and layout.final is None:
        layout = layout.model_copy(update={"final": _openrlhf_ending(tokenizer, layout)})
    return layout


def _openrlhf_ending(tokenizer: Any, layout: Layout) -> str | None:
    """Return what OpenRLHF puts behind a text: a space and the end-of-sequence token, where the
    text does not end with it."""
    eos = tokenizer.eos_token
    if layout.template != "plain":
        probe = Encoder(tokenizer, layout, PREFERENCE)
        shown = probe.render(
            [Message(role="user", content="a"), Message(role="assistant", content="a")]
        )
        if shown.rstrip("\n").endswith(eos):
            return None
    return f" {eos}"


def _normalised(tensors: list[Tensor], config: Any) -> list[Tensor]:
    """A head whose output is scaled to the mean and spread in the configuration, where that asks
    for it."""
    if not getattr(config, "normalize_reward", False) or getattr(config, "mean", None) is None:
        return tensors
    mean, std = float(config.mean), float(config.std)
    return [tensors[0].float() / std, torch.full((len(tensors[0]),), -mean / std)]


def say_template(checkpoint: str | Path, layout: Layout) -> None:
    """Say in a line what texts a model is taken to have learned from, where it does not say so
    itself."""
    texts = {
        "chat": "chats by the tokenizer's template",
        "plain": "plain texts: prompt, response, end of sequence",
    }
    other = "plain" if layout.template == "chat" else "chat"
    say(
        f"{checkpoint} does not say what it was trained on, and is read as a model of"
        f" {texts[layout.template]}; if it was of {texts[other]}, say template={other}"
    )


def guess(folder: Path) -> str:
    """The preset that reads a folder's head, told by its weights. Raises `ConfigError` where they
    leave it open."""
    architecture = _architecture(folder)
    names = _names(folder)
    for preset in reversed([*PRESETS.values()]):
        head = head_names(preset, folder) if preset.any_text else ()
        if head and head[0] in names and _fits(preset, architecture):
            return preset.name
    for preset in PRESETS.values():
        if architecture in preset.architectures:
            return preset.name
    able = [preset.name for preset in PRESETS.values() if _fits(preset, architecture)]
    which = f"say which it is, with preset={' or preset='.join(able)}" if able else ""
    headless = f"a {architecture} without a reward head that is known"
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        raise ConfigError(
            f"{folder} is most probably a language model, {headless}: train it first (`assay train"
            f" rm DATA --backbone {folder}`), or let it judge (`pointwise:{folder}`)"
            + (f"; if it is a reward model, {which}" if which else "")
        )
    raise ConfigError(f"{folder} is {headless}" + (f"; {which}" if which else ""))


def _fits(preset: Preset, architecture: str) -> bool:
    return any(
        architecture == end or (end[:3] == "For" and architecture.endswith(end))
        for end in preset.architectures
    )


def _check_ignored(preset: Preset, folder: Path) -> None:
    """Refuse a folder with a head beside the one that is read: its authors read that one."""
    heads = {name: kind for kind, names in HEADS.items() for name in names}
    extra = sorted((_names(folder) & heads.keys()) - set(head_names(preset, folder)))
    if extra:
        able = [
            p.name
            for p in PRESETS.values()
            if p.head in {heads[name] for name in extra} and p.name != preset.name
        ]
        raise ConfigError(
            f"{folder} holds {', '.join(extra)}, a head that {preset.name} does not read; "
            + (f"preset={' or preset='.join(able)} does" if able else "use the preset that does")
        )


def _names(folder: Path) -> set[str]:
    """Names of all weights in a folder."""
    check_weights(home_of(folder))
    return tensor_names(folder)


def _architecture(folder: Path) -> str:
    """Return what the folder's configuration calls the network."""
    if is_internlm2(home_of(folder)):
        raise ConfigError(
            f"{folder} is an InternLM2, whose code is not run here; `assay models import` makes it"
            " ours"
        )
    (architecture,) = (load_config(folder).architectures or ["unknown"])[:1]
    if is_adapter(folder) and "score.weight" in (own := own_names(folder)):
        # The head that was trained with an adapter, not what its base is, says what they are
        # together.
        kind = "ForTokenClassification" if "score.bias" in own else "ForSequenceClassification"
        return re.sub(r"(For\w+|LMHeadModel|Model)?$", kind, str(architecture), count=1)
    return str(architecture)


def check_architecture(preset: Preset, folder: Path) -> None:
    """Raise `ConfigError` where a folder is of another kind than a preset reads; one that names
    none reads any."""
    import transformers

    architecture = _architecture(folder)
    config = load_config(folder)
    for family in REFUSED.values():
        if architecture == family.architecture:
            raise ConfigError(f"{folder} is a {architecture}: {family.why}")
    if preset.architectures and not _fits(preset, architecture):
        others = [p.name for p in PRESETS.values() if _fits(p, architecture)]
        hint = f"; {' or '.join(others)} reads that kind" if others else ""
        raise ConfigError(
            f"{folder} is a {architecture}; {preset.name} reads"
            f" {', '.join(preset.architectures)}{hint}"
        )
    if (
        preset.architectures
        and architecture not in preset.architectures
        and not hasattr(transformers, architecture)
    ):
        raise ConfigError(
            f"{folder} is a {architecture}, its authors' own class, whose code is not run here; use"
            " a checkpoint of a stock architecture, or put the authors' code behind a Scorer of"
            " your own"
        )
    if preset.head == "token_rows":
        for field in ("final_logit_softcapping", "logits_scaling", "logit_scale"):
            if getattr(config, field, None) not in (None, 1, 1.0):
                raise ConfigError(
                    f"{folder}: {field} changes the language-model head's outputs, so two of its"
                    " rows are not the whole head; use a backbone without it"
                )


def _network(
    preset: Preset, folder: Path, dtype: Dtype | None, device: str, weights: Weights
) -> Any:
    from transformers import AutoModelForSequenceClassification

    return load_network(
        AutoModelForSequenceClassification,
        folder,
        may_miss=["score."],
        may_hold=[*head_names(preset, folder), "lm_head."],
        num_labels=len(preset.readout.weights),
        dtype=getattr(torch, dtype) if dtype else "auto",
        device=device,
        weights=weights,
    )


def head_names(preset: Preset, folder: Path) -> tuple[str, ...]:
    """Names of the tensors that a preset's head is made of, in order."""
    known = HEADS.get(preset.head)
    if known is not None and (preset.name in PRESETS or preset.head == "token_rows"):
        return known
    # Whoever gives the head by its names' beginning means what the folder holds, be it called as a
    # known kind or not.
    stem, names = re.escape(preset.head), _names(folder)
    ends = r"\.(?:(\d+)\.)?(weight|bias)"
    found = {name: m for name in names if (m := re.fullmatch(rf"{stem}(?:\.summary)?{ends}", name))}
    if not any(name.endswith("weight") for name in found):
        others = sorted(name for name in names if name == "score.weight" or OTHER.match(name))
        hint = (
            f"it holds {', '.join(others[:4])}"
            if others
            else "its weights' names say where its head lies"
        )
        raise ConfigError(f"{folder} holds no {preset.head}.weight; {hint}")
    # By layer, the weight of each before its bias.
    return tuple(
        sorted(found, key=lambda name: (int(found[name][1] or 0), found[name][2] == "bias"))
    )


def head_tensors(preset: Preset, folder: Path) -> list[Tensor]:
    """The tensors that a preset's head is made of, in order. Raises `ConfigError` naming those that
    are missing."""
    names = head_names(preset, folder)
    found = read_tensors(folder, names)
    if (folder / "value_head.bin").is_file():
        state = torch.load(folder / "value_head.bin", map_location="cpu", weights_only=True)
        found |= {name: state[name] for name in names if name in state}
    if missing := [name for name in names if name not in found]:
        raise ConfigError(
            f"{folder} lacks {', '.join(missing)}: without its head it cannot score; get it whole"
        )
    return [found[name] for name in names]


def _token_rows(network: Any, encoder: Encoder, folder: Path) -> list[Tensor]:
    """The rows of the language-model head that the read-out names: a linear head whose outputs are
    those logits."""
    rows = [single_token(encoder.tokenizer, text) for text in encoder.readout.tokens]
    found = read_tensors(folder, ("lm_head.weight", "lm_head.bias"))
    if "lm_head.weight" not in found:
        if not network.config.tie_word_embeddings:
            raise ConfigError(
                f"{folder} lacks lm_head.weight, and its head is not tied to its embeddings"
            )
        found["lm_head.weight"] = network.get_input_embeddings().weight.detach()
    return [
        found[name][rows].clone() for name in ("lm_head.weight", "lm_head.bias") if name in found
    ]


def _pad_id(tokenizer: Any, config: Any) -> int:
    """Any id does for scoring, which masks; one that ends no sequence lets stock pooling find the
    end."""
    candidates = [
        config.pad_token_id,
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.eos_token_id,
        0,
    ]
    there = [int(c) for c in candidates if c is not None and c >= 0]
    return next(
        (c for c in there if c not in (tokenizer.eos_token_id, tokenizer.bos_token_id)), there[0]
    )
