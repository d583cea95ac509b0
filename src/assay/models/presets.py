"""Published reward models as values: where they are, how their text is laid out, and how their head is read.

No code of a checkpoint's authors is run. The weights go into the stock backbone that the configuration names, and the
head is rebuilt from the checkpoint's own tensors; one that is missing, left over or of another shape is an error. Each
preset is tested against its authors' published recipe, on a tiny random model in the checkpoint's own file layout.

To add one, write its value below. Steps must come already split; the notes say how the authors split theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from assay.errors import ConfigError
from assay.models.checkpoint import Dtype
from assay.models.layout import Encoder, Layout, single_token
from assay.models.loading import fetch, first_line, load_network, load_tokenizer, quiet, read_tensors
from assay.models.readout import PREFERENCE, Readout
from assay.models.reward_model import RewardModel

__all__ = ["PRESETS", "REFUSED", "Preset", "Refused", "load_preset"]

HEADS: Final = {
    "linear": ("score.weight",),
    "linear_bias": ("score.weight", "score.bias"),
    "value": ("v_head.summary.weight", "v_head.summary.bias"),
    "mlp": ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias"),
    "token_rows": (),
}
"""Kind of head -> the tensors it is made of, in order; token_rows are rows of the language-model head."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How to load and read one family of published checkpoints."""

    name: str
    checkpoints: tuple[str, ...]
    """Names on the hub."""
    architectures: tuple[str, ...]
    """What `config.json` calls the network, or how that ends."""
    head: Literal["linear", "linear_bias", "value", "mlp", "token_rows"]
    readout: Readout
    layout: Layout
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
        notes="Bradley-Terry (arXiv:2507.01352). Any stock one-label sequence classifier trained on whole chats loads "
        "this way. Prompts get a fixed date where the Llama-3.2 template would write today's.",
    ),
    Preset(
        name="math-shepherd",
        checkpoints=("peiyi9979/math-shepherd-mistral-7b-prm",),
        architectures=("ForCausalLM",),
        head="token_rows",
        readout=_TOKEN_PAIR.model_copy(update={"at": "step_tag", "tag": "ки", "aggregate": "min"}),
        layout=Layout(template="plain", join=" ", strip=" \n", between="\n", close=False, max_length=4096),
        tokens=(("ки", 12902), ("+", 648), ("-", 387)),
        notes='arXiv:2312.08935. Steps are lines that begin with "Step 1: "; the tag is appended, not written.',
    ),
    Preset(
        name="rlhflow-prm",
        checkpoints=("RLHFlow/Llama3.1-8B-PRM-Mistral-Data", "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data"),
        architectures=("ForCausalLM",),
        head="token_rows",
        readout=_TOKEN_PAIR.model_copy(update={"aggregate": "mean"}),
        layout=Layout(template="turns", strip=" \t\r\n", close=False, max_length=8192),
        notes='RLHFlow math-rm. Steps split at blank lines; every step is a user turn, answered "+", and read where '
        "that answer is predicted.",
    ),
    Preset(
        name="skywork-o1-prm",
        checkpoints=("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B"),
        architectures=("Qwen2ForPrmModel", "Qwen2ForRewardModel"),
        head="value",
        readout=Readout(link="sigmoid", aggregate="mean"),
        layout=Layout(template="plain", join="\n", strip="\n", separator="\n", close=False, max_length=4096),
        notes="skywork-o1-prm-inference. Steps are the lines of the response, read at the newline after each. The "
        "authors name no aggregation; the mean is ours.",
    ),
    Preset(
        name="qwen2.5-math-prm",
        checkpoints=("Qwen/Qwen2.5-Math-PRM-7B", "Qwen/Qwen2.5-Math-PRM-72B", "Qwen/Qwen2.5-Math-7B-PRM800K"),
        architectures=("Qwen2ForProcessRewardModel",),
        head="mlp",
        readout=Readout(at="step_tag", tag="<extra_0>", weights=(-1.0, 1.0), link="sigmoid", aggregate="product"),
        layout=Layout(
            template="chat",
            system="Please reason step by step, and put your final answer within \\boxed{}.",
            strip="\n",
            close=False,
            max_length=4096,
        ),
        notes="arXiv:2501.07301. Steps split at blank lines; the authors' best-of-n multiplies step scores.",
    ),
    Preset(
        name="trl-prm",
        checkpoints=("trl-lib/Qwen2-0.5B-Reward-Math-Sheperd",),
        architectures=("ForTokenClassification",),
        head="linear_bias",
        readout=Readout(weights=(-1.0, 1.0), link="sigmoid"),
        layout=Layout(template="plain", join="", strip="\n", separator="\n", close=False),
        notes="What TRL's PRMTrainer wrote, with its default separator; label 1 is a right step. Labels came from "
        "rollouts, for which the last step's score did best (arXiv:2501.07301).",
    ),
)

PRESETS: Final[Mapping[str, Preset]] = {preset.name: preset for preset in _ALL}

REFUSED: Final[Mapping[str, Refused]] = {
    "armorm": Refused(
        checkpoints=("RLHFlow/ArmoRM-Llama3-8B-v0.1",),
        architecture="LlamaForRewardModelWithGating",
        why="its score mixes 19 objectives by a gate that reads the prompt, in a class of its authors' own, which no "
        "read-out of one head expresses and whose code is not run here; use a stock sequence classifier such as "
        "skywork-reward-v2, or put the authors' code behind a Scorer of your own",
    ),
}


