"""Published reward models as values: where they are, how their text is laid out, and how their head
is read.

No code of a checkpoint's authors is run. The weights go into the stock backbone that the
configuration names, and the head is rebuilt from the checkpoint's own tensors; one that is missing,
left over or of another shape is an error. Each preset is tested against its authors' published
recipe, on a tiny random model in the checkpoint's own file layout.

To add one, write its value below. Steps must come already split; the notes say how the authors
split theirs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from assay.models.readout import PREFERENCE, Readout
from assay.models.reward_model import RewardModel
from assay.models.words import changed
from assay.types import Message

__all__ = [
    "HEADS",
    "PRESETS",
    "REFUSED",
    "Preset",
    "Refused",
    "check_architecture",
    "guess",
    "head_names",
    "head_tensors",
    "layout_of",
    "load_as",
    "load_preset",
    "say_template",
]

HEADS: Final[Mapping[str, tuple[str, ...]]] = {
    "linear": ("score.weight",),
    "linear_bias": ("score.weight", "score.bias"),
    "value": ("v_head.summary.weight", "v_head.summary.bias"),
    "value_mlp": tuple(
        f"v_head.summary.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")
    ),
    "value_linear": ("value_head.weight",),
    "v_head": ("v_head.weight",),
    "mlp": ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias"),
    "token_rows": (),
}
"""Kind of head -> the tensors it is made of, in order; token_rows are rows of the language-model
head."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How to load and read one family of published checkpoints."""

    name: str
    checkpoints: tuple[str, ...]
    """Names on the hub."""
    architectures: tuple[str, ...]
    """What `config.json` calls the network, or how that ends."""
    head: str
    """Where its weights lie: one of `HEADS`, or what their names begin with."""
    readout: Readout
    layout: Layout
    any_text: bool = False
    """Whether checkpoints of this kind are trained on chats and on plain texts alike, so that the
    folder alone does not tell which."""
    tokens: tuple[tuple[str, int], ...] = ()
    """Ids that these texts must have, where the authors' code has them written out."""
    notes: str
    """Source, how the authors split steps, and what to mind."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A published family that cannot be read without its authors' code, and what would work."""

    checkpoints: tuple[str, ...]
    architecture: str
    why: str


_TOKEN_PAIR = Readout(weights=(-1.0, 1.0), tokens=("-", "+"), link="sigmoid")

