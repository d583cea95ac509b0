"""Families of language models, tiny and with random weights, each with a tokenizer and a chat
template of its kind.

Nothing here is anybody's file: the templates are written from what the families' templates do (who
trims, who writes a date, who adds a system message, who refuses one, who wraps reasoning), the
tokenizers hold bytes and special tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

from tests.models import tiny

__all__ = [
    "FAMILIES",
    "TEMPLATES",
    "Family",
    "byte_level",
    "causal",
    "classifier",
    "config",
    "save_causal",
    "save_classifier",
    "tokenizer",
]

TEMPLATES: Final[Mapping[str, str]] = {
    # A date where none is given, a system turn always, every content trimmed.
    "llama3": (
        "{{ bos_token }}{% if date_string is not defined %}{% if strftime_now is defined %}{% set"
        " date_string = strftime_now('%d %b %Y') %}{% else %}{% set date_string = '26 Jul 2024'"
        " %}{% endif %}{% endif %}{% if messages[0].role == 'system' %}{% set about ="
        " messages[0].content | trim %}{% set messages = messages[1:] %}{% else %}{% set about = ''"
        " %}{% endif %}{{ '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' +"
        " date_string + '\n\n' + about }}<|eot_id|>{% for m in messages %}{{ '<|start_header_id|>'"
        " + m.role + '<|end_header_id|>\n\n' + m.content | trim }}<|eot_id|>{% endfor %}{% if"
        " add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%"
        " endif %}"
    ),
    # A default system message.
    "qwen2.5": (
        "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are a helpful"
        " assistant.<|im_end|>\n' }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role +"
        " '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{"
        " '<|im_start|>assistant\n' }}{% endif %}"
    ),
    # Reasoning is cut out of earlier turns; the last one gets a block of it, empty where it brings
    # none.
    "qwen3": (
        "{% set last = namespace(asked=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set"
        " last.asked = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}{% if m.role !="
        " 'assistant' %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% else"
        " %}{% set answer = m.content %}{% set thought = '' %}{% if m.reasoning_content %}{% set"
        " thought = m.reasoning_content %}{% elif '</think>' in m.content %}{% set answer ="
        " m.content.split('</think>')[-1].lstrip('\n') %}{% set thought ="
        " m.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}{% endif"
        " %}{{ '<|im_start|>assistant\n' }}{% if loop.index0 > last.asked and (loop.last or"
        " thought) %}{{ '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + answer.lstrip('\n')"
        " }}{% else %}{{ answer }}{% endif %}{{ '<|im_end|>\n' }}{% endif %}{% endfor %}{% if"
        " add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    # No system message, strict turns, every content trimmed.
    "gemma2": (
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not"
        " supported') }}{% endif %}{% for m in messages %}{% if (m.role == 'user') != (loop.index0"
        " % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant') }}{%"
        " endif %}{% set role = 'model' if m.role == 'assistant' else m.role %}{{ '<start_of_turn>'"
        " + role + '\n' + m.content | trim + '<end_of_turn>\n' }}{% endfor %}{% if"
        " add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
    # The system message stands before the first question; contents are texts or lists of parts.
    "gemma3": (
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set about = messages[0].content if"
        " messages[0].content is string else messages[0].content[0].text %}{% set about = about +"
        " '\n\n' %}{% set messages = messages[1:] %}{% else %}{% set about = '' %}{% endif %}{% for"
        " m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{"
        " raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}{% set"
        " role = 'model' if m.role == 'assistant' else m.role %}{{ '<start_of_turn>' + role + '\n'"
        " + (about if loop.first else '') }}{% if m.content is string %}{{ m.content | trim }}{%"
        " else %}{% for p in m.content %}{{ p.text | trim }}{% endfor %}{% endif %}{{"
        " '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n'"
        " }}{% endif %}"
    ),
    # Words, not tokens, mark a question, and the end-of-sequence token ends an answer.
    "mistral": (
        "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0)"
        " %}{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}{%"
        " if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role =="
        " 'assistant' %}{{ ' ' + m.content + eos_token }}{% else %}{{ raise_exception('Only user"
        " and assistant roles are supported') }}{% endif %}{% endfor %}"
    ),
    # The end-of-sequence token ends the whole conversation, after the end of the turn.
    "phi3": (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
    ),
    # The end-of-sequence token ends answers; one that is not the last is followed by a line break.
    "olmo2": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
        "{{ '<|assistant|>\n' + m.content + eos_token }}{% if not loop.last %}{{ '\n' }}{% endif %}"
        "{% else %}{{ '<|' + m.role + '|>\n' + m.content + '\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    # The system message stands bare at the start; reasoning of earlier turns is cut out.
    "deepseek_v3": (
        "{% set about = namespace(text='') %}{% for m in messages %}{% if m.role == 'system' %}{%"
        " set about.text = about.text + m.content %}{% endif %}{% endfor %}{{ bos_token +"
        " about.text }}{% for m in messages %}{% if m.role == 'user' %}{{ '<|User|>' + m.content"
        " }}{% elif m.role == 'assistant' %}{{ '<|Assistant|>' + m.content.split('</think>')[-1] +"
        " eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|>' }}{%"
        " endif %}"
    ),
    # Channels: a system turn with a date, and an answer in the channel "final" whose last turn ends
    # in <|return|>.
    "gpt_oss": (
        "{{ '<|start|>system<|message|>Current date: ' + strftime_now('%Y-%m-%d') + '<|end|>' }}{%"
        " for m in messages %}{% if m.role == 'assistant' %}{% if m.thinking is defined and"
        " loop.last %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking +"
        " '<|end|>' }}{% endif %}{{ '<|start|>assistant<|channel|>final<|message|>' + m.content"
        " }}{{ '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}{% else"
        " %}{{ '<|start|>' + ('developer' if m.role == 'system' else m.role) }}{{ '<|message|>' +"
        " m.content + '<|end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{"
        " '<|start|>assistant' }}{% endif %}"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """What tells a family of models from others, in small."""

    model_type: str
    """Its configuration's `model_type`."""
    specials: tuple[str, ...] = ()
    """Special tokens of a byte-level tokenizer, in their order; () = a SentencePiece one."""
    bos: str | None = None
    eos: str
    pad: str | None = None
    unk: str | None = None
    template: str | None = None
    """Key of `TEMPLATES`."""
    post_bos: bool = False
    """Whether the tokenizer itself begins every text with bos."""
    shape: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the configuration beside those that all have."""


_HEADS: Final = {"num_key_value_heads": 2, "head_dim": 8}
_WINDOW: Final = {**_HEADS, "sliding_window": 16}
_QWEN: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_GEMMA: Final = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
_LLAMA3: Final = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)

FAMILIES: Final[Mapping[str, Family]] = {
    "llama3": Family(
        model_type="llama",
        specials=_LLAMA3,
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        template="llama3",
        post_bos=True,
        shape=_HEADS,
    ),
    "qwen2.5": Family(
        model_type="qwen2",
        specials=_QWEN,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        template="qwen2.5",
        shape=_HEADS,
    ),
    "qwen3": Family(
        model_type="qwen3",
        specials=_QWEN,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        template="qwen3",
        shape=_HEADS,
    ),
    "gemma2": Family(
        model_type="gemma2",
        specials=_GEMMA,
        bos="<bos>",
        eos="<eos>",
        pad="<pad>",
        unk="<unk>",
        template="gemma2",
        post_bos=True,
        shape=_WINDOW,
    ),
    "gemma3": Family(
        model_type="gemma3_text",
        specials=_GEMMA,
        bos="<bos>",
        eos="<eos>",
        pad="<pad>",
        unk="<unk>",
        template="gemma3",
        post_bos=True,
        shape=_WINDOW,
    ),
    "mistral": Family(
        model_type="mistral", bos="<s>", eos="</s>", template="mistral", shape=_HEADS
    ),
    "phi3": Family(
        model_type="phi3",
        specials=("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>", "<|system|>"),
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        pad="<|endoftext|>",
        unk="<|endoftext|>",
        template="phi3",
        shape={"num_key_value_heads": 2},
    ),
    "olmo2": Family(
        model_type="olmo2",
        specials=("<|endoftext|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>"),
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        pad="<|pad|>",
        template="olmo2",
        shape={"num_key_value_heads": 2},
    ),
    "gpt2": Family(
        model_type="gpt2",
        specials=("<|endoftext|>",),
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        unk="<|endoftext|>",
        shape={
            "n_positions": 2048,
            "n_inner": 64,
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
        },
    ),
    "deepseek_v3": Family(
        model_type="deepseek_v3",
        specials=(
            "<|begin▁of▁sentence|>",
            "<|end▁of▁sentence|>",
            "<|pad|>",
            "<|User|>",
            "<|Assistant|>",
        ),
        bos="<|begin▁of▁sentence|>",
        eos="<|end▁of▁sentence|>",
        pad="<|pad|>",
        template="deepseek_v3",
        post_bos=True,
        shape={
            "moe_intermediate_size": 32,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 2,
            "topk_group": 1,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
            "v_head_dim": 8,
            "num_key_value_heads": 4,
        },
    ),
    "gpt_oss": Family(
        model_type="gpt_oss",
        specials=(
            *(
                "<|startoftext|>",
                "<|endoftext|>",
                "<|return|>",
                "<|start|>",
                "<|end|>",
                "<|message|>",
                "<|channel|>",
            ),
        ),
        bos="<|startoftext|>",
        eos="<|return|>",
        pad="<|endoftext|>",
        template="gpt_oss",
        shape={
            **_WINDOW,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "qwen3_moe": Family(
        model_type="qwen3_moe",
        specials=_QWEN,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        template="qwen3",
        shape={
            **_HEADS,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "norm_topk_prob": True,
        },
    ),
    "mixtral": Family(
        model_type="mixtral",
        bos="<s>",
        eos="</s>",
        template="mistral",
        shape={
            "num_key_value_heads": 2,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": None,
        },
    ),
}


def byte_level(
    specials: tuple[str, ...], *, post_bos: str | None = None, **tokens: str | None
) -> Any:
    """A tokenizer of bytes and special tokens, without merges; `post_bos` begins every text that it
    is given."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(
        models.BPE(vocab={token: i for i, token in enumerate([*specials, *alphabet])}, merges=[])
    )
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([*specials])
    if post_bos is not None:
        core.post_processor = processors.TemplateProcessing(
            single=f"{post_bos} $A",
            pair=f"{post_bos} $A {post_bos} $B",
            special_tokens=[(post_bos, core.token_to_id(post_bos))],
        )
    return PreTrainedTokenizerFast(tokenizer_object=core, **tokens)


