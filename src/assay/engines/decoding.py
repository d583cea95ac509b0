"""Write tokens after prefilled prompts, all samples in one batch; finished samples leave it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.engines.memory import Memory
from assay.engines.prefill import Prefilled
from assay.errors import ConfigError
from assay.protocols import Sampling

__all__ = ["Grammar", "Written", "choose", "decode"]

Grammar = Callable[[Tensor, Tensor], Tensor]
"""(B, T) ids so far and (B, V) scores of the next token -> scores: a transformers `LogitsProcessor`
is one."""

BLOCK = 256
"""Tokens of the vocabulary that are summed before any is looked at."""

LIKELY = 256
"""Tokens among which the likely ones are looked for first."""


@dataclass(frozen=True)
class Written:
    """The new tokens of one sample, its end token included, and the log-probability of each."""

    ids: list[int]
    logprobs: list[float]


@torch.inference_mode()
def decode(
    model: Any,
    prefilled: Prefilled,
    prompt_B: Sequence[int],
    noise_B_L: np.ndarray[Any, np.dtype[np.float64]],
    sampling: Sampling,
    *,
    ends: Sequence[int],
    stopped: Callable[[int, list[int]], bool] | None = None,
    grammar: Grammar | None = None,
    memory: Memory | None = None,
    limits: Sequence[int] | None = None,
) -> list[Written]:
    """B samples of at most L = `sampling.max_tokens` tokens.

    prompt_B: index of each sample's prompt. noise_B_L: uniform numbers, one a token. ends: tokens
    that end a sample.
    stopped: whether sample b ends with these new tokens, asked after each of them. memory: keeps
    every sample and its prompt as the sample leaves the batch, but for its last token, which is
    never run.
    """
    device = prefilled.mask_P_T.device
    rows, limit = len(prompt_B), sampling.max_tokens
    prompts = torch.tensor(prompt_B, device=device)
    cache, scores_B_V = prefilled.cache, prefilled.scores_P_V[prompts]
    cache.batch_select_indices(prompts)
    width = prefilled.mask_P_T.shape[1]
    mask_B_T = torch.nn.functional.pad(prefilled.mask_P_T[prompts], (0, limit), value=1)
    position_B = prefilled.mask_P_T.sum(-1)[prompts]
    noise = torch.from_numpy(noise_B_L).to(device)
    end_tokens = torch.tensor(ends, device=device)
    limit_B = torch.full((rows,), limit, device=device)
    if limits is not None:
        limit_B = torch.tensor(limits, device=device).clamp(max=limit)
    live = torch.arange(rows, device=device)
    tokens_B_L = torch.zeros(rows, limit, dtype=torch.long, device=device)
    logprobs_B_L = torch.zeros(rows, limit, dtype=torch.float64, device=device)
    lengths = torch.zeros(rows, dtype=torch.long, device=device)
    for t in range(limit):
        if grammar is not None:
            so_far = torch.cat([prefilled.ids_P_T[prompts[live]], tokens_B_L[live, :t]], dim=1)
            scores_B_V = grammar(so_far, scores_B_V)
        token_B, logprob_B = choose(scores_B_V, noise[live, t], sampling)
        tokens_B_L[live, t], logprobs_B_L[live, t] = token_B, logprob_B.double()
        ended = torch.isin(token_B, end_tokens) | (t + 1 == limit_B[live])
        if stopped is not None:
            texts = zip(
                live.tolist(), tokens_B_L[live, : t + 1].tolist(), ended.tolist(), strict=True
            )
            ended = torch.tensor([end or stopped(b, ids) for b, ids, end in texts], device=device)
        if ended.any():
            leaving = live[ended]
            lengths[leaving] = t + 1
            if memory is not None:
                run = zip(leaving.tolist(), tokens_B_L[leaving, :t].tolist(), strict=True)
                sequences = [(*prefilled.prompts[prompt_B[b]], *ids) for b, ids in run]
                memory.keep(cache, torch.nonzero(ended).squeeze(-1).tolist(), sequences)
            kept = _kept(ended)
            if not len(kept):
                break
            live, token_B, mask_B_T, position_B = (
                x[kept] for x in (live, token_B, mask_B_T, position_B)
            )
            cache.batch_select_indices(kept)
        out = model(
            input_ids=token_B[:, None],
            attention_mask=mask_B_T[:, : width + t + 1],
            position_ids=position_B[:, None] + t,
            past_key_values=cache,
            use_cache=True,
        )
        scores_B_V = out.logits[:, -1]
    columns = zip(tokens_B_L.tolist(), logprobs_B_L.tolist(), lengths.tolist(), strict=True)
    return [Written(ids[:n], logprobs[:n]) for ids, logprobs, n in columns]


def _kept(ended_B: Tensor) -> Tensor:
    """Rows that go on: in their places, but that the last ones fill the places of those that
    ended."""
    count = int((~ended_B).sum())
    kept = torch.arange(count, device=ended_B.device)
    kept[ended_B[:count]] = torch.nonzero(~ended_B[count:]).squeeze(-1) + count
    return kept


def choose(scores_B_V: Tensor, noise_B: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The next token of each row and its log-probability, before top-p and after temperature (as it
    is at 0).

    The token is the greedy one, or the one at which the tokens' cumulative probability passes the
    row's noise.
    """
    if not scores_B_V.amax(-1).isfinite().all():
        raise ConfigError(
            "no token may come next: the grammar masks them all, or the model's scores are not"
            " numbers"
        )
    if scores_B_V.dtype.itemsize < 4:
        scores_B_V = scores_B_V.float()
    if sampling.temperature == 0:
        token_B = scores_B_V.argmax(-1)
        best = scores_B_V.gather(-1, token_B[:, None]).squeeze(-1)
        return token_B, best - scores_B_V.logsumexp(-1)
    if sampling.temperature != 1:
        # Divided by a tiny temperature, scores overflow; with the largest at 0, it stays the
        # largest.
        scores_B_V = (scores_B_V - scores_B_V.amax(-1, keepdim=True)) / sampling.temperature
    weights = probabilities = scores_B_V.softmax(-1)
    if sampling.top_p < 1:
        weights = probabilities.where(
            probabilities >= _threshold(probabilities, sampling.top_p), 0.0
        )
    token_B = _passes(weights, noise_B)
    return token_B, probabilities.gather(-1, token_B[:, None]).squeeze(-1).log()