_ALL = (
    Preset(
        name="skywork-reward-v2",
        checkpoints=tuple(
            f"Skywork/Skywork-Reward-V2-{size}"
            for size in (
                *("Llama-3.1-8B", "Llama-3.1-8B-40M", "Llama-3.2-1B", "Llama-3.2-3B"),
                *("Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B", "Qwen3-8B"),
            )
        ),
        architectures=("ForSequenceClassification",),
        head="linear",
        readout=PREFERENCE,
        layout=Layout(template="chat", max_length=16384),
        any_text=True,
        notes=(
            "Bradley-Terry (arXiv:2507.01352). Prompts get a fixed date where the Llama-3.2"
            " template would write today's."
        ),
    ),
    Preset(
        name="classifier",
        checkpoints=(),
        architectures=("ForSequenceClassification",),
        head="linear",
        readout=PREFERENCE,
        layout=Layout(template="chat", max_length=16384),
        any_text=True,
        notes=(
            "Any stock classifier with one label: TRL's RewardTrainer, Skywork, OpenRLHF with its"
            " head called score. template=chat: the tokenizer's template; template=plain: prompt"
            " and response, one after the other, and the end-of-sequence token, as TRL writes texts"
            " that are no chats."
        ),
    ),
    Preset(
        name="value-head",
        checkpoints=(),
        architectures=("ForCausalLM",),
        head="value",
        readout=PREFERENCE,
        layout=Layout(template="chat", max_length=16384),
        any_text=True,
        notes=(
            "A language model with v_head.summary among its weights or in value_head.safetensors:"
            " TRL's AutoModelForCausalLMWithValueHead, LLaMA-Factory, ms-swift. The last token is"
            " read."
        ),
    ),
    Preset(
        name="grm",
        checkpoints=(),
        architectures=("GRewardModel", "ForCausalLM"),
        head="value_mlp",
        readout=PREFERENCE,
        layout=Layout(template="chat", max_length=16384),
        any_text=True,
        notes=(
            "GRM (arXiv:2406.10216) with its head of two layers below v_head.summary. Those of GRM"
            " that are stock classifiers load as classifier."
        ),
    ),
    Preset(
        name="openrlhf",
        checkpoints=(),
        architectures=("RewardModel", "LLMForSequenceRegression"),
        head="value_linear",
        readout=PREFERENCE,
        layout=Layout(template="chat", rstrip="\n", max_length=16384),
        any_text=True,
        notes=(
            "OpenRLHF's reward models with value_head.weight. Line breaks at the end are taken off,"
            " and where the end-of-sequence token is not the last then, a space and it follow. A"
            " mean and a spread in config.json are applied where it says normalize_reward."
        ),
    ),
    Preset(
        name="math-shepherd",
        checkpoints=("peiyi9979/math-shepherd-mistral-7b-prm",),
        architectures=("ForCausalLM",),
        head="token_rows",
        readout=_TOKEN_PAIR.model_copy(update={"at": "step_tag", "tag": "ки", "aggregate": "min"}),
        layout=Layout(
            template="plain", join=" ", strip=" \n", between="\n", close=False, max_length=4096
        ),
        tokens=(("ки", 12902), ("+", 648), ("-", 387)),
        notes=(
            'arXiv:2312.08935. Steps are lines that begin with "Step 1: "; the tag is appended, not'
            " written."
        ),
    ),
    Preset(
        name="rlhflow-prm",
        checkpoints=(
            "RLHFlow/Llama3.1-8B-PRM-Mistral-Data",
            "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data",
        ),
        architectures=("ForCausalLM",),
        head="token_rows",
        readout=_TOKEN_PAIR.model_copy(update={"aggregate": "mean"}),
        layout=Layout(template="turns", strip=" \t\r\n", close=False, max_length=8192),
        notes=(
            'RLHFlow math-rm. Steps split at blank lines; every step is a user turn, answered "+",'
            " and read where that answer is predicted."
        ),
    ),
    Preset(
        name="skywork-o1-prm",
        checkpoints=(
            "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B",
            "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B",
        ),
        architectures=("Qwen2ForPrmModel", "Qwen2ForRewardModel"),
        head="value",
        readout=Readout(link="sigmoid", aggregate="mean"),
        layout=Layout(
            template="plain", join="\n", strip="\n", separator="\n", close=False, max_length=4096
        ),
        notes=(
            "skywork-o1-prm-inference. Steps are the lines of the response, read at the newline"
            " after each. The authors name no aggregation; the mean is ours."
        ),
    ),
    Preset(
        name="qwen2.5-math-prm",
        checkpoints=(
            "Qwen/Qwen2.5-Math-PRM-7B",
            "Qwen/Qwen2.5-Math-PRM-72B",
            "Qwen/Qwen2.5-Math-7B-PRM800K",
        ),
        architectures=("Qwen2ForProcessRewardModel",),
        head="mlp",
        readout=Readout(
            at="step_tag", tag="<extra_0>", weights=(-1.0, 1.0), link="sigmoid", aggregate="product"
        ),
        layout=Layout(
            template="chat",
            system="Please reason step by step, and put your final answer within \\boxed{}.",
            strip="\n",
            close=False,
            max_length=4096,
        ),
        notes=(
            "arXiv:2501.07301. Steps split at blank lines; the authors' best-of-n multiplies step"
            " scores."
        ),
    ),
    Preset(
        name="trl-prm",
        checkpoints=("trl-lib/Qwen2-0.5B-Reward-Math-Sheperd",),
        architectures=("ForTokenClassification",),
        head="linear_bias",
        readout=Readout(weights=(-1.0, 1.0), link="sigmoid"),
        layout=Layout(template="plain", join="", strip="\n", separator="\n", close=False),
        notes=(
            "What TRL's PRMTrainer wrote, with its default separator; label 1 is a right step."
            " Labels came from rollouts, for which the last step's score did best"
            " (arXiv:2501.07301)."
        ),
    ),
)

