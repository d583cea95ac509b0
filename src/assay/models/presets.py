"""Published reward models as values: where they are, how their text is laid out, and how their head
is read.

No code of a checkpoint's authors is run (`published` loads what they saved). Each preset is tested
against its authors' published recipe, on a tiny random model in the checkpoint's own file layout.

To add one, write its value below. Steps must come already split; the notes say how the authors
split theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from assay.models.layout import Layout
from assay.models.readout import PREFERENCE, Readout

__all__ = ["HEADS", "PRESETS", "REFUSED", "Preset", "Refused"]

HEADS: Final[Mapping[str, tuple[str, ...]]] = {
    "linear": ("score.weight",),
    "linear_bias": ("score.weight", "score.bias"),
    "value": ("v_head.summary.weight", "v_head.summary.bias"),
    "value_mlp": tuple(
        f"v_head.summary.{layer}.{kind}" for layer, kind in product((0, 2), ("weight", "bias"))
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
