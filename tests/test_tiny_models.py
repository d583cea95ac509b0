"""The tiny families are what they say: each loads, runs, and lays a chat out as its kind does."""

from pathlib import Path

import pytest
import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests import tiny_models

CHAT = [{"role": "user", "content": " Hi [1] "}, {"role": "assistant", "content": " Hello "}]


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_every_family_is_written_and_read_by_transformers(family: str, tmp_path: Path) -> None:
    folder = tiny_models.save_causal(tmp_path / "m", family)
    tokenizer, network = (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForCausalLM.from_pretrained(folder).eval(),
    )
    text = tokenizer.apply_chat_template(CHAT, tokenize=False) if tokenizer.chat_template else "Hi"
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    assert tokenizer.decode(ids[0]).strip() == text.strip()
    with torch.inference_mode():
        assert network(ids).logits.isfinite().all()


def test_templates_have_their_families_habits() -> None:
    def shown(family: str, chat: list[dict[str, str]] = CHAT) -> str:
        return str(tiny_models.tokenizer(family).apply_chat_template(chat, tokenize=False))

    assert "\n\nHello<|eot_id|>" in shown("llama3")
    assert "You are a helpful assistant." in shown("qwen2.5")
    assert shown("qwen3").endswith("<think>\n\n</think>\n\n Hello <|im_end|>\n")
    assert shown("phi3").endswith("<|end|>\n<|endoftext|>")
    assert shown("gpt_oss").endswith("<|channel|>final<|message|> Hello <|return|>")
    system = [{"role": "system", "content": "Be brief."}, *CHAT]
    assert "Be brief.\n\nHi [1]" in shown("gemma3", system)
    for family in ("gemma2", "mistral"):
        with pytest.raises(TemplateError):
            shown(family, system)
