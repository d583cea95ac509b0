"""Log-probabilities of responses under a language model, for RL and implicit reward models, with gradients.

A prompt that N responses share goes through the model once (`packing`), and so does its last token, from which all of
them begin, through the vocabulary head. Logits are made for a bounded number of places at a time and, where gradients
are on, made again in the backward pass: memory never holds tokens x vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from assay.errors import ConfigError
from assay.models.logits import Formula, formula_of, precise
from assay.packing.engine import Engine, engine_of, hidden
from assay.packing.tree import grow

__all__ = ["LogProbabilities", "log_probabilities"]

Ints = NDArray[np.integer[Any]]
Read = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`_read` with its settings."""

ELEMENTS = 2**24
"""Most logits at a time: 64 MiB in fp32, and a few times that in the backward pass."""


@dataclass(frozen=True)
class LogProbabilities:
    """Of the tokens of B responses, at most R; fp32, or float64 for a model in float64."""

    values_B_R: Tensor
    """log p(token | all before it), in nats; 0 outside the mask."""
    mask_B_R: Tensor
    """True at a response's tokens, which stand from the left."""
    entropy_B_R: Tensor | None
    """Entropy in nats of the distribution at each token; 0 outside the mask; None if not asked for."""


def log_probabilities(
    model: Any,
    sequences: Sequence[Sequence[int] | Ints],
    starts: Sequence[int],
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    micro_tokens: int = 8192,
    engine: Engine | None = None,
) -> LogProbabilities:
    """Log-probabilities of responses at a temperature, differentiable where gradients are on; so is the entropy.

    model: a stock causal LM of transformers (of a PEFT wrapper, its `get_base_model()`), on one device. sequences:
    token ids of prompt and response, of any number of prompts. starts: index of each response's first token.
    micro_tokens: most tokens in a forward pass without gradients; with them a call is one graph, and the caller decides
    how many sequences it holds. engine: how prefixes are shared; found out where not given.

    The last hidden states of all unique tokens are held at once. Raises `ConfigError` where there is no token before a
    response or none in it, and for settings out of range.
    """
    _check(sequences, starts, temperature, micro_tokens)
    rows = [np.asarray(row) for row in sequences]
    counts = np.array([len(row) - start for row, start in zip(rows, starts, strict=True)])
    read = partial(_read, temperature=temperature, entropy=entropy)
    if (formula := formula_of(model)) is None:
        found_P_K = _alone(model, rows, counts, read)
    else:
        engine = engine or engine_of(model.base_model)
        found_P_K = _shared(model, formula, rows, counts, read, engine, micro_tokens)
    mask_B_R = torch.from_numpy(np.arange(counts.max()) < counts[:, None]).to(found_P_K.device)
    padded_B_R_K = found_P_K.new_zeros(*mask_B_R.shape, found_P_K.shape[-1]).index_put((mask_B_R,), found_P_K)
    return LogProbabilities(padded_B_R_K[..., 0], mask_B_R, padded_B_R_K[..., 1] if entropy else None)


def _check(sequences: Sequence[Any], starts: Sequence[int], temperature: float, micro_tokens: int) -> None:
    if not 0 < temperature < float("inf") or micro_tokens < 1:
        raise ConfigError(f"temperature is {temperature} and micro_tokens {micro_tokens}; both must be above 0")
    if len(sequences) != len(starts) or not len(starts):
        raise ConfigError(f"{len(sequences)} sequences and {len(starts)} starts; give as many, and at least one")
    for i, (row, start) in enumerate(zip(sequences, starts, strict=True)):
        if not 1 <= start < len(row):
            raise ConfigError(
                f"sequence {i} has {len(row)} tokens and its response starts at {start}; a start must be at least 1, "
                "as a token is read before it, and below the length, as a response has a token"
            )


def _read(logits_U_V: Tensor, owners_P: Tensor, targets_P: Tensor, *, temperature: float, entropy: bool) -> Tensor:
    """Log-probability of each target in the row that owns it, (P, 1); with that row's entropy beside it, (P, 2)."""
    logs_U_V = (logits_U_V / temperature if temperature != 1 else logits_U_V).log_softmax(-1)
    values_P = logs_U_V[owners_P, targets_P]
    if not entropy:
        return values_P[:, None]
    # Not `entr` of the probabilities: its gradient is infinite where one underflows.
    entropy_U = -(logs_U_V.exp() * logs_U_V).sum(-1)
    return torch.stack([values_P, entropy_U[owners_P]], -1)


def _shared(
    model: Any, formula: Formula, rows: Sequence[Ints], counts: Ints, read: Read, engine: Engine, micro_tokens: int
) -> Tensor:
    """(P, K) what is read of all P response tokens, in their order, with every place of a tree computed once."""
    # Nothing is read at a sequence's last token.
    before = [row[:-1] for row in rows]
    if (tree := engine.tree(before)) is None:
        tree, engine = grow(before, least=sum(map(len, before)) + 1), replace(engine, path="plain")
    hidden_T_D = hidden(model.base_model, tree, engine, micro_tokens=micro_tokens)
    device = hidden_T_D.device
    lasts = zip(map(len, before), counts, strict=True)
    places = [tree.places(i, np.arange(last - n, last)) for i, (last, n) in enumerate(lasts)]
    targets_P = np.concatenate([row[-n:] for row, n in zip(rows, counts, strict=True)])
    places_U, owners_P = np.unique(np.concatenate(places), return_inverse=True)
    hidden_U_D = hidden_T_D[torch.from_numpy(places_U).to(device)]
    # In the order of places, a chunk of them has its targets in one stretch.
    order_P = np.argsort(owners_P, kind="stable")
    owners_P, targets_P = owners_P[order_P], targets_P[order_P]
    owners, targets = (torch.from_numpy(x).long().to(device) for x in (owners_P, targets_P))
    head = model.get_output_embeddings()

    def of_chunk(hidden_U_D: Tensor, owners_P: Tensor, targets_P: Tensor) -> Tensor:
        return read(formula(head, hidden_U_D), owners_P, targets_P)

    step = max(1, ELEMENTS // int(model.config.get_text_config().vocab_size))
    found: list[Tensor] = []
    for first in range(0, len(places_U), step):
        a, b = np.searchsorted(owners_P, [first, first + step])
        chunk = hidden_U_D[first : first + step], owners[a:b] - first, targets[a:b]
        if torch.is_grad_enabled():
            found.append(checkpoint(of_chunk, *chunk, use_reentrant=False, preserve_rng_state=False))
        else:
            found.append(of_chunk(*chunk))
    return torch.cat(found)[torch.from_numpy(np.argsort(order_P)).to(device)]


def _alone(model: Any, rows: Sequence[Ints], counts: Ints, read: Read) -> Tensor:
    """The same by the model's own forward pass, one whole sequence at a time."""
    found: list[Tensor] = []
    for row, count in zip(rows, counts.tolist(), strict=True):
        ids = torch.from_numpy(row).long().to(model.device)
        logits_R_V = model(input_ids=ids[None], use_cache=False).logits[0, -count - 1 : -1]
        every = torch.arange(count, device=logits_R_V.device)
        found.append(read(precise(logits_R_V), every, ids[-count:]))
    return torch.cat(found)
