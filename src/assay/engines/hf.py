"""Generate with a Hugging Face causal LM in this process, token by token.

Every prompt is run once and its cache shared by its samples; finished samples leave the batch. The randomness of a
sample is a function of the seed, its prefix and its number alone, so what a call returns does not depend on how it is
batched, or on what else is asked in it, but for the rounding of batched arithmetic. The prompt's ids come from the same
`Encoder` that reward models read with, so policy and reward model see one layout. Left out: models on several devices.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.errors import BackendError, ConfigError
from assay.models.layout import Encoder, Layout
from assay.models.readout import PREFERENCE
from assay.protocols import Prefix, Sampling
from assay.types import Response

__all__ = ["Grammar", "HuggingFace", "Splitter", "whole"]

Grammar = Callable[[Tensor, Tensor], Tensor]
"""(B, T) ids so far and (B, V) scores of the next token -> scores: a transformers `LogitsProcessor` is one."""

Splitter = Callable[[str], Sequence[str]]
"""A text's steps; their concatenation is the text."""


def whole(text: str) -> Sequence[str]:
    """The whole text is one step."""
    return (text,)


@dataclass(frozen=True)
class _Row:
    """One sample to be written."""

    prefix: int
    """Index of its prefix."""
    noise: np.ndarray[Any, np.dtype[np.float64]]
    """A uniform number a token."""


class HuggingFace:
    """A `Generator` on a causal LM and its tokenizer.

    layout: how prompts become tokens; steps must stand in it as they are written. split: cuts what was generated into
    steps. grammar: masks the next token. rows: samples decoded together.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        layout: Layout | None = None,
        split: Splitter = whole,
        grammar: Grammar | None = None,
        rows: int = 1024,
    ) -> None:
        layout = layout or Layout()
        if layout.strip or layout.between or layout.separator or layout.template == "turns":
            raise ConfigError(
                "this layout puts tokens between steps that a policy does not write; use one without strip, between "
                "and separator, and template 'plain' or 'chat'"
            )
        self.model = model.eval()
        self.encoder = Encoder(tokenizer, layout, PREFERENCE)
        self.split = split
        self.grammar = grammar
        self.rows = rows
        self.stops = _stops(model, tokenizer)

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses a prefix. One that reaches `max_tokens` without an end is not finished.

        A prefix given k times in one call gets k times n different samples. Raises `ConfigError` where a prefix and
        `max_tokens` exceed the layout's `max_length`, or where nothing could follow a token.
        """
        _check(sampling)
        items = [(prefix.prompt, Response(steps=prefix.steps, finished=False)) for prefix in prefixes]
        prompts = [sequence.ids for sequence in self.encoder.encode(items)]
        longest = max(map(len, prompts), default=0) + sampling.max_tokens
        if longest > self.encoder.layout.max_length:
            raise ConfigError(
                f"the longest prefix and max_tokens make {longest} tokens, above the layout's max_length "
                f"{self.encoder.layout.max_length}; raise it or ask for fewer"
            )
        written: list[list[list[int]]] = [[] for _ in prefixes]
        order = sorted(range(len(prefixes)), key=lambda i: len(prompts[i]))
        for batch in _batches(prompts, order, sampling, self.rows):
            for row, ids in zip(batch, self._decode(prompts, batch, sampling), strict=True):
                written[row.prefix].append(ids)
        return [[self._response(prefix, prompts[i], ids) for ids in written[i]] for i, prefix in enumerate(prefixes)]

    @torch.inference_mode()
    def _decode(self, prompts: Sequence[Sequence[int]], batch: Sequence[_Row], sampling: Sampling) -> list[list[int]]:
        """The new tokens of each row, its end token included where it has one."""
        device = self.model.device
        counts = Counter(row.prefix for row in batch)
        ids_P_T, mask_P_T = _left_padded([prompts[i] for i in counts], device)
        repeats = torch.tensor(list(counts.values()), device=device)
        noise_B_L = torch.from_numpy(np.stack([row.noise for row in batch])).to(device)
        stops = torch.tensor(self.stops, device=device)

        out = self.model(
            input_ids=ids_P_T,
            attention_mask=mask_P_T,
            position_ids=_positions(mask_P_T),
            use_cache=True,
            logits_to_keep=1,
        )
        cache, scores = out.past_key_values, out.logits[:, -1].repeat_interleave(repeats, 0)
        cache.batch_select_indices(torch.arange(len(counts), device=device).repeat_interleave(repeats))
        ids_B_T, mask_B_T = (x.repeat_interleave(repeats, 0) for x in (ids_P_T, mask_P_T))
        start = ids_B_T.shape[1]
        live = torch.arange(len(batch), device=device)
        written: list[list[int]] = [[] for _ in batch]
        for t in range(sampling.max_tokens):
            if self.grammar is not None:
                scores = self.grammar(ids_B_T, scores)
            token_B = _choose(scores, noise_B_L[live, t], sampling)
            ids_B_T = torch.cat([ids_B_T, token_B[:, None]], dim=1)
            mask_B_T = torch.cat([mask_B_T, mask_B_T.new_ones(len(live), 1)], dim=1)
            ended = torch.isin(token_B, stops)
            if t + 1 == sampling.max_tokens:
                ended = torch.ones_like(ended)
            if ended.any():
                for i, row in zip(live[ended].tolist(), ids_B_T[ended, start:].tolist(), strict=True):
                    written[i] = row
                kept = (~ended).nonzero().squeeze(-1)
                if not len(kept):
                    break
                live, ids_B_T, mask_B_T, token_B = (x[kept] for x in (live, ids_B_T, mask_B_T, token_B))
                cache.batch_select_indices(kept)
            out = self.model(
                input_ids=token_B[:, None],
                attention_mask=mask_B_T,
                position_ids=_positions(mask_B_T)[:, -1:],
                past_key_values=cache,
                use_cache=True,
            )
            scores = out.logits[:, -1]
        return written

    def _response(self, prefix: Prefix, prompt: Sequence[int], ids: list[int]) -> Response:
        finished = ids[-1] in self.stops
        text = self._text(prompt, ids[:-1] if finished else ids)
        steps = tuple(self.split(text)) if text else ()
        if "".join(steps) != text:
            raise BackendError(f"the splitter changed the text: {text!r} became {steps!r}; steps must join to the text")
        return Response(steps=(*prefix.steps, *steps), finished=finished)

    def _text(self, prompt: Sequence[int], ids: list[int]) -> str:
        """The text that the tokens add: decoded after the token before, for tokenizers that drop a first space."""
        decode, before = self.encoder.tokenizer.decode, [*prompt[-1:]]
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        return str(decode([*before, *ids], **options)).removeprefix(str(decode(before, **options)))


