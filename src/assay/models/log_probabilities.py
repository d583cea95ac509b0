"""Log-probabilities of responses under a language model, for RL and implicit reward models, with
gradients.

A prompt that N responses share goes through the model once (`packing`), and so does its last token,
from which all of them begin, through the vocabulary head. Logits are made for a bounded number of
places at a time and, where gradients are on, made again in the backward pass: memory never holds
tokens x vocabulary.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from assay.errors import ConfigError
from assay.models.chosen import chosen, plain_head
from assay.models.logits import Formula, formula_of, precise
from assay.packing import rotary
from assay.packing.engine import Engine, engine_of, hidden
from assay.packing.tree import Tree, grow

__all__ = ["LogProbabilities", "Reference", "elements", "log_probabilities"]

Ints = NDArray[np.integer[Any]]
Read = Callable[[Tensor, Tensor, Tensor, Tensor | None, Tensor | None], Tensor]
"""`_read` with its settings."""

MASKED = -1e9
"""In place of the logit of a token that may not come: its probability is 0, and nothing becomes
NaN."""

ELEMENTS = 2**24
"""Most logits at a time on a CPU: 64 MiB in fp32, and a few times that in the backward pass."""
CUDA = 8
"""Times as many on a GPU, which reads a large head as often as there are chunks."""


@dataclass(frozen=True)
class LogProbabilities:
    """Log-probabilities of the tokens of B responses, at most R; fp32, or float64 for a model in
    float64."""

    values_B_R: Tensor
    """log p(token | all before it), in nats; 0 outside the mask."""
    mask_B_R: Tensor
    """True at a response's tokens, which stand from the left."""
    entropy_B_R: Tensor | None
    """Entropy in nats of the distribution at each token; 0 outside the mask; None if not asked
    for."""
    reference_B_R: Tensor | None = None
    """log p of the tokens under the reference, without gradient; None without one."""
    kl_B_R: Tensor | None = None
    """KL(model | reference) at each token in nats, over the whole vocabulary and so without
    sampling noise (the Rao-Blackwellised estimate, summed over a response); None without a
    reference."""
    hidden_B_R_D: Tensor | None = None
    """Last hidden states that each token was predicted from; None if not asked for."""