def load_preset(name: str, checkpoint: str | Path, *, dtype: Dtype | None = None, device: str = "cpu") -> RewardModel:
    """A published model from a local folder or a hub name, ready to score.

    dtype: None keeps the checkpoint's; the head computes in fp32 either way. Raises `ConfigError` when the checkpoint
    is of another kind than the preset, lacks a weight, holds one that the preset does not read, or has another
    tokenizer.
    """
    if name in REFUSED:
        raise ConfigError(f"{name} cannot be loaded: {REFUSED[name].why}")
    if name not in PRESETS:
        raise ConfigError(f"no preset is called {name!r}; there is {', '.join(PRESETS)}")
    preset = PRESETS[name]
    folder = fetch(checkpoint)
    _check_architecture(preset, folder)
    tokenizer = load_tokenizer(folder)
    for text, expected in preset.tokens:
        if (found := single_token(tokenizer, text)) != expected:
            raise ConfigError(f"{folder}: {text!r} is token {found}, but {name} was trained with {expected}")
    encoder = Encoder(tokenizer, preset.layout, preset.readout)
    network = _network(preset, folder, dtype)
    tensors = _token_rows(network, encoder, folder) if preset.head == "token_rows" else _head(preset, folder)
    network.score = _module(tensors)
    outputs = tensors[-2].shape[0] if len(tensors) > 1 else tensors[0].shape[0]
    if outputs != len(preset.readout.weights):
        raise ConfigError(f"{folder}: the head has {outputs} outputs; {name} reads {len(preset.readout.weights)}")
    return RewardModel(network, encoder, pad_id=_pad_id(tokenizer, network.config)).to(device).eval()


def _check_architecture(preset: Preset, folder: Path) -> None:
    import transformers

    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} has no configuration that transformers reads: {first_line(error)}") from error
    (architecture,) = (config.architectures or ["unknown"])[:1]
    for family in REFUSED.values():
        if architecture == family.architecture:
            raise ConfigError(f"{folder} is a {architecture}: {family.why}")
    if not any(architecture.endswith(end) for end in preset.architectures):
        others = [p.name for p in _ALL if any(architecture.endswith(end) for end in p.architectures)]
        hint = f"; {' or '.join(others)} reads that kind" if others else ""
        raise ConfigError(f"{folder} is a {architecture}; {preset.name} reads {', '.join(preset.architectures)}{hint}")
    if architecture not in preset.architectures and not hasattr(transformers, architecture):
        raise ConfigError(
            f"{folder} is a {architecture}, its authors' own class, whose code is not run here; use a checkpoint of a "
            "stock architecture, or put the authors' code behind a Scorer of your own"
        )
    if preset.head == "token_rows":
        for field in ("final_logit_softcapping", "logits_scaling", "logit_scale"):
            if getattr(config, field, None) not in (None, 1, 1.0):
                raise ConfigError(
                    f"{folder}: {field} changes the language-model head's outputs, so two of its rows are not the "
                    "whole head; use a backbone without it"
                )


def _network(preset: Preset, folder: Path, dtype: Dtype | None) -> Any:
    from transformers import AutoModelForSequenceClassification

    return load_network(
        AutoModelForSequenceClassification,
        folder,
        may_miss=["score."],
        may_hold=[*HEADS[preset.head], "lm_head."],
        num_labels=len(preset.readout.weights),
        dtype=getattr(torch, dtype) if dtype else "auto",
    )


def _head(preset: Preset, folder: Path) -> list[Tensor]:
    names = HEADS[preset.head]
    found = read_tensors(folder, names)
    if missing := [name for name in names if name not in found]:
        raise ConfigError(f"{folder} lacks {', '.join(missing)}: without its head it cannot score; get it whole")
    return [found[name] for name in names]


def _token_rows(network: Any, encoder: Encoder, folder: Path) -> list[Tensor]:
    """The rows of the language-model head that the read-out names: a linear head whose outputs are those logits."""
    rows = [single_token(encoder.tokenizer, text) for text in encoder.readout.tokens]
    found = read_tensors(folder, ("lm_head.weight", "lm_head.bias"))
    if "lm_head.weight" not in found:
        if not network.config.tie_word_embeddings:
            raise ConfigError(f"{folder} lacks lm_head.weight, and its head is not tied to its embeddings")
        found["lm_head.weight"] = network.get_input_embeddings().weight.detach()
    return [found[name][rows].clone() for name in ("lm_head.weight", "lm_head.bias") if name in found]


def _module(tensors: Sequence[Tensor]) -> nn.Module:
    """A linear head (weight, maybe bias), or a chain of (weight, bias) with ReLU between."""
    layers: list[nn.Module] = []
    for i in range(0, len(tensors), 2):
        weight, *bias = tensors[i : i + 2]
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(bias), dtype=torch.float32)
        with torch.no_grad():
            linear.weight.copy_(weight)
            if bias:
                linear.bias.copy_(bias[0])
        layers += [nn.ReLU(), linear] if layers else [linear]
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def _pad_id(tokenizer: Any, config: Any) -> int:
    """Any id does for scoring, which masks; one that ends no sequence lets stock pooling find the end."""
    candidates = [config.pad_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id, 0]
    there = [int(c) for c in candidates if c is not None and c >= 0]
    return next((c for c in there if c not in (tokenizer.eos_token_id, tokenizer.bos_token_id)), there[0])
