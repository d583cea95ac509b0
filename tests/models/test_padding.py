"""What pads is a token that no sequence holds, the same one every time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.errors import ConfigError
from assay.models.checkpoint import create, save
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.types import Prompt, Response
from tests import tiny_models

pytestmark = pytest.mark.owed

ITEMS = [
    (Prompt.of("What is 2 + 2?"), Response.of("4")),
    (Prompt.of("Hi"), Response.of("Hello, how are you?")),
]


def with_roles(family: str, **roles: str) -> Any:
    tokenizer = tiny_models.tokenizer(family)
    for role, token in roles.items():
        setattr(tokenizer, role, token)
    return tokenizer


def open_turns(template: str) -> str:
    """The template without what stands behind the token that closes a turn."""
    return template.replace("'<|im_end|>\n'", "'<|im_end|>'")


CLOSING = {
    "qwen2.5": {"pad_token": "<|im_end|>", "eos_token": "<|endoftext|>"},
    "llama3": {"pad_token": "<|eot_id|>", "eos_token": "<|end_of_text|>"},
    "gemma2": {"pad_token": "<end_of_turn>"},
    "phi3": {"pad_token": "<|end|>"},
    "gpt_oss": {"pad_token": "<|return|>", "eos_token": "<|endoftext|>"},
}


@pytest.mark.parametrize("family", CLOSING)
def test_a_token_that_closes_a_turn_does_not_pad(family: str, tmp_path: Path) -> None:
    tokenizer = with_roles(family, **CLOSING[family])
    tokenizer.chat_template = open_turns(tokenizer.chat_template)
    folder = tiny_models.save_causal(tmp_path / "lm", family, tokenizer)
    model = create(folder, layout=Layout(template="chat"), readout=PREFERENCE)
    sequences = model.encoder.encode(ITEMS)
    assert all(model.pad_id not in s.ids for s in sequences)
    assert save(model, tmp_path / "rm", probes=ITEMS) <= 1e-4
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    stock = AutoTokenizer.from_pretrained(tmp_path / "rm")
    batch = stock.pad({"input_ids": [list(s.ids) for s in sequences]}, return_tensors="pt")
    with torch.inference_mode():
        expected = [float(model.eval()(model.collate([s]))) for s in sequences]
        assert network(**batch).logits[:, 0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "name",
    ["<|reserved_special_token_0|>", "<unused7>", "<|finetune_right_pad_id|>", "<|fim_pad|>"],
)
def test_a_token_that_was_reserved_pads_before_one_is_added(name: str, tmp_path: Path) -> None:
    tokenizer = tiny_models.byte_level(
        ("<|begin|>", "<|end|>", name), bos_token="<|begin|>", eos_token="<|end|>"
    )
    folder = tiny_models.save_causal(tmp_path / "lm", "llama3", tokenizer)
    model = create(folder, layout=Layout(), readout=PREFERENCE)
    assert model.pad_id == tokenizer.convert_tokens_to_ids(name)
    assert model.rows == len(tokenizer)


@pytest.mark.parametrize("family", ["llama3", "gpt2"])
def test_a_row_that_is_added_depends_on_the_seed_alone(family: str, tmp_path: Path) -> None:
    folder = tiny_models.save_causal(tmp_path / "lm", family)
    rows, states = [], []
    for seed in (0, 0, 1):
        torch.manual_seed(len(rows))
        model = create(folder, layout=Layout(), readout=PREFERENCE, seed=seed)
        weight = model.network.get_input_embeddings().weight
        assert model.pad_id == len(weight) - 1 == model.rows - 1
        rows.append(weight[-1].detach().clone())
        states.append(model.state_dict())
    assert torch.equal(rows[0], rows[1])
    # So a run that was killed finds the model that it was of.
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert not torch.equal(rows[0], rows[2])
    assert 0.2 < float(rows[0].std() / weight[:-1].detach().std()) < 5
    save(model, tmp_path / "rm")


def test_a_pad_token_that_the_model_has_no_row_for_is_given_up(tmp_path: Path) -> None:
    tokenizer = tiny_models.tokenizer("llama3")
    folder = tiny_models.save_causal(tmp_path / "lm", "llama3", tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    model = create(folder, layout=Layout(), readout=PREFERENCE)
    assert model.pad_id < model.rows
    assert save(model, tmp_path / "rm") <= 1e-4


def test_no_row_is_drawn_for_a_token_of_texts(tmp_path: Path) -> None:
    tokenizer = tiny_models.tokenizer("qwen2.5")
    folder = tiny_models.save_causal(tmp_path / "lm", "qwen2.5", tokenizer)
    tokenizer.add_tokens(["Paris"])
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    with pytest.raises(
        ConfigError, match=r"has 'Paris' \(token \d+\), and the model's embedding has \d+ rows"
    ):
        create(folder, layout=Layout(), readout=PREFERENCE)


def test_a_pad_token_gets_the_one_row_that_is_its_own(tmp_path: Path) -> None:
    tokenizer = tiny_models.tokenizer("llama3")
    folder = tiny_models.save_causal(tmp_path / "lm", "llama3", tokenizer)
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)
    model = create(folder, layout=Layout(), readout=PREFERENCE)
    assert (model.pad_id, model.rows) == (rows, rows + 1)