@dataclass(frozen=True)
class Reference:
    """Another state of a model, to compare with."""

    model: Any
    inside: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Where it is the same model in another state, such as with its adapters off: what holds it in
    that state."""


def log_probabilities(
    model: Any,
    sequences: Sequence[Sequence[int] | Ints],
    starts: Sequence[int],
    *,
    temperature: float = 1.0,
    entropy: bool = False,
    reference: Reference | None = None,
    states: bool = False,
    allowed_P_V: Tensor | None = None,
    micro_tokens: int = 8192,
    engine: Engine | None = None,
) -> LogProbabilities:
    """Log-probabilities of responses at a temperature, differentiable where gradients are on; so is
    the entropy.

    model: a stock causal LM of transformers (of a PEFT wrapper, its `get_base_model()`), on one
    device. sequences: token ids of prompt and response, of any number of prompts. starts: index of
    each response's first token.
    reference: compared with token by token. states: give the hidden states too. allowed_P_V: tokens
    that may come at each of all P response tokens, in order, where a grammar masks the rest.
    micro_tokens: most tokens in a forward pass without gradients; with them a call is one graph,
    and the caller decides how many sequences it holds. engine: how prefixes are shared; found out
    where not given.

    The last hidden states of all unique tokens are held at once. Raises `ConfigError` where there
    is no token before a response or none in it, for settings out of range, and for states of a
    model that does not show them.
    """
    _check(sequences, starts, temperature, micro_tokens)
    rows = [np.asarray(row) for row in sequences]
    counts = np.array([len(row) - start for row, start in zip(rows, starts, strict=True)])
    read = partial(_read, temperature=temperature, entropy=entropy)
    alone = not entropy and reference is None and allowed_P_V is None
    states_P_D = None
    if (formula := formula_of(model)) is None:
        if states:
            raise ConfigError(
                f"{type(model).__name__} does not show its hidden states; a value head needs them"
            )
        found_P_K = _alone(model, reference, rows, counts, read, allowed_P_V)
    else:
        engine = engine or engine_of(model.base_model)
        found_P_K, states_P_D = _shared(
            model,
            formula,
            reference,
            rows,
            counts,
            read,
            allowed_P_V,
            engine,
            micro_tokens,
            states=states,
            temperature=temperature if alone else None,
        )
    mask_B_R = torch.from_numpy(np.arange(counts.max()) < counts[:, None]).to(found_P_K.device)

    def padded(values_P_: Tensor) -> Tensor:
        shape = *mask_B_R.shape, *values_P_.shape[1:]
        return values_P_.new_zeros(shape).index_put((mask_B_R,), values_P_)

    columns = list(padded(found_P_K).unbind(-1))
    return LogProbabilities(
        columns.pop(0),
        mask_B_R,
        columns.pop(0) if entropy else None,
        columns.pop(0).detach() if reference else None,
        columns.pop(0) if reference else None,
        padded(states_P_D) if states_P_D is not None else None,
    )


def elements(device: torch.device) -> int:
    """Most logits at a time on a device."""
    return ELEMENTS * (CUDA if device.type == "cuda" else 1)


def _check(
    sequences: Sequence[Any], starts: Sequence[int], temperature: float, micro_tokens: int
) -> None:
    if not 0 < temperature < float("inf") or micro_tokens < 1:
        raise ConfigError(
            f"temperature is {temperature} and micro_tokens {micro_tokens}; both must be above 0"
        )
    if len(sequences) != len(starts) or not len(starts):
        raise ConfigError(
            f"{len(sequences)} sequences and {len(starts)} starts; give as many, and at least one"
        )
    for i, (row, start) in enumerate(zip(sequences, starts, strict=True)):
        if not 1 <= start < len(row):
            raise ConfigError(
                f"sequence {i} has {len(row)} tokens and its response starts at {start}; a start"
                " must be at least 1, as a token is read before it, and below the length, as a"
                " response has a token"
            )


def _read(
    logits_U_V: Tensor,
    owners_P: Tensor,
    targets_P: Tensor,
    other_U_V: Tensor | None,
    allowed_U_V: Tensor | None,
    *,
    temperature: float,
    entropy: bool,
) -> Tensor:
    """(P, K) of each target in the row that owns it: log-probability, that row's entropy if asked
    for, and of other logits the log-probability and the divergence from them."""
    logs_U_V = _logs(logits_U_V, allowed_U_V, temperature)
    columns = [logs_U_V[owners_P, targets_P]]
    if entropy:
        # Not `entr` of the probabilities: its gradient is infinite where one underflows.
        columns.append(-(logs_U_V.exp() * logs_U_V).sum(-1)[owners_P])
    if other_U_V is not None:
        others_U_V = _logs(other_U_V, allowed_U_V, temperature)
        columns += [
            others_U_V[owners_P, targets_P],
            (logs_U_V.exp() * (logs_U_V - others_U_V)).sum(-1)[owners_P],
        ]
    return torch.stack(columns, -1)


def _logs(logits_U_V: Tensor, allowed_U_V: Tensor | None, temperature: float) -> Tensor:
    logits_U_V = logits_U_V / temperature if temperature != 1 else logits_U_V
    if allowed_U_V is not None:
        logits_U_V = logits_U_V.masked_fill(~allowed_U_V, MASKED)
    return logits_U_V.log_softmax(-1)


def _shared(
    model: Any,
    formula: Formula,
    reference: Reference | None,
    rows: Sequence[Ints],
    counts: Ints,
    read: Read,
    allowed_P_V: Tensor | None,
    engine: Engine,
    micro_tokens: int,
    *,
    states: bool,
    temperature: float | None,
) -> tuple[Tensor, Tensor | None]:
    """(P, K) what is read of all P response tokens, in their order, with every place of a tree
    computed once; and the (P, D) states, if asked for.

    temperature: where nothing but the tokens' log-probabilities at it are read.
    """
    # Nothing is read at a sequence's last token, which is left out where it does not change the
    # others' angles.
    before = [*rows] if rotary.changes(model.base_model) else [row[:-1] for row in rows]
    if (tree := engine.tree(before)) is None:
        tree, engine = grow(before, least=sum(map(len, before)) + 1), replace(engine, path="plain")
    hidden_T_D = hidden(model.base_model, tree, engine, micro_tokens=micro_tokens)
    device = hidden_T_D.device
    lasts = zip((len(row) - 1 for row in rows), counts, strict=True)
    places = [tree.places(i, np.arange(last - n, last)) for i, (last, n) in enumerate(lasts)]
    targets_P = np.concatenate([row[-n:] for row, n in zip(rows, counts, strict=True)])
    places_U, firsts_U, owners_P = np.unique(
        np.concatenate(places), return_index=True, return_inverse=True
    )
    index_U = torch.from_numpy(places_U).to(device)
    hidden_U_D = hidden_T_D[index_U]
    states_P_D = hidden_U_D[torch.from_numpy(owners_P).to(device)] if states else None
    allowed_U_V = (
        allowed_P_V[torch.from_numpy(firsts_U)].to(device) if allowed_P_V is not None else None
    )
    other = None if reference is None else _other(reference, tree, index_U, engine, micro_tokens)
    # In the order of places, a chunk of them has its targets in one stretch.
    order_P = np.argsort(owners_P, kind="stable")
    owners_P, targets_P = owners_P[order_P], targets_P[order_P]
    owners, targets = (torch.from_numpy(x).long().to(device) for x in (owners_P, targets_P))
    head = model.get_output_embeddings()

    def of_chunk(hidden_U_D: Tensor, owners_P: Tensor, targets_P: Tensor, first: int) -> Tensor:
        part = slice(first, first + len(hidden_U_D))
        allowed = None if allowed_U_V is None else allowed_U_V[part]
        return read(
            formula(head, hidden_U_D), owners_P, targets_P, other(part) if other else None, allowed
        )

    step = max(1, elements(device) // int(model.config.get_text_config().vocab_size))
    firsts = range(0, len(places_U), step)
    bounds = [tuple(np.searchsorted(owners_P, [at, at + step]).tolist()) for at in firsts]
    back = torch.from_numpy(np.argsort(order_P)).to(device)
    if temperature is not None and plain_head(head):
        values_P = chosen(
            head, formula, hidden_U_D, owners, targets, bounds, step=step, temperature=temperature
        )
        return values_P[back, None], states_P_D
    found: list[Tensor] = []
    for first, (a, b) in zip(firsts, bounds, strict=True):
        chunk = hidden_U_D[first : first + step], owners[a:b] - first, targets[a:b], first
        # Where one chunk holds all there is, its logits are small enough to keep.
        if torch.is_grad_enabled() and len(places_U) > step // 4:
            found.append(
                checkpoint(of_chunk, *chunk, use_reentrant=False, preserve_rng_state=False)
            )
        else:
            found.append(of_chunk(*chunk))
    return torch.cat(found)[back], states_P_D


def _other(
    reference: Reference, tree: Tree, index_U: Tensor, engine: Engine, micro_tokens: int
) -> Callable[[slice], Tensor]:
    """Gives the reference's logits at some of the places, without gradient."""
    model = reference.model
    formula = formula_of(model)
    if formula is None:
        raise ConfigError(
            f"the reference, a {type(model).__name__}, does not show its hidden states, as the"
            " model does"
        )
    with torch.no_grad(), reference.inside():
        path = "plain" if engine.path == "plain" else engine_of(model.base_model).path
        hidden_U_D = hidden(
            model.base_model, tree, replace(engine, path=path), micro_tokens=micro_tokens
        )[index_U]

    def logits(part: slice) -> Tensor:
        # Made anew in the backward pass, when the model may be in another state.
        with torch.no_grad(), reference.inside():
            return formula(model.get_output_embeddings(), hidden_U_D[part])

    return logits


def _alone(
    model: Any,
    reference: Reference | None,
    rows: Sequence[Ints],
    counts: Ints,
    read: Read,
    allowed_P_V: Tensor | None,
) -> Tensor:
    """The same by the model's own forward pass, one whole sequence at a time."""
    found: list[Tensor] = []
    done = 0
    for row, count in zip(rows, counts.tolist(), strict=True):
        ids = torch.from_numpy(row).long().to(model.device)

        def logits(of: Any, ids: Tensor = ids, count: int = count) -> Tensor:
            rotary.reset(of)
            return precise(of(input_ids=ids[None], use_cache=False).logits[0, -count - 1 : -1])

        other = None
        if reference is not None:
            with torch.no_grad(), reference.inside():
                other = logits(reference.model)
        allowed = None if allowed_P_V is None else allowed_P_V[done : done + count].to(ids.device)
        every = torch.arange(count, device=ids.device)
        found.append(read(logits(model), every, ids[-count:], other, allowed))
        done += count
    return torch.cat(found)
