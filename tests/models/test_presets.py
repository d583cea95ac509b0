"""Published checkpoints, each as a tiny random model in its own file layout, against its authors'
published recipe.

The references below are written from the authors' code, with their token positions, and share
nothing with ours but the tokenizer: torch's modules, the checkpoint's tensors and a loop.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from assay.errors import ConfigError
from assay.models.presets import PRESETS, REFUSED
from assay.models.published import guess, load_preset
from assay.models.reward_model import RewardModel
from assay.types import Prompt, Response
from tests.models import tiny

QUESTION = "Janet has 3 eggs and gets 4. How many?"
LINES = ["Step 1: Janet has 3 eggs.", "Step 2: 3 + 4 = 7.", "Step 3: The answer is: 7"]
LLAMA3 = ("<|head|>", "<|/head|>", "<|eot|>", "\n\n")


def scores(model: RewardModel, steps: tuple[str, ...]) -> list[float]:
    """Step scores of one response, in a batch with others of other lengths."""
    items = [
        (Prompt.of(QUESTION), Response(steps=steps)),
        (Prompt.of("Hi"), Response(steps=("Hello", "there"))),
    ]
    sequences = model.encoder.encode(items)
    batch = model.collate(sequences)
    with torch.inference_mode():
        logits = model(batch)[0, : len(sequences[0].reads)]
    return (logits.sigmoid() if model.readout.link == "sigmoid" else logits).tolist()  # type: ignore[no-any-return]


def ids_of(model: RewardModel, steps: tuple[str, ...]) -> list[int]:
    return list(model.encoder.encode([(Prompt.of(QUESTION), Response(steps=steps))])[0].ids)


def write(
    folder: Path, network: Any, tokenizer: Any, extra: dict[str, Tensor], **config: Any
) -> Path:
    """A folder as its authors would have written it: backbone, head tensors under their names,
    config, tokenizer."""
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "model.safetensors"
    save_file(load_file(path) | extra, path, metadata={"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | config))
    return folder


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Small enough that no score comes near 0 or 1, where all scores look alike."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) / 8


def hidden_states(folder: Path, ids: list[int]) -> Tensor:
    """Last hidden states of the checkpoint's own backbone, one sequence, no padding."""
    lm = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        return lm.base_model(torch.tensor([ids])).last_hidden_state[0].clone()  # type: ignore[no-any-return]


# Skywork-Reward-V2: the whole chat through the stock classifier, bos once.


def skywork_reward(folder: Path) -> Path:
    tokenizer = tiny.bpe(pad="<pad>", extra=(*LLAMA3[:3], "<pad>"), chat_template=tiny.HEADERS)
    return write(folder, tiny.network("llama", pad_token_id=5, seed=1), tokenizer, {})


def test_skywork_reward_v2(tmp_path: Path) -> None:
    folder = skywork_reward(tmp_path / "m")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    conversation = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": LINES[0]},
    ]
    text = tokenizer.apply_chat_template(conversation, tokenize=False, date_string="26 Jul 2024")
    text = text.removeprefix(tokenizer.bos_token)
    ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]
    stock = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).eval()
    with torch.inference_mode():
        expected = float(stock(torch.tensor([ids])).logits[0][0])
    model = load_preset("skywork-reward-v2", folder)
    assert scores(model, (LINES[0],)) == pytest.approx([expected], abs=1e-5)
    assert ids_of(model, (LINES[0],)) == ids


# Math-Shepherd: softmax over the logits of "+" (648) and "-" (387) at every "ки" (12902).


def math_shepherd(folder: Path) -> Path:
    tokenizer = tiny.sentencepiece({"▁ки": 12902, "▁+": 648, "▁-": 387})
    return write(
        folder, tiny.causal("mistral", vocab=12903, tie_word_embeddings=False), tokenizer, {}
    )


def test_math_shepherd(tmp_path: Path) -> None:
    folder = math_shepherd(tmp_path / "m")
    tokenizer = tiny.sentencepiece({"▁ки": 12902, "▁+": 648, "▁-": 387})
    text = f"{QUESTION} {LINES[0]} ки\n{LINES[1]} ки\n{LINES[2]} ки"
    ids = [1, *tokenizer(text, add_special_tokens=False).input_ids]
    lm = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        good = lm(torch.tensor([ids])).logits[0][:, [648, 387]].softmax(-1)[:, 0]
    expected = [float(good[i]) for i, token in enumerate(ids) if token == 12902]
    assert len(expected) == 3
    model = load_preset("math-shepherd", folder)
    for steps in (tuple(LINES), tuple(f"{line}\n" for line in LINES)):
        assert scores(model, steps) == pytest.approx(expected, abs=1e-5)
        assert ids_of(model, steps) == ids


