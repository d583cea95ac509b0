"""Tiny models with random weights, built in code: real architectures, real tokenizers, no hub."""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(*, pad: str | None = None, extra: tuple[str, ...] = (), chat_template: str = CHATML) -> Any:
    """A byte-level tokenizer without merges: any text, 256 + special tokens. By default it has no token to pad with."""
    specials = ["<|im_start|>", "<|im_end|>", *extra]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate([*specials, *alphabet])}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(specials)
    tok = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token=pad or "<|im_end|>"
    )
    tok.chat_template = chat_template
    return tok


def network(architecture: str = "llama", *, vocab: int = 300, seed: int = 0, **changes: Any) -> Any:
    """A sequence classifier of two layers, 16 wide, in fp32."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
        "num_labels": 1,
    }
    if architecture in ("llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text"):
        shape |= {"num_key_value_heads": 2, "head_dim": 4}
    if architecture == "gpt2":
        shape |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "n_positions": 512, "n_inner": 32}
    config = AutoConfig.for_model(architecture, **(shape | changes))
    return AutoModelForSequenceClassification.from_config(config).eval()