def _batches(
    prompts: Sequence[Sequence[int]], order: Sequence[int], sampling: Sampling, rows: int
) -> Iterator[list[_Row]]:
    """Rows in batches, prefixes of like length together."""
    first: Counter[bytes] = Counter()
    keys = [hashlib.sha256(np.array(ids, dtype=np.int64).tobytes()).digest()[:16] for ids in prompts]
    starts = []
    for key in keys:
        starts.append(first[key])
        first[key] += sampling.n
    todo = (
        _Row(i, _noise(sampling, keys[i], number)) for i in order for number in range(starts[i], starts[i] + sampling.n)
    )
    while batch := list(itertools.islice(todo, rows)):
        yield batch


def _noise(sampling: Sampling, key: bytes, number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    if sampling.temperature == 0:
        return np.zeros(sampling.max_tokens)
    return np.random.default_rng([sampling.seed, int.from_bytes(key), number]).random(sampling.max_tokens)


def _choose(scores_B_V: Tensor, noise_B: Tensor, sampling: Sampling) -> Tensor:
    """The next token of each row: the greedy one, or where the row's noise falls in the cumulative distribution."""
    if not scores_B_V.amax(-1).isfinite().all():
        raise ConfigError("no token may come next: the grammar masks them all, or the model's scores are not numbers")
    if sampling.temperature == 0:
        return scores_B_V.argmax(-1)
    probabilities = (scores_B_V.double() / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ranked, order = probabilities.sort(dim=-1, descending=True, stable=True)
        # A token is out when those before it already have the share: the one that reaches it stays.
        ranked[ranked.cumsum(-1) - ranked >= sampling.top_p] = 0.0
        probabilities = torch.zeros_like(probabilities).scatter_(-1, order, ranked)
    cumulative = probabilities.cumsum(-1)
    point = noise_B[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, point, right=True).squeeze(-1).clamp(max=scores_B_V.shape[-1] - 1)


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask (P, T). What stands in the padding is masked, so it may be any token."""
    width = max(map(len, prompts))
    ids = np.zeros((len(prompts), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, there, prompt in zip(ids, mask, prompts, strict=True):
        row[width - len(prompt) :] = prompt
        there[width - len(prompt) :] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def _positions(mask_B_T: Tensor) -> Tensor:
    return (mask_B_T.cumsum(-1) - 1).clamp(min=0)


def _stops(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that end a response: the tokenizer's, and those of the model's generation settings."""
    settings = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = settings if isinstance(settings, list) else [settings]
    found = {int(i) for i in (tokenizer.eos_token_id, *listed) if i is not None}
    if not found:
        raise ConfigError("neither the tokenizer nor the model names an end-of-sequence token; set one")
    return tuple(sorted(found))


def _check(sampling: Sampling) -> None:
    if sampling.n < 1 or sampling.max_tokens < 1:
        raise ConfigError(f"n is {sampling.n} and max_tokens {sampling.max_tokens}; both must be at least 1")
    if not sampling.temperature >= 0 or not 0 < sampling.top_p <= 1:
        raise ConfigError(
            f"temperature is {sampling.temperature} and top_p {sampling.top_p}; they must be >= 0 and in (0, 1]"
        )