def _threshold(probabilities_B_V: Tensor, top_p: float, count: int = LIKELY) -> Tensor:
    """The least probability that stays, (B, 1): of the token at which those more likely make up the
    share.

    Tokens as likely as that one stay too, so that the order of equals decides nothing.
    """
    size = probabilities_B_V.shape[-1]
    ranked = probabilities_B_V.topk(min(count, size)).values
    before = ranked.cumsum(-1, dtype=torch.float64) - ranked
    least = ranked.gather(-1, (before < top_p).sum(-1, keepdim=True) - 1)
    if count < size:
        # The share may lie beyond the likely tokens: those rows are ranked whole.
        beyond = before[:, -1] + ranked[:, -1] < top_p
        if beyond.any():
            least[beyond] = _threshold(probabilities_B_V[beyond], top_p, size)
    return least


def _passes(weights_B_V: Tensor, noise_B: Tensor) -> Tensor:
    """Index at which the cumulative weight passes `noise` of the total; never one of no weight.

    Sums in fp64 are slow over a whole vocabulary: one finds the block, another the token in it.
    """
    rows, size = weights_B_V.shape
    blocks = torch.nn.functional.pad(weights_B_V, (0, -size % BLOCK)).view(rows, -1, BLOCK)
    block_B, rest_B = _pass(blocks.sum(-1), noise_B)
    token_B, _ = _pass(blocks[torch.arange(rows, device=weights_B_V.device), block_B], rest_B)
    return block_B * BLOCK + token_B


def _pass(weights_B_N: Tensor, noise_B: Tensor) -> tuple[Tensor, Tensor]:
    """Index at which the cumulative weight passes `noise` of the total, and how far into its
    weight, in [0, 1]."""
    cumulative = weights_B_N.cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    # Rounded up to the total, a point would lie behind every weight.
    point = torch.minimum(noise_B[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    index = torch.searchsorted(cumulative, point, right=True)
    above = cumulative.gather(-1, index) - point
    inside = 1 - above / weights_B_N.gather(-1, index).double()
    return index.squeeze(-1), inside.squeeze(-1).clamp(0, 1)
