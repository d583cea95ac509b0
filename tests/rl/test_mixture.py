"""A mixture of experts as a policy: its adapters learn, and with them off it is the reference."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from assay.models import lora
from assay.rl.policy import Policy
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.models import tiny
from tests.models.test_lora import MIXTURES
from tests.rl import small
from tests.rl.test_loop import SMALL, run


@pytest.mark.owed
def test_a_mixture_learns_by_its_adapters(tmp_path: Path) -> None:
    tokenizer, like = make_tokenizer(), small.policy().generator
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": None,
    }
    network = tiny.causal(
        "qwen3_moe", vocab=len(tokenizer), initializer_range=0.2, **ends, **MIXTURES["qwen3_moe"]
    )
    policy = Policy(
        network,
        tokenizer,
        layout=like.encoder.layout,
        split=like.split,
        grammar=like.grammar,
        adapters=2,
    )
    done = run(tmp_path, policy, settings=replace(SMALL, steps=2))
    looks = [row["eval"]["kl"][0] for row in done.rows if "eval" in row]
    assert looks[0] == pytest.approx(0, abs=1e-6)
    assert looks[-1] > 1e-4
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "policy").eval()
    assert not lora.adapted(saved)
    ids = torch.arange(4, 12)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            saved(input_ids=ids).logits, policy.model(input_ids=ids).logits, rtol=0, atol=1e-5
        )
