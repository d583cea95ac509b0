"""Tiny models with random weights, built in code: real architectures, real tokenizers, no hub."""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

torch.set_num_threads(1)

ARCHITECTURES = (
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neox",
    "phi",
)


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Trims contents and writes a date, as Llama 3's does.
HEADERS = (
    "{{ bos_token }}{% if date_string is not defined %}{% set date_string = strftime_now('%d %b"
    " %Y') %}{% endif %}{% if messages[0].role == 'system' %}{% set system = messages[0].content |"
    " trim %}{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif"
    " %}<|head|>system<|/head|>\n\nToday: {{ date_string }}\n\n{{ system }}<|eot|>{% for m in"
    " messages %}<|head|>{{ m.role }}<|/head|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
)

# Writes tools, calls and answers as Qwen's do, and reasoning of the turns since the last question.
TOOLS = (
    "{%- if tools %}<|im_start|>system\n# Tools\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}"
    "<|im_end|>\n{% endif %}{% set ns = namespace(asked=0) %}{% for m in messages %}{% if m.role =="
    " 'user' %}{% set ns.asked = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}{% if"
    " m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response>"
    "<|im_end|>\n{% else %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content and loop.index0 >"
    " ns.asked %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content | trim }}"
    "{% for c in m.tool_calls or [] %}{{ '\n' }}<tool_call>\n{{ c.function | tojson }}\n"
    "</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

CORPUS = [
    "What is the sum of 12 and 30? The sum is 42.",
    "so the answer: it is even.\n\nSo it is.",
    "<|im_end|>",
] * 4


def crossed(others: Sequence[Any]) -> list[tuple[str, Any]]:
    """The first architecture with every one of the others, and the rest with one each, in turn."""
    first, *rest = ARCHITECTURES
    turns = [(name, others[i % len(others)]) for i, name in enumerate(rest)]
    return [*((first, other) for other in others), *turns]


def tokenizer(
    *, pad: str | None = None, extra: tuple[str, ...] = (), chat_template: str = CHATML
) -> Any:
    """A byte-level tokenizer without merges: any text, 256 + special tokens. By default it has no
    token to pad with."""
    specials = ["<|im_start|>", "<|im_end|>", *extra]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(
        models.BPE(vocab={token: i for i, token in enumerate([*specials, *alphabet])}, merges=[])
    )
    return _byte_level(core, specials, pad, chat_template)


def bpe(*, pad: str | None = None, extra: tuple[str, ...] = (), chat_template: str = CHATML) -> Any:
    """A byte-level tokenizer with merges, so that texts tokenised apart may differ from texts
    tokenised together."""
    specials = ["<|im_start|>", "<|im_end|>", *extra]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=specials,
        initial_alphabet=alphabet,
        show_progress=False,
        min_frequency=1,
    )
    core.train_from_iterator(CORPUS, trainer)
    return _byte_level(core, specials, pad, chat_template)


def _byte_level(core: Tokenizer, specials: list[str], pad: str | None, chat_template: str) -> Any:
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(specials)
    tok = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token=pad or "<|im_end|>",
    )
    tok.chat_template = chat_template
    return tok


def sentencepiece(places: dict[str, int] | None = None) -> Any:
    """Like Mistral's: every text begins with a "▁" that is not in it, unknown characters become
    bytes.

    places: ids of some pieces, e.g. {"▁ки": 12902}; the vocabulary grows to hold them.
    """
    places = places or {}
    fixed = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{b:02X}>": 3 + b for b in range(256)}
    letters = [
        "▁",
        *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:?=*+-'",
        "к",
        "и",
    ]
    merges = [
        ("▁", "S"),
        ("t", "e"),
        ("te", "p"),
        ("▁S", "tep"),
        ("к", "и"),
        ("▁", "ки"),
        ("▁", "+"),
        ("▁", "-"),
    ]
    pieces = [*letters, *("".join(pair) for pair in merges)]
    vocab = fixed | places
    free = (i for i in range(len(fixed), 10**6) if i not in places.values())
    vocab |= {piece: next(free) for piece in pieces if piece not in vocab}
    used = set(vocab.values())
    vocab |= {f"<filler_{i}>": i for i in range(max(used)) if i not in used}
    core = Tokenizer(
        models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    core.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement="▁", prepend_scheme="first", split=False
    )
    core.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def config(architecture: str = "llama", *, vocab: int = 360, **changes: Any) -> Any:
    """Two layers, 16 wide."""
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
    }
    if architecture in ("llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3_text"):
        shape |= {"num_key_value_heads": 2, "head_dim": 4}
    if architecture == "gpt2":
        shape |= {
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            "n_positions": 512,
            "n_inner": 32,
        }
    return AutoConfig.for_model(architecture, **(shape | changes))


def network(architecture: str = "llama", *, vocab: int = 360, seed: int = 0, **changes: Any) -> Any:
    """A sequence classifier of two layers, 16 wide, in fp32."""
    torch.manual_seed(seed)
    settings = config(architecture, vocab=vocab, **({"num_labels": 1} | changes))
    return AutoModelForSequenceClassification.from_config(settings).eval()


def causal(architecture: str = "llama", *, vocab: int = 360, seed: int = 0, **changes: Any) -> Any:
    """A causal language model of two layers, 16 wide, in fp32."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config(architecture, vocab=vocab, **changes)).eval()
