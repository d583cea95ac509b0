"""Architectures without a classifier in transformers get one; those that read both ways are refused
by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
)

from assay.errors import ConfigError
from assay.models.checkpoint import create, load, save
from assay.models.layout import Layout
from assay.models.policy import open_policy
from assay.models.readout import PREFERENCE
from assay.types import Prompt, Response
from tests import tiny_models

pytestmark = pytest.mark.owed

ITEMS = [
    (Prompt.of("What is 2 + 2?"), Response.of("4")),
    (Prompt.of("Hi"), Response.of("Hello, how are you?")),
]

WITHOUT: dict[str, dict[str, Any]] = {
    "cohere": {},
    "granite": {},
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "ernie4_5": {"head_dim": 8},
    "glm4_moe": {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "head_dim": 8,
        "n_group": 1,
        "topk_group": 1,
    },
}


def shape(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


@pytest.mark.parametrize("architecture", WITHOUT)
def test_a_head_is_made_saved_and_read_again(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = tiny_models.tokenizer("qwen2.5")
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture, **(shape(tokenizer) | {"num_key_value_heads": 2} | WITHOUT[architecture])
    )
    network = AutoModelForCausalLM.from_config(config).eval()
    network.save_pretrained(tmp_path / "lm")
    tokenizer.save_pretrained(tmp_path / "lm")
    model = create(tmp_path / "lm", layout=Layout(), readout=PREFERENCE).eval()
    assert (
        "transformers has none, so only this library will load the head" in capsys.readouterr().err
    )
    sequences = model.encoder.encode(ITEMS)
    # By hand: the head on the language model's own last state at the last token.
    with torch.inference_mode():
        for s in sequences:
            last = network(torch.tensor([s.ids]), output_hidden_states=True).hidden_states[-1][
                0, -1
            ]
            by_hand = float(model.network.score.weight[0] @ last)
            assert float(model(model.collate([s]))) == pytest.approx(by_hand, abs=1e-5)
    assert save(model, tmp_path / "rm") <= 1e-4
    again = load(tmp_path / "rm")
    with torch.inference_mode():
        expected = [float(model(model.collate([s]))) for s in sequences]
        assert [float(again(again.collate([s]))) for s in sequences] == pytest.approx(
            expected, abs=1e-5
        )
        ids = torch.tensor([sequences[0].ids])
        backbone = AutoModel.from_pretrained(tmp_path / "rm").eval()
        assert torch.allclose(
            backbone(ids).last_hidden_state, model.backbone(ids).last_hidden_state, atol=1e-5
        )
    with pytest.raises(ValueError, match="Unrecognized configuration class"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm")
    # A saved one goes on like any other.
    kept = create(tmp_path / "rm", layout=Layout(), readout=PREFERENCE)
    assert torch.equal(kept.network.score.weight, model.network.score.weight)


ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "deberta-v2": {},
    "modernbert": {"local_attention": 16, "cls_token_id": 0, "sep_token_id": 2},
    "electra": {},
    "t5": {
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
    },
}


@pytest.mark.parametrize("architecture", ENCODERS)
def test_encoders_are_refused_by_name(architecture: str, tmp_path: Path) -> None:
    tokenizer = tiny_models.tokenizer("qwen2.5")
    config = AutoConfig.for_model(
        architecture, **(shape(tokenizer) | {"num_labels": 1} | ENCODERS[architecture])
    )
    network = AutoModelForSequenceClassification.from_config(config)
    network.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    name = type(network).__name__
    with pytest.raises(
        ConfigError, match=f"is a {name}, which does not read forward to a last token"
    ):
        create(tmp_path / "m", layout=Layout(), readout=PREFERENCE)


def test_models_that_see_are_refused_by_name(tmp_path: Path) -> None:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    tokenizer = tiny_models.tokenizer("gemma3")
    text = tiny_models.config("gemma3").to_dict()
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    ids = {
        f"{name}_token_index": len(tokenizer) - 1 - i
        for i, name in enumerate(("image", "boi", "eoi"))
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, **ids)
    Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    with pytest.raises(
        ConfigError, match="is a Gemma3ForConditionalGeneration, which sees or hears"
    ):
        create(tmp_path / "m", layout=Layout(), readout=PREFERENCE)
    with pytest.raises(
        ConfigError, match="is a Gemma3ForConditionalGeneration, which sees or hears"
    ):
        open_policy(tmp_path / "m", device="cpu", trains=True)