def test_math_shepherd_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = math_shepherd(tmp_path / "m")
    tiny.sentencepiece({"▁ки": 12902, "▁+": 387, "▁-": 648}).save_pretrained(folder)
    with pytest.raises(
        ConfigError, match=r"'\+' is token 387, but math-shepherd was trained with 648"
    ):
        load_preset("math-shepherd", folder)


# RLHFlow: the chat up to a step and its "+", read at position -3: what predicts the "+".


def rlhflow_tokenizer() -> Any:
    return tiny.bpe(extra=LLAMA3, chat_template=tiny.HEADERS)


def rlhflow(folder: Path, **changes: Any) -> Path:
    return write(
        folder,
        tiny.causal("llama", **({"tie_word_embeddings": False} | changes)),
        rlhflow_tokenizer(),
        {},
    )


@pytest.mark.parametrize("tied", [False, True])
def test_rlhflow(tmp_path: Path, tied: bool) -> None:
    folder = rlhflow(tmp_path / "m", tie_word_embeddings=tied)
    tokenizer = rlhflow_tokenizer()
    plus, minus = tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]
    lm = AutoModelForCausalLM.from_pretrained(folder).eval()
    conversation, expected = [], []
    for k, step in enumerate(LINES):
        text = f"{QUESTION} {step}" if k == 0 else step
        conversation += [{"role": "user", "content": text}, {"role": "assistant", "content": "+"}]
        ids = tokenizer.apply_chat_template(
            conversation, tokenize=True, return_dict=False, date_string="26 Jul 2024"
        )
        with torch.inference_mode():
            expected.append(
                float(lm(torch.tensor([ids])).logits[0, -3, [plus, minus]].softmax(-1)[0])
            )
    model = load_preset("rlhflow-prm", folder)
    assert ids_of(model, tuple(LINES)) == ids[:-2]  # Ours ends where the last answer is predicted.
    assert scores(model, tuple(LINES)) == pytest.approx(expected, abs=1e-5)
    assert scores(model, tuple(f"{line}\n\n" for line in LINES)) == pytest.approx(
        expected, abs=1e-5
    )


def test_logits_that_are_not_linear_in_the_head_are_refused(tmp_path: Path) -> None:
    tokenizer = tiny.bpe(extra=LLAMA3, chat_template=tiny.HEADERS)
    folder = write(tmp_path / "m", tiny.causal("gemma2"), tokenizer, {})
    with pytest.raises(
        ConfigError, match="final_logit_softcapping changes the language-model head"
    ):
        load_preset("rlhflow-prm", folder)


