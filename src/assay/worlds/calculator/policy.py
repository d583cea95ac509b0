"""A policy from scratch: a stock Llama of about 100k parameters that imitates trajectories, errors
and all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from assay.types import Message, Prompt, Response
from assay.worlds.calculator.demonstrations import demonstrate
from assay.worlds.calculator.task import Problem, prompts_of
from assay.worlds.calculator.tokenizer import BOS, EOS, PAD, VOCABULARY, make_tokenizer
from assay.worlds.imitation import imitate, llama_of

__all__ = ["llama_config", "sequences", "train_policy"]

Ints = NDArray[np.int64]


def llama_config() -> Any:
    """The configuration of the policy, and of reward models alike (`llama_of`)."""
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    return llama_of(len(VOCABULARY), 128, **ids)


def sequences(prompts: Sequence[Prompt], responses: Sequence[Response]) -> tuple[Ints, Ints]:
    """Token ids (N, T) of trajectories as the chat template lays them out, padded on the right, and
    the same with padding wherever a token is not the assistant's."""
    messages = [
        [*prompt.messages, *response.turns]
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    texts = [[_text(message) for message in row] for row in messages]
    once = [*{text for row in texts for text in row}]
    tokens = make_tokenizer()(once, add_special_tokens=False)["input_ids"]
    known = dict(zip(once, tokens, strict=True))
    rows = []
    for said, own in zip(messages, texts, strict=True):
        row: list[tuple[int, int]] = [(BOS, PAD)]
        for message, text in zip(said, own, strict=True):
            if message.role == "assistant":
                row += [(i, i) for i in (*known[text], EOS)]
            else:
                row += [(i, PAD) for i in known[text]]
        rows.append(row)
    found = np.full((2, len(rows), max(map(len, rows))), PAD, dtype=np.int64)
    for n, row in enumerate(rows):
        found[:, n, : len(row)] = np.array(row).T
    return found[0], found[1]


def _text(message: Message) -> str:
    """Return a message as the chat template writes it, but for the end of a turn."""
    return "=" * (message.role == "tool") + message.text


def train_policy(
    problems: Sequence[Problem],
    *,
    seed: int = 0,
    steps: int = 600,
    batch: int = 128,
    learning_rate: float = 3e-3,
    show: Callable[[int, str], None] = lambda done, note: None,
) -> Any:
    """A `LlamaForCausalLM` trained on a demonstration per problem, of which 8,000 are enough;
    only the assistant's tokens are learned, not the problems and results. `show` is told each
    step."""
    from transformers import LlamaForCausalLM

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    ids_N_T, learned_N_T = map(
        torch.from_numpy, sequences(prompts_of(problems), demonstrate(problems, rng))
    )
    model = LlamaForCausalLM(llama_config()).train()

    def loss_of_a_batch() -> Tensor:
        rows = torch.from_numpy(rng.integers(0, len(problems), batch))
        ids_B_T, learned_B_T = ids_N_T[rows], learned_N_T[rows]
        width = int((ids_B_T != PAD).sum(1).max())
        logits = model(input_ids=ids_B_T[:, : width - 1], use_cache=False).logits
        targets_B_T = learned_B_T[:, 1:width]
        return cross_entropy(logits.flatten(0, 1), targets_B_T.flatten(), ignore_index=PAD)

    return imitate(model, loss_of_a_batch, steps=steps, learning_rate=learning_rate, show=show)
