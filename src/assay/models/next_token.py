"""Log-probabilities of a few next tokens behind many texts; what texts share is computed once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.models.log_probabilities import elements
from assay.models.logits import formula_of, precise
from assay.packing import rotary
from assay.packing.engine import engine_of, hidden
from assay.packing.tree import common, grow

__all__ = ["Tokens", "next_tokens", "passes"]

Ints = NDArray[np.integer[Any]]

Tokens = tuple[tuple[int, ...], ...]
"""Token ids by which each of a question's options may begin."""

TIMES: Final = 10
"""A pass begins anew only where it holds so many times the tokens that are computed again for
the next one."""


def passes(rows: Sequence[Ints], micro_tokens: int) -> list[list[int]]:
    """Return which rows go through a model together, those that share most side by side.

    A pass holds `micro_tokens` unique tokens or fewer, unless that computes a tenth or more of
    them twice.
    """
    # Big-endian bytes sort as the ids do.
    order = sorted(range(len(rows)), key=lambda i: rows[i].astype(">u4").tobytes())
    found: list[list[int]] = []
    tokens = 0
    for i in order:
        shared = common(rows[found[-1][-1]], rows[i]) if found else 0
        full = tokens + len(rows[i]) - shared > micro_tokens
        if not found or (full and tokens >= TIMES * shared):
            found.append([])
            tokens = shared = 0
        found[-1].append(i)
        tokens += len(rows[i]) - shared
    return found


def next_tokens(
    model: Any, rows: Sequence[Ints], options: Sequence[Tokens], *, micro_tokens: int = 8192
) -> tuple[list[tuple[float, ...]], int]:
    """Log-probability of each row's options behind it, in nats, over the whole vocabulary at
    temperature 1, and how many tokens went through the model.

    model: a stock causal LM of transformers (of a PEFT wrapper, its `get_base_model()`), on one
    device. An option's probability is the sum of those of its tokens. micro_tokens: most tokens in
    a forward pass, so far as the engine can cut what is shared (`packing.engine.hidden`).
    """
    if formula_of(model) is None:
        logits = (_alone(model, row) for row in rows)
        logs = [_options(one[None], [each])[0] for one, each in zip(logits, options, strict=True)]
        return logs, sum(map(len, rows))
    engine = engine_of(model.base_model)
    if (tree := engine.tree(rows)) is None:
        tree, engine = grow(rows, least=sum(map(len, rows)) + 1), replace(engine, path="plain")
    hidden_T_D = hidden(model.base_model, tree, engine, micro_tokens=micro_tokens)
    places = np.concatenate(
        [tree.places(i, np.array([len(row) - 1])) for i, row in enumerate(rows)]
    )
    hidden_N_D = hidden_T_D[torch.from_numpy(places).to(hidden_T_D.device)]
    return _of_states(model, hidden_N_D, options), len(tree.ids_T)


def _of_states(
    model: Any, hidden_N_D: Tensor, options: Sequence[Tokens]
) -> list[tuple[float, ...]]:
    """The options' log-probabilities, with the logits of a few rows at a time."""
    formula, head = formula_of(model), model.get_output_embeddings()
    assert formula is not None
    step = max(1, elements(hidden_N_D.device) // int(model.config.get_text_config().vocab_size))
    found: list[tuple[float, ...]] = []
    for first in range(0, len(hidden_N_D), step):
        part = slice(first, first + step)
        found += _options(formula(head, hidden_N_D[part]), options[part])
    return found


def _options(logits_N_V: Tensor, options: Sequence[Tokens]) -> list[tuple[float, ...]]:
    """Sum up the probabilities of each option's tokens."""
    sizes = [len(each) for each in options]
    most = max(len(tokens) for each in options for tokens in each)
    ids_N_O_K = np.full((len(options), max(sizes), most), -1)
    for i, each in enumerate(options):
        for j, tokens in enumerate(each):
            ids_N_O_K[i, j, : len(tokens)] = tokens
    index = torch.from_numpy(ids_N_O_K).to(logits_N_V.device)
    picked = logits_N_V.log_softmax(-1).gather(1, index.clamp(min=0).flatten(1)).view(index.shape)
    logs_N_O = picked.masked_fill(index < 0, -torch.inf).logsumexp(-1)
    rows = logs_N_O.double().cpu().tolist()
    return [tuple(row[:size]) for row, size in zip(rows, sizes, strict=True)]


def _alone(model: Any, row: Ints) -> Tensor:
    """(V,) logits behind one row by the model's own forward pass, where its hidden states are not
    to be had."""
    ids = torch.from_numpy(row).long().to(model.device)
    rotary.reset(model)
    return precise(model(input_ids=ids[None], use_cache=False).logits[0, -1])