PRESETS: Final[Mapping[str, Preset]] = {preset.name: preset for preset in _ALL}

REFUSED: Final[Mapping[str, Refused]] = {
    "armorm": Refused(
        checkpoints=("RLHFlow/ArmoRM-Llama3-8B-v0.1",),
        architecture="LlamaForRewardModelWithGating",
        why=(
            "its score mixes 19 objectives by a gate that reads the prompt, in a class of its"
            " authors' own, which no read-out of one head expresses and whose code is not run here;"
            " use a stock sequence classifier such as skywork-reward-v2, or put the authors' code"
            " behind a Scorer of your own"
        ),
    ),
}


def load_preset(
    name: str,
    checkpoint: str | Path,
    *,
    layout: Layout | Mapping[str, str] | None = None,
    dtype: Dtype | None = None,
    device: str = "cpu",
) -> RewardModel:
    """A published model from a local folder or a hub name, ready to score.

    layout: how its texts are laid out, whole or as settings in words (`{"template": "plain"}`);
    where the folder cannot say and nobody does, the choice is said. dtype: None keeps the
    checkpoint's; the head computes in fp32 either way. Raises `ConfigError` when the checkpoint is
    of another kind than the preset, lacks a weight, holds one that the preset does not read, or has
    another tokenizer.
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
    return load_as(preset, folder, tokenizer, layout, dtype=dtype, device=device)


def load_as(
    preset: Preset,
    folder: Path,
    tokenizer: Any,
    layout: Layout,
    *,
    dtype: Dtype | None = None,
    device: str = "cpu",
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
    network = _network(preset, folder, dtype)
    if preset.any_text and preset.head == "linear" and layout.unread is None:
        # Its own pooling reads the last token that it does not pad with.
        pad = network.config.pad_token_id
        if pad is not None and pad in tokenizer.all_special_ids:
            layout = layout.model_copy(update={"unread": tokenizer.convert_ids_to_tokens(pad)})
    encoder = Encoder(tokenizer, fitted(layout, network), preset.readout)
    tensors = tensors or _token_rows(network, encoder, folder)
    tensors = _normalised(tensors, network.config) if preset.name == "openrlhf" else tensors
    network.score = head_of(tensors)
    return (
        RewardModel(network, encoder, pad_id=_pad_id(tokenizer, network.config)).to(device).eval()
    )


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
    for preset in reversed(_ALL):
        head = head_names(preset, folder) if preset.any_text else ()
        if head and head[0] in names and _fits(preset, architecture):
            return preset.name
    for preset in _ALL:
        if architecture in preset.architectures:
            return preset.name
    able = [preset.name for preset in _ALL if _fits(preset, architecture)]
    hint = f"; say which it is, with preset={' or preset='.join(able)}" if able else ""
    raise ConfigError(f"{folder} is a {architecture} without a reward head that is known{hint}")


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
            for p in _ALL
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
        others = [p.name for p in _ALL if _fits(p, architecture)]
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


def _network(preset: Preset, folder: Path, dtype: Dtype | None) -> Any:
    from transformers import AutoModelForSequenceClassification

    return load_network(
        AutoModelForSequenceClassification,
        folder,
        may_miss=["score."],
        may_hold=[*head_names(preset, folder), "lm_head."],
        num_labels=len(preset.readout.weights),
        dtype=getattr(torch, dtype) if dtype else "auto",
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
