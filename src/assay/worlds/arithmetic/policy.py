"""A policy from scratch: a stock Llama of about 100k parameters that imitates demonstrations,
errors and all."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from assay.worlds.arithmetic.demonstrations import Demonstrations, demonstrate
from assay.worlds.arithmetic.task import Digits
from assay.worlds.arithmetic.tokenizer import (
    BOS,
    COLON,
    DIGIT,
    EOS,
    OP,
    PAD,
    RESULT,
    SUM,
    VOCABULARY,
)
from assay.worlds.imitation import imitate, llama_of

__all__ = ["llama_config", "sequences", "train_policy"]


def llama_config() -> Any:
    """The configuration of the policy, and of reward models alike (`llama_of`)."""
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    return llama_of(len(VOCABULARY), 64, **ids)


def sequences(demonstrations: Demonstrations) -> NDArray[np.int64]:
    """Token ids (N, T), padded on the right: bos, problem, steps, eos; the layout in which
    responses are scored."""
    count, steps = demonstrations.ops_N_S.shape
    there = demonstrations.ops_N_S >= 0
    pairs = np.stack([OP + demonstrations.ops_N_S, RESULT + demonstrations.results_N_S], axis=-1)
    body = np.where(there[..., None], pairs, PAD).reshape(count, 2 * steps)
    head = [np.full((count, 1), BOS), np.full((count, 1), SUM), DIGIT + demonstrations.digits_N_K]
    ids = np.concatenate(
        [*head, np.full((count, 1), COLON), body, np.full((count, 1), PAD)], axis=1
    )
    start = ids.shape[1] - body.shape[1] - 1
    ids[np.arange(count), start + 2 * there.sum(axis=1)] = EOS
    return ids


def train_policy(
    problems: Digits,
    *,
    seed: int = 0,
    demonstrations: int = 3000,
    steps: int = 800,
    batch: int = 128,
    learning_rate: float = 2e-3,
    show: Callable[[int, str], None] = lambda done, note: None,
) -> Any:
    """A `LlamaForCausalLM` trained on demonstrations of random problems out of (P, K), in about a
    minute on one thread.

    AdamW with linear warm-up and decay; only the response is learned, not the problem. A few
    thousand demonstrations are passed over many times: the policy gets habits of its own, so that a
    majority of its samples can be wrong. `show` is told each step.
    """
    from transformers import LlamaForCausalLM

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    chosen = problems[rng.integers(0, len(problems), demonstrations)]
    batches = _batches(sequences(demonstrate(chosen, rng)), batch, rng)
    model = LlamaForCausalLM(llama_config()).train()
    return imitate(
        model,
        lambda: _loss(model, next(batches)),
        steps=steps,
        learning_rate=learning_rate,
        show=show,
    )


def _batches(
    ids_N_T: NDArray[np.int64], size: int, rng: np.random.Generator, pool: int = 8
) -> Iterator[Tensor]:
    """Batches without end. Within a pool of batches sequences are sorted by length, which saves
    padding."""
    lengths = (ids_N_T != PAD).sum(axis=1)
    while True:
        order = rng.permutation(len(ids_N_T))
        for start in range(0, len(order), pool * size):
            part = order[start : start + pool * size]
            part = part[np.argsort(lengths[part], kind="stable")]
            cuts = [part[i : i + size] for i in range(0, len(part), size)]
            for i in rng.permutation(len(cuts)):
                yield torch.from_numpy(ids_N_T[cuts[i], : lengths[cuts[i]].max()])


def _loss(model: Any, ids_B_T: Tensor) -> Tensor:
    """Mean cross-entropy of the response's tokens, its eos among them."""
    start = ids_B_T[0].tolist().index(COLON) + 1
    hidden_B_T_D = model.model(input_ids=ids_B_T, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden_B_T_D[:, start - 1 : -1])
    return cross_entropy(logits.flatten(0, 1), ids_B_T[:, start:].flatten(), ignore_index=PAD)
