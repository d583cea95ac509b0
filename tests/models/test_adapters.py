"""An adapter's folder is what it stands for: its base with the adapter merged; what cannot be
merged is refused."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    IA3Config,
    LoHaConfig,
    LoraConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_peft_model,
)
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.checkpoint import create, create_implicit, save
from assay.models.importing import import_model
from assay.models.layout import Layout
from assay.models.loading import load_tokenizer
from assay.models.opening import open_model
from assay.models.policy import open_policy, save_policy
from assay.models.readout import OUTCOME, PREFERENCE
from assay.types import Prompt, Response
from tests import tiny_models

# Peft asks transformers by names that are about to go.
pytestmark = [
    pytest.mark.owed,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]

ITEMS = [
    (Prompt.of("What is 2 + 2?"), Response.of("4")),
    (Prompt.of("Hi"), Response.of("Hello, how are you?")),
]
IDS = torch.arange(5, 40)[None]
LINEAR = ["q_proj", "v_proj", "up_proj", "down_proj"]

KINDS: dict[str, Any] = {
    "lora": LoraConfig(r=4, target_modules=LINEAR, init_lora_weights=False, task_type="CAUSAL_LM"),
    "dora": LoraConfig(
        r=4, target_modules=LINEAR, init_lora_weights=False, use_dora=True, task_type="CAUSAL_LM"
    ),
    "rslora": LoraConfig(
        r=4, target_modules="all-linear", init_lora_weights=False, use_rslora=True
    ),
    "loha": LoHaConfig(r=4, target_modules=LINEAR, init_weights=False),
    "ia3": IA3Config(
        target_modules=["k_proj", "down_proj"],
        feedforward_modules=["down_proj"],
        init_ia3_weights=False,
    ),
    "embeddings": LoraConfig(
        r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"], init_lora_weights=False
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_causal(
        tmp_path_factory.mktemp("base") / "m", "qwen2.5", tie_word_embeddings=False
    )


def adapter(
    base: Path, folder: Path, config: Any, *, auto: Any = AutoModelForCausalLM, **settings: Any
) -> Any:
    """Write an adapter as PEFT does; returns the network with the adapter in it, not merged."""
    torch.manual_seed(1)
    model = get_peft_model(auto.from_pretrained(base, **settings), copy.deepcopy(config))
    for name, parameter in model.named_parameters():
        # What was trained as a whole is not the base's.
        if "modules_to_save" in name:
            parameter.data += 0.1 * torch.randn_like(parameter)
    for found in model.peft_config.values():
        found.base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    return model.eval()


def states(network: Any) -> torch.Tensor:
    with torch.inference_mode():
        return network(IDS, output_hidden_states=True).hidden_states[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_are_merged_into_the_base_they_name(kind: str, base: Path, tmp_path: Path) -> None:
    expected = states(adapter(base, tmp_path / "adapter", KINDS[kind]))
    assert (states(AutoModelForCausalLM.from_pretrained(base)) - expected).abs().max() > 1e-3
    policy, tokenizer, _ = open_policy(tmp_path / "adapter", device="cpu", trains=True)
    assert torch.allclose(states(policy), expected, atol=1e-5)
    assert all(p.requires_grad for p in policy.parameters())
    assert type(policy).__name__ == "Qwen2ForCausalLM"
    assert len(tokenizer) == len(load_tokenizer(base))
    save_policy(policy, tokenizer, tmp_path / "saved")
    assert torch.allclose(
        states(AutoModelForCausalLM.from_pretrained(tmp_path / "saved")), expected, atol=1e-5
    )
    model = create(tmp_path / "adapter", layout=Layout(), readout=PREFERENCE).eval()
    with torch.inference_mode():
        assert torch.allclose(model.backbone(IDS).last_hidden_state, expected, atol=1e-5)
    assert save(model, tmp_path / "rm") <= 1e-5


def test_a_head_that_was_trained_with_the_adapter_is_kept(base: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, target_modules=LINEAR, init_lora_weights=False, task_type="SEQ_CLS")
    auto = AutoModelForSequenceClassification
    theirs = adapter(base, tmp_path / "adapter", config, auto=auto, num_labels=1, pad_token_id=0)
    model = create(tmp_path / "adapter", layout=Layout(), readout=PREFERENCE, head="keep").eval()
    sequences = model.encoder.encode(ITEMS)
    with torch.inference_mode():
        expected = [float(theirs(torch.tensor([s.ids])).logits) for s in sequences]
        ours = model(model.collate(sequences))[:, 0].tolist()
    assert ours == pytest.approx(expected, abs=1e-5)
    fresh = create(tmp_path / "adapter", layout=Layout(), readout=PREFERENCE, head="new").eval()
    assert not torch.allclose(fresh.network.score.weight, model.network.score.weight)


def test_an_adapter_that_brings_its_head_scores_as_peft_does(base: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, target_modules=LINEAR, init_lora_weights=False, task_type="SEQ_CLS")
    auto = AutoModelForSequenceClassification
    theirs = adapter(base, tmp_path / "adapter", config, auto=auto, num_labels=1, pad_token_id=0)
    import_model(tmp_path / "adapter", tmp_path / "ours", words={"template": "chat"})
    for model in (
        open_model(str(tmp_path / "adapter"), {"template": "chat"}),
        checkpoint.load(tmp_path / "ours"),
    ):
        sequences = model.encoder.encode(ITEMS)
        with torch.inference_mode():
            expected = [float(theirs(torch.tensor([s.ids])).logits) for s in sequences]
            ours = model(model.collate(sequences))[:, 0].tolist()
        assert ours == pytest.approx(expected, abs=1e-5)


def test_a_head_below_a_second_adapter_is_found(base: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, target_modules=LINEAR, init_lora_weights=False, task_type="SEQ_CLS")
    settings = {"auto": AutoModelForSequenceClassification, "num_labels": 1, "pad_token_id": 0}
    first = adapter(base, tmp_path / "first", config, **settings)
    first.merge_and_unload().save_pretrained(tmp_path / "merged")
    second = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)
    adapter(tmp_path / "merged", tmp_path / "second", second, **settings)
    rewrite(base_model_name_or_path="first")(tmp_path / "second")
    model = create(tmp_path / "second", layout=Layout(), readout=PREFERENCE, head="keep")
    assert torch.equal(model.network.score.weight, first.score.weight)


@pytest.mark.parametrize(
    ("task", "labels", "says"),
    [
        ("SEQ_CLS", 2, "the head has 2 outputs; classifier reads 1"),
        ("TOKEN_CLS", 2, "Qwen2ForTokenClassification"),
    ],
)
def test_an_adapter_whose_head_is_no_reward_is_refused(
    task: str, labels: int, says: str, base: Path, tmp_path: Path
) -> None:
    auto = {
        "SEQ_CLS": AutoModelForSequenceClassification,
        "TOKEN_CLS": AutoModelForTokenClassification,
    }[task]
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False, task_type=task)
    adapter(base, tmp_path / "adapter", config, auto=auto, num_labels=labels, pad_token_id=0)
    with pytest.raises(ConfigError, match=says):
        open_model(str(tmp_path / "adapter"), {"template": "chat"})


def test_an_implicit_model_starts_from_what_the_adapter_made(base: Path, tmp_path: Path) -> None:
    expected = states(adapter(base, tmp_path / "adapter", KINDS["lora"]))
    model = create_implicit(tmp_path / "adapter", layout=Layout(), readout=OUTCOME, beta=0.1)
    assert torch.allclose(states(model.network), expected, atol=1e-5)
    assert torch.allclose(states(model.reference), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning")
def test_tokens_that_came_with_the_adapter_have_their_rows(base: Path, tmp_path: Path) -> None:
    tokenizer = tiny_models.tokenizer("qwen2.5")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>"]})
    network = AutoModelForCausalLM.from_pretrained(base)
    network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = LoraConfig(
        r=4,
        target_modules=["q_proj"],
        modules_to_save=["embed_tokens", "lm_head"],
        init_lora_weights=False,
    )
    model = get_peft_model(network, config)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(tmp_path / "adapter")
    tokenizer.save_pretrained(tmp_path / "adapter")
    policy, found, _ = open_policy(tmp_path / "adapter", device="cpu")
    ids = torch.tensor([[5, 6, found.convert_tokens_to_ids("<think>")]])
    with torch.inference_mode():
        assert torch.allclose(policy(ids).logits, model.eval()(ids).logits, atol=1e-5)


def test_the_base_is_looked_for_beside_the_adapter_and_may_be_an_adapter_itself(
    base: Path, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "base")
    first = adapter(base, tmp_path / "first", KINDS["lora"])
    merged = first.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    expected = states(adapter(tmp_path / "merged", tmp_path / "second", KINDS["rslora"]))
    for name, its in (("first", "base"), ("second", "first")):
        path = tmp_path / name / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": its}))
    policy, _, _ = open_policy(tmp_path / "second", device="cpu")
    assert torch.allclose(states(policy), expected, atol=1e-5)


def rewrite(**changes: Any) -> Any:
    def done(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return done


def of_another(folder: Path) -> None:
    other = tiny_models.save_causal(folder.parent / "other", "qwen2.5", hidden_size=64)
    rewrite(base_model_name_or_path=str(other))(folder)


def of_gpt2(folder: Path) -> None:
    other = tiny_models.save_causal(folder.parent / "other", "gpt2")
    rewrite(base_model_name_or_path=str(other))(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (rewrite(base_model_name_or_path=None), "is an adapter that names no base"),
        (
            rewrite(base_model_name_or_path="/nowhere/at/all"),
            "is an adapter of /nowhere/at/all, and .* is neither",
        ),
        (rewrite(peft_type="NOT_A_KIND"), "adapter_config.json cannot be read"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "adapter_config.json is damaged"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "no adapter_model.safetensors"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"x" * 40), "cannot be read"),
        (rewrite(target_modules=["k_proj"]), "does not fit Qwen2For"),
        (of_another, "cannot be merged into its base"),
        (of_gpt2, "cannot be merged into its base, GPT2|does not fit GPT2"),
        (
            lambda f: (f / "model.safetensors").write_bytes(b""),
            "whole weights and an adapter; keep one of the two",
        ),
    ],
)
def test_adapters_that_cannot_be_merged_are_refused(
    spoil: Any, message: str, base: Path, tmp_path: Path
) -> None:
    adapter(base, tmp_path / "adapter", KINDS["lora"])
    spoil(tmp_path / "adapter")
    for load in (
        lambda f: create(f, layout=Layout(), readout=PREFERENCE),
        lambda f: open_policy(f, device="cpu", trains=True),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            load(tmp_path / "adapter")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [PromptTuningConfig, PrefixTuningConfig])
def test_adapters_that_are_no_weights_are_refused(config: Any, base: Path, tmp_path: Path) -> None:
    adapter(base, tmp_path / "adapter", config(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    with pytest.raises(ConfigError, match="which cannot be merged into weights"):
        open_policy(tmp_path / "adapter", device="cpu")


def test_merging_is_what_peft_computes(base: Path, tmp_path: Path) -> None:
    adapter(base, tmp_path / "adapter", KINDS["dora"])
    theirs = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter"
    ).eval()
    assert torch.allclose(
        states(open_policy(tmp_path / "adapter", device="cpu")[0]), states(theirs), atol=1e-5
    )
