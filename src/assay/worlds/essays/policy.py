"""A policy from scratch: a stock Llama of about 60k parameters that imitates ordinary essays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from assay.worlds.essays.corpus import ordinary
from assay.worlds.essays.task import NONE, TOPICS, Ints
from assay.worlds.essays.tokenizer import BOS, COLON, EOS, ESSAY, PAD, TOPIC, VOCABULARY, WORD
from assay.worlds.imitation import imitate

__all__ = ["HEAD", "llama_config", "sequences", "train_policy"]

HEAD = 4
"""Tokens before the first word."""


def llama_config(
    *, width: int = 56, inner: int = 96, layers: int = 2, heads: int = 4, spread: float = 0.1
) -> Any:
    """A stock Llama for this world's tokens; the defaults are the policy's, of about 60k
    parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=32,
        tie_word_embeddings=True,
        initializer_range=spread,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )


def sequences(topics_N: Ints, ids_N_T: Ints) -> Ints:
    """Token ids (N, HEAD + T + 1), padded on the right: bos, prompt, words, eos; as essays are
    scored."""
    count, width = ids_N_T.shape
    there = ids_N_T != NONE
    found = np.full((count, HEAD + width + 1), PAD, dtype=np.int64)
    found[:, :HEAD] = np.array([BOS, ESSAY, 0, COLON])
    found[:, HEAD - 2] = TOPIC + topics_N
    found[:, HEAD:-1][there] = WORD + ids_N_T[there]
    found[np.arange(count), HEAD + there.sum(1)] = EOS
    return found


def train_policy(
    *,
    seed: int = 0,
    rules: int = 0,
    width: int = 56,
    essays: int = 32_768,
    steps: int = 600,
    batch: int = 128,
    learning_rate: float = 4e-3,
    show: Callable[[int, str], None] = lambda done, note: None,
) -> Any:
    """A `LlamaForCausalLM` trained on ordinary essays, in under a minute on one thread.

    AdamW with linear warm-up and decay; only the response is learned, not the prompt. `show` is
    told each step.
    """
    from transformers import LlamaForCausalLM

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    topics_N = rng.integers(0, len(TOPICS), essays)
    ids_N_T = sequences(topics_N, ordinary(topics_N, rng, rules))
    model = LlamaForCausalLM(llama_config(width=width, inner=12 * width // 7)).train()

    def loss_of_a_batch() -> Tensor:
        rows = ids_N_T[rng.integers(0, essays, batch)]
        return _loss(model, torch.from_numpy(rows[:, : (rows != PAD).sum(1).max()]))

    return imitate(
        model,
        loss_of_a_batch,
        steps=steps,
        learning_rate=learning_rate,
        show=show,
    )


def _loss(model: Any, ids_B_T: Tensor) -> Tensor:
    """Mean cross-entropy of the words, and of the end."""
    hidden_B_T_D = model.model(input_ids=ids_B_T, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden_B_T_D[:, HEAD - 1 : -1])
    return cross_entropy(logits.flatten(0, 1), ids_B_T[:, HEAD:].flatten(), ignore_index=PAD)