def test_a_missing_language_model_head_is_refused(tmp_path: Path) -> None:
    folder = rlhflow(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks lm_head\.weight"):
        load_preset("rlhflow-prm", folder)


# Skywork-o1-Open-PRM: bos + problem + newline, then every line's ids and a newline, value head at
# the newlines.


def skywork_o1(folder: Path) -> Path:
    head = {"v_head.summary.weight": numbers(1, 16), "v_head.summary.bias": numbers(1, seed=1)}
    remote = {"AutoModel": "modeling_qwen2_rm.Qwen2ForRewardModel"}
    lm = tiny.causal("qwen2", tie_word_embeddings=False)
    return write(folder, lm, tiny.bpe(), head, architectures=["Qwen2ForPrmModel"], auto_map=remote)


def test_skywork_o1_prm(tmp_path: Path) -> None:
    folder = skywork_o1(tmp_path / "m")
    tokenizer = tiny.bpe()
    response = f"{LINES[0]}\n\n  {LINES[1]}\n{LINES[2]}"
    newline = tokenizer.encode("\n", add_special_tokens=False)[-1]
    ids = tokenizer.encode(f"{tokenizer.bos_token}{QUESTION}\n", add_special_tokens=False)
    flags = [0] * len(ids)
    for line in response.split("\n"):
        piece = [*(tokenizer.encode(line, add_special_tokens=False) if line else []), newline]
        ids += piece
        flags += [0] * (len(piece) - 1) + [1]
    weights = load_file(folder / "model.safetensors")
    value = (
        hidden_states(folder, ids) @ weights["v_head.summary.weight"][0]
        + weights["v_head.summary.bias"]
    )
    expected = [float(v.sigmoid()) for v, flag in zip(value, flags, strict=True) if flag]
    assert len(expected) == 4
    model = load_preset("skywork-o1-prm", folder)
    steps = (f"{LINES[0]}\n", "\n", f"  {LINES[1]}\n", LINES[2])
    assert scores(model, steps) == pytest.approx(expected, abs=1e-5)
    assert ids_of(model, steps) == ids


# Qwen2.5-Math-PRM: the chat with its system message, "<extra_0>" after every step, a two-layer head
# at each of them.


def qwen_math(folder: Path) -> Path:
    head = {
        "score.0.weight": numbers(16, 16),
        "score.0.bias": numbers(16, seed=1),
        "score.2.weight": numbers(2, 16, seed=2),
        "score.2.bias": numbers(2, seed=3),
    }
    remote = {
        "AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig",
        "AutoModel": "modeling.Qwen2ForProcessRewardModel",
    }
    lm = tiny.causal("qwen2", tie_word_embeddings=False)
    tokenizer = tiny.bpe(pad="<pad>", extra=("<pad>", "<extra_0>"))
    architectures = ["Qwen2ForProcessRewardModel"]
    return write(
        folder, lm, tokenizer, head, architectures=architectures, auto_map=remote, num_labels=2
    )


def test_qwen_math_prm(tmp_path: Path) -> None:
    folder = qwen_math(tmp_path / "m")
    (folder / "modeling.py").write_text("raise SystemExit('code of the checkpoint was run')")
    (folder / "configuration_qwen2_rm.py").write_text(
        "raise SystemExit('code of the checkpoint was run')"
    )
    tokenizer = tiny.bpe(pad="<pad>", extra=("<pad>", "<extra_0>"))
    messages = [
        {
            "role": "system",
            "content": "Please reason step by step, and put your final answer within \\boxed{}.",
        },
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "<extra_0>".join(LINES) + "<extra_0>"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    weights = load_file(folder / "model.safetensors")
    layer = nn.functional.linear(
        hidden_states(folder, ids), weights["score.0.weight"], weights["score.0.bias"]
    ).relu()
    logits = nn.functional.linear(layer, weights["score.2.weight"], weights["score.2.bias"])
    tag = tokenizer.encode("<extra_0>")[0]
    expected = [
        float(row.softmax(-1)[1]) for row, token in zip(logits, ids, strict=True) if token == tag
    ]
    assert len(expected) == 3
    model = load_preset("qwen2.5-math-prm", folder)
    assert scores(model, tuple(LINES)) == pytest.approx(expected, abs=1e-5)
    assert (
        ids_of(model, tuple(LINES)) == ids[: len(ids) - ids[::-1].index(tag)]
    )  # Ours ends at the last tag.
    assert scores(model, tuple(f"{line}\n\n" for line in LINES)) == pytest.approx(
        expected, abs=1e-5
    )


# TRL's PRMTrainer: bos, the prompt's ids, then every completion's ids and the separator's; label at
# its last token.


def trl_prm(folder: Path) -> Path:
    torch.manual_seed(2)
    network = AutoModelForTokenClassification.from_config(tiny.config("qwen2", num_labels=2))
    with torch.no_grad():
        network.score.bias.copy_(numbers(2))
    return write(folder, network, tiny.bpe(), {})


def test_trl_prm(tmp_path: Path) -> None:
    folder = trl_prm(tmp_path / "m")
    tokenizer = tiny.bpe()
    ids = [tokenizer.bos_token_id, *tokenizer(QUESTION, add_special_tokens=False).input_ids]
    reads = []
    for step in LINES:
        ids += tokenizer(step, add_special_tokens=False).input_ids + tokenizer.encode(
            "\n", add_special_tokens=False
        )
        reads.append(len(ids) - 1)
    network = AutoModelForTokenClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        right = network(torch.tensor([ids])).logits[0].softmax(-1)[:, 1]
    model = load_preset("trl-prm", folder)
    assert scores(model, tuple(LINES)) == pytest.approx([float(right[r]) for r in reads], abs=1e-5)
    assert ids_of(model, tuple(LINES)) == ids


# Value heads beside a language model: the head of its last hidden state, at the last token that is
# not padding.


def last_value(folder: Path, head: Any, text: str | None = None) -> float:
    """A head's value at the end of what the template makes of the whole conversation, or of a
    text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if text is None:
        chat = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": LINES[0]}]
        text = str(tokenizer.apply_chat_template(chat, tokenize=False))
    ids = tokenizer(text, add_special_tokens=False).input_ids
    backbone = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        return float(head(backbone(torch.tensor([ids])).last_hidden_state[0, -1]))


def stock_classifier(folder: Path) -> Path:
    return skywork_reward(folder)


def value_head(folder: Path) -> Path:
    head = {"v_head.summary.weight": numbers(1, 16), "v_head.summary.bias": numbers(1, seed=1)}
    return write(folder, tiny.causal("qwen2", tie_word_embeddings=False), tiny.bpe(), head)


@pytest.mark.owed
def test_value_heads_of_trl_and_llama_factory(tmp_path: Path) -> None:
    folder = value_head(tmp_path / "trl")
    weight, bias = numbers(1, 16), numbers(1, seed=1)
    expected = last_value(folder, lambda h: nn.functional.linear(h, weight, bias))
    # TRL keeps the head among the weights, LLaMA-Factory in a file of its own, in either format.
    weights = load_file(folder / "model.safetensors")
    head = {name: weights.pop(name) for name in [*weights] if name.startswith("v_head")}
    for name in ("safetensors", "bin"):
        shutil.copytree(folder, tmp_path / name)
        save_file(weights, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
    save_file(head, tmp_path / "safetensors" / "value_head.safetensors", metadata={"format": "pt"})
    torch.save(head, tmp_path / "bin" / "value_head.bin")
    for kind in ("trl", "safetensors", "bin"):
        model = load_preset("value-head", tmp_path / kind, layout={"template": "chat"})
        assert scores(model, (LINES[0],)) == pytest.approx([expected], abs=1e-5), kind
        assert guess(tmp_path / kind) == "value-head"


@pytest.mark.owed
@pytest.mark.parametrize("preset", ["rlhflow-prm", "math-shepherd"])
@pytest.mark.parametrize("file", ["model.safetensors", "value_head.safetensors", "value_head.bin"])
def test_a_head_that_would_be_ignored_is_refused(preset: str, file: str, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "m", tiny.causal("llama", tie_word_embeddings=False), rlhflow_tokenizer(), {}
    )
    head = {"v_head.summary.weight": numbers(1, 16), "v_head.summary.bias": numbers(1)}
    if file.endswith(".bin"):
        torch.save(head, folder / file)
    else:
        there = load_file(folder / file) if (folder / file).exists() else {}
        save_file(there | head, folder / file, metadata={"format": "pt"})
    with pytest.raises(
        ConfigError,
        match=rf"holds v_head\.summary.*, a head that {preset} does not read.*value-head",
    ):
        load_preset(preset, folder)


def grm(folder: Path) -> Path:
    shapes = {"0.weight": (8, 16), "0.bias": (8,), "2.weight": (1, 8), "2.bias": (1,)}
    head = {
        f"v_head.summary.{name}": numbers(*shape, seed=len(name)) for name, shape in shapes.items()
    }
    return write(folder, tiny.causal("gemma2"), tiny.bpe(), head, architectures=["GRewardModel"])


def test_grm(tmp_path: Path) -> None:
    folder = grm(tmp_path / "m")
    w = {
        name.removeprefix("v_head.summary."): t
        for name, t in load_file(folder / "model.safetensors").items()
    }

    def head(state: Tensor) -> Tensor:
        return (state @ w["0.weight"].T + w["0.bias"]).relu() @ w["2.weight"].T + w["2.bias"]

    model = load_preset("grm", folder, layout={"template": "chat"})
    assert scores(model, (LINES[0],)) == pytest.approx([last_value(folder, head)], abs=1e-5)


def openrlhf(folder: Path, **config: Any) -> Path:
    lm = tiny.causal("llama", tie_word_embeddings=False)
    head = {"value_head.weight": numbers(1, 16)}
    write(folder, lm, tiny.bpe(), head, architectures=["RewardModel"], **config)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("normalised", [False, True])
def test_openrlhf(normalised: bool, tmp_path: Path) -> None:
    folder = openrlhf(tmp_path / "m", normalize_reward=normalised, mean=0.5, std=2.0)

    def head(state: Tensor) -> Tensor:
        return (state @ numbers(1, 16).T - 0.5 * normalised) / (2.0 if normalised else 1.0)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": LINES[0]}]
    shown = tokenizer.apply_chat_template(chat, tokenize=False).rstrip("\n")
    assert shown.endswith(tokenizer.eos_token)
    bare = f"{QUESTION}{LINES[0]} {tokenizer.eos_token}"
    for template, text in (("chat", shown), ("plain", bare)):
        model = load_preset("openrlhf", folder, layout={"template": template})
        assert scores(model, (LINES[0],)) == pytest.approx(
            [last_value(folder, head, text)], abs=1e-5
        )
    assert guess(folder) == "openrlhf"


MAKE = {
    "classifier": stock_classifier,
    "value-head": value_head,
    "grm": grm,
    "openrlhf": openrlhf,
    "skywork-reward-v2": skywork_reward,
    "math-shepherd": math_shepherd,
    "rlhflow-prm": rlhflow,
    "skywork-o1-prm": skywork_o1,
    "qwen2.5-math-prm": qwen_math,
    "trl-prm": trl_prm,
}


def test_every_preset_is_tested_here() -> None:
    assert MAKE.keys() == PRESETS.keys()


HEAD = {
    "classifier": "score.weight",
    "value-head": "v_head.summary.bias",
    "grm": "v_head.summary.2.weight",
    "openrlhf": "value_head.weight",
    "skywork-reward-v2": "score.weight",
    "math-shepherd": "lm_head.weight",
    "rlhflow-prm": "lm_head.weight",
    "skywork-o1-prm": "v_head.summary.bias",
    "qwen2.5-math-prm": "score.2.weight",
    "trl-prm": "score.bias",
}


@pytest.mark.parametrize("name", PRESETS)
def test_wrong_weights_are_errors_and_never_random_numbers(name: str, tmp_path: Path) -> None:
    folder = MAKE[name](tmp_path / "m")
    path = folder / "model.safetensors"
    weights = load_file(path)
    layer = next(key for key in weights if "layers.0" in key)
    for broken, words in (
        ({k: v for k, v in weights.items() if k != HEAD[name]}, f"lacks {HEAD[name]}"),
        ({k: v for k, v in weights.items() if k != layer}, f"lacks {layer}"),
        (weights | {"gating.weight": numbers(2)}, r"holds weights nobody reads: gating\.weight"),
        (weights | {layer: numbers(3, 3)}, "cannot be loaded|has the wrong shape"),
    ):
        save_file(broken, path, metadata={"format": "pt"})
        with pytest.raises(ConfigError, match=words):
            load_preset(name, folder)


@pytest.mark.parametrize("name", PRESETS)
def test_a_checkpoint_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    folder = MAKE[name](tmp_path / "m")
    others = [
        p for p in PRESETS if not set(PRESETS[p].architectures) & set(PRESETS[name].architectures)
    ]
    for other in others:
        with pytest.raises(ConfigError, match=rf"{name}.* reads that kind"):
            load_preset(other, folder)


def test_a_language_model_is_called_what_it_most_probably_is(tmp_path: Path) -> None:
    folder = tmp_path / "lm"
    tiny.causal("llama").save_pretrained(folder)
    tiny.bpe().save_pretrained(folder)
    with pytest.raises(ConfigError) as refused:
        guess(folder)
    says = str(refused.value)
    assert says.startswith(f"{folder} is most probably a language model, a LlamaForCausalLM")
    assert f"`assay train rm DATA --backbone {folder}`" in says
    assert f"`pointwise:{folder}`" in says
    assert says.index("pointwise:") < says.index("if it is a reward model, say which it is, with")


def test_pickled_tensors_are_read_without_running_them(tmp_path: Path) -> None:
    """The older checkpoints have no safetensors."""
    folder = skywork_o1(tmp_path / "m")
    expected = scores(load_preset("skywork-o1-prm", folder), tuple(LINES))
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert scores(load_preset("skywork-o1-prm", folder), tuple(LINES)) == expected


def test_bf16_keeps_the_head_in_fp32(tmp_path: Path) -> None:
    model = load_preset("qwen2.5-math-prm", qwen_math(tmp_path / "m"), dtype="bfloat16")
    assert next(model.backbone.parameters()).dtype == torch.bfloat16
    assert {p.dtype for p in model.network.score.parameters()} == {torch.float32}


def test_custom_heads_are_refused_with_what_would_work(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"armorm cannot be loaded: .*gate.*use a stock sequence classifier"
    ):
        load_preset("armorm", tmp_path)
    folder = write(
        tmp_path / "m",
        tiny.network(),
        tiny.bpe(),
        {},
        architectures=[REFUSED["armorm"].architecture],
    )
    with pytest.raises(ConfigError, match=r"is a LlamaForRewardModelWithGating: .*gate"):
        load_preset("skywork-reward-v2", folder)
    folder = write(
        tmp_path / "n",
        tiny.network(),
        tiny.bpe(),
        {},
        architectures=["INFORMForSequenceClassification"],
    )
    with pytest.raises(ConfigError, match="its authors' own class, whose code is not run here"):
        load_preset("skywork-reward-v2", folder)


def test_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no preset is called 'x'; there is skywork-reward-v2, .*math-shepherd"
    ):
        load_preset("x", tmp_path)
    with pytest.raises(ConfigError, match=r"has no config\.json; give a model"):
        load_preset("trl-prm", tmp_path)