def tokenizer(family: str) -> Any:
    """The family's tokenizer, with its chat template where it has one."""
    of = FAMILIES[family]
    if not of.specials:
        made = tiny.sentencepiece()
        parts = [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
        made.backend_tokenizer.decoder = decoders.Sequence(parts)
    else:
        made = byte_level(
            of.specials,
            post_bos=of.bos if of.post_bos else None,
            bos_token=of.bos,
            eos_token=of.eos,
            pad_token=of.pad,
            unk_token=of.unk,
        )
    if of.template is not None:
        made.chat_template = TEMPLATES[of.template]
    return made


def config(family: str, tok: Any | None = None, **changes: Any) -> Any:
    """Two layers, 32 wide, a vocabulary as large as the tokenizer's."""
    of, tok = FAMILIES[family], tok or tokenizer(family)
    shape: dict[str, Any] = {
        "vocab_size": len(tok),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "bos_token_id": tok.bos_token_id,
        "eos_token_id": tok.eos_token_id,
        "pad_token_id": tok.pad_token_id,
    }
    return AutoConfig.for_model(of.model_type, **(shape | dict(of.shape) | changes))


def causal(family: str, tok: Any | None = None, *, seed: int = 0, **changes: Any) -> Any:
    """A causal language model of the family, in fp32."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config(family, tok, **changes)).eval()


def classifier(family: str, tok: Any | None = None, *, seed: int = 0, **changes: Any) -> Any:
    """A sequence classifier of the family, with one label where nothing else is said, in fp32."""
    torch.manual_seed(seed)
    settings = config(family, tok, **({"num_labels": 1} | changes))
    return AutoModelForSequenceClassification.from_config(settings).eval()


def save_causal(
    folder: Path, family: str, tok: Any | None = None, *, seed: int = 0, **changes: Any
) -> Path:
    """Write the language model and its tokenizer as `save_pretrained` does; returns the folder."""
    tok = tok or tokenizer(family)
    causal(family, tok, seed=seed, **changes).save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder


def save_classifier(
    folder: Path, family: str, tok: Any | None = None, *, seed: int = 0, **changes: Any
) -> Path:
    """Write a stock classifier and its tokenizer as `save_pretrained` does; returns the folder."""
    tok = tok or tokenizer(family)
    classifier(family, tok, seed=seed, **changes).save_pretrained(folder)
    tok.save_pretrained(folder)
    return folder
