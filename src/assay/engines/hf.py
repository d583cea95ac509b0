"""Generate with a Hugging Face causal LM in this process, token by token.

What prompts begin with in common is run once (`prefill`), and the samples of all of them are
written in one batch, which finished samples leave (`decoding`). What was read and written is
remembered (`memory`): a prefix that extends it, as a search's do, costs its new tokens only. The
randomness of a sample is a function of the seed, its prefix and its number alone, so what a call
returns does not depend on how it is batched, on what else is asked in it or on what is remembered,
but for the rounding of batched arithmetic. The prompt's ids come from the same `Encoder` that
reward models read with, so policy and reward model see one layout. Left out: models on several
devices.
"""

import bisect
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from assay.data.splitting import AlreadySplit
from assay.engines.decoding import Grammar, Written, decode
from assay.engines.memory import Memory
from assay.engines.prefill import batch_order, can_share, prefill
from assay.errors import BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.models.layout import Layout
from assay.models.policy import end_ids, policy_encoder
from assay.models.unread import say_unread
from assay.packing import rotary
from assay.protocols import Prefix, Sampling, Splitter
from assay.types import Response, Unscored

__all__ = ["Grammar", "HuggingFace", "Sample"]


WHOLE = AlreadySplit()
SLACK = 8
"""Tokens before a stop that are decoded with it, lest it begin inside a character."""


@dataclass(frozen=True)
class Sample:
    """One response with the tokens that were read and written for it."""

    response: Response
    prefix_ids: tuple[int, ...]
    """Tokens of the prompt and the steps before."""
    ids: tuple[int, ...]
    """New tokens as the model wrote them: the end token included, nothing cut off after a stop."""
    logprobs: tuple[float, ...]
    """Log-probability of each new token, under the policy at the sampling temperature (as it is at
    0), within the grammar, before top-p."""
    given: tuple[tuple[int, int], ...] = ()
    """Spans of new tokens that the model did not write but was given, such as a tool's results;
    their log-probabilities are 0."""


@dataclass(frozen=True)
class _Row:
    """One sample to be written."""

    prefix: int
    """Index of its prefix."""
    key: bytes
    """Hash of the prefix's ids."""
    number: int
    """Which of its samples."""

    def noise(self, sampling: Sampling) -> np.ndarray[Any, np.dtype[np.float64]]:
        """A uniform number a token."""
        if sampling.temperature == 0:
            return np.zeros(sampling.max_tokens)
        seed = [sampling.seed, int.from_bytes(self.key), self.number]
        return np.random.default_rng(seed).random(sampling.max_tokens)


class HuggingFace:
    """A `Generator` on a causal LM and its tokenizer.

    layout: how prompts become tokens; steps must stand in it as they are written. split: cuts what
    was generated into steps. grammar: masks the next token. rows: samples decoded together at most;
    tokens: that these may hold in memory.
    remember: tokens whose keys and values are kept for later calls, where the model's attention
    allows it; they are forgotten when the model changes, unless it is by a forward hook.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        layout: Layout | None = None,
        split: Splitter = WHOLE,
        grammar: Grammar | None = None,
        rows: int = 1024,
        tokens: int = 2**16,
        remember: int = 32_768,
    ) -> None:
        if remember < 0:
            raise ConfigError(f"remember is {remember}; it must be at least 0")
        self.model = model.eval()
        self.encoder = policy_encoder(tokenizer, layout or Layout())
        self.split = split
        self.grammar = grammar
        self.rows = rows
        self.tokens = tokens
        self.remember = remember
        self.ends = end_ids(model, tokenizer)
        self._pieces: dict[int, str] = {}
        self._said_unread = False

    @property
    def fingerprint(self) -> str:
        """Name by all that a sample depends on beside prefix and sampling; how many are decoded
        together is not."""
        encoder = self.encoder
        return fingerprint(
            (self.model, encoder.tokenizer, encoder.layout, self.split, self.grammar, self.ends)
        )

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses a prefix. One that reaches `max_tokens` or a stop without an end
        is not finished.

        A prefix given k times in one call gets k times n different samples. Raises `ConfigError`
        where a prefix and `max_tokens` exceed the layout's `max_length`, or where nothing could
        follow a token.
        """
        return [
            [sample.response for sample in samples] for samples in self.sample(prefixes, sampling)
        ]

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        """Return what `generate` does, each prefix as soon as its samples are there; one that does
        not fit is `Unscored`."""
        prompts = self.encode(prefixes)
        most = self.encoder.layout.max_length - sampling.max_tokens
        refused = {
            i: f"{len(ids)} tokens and max_tokens exceed {most + sampling.max_tokens}"
            for i, ids in enumerate(prompts)
            if len(ids) > most
        }
        for i, ids in enumerate(prompts):
            if i not in refused and (reason := self._turns(len(ids), sampling.max_tokens)):
                refused[i] = reason
        fit = [i for i in range(len(prefixes)) if i not in refused]
        for i, reason in sorted(refused.items()):
            yield i, Unscored(reason=reason)
        found: dict[int, list[Response]] = defaultdict(list)
        for k, sample in self._samples(
            [prefixes[i] for i in fit], [prompts[i] for i in fit], sampling
        ):
            found[k].append(sample.response)
            if len(found[k]) == sampling.n:
                yield fit[k], [*found.pop(k)]

    def sample(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Sample]]:
        """Return what `generate` does, with tokens and log-probabilities."""
        prompts = self.encode(prefixes)
        longest = max(map(len, prompts), default=0) + sampling.max_tokens
        if longest > self.encoder.layout.max_length:
            raise ConfigError(
                f"the longest prefix and max_tokens make {longest} tokens, above the layout's"
                f" max_length {self.encoder.layout.max_length}; raise it or ask for fewer"
            )
        for ids in prompts:
            if reason := self._turns(len(ids), sampling.max_tokens):
                raise ConfigError(reason)
        samples: list[list[Sample]] = [[] for _ in prefixes]
        for i, sample in self._samples(prefixes, prompts, sampling):
            samples[i].append(sample)
        return samples

    def extend(
        self,
        sequences: Sequence[tuple[int, ...]],
        numbers: Sequence[int],
        limits: Sequence[int],
        sampling: Sampling,
    ) -> list[Sample]:
        """Return a sample after each sequence of tokens, of one step: all that was written, also
        behind a stop, and finished where an end token or a stop ended it.

        numbers: of each sequence's sample, as `Prefix.first`. limits: most new tokens of each.
        """
        for ids, limit in zip(sequences, limits, strict=True):
            if reason := self._turns(len(ids), limit):
                raise ConfigError(reason)
        rows = [
            [_Row(i, _key(ids), number)]
            for i, (ids, number) in enumerate(zip(sequences, numbers, strict=True))
        ]
        sampling = replace(sampling, max_tokens=max(limits, default=1))
        if self._memory is not None:
            self._memory.begin()
        found: dict[int, Sample] = {}
        for batch in self._batches(rows, sequences, sampling):
            most = [limits[row.prefix] for row in batch]
            for row, one in zip(batch, self._write(sequences, batch, sampling, most), strict=True):
                before, ended = sequences[row.prefix], one.ids[-1] in self.ends
                text = self._text(before, one.ids[:-1] if ended else one.ids)
                finished = ended or _first_stop(text, sampling.stop) is not None
                response = Response(steps=(text,), finished=finished)
                found[row.prefix] = Sample(response, before, tuple(one.ids), tuple(one.logprobs))
        return [found[i] for i in range(len(sequences))]

    def step_ends(self, sample: Sample) -> list[int]:
        """Index among the sample's new tokens of each new step's last one: the token with which the
        step's text is whole. What ends the response belongs to the last step."""
        decoded = [self._piece(token) for token in sample.ids]
        lengths = list(itertools.accumulate(map(len, decoded)))
        text = self._text(sample.prefix_ids, [*sample.ids])
        alone = "".join(decoded) == text
        ends, last = [], len(sample.ids) - 1
        steps = _new_steps(sample.response.steps, text)

        def whole(k: int, end: int) -> bool:
            return self._text(sample.prefix_ids, [*sample.ids[: k + 1]]).startswith(text[:end])

        for end in itertools.accumulate(map(len, steps[:-1])):
            if alone:
                k = bisect.bisect_left(lengths, end)
            else:
                # Characters of several tokens: only what all tokens so far say together tells
                # whether they are there.
                k = bisect.bisect_left(range(last + 1), True, key=partial(whole, end=end))
            ends.append(min(k, last))
        return [*ends, last] if steps else []

    def _piece(self, token: int) -> str:
        if token not in self._pieces:
            self._pieces[token] = self._decode([token])
        return self._pieces[token]

    def encode(self, prefixes: Sequence[Prefix]) -> list[tuple[int, ...]]:
        """Return the tokens of prompts and the steps so far; warn once where most are unknown."""
        items = [
            (prefix.prompt, Response(steps=prefix.steps, finished=False)) for prefix in prefixes
        ]
        found = [sequence.ids for sequence in self.encoder.encode(items)]
        self._said_unread = self._said_unread or say_unread(
            found,
            self.encoder.tokenizer,
            "the policy's tokenizer does not know what these prompts are written in, and it answers"
            " without having read them; give a --policy whose tokenizer reads them",
        )
        return found

    def _samples(
        self, prefixes: Sequence[Prefix], prompts: Sequence[tuple[int, ...]], sampling: Sampling
    ) -> Iterator[tuple[int, Sample]]:
        """Every sample with the index of its prefix, batch by batch; each prefix's in their
        order."""
        if self._memory is not None:
            self._memory.begin()
        for batch in self._batches(_rows(prefixes, prompts, sampling.n), prompts, sampling):
            for row, written in zip(batch, self._write(prompts, batch, sampling), strict=True):
                i = row.prefix
                response = self._response(prefixes[i], prompts[i], written.ids, sampling.stop)
                yield i, Sample(response, prompts[i], tuple(written.ids), tuple(written.logprobs))

    def _turns(self, length: int, max_tokens: int) -> str | None:
        """Why a prefix of so many tokens cannot be continued: the rotary embeddings would change on
        the way, and keys that were made before would not fit those made after."""
        # The last token is not run.
        first, last = (rotary.span(self.model, n) for n in (length, length + max_tokens - 1))
        if first == last:
            return None
        return (
            f"{length} tokens and {max_tokens} new ones go beyond the length at which this model's"
            f" rotary embeddings ({rotary.kind(self.model)}) change, where samples would depend on"
            " their batch; give shorter prompts, or ask for fewer tokens"
        )

    @cached_property
    def _shares(self) -> bool:
        return can_share(self.model)

    @cached_property
    def _memory(self) -> Memory | None:
        return Memory(self.remember) if self.remember and self._shares else None

    def _batches(
        self, rows: Sequence[list[_Row]], prompts: Sequence[tuple[int, ...]], sampling: Sampling
    ) -> Iterator[list[_Row]]:
        """Rows in batches that keep to `rows` and `tokens`, those that share tokens together where
        they can."""
        batch: list[_Row] = []
        longest = 0
        for row in itertools.chain.from_iterable(
            rows[i] for i in batch_order(prompts, share=self._shares)
        ):
            longest = max(longest, len(prompts[row.prefix]))
            size = (len(batch) + 1) * (longest + sampling.max_tokens)
            turns = batch and self._span(prompts, batch[-1]) != self._span(prompts, row)
            if batch and (len(batch) == self.rows or size > self.tokens or turns):
                yield batch
                batch, longest = [], len(prompts[row.prefix])
            batch.append(row)
        if batch:
            yield batch

    def _span(self, prompts: Sequence[tuple[int, ...]], row: _Row) -> int:
        return rotary.span(self.model, len(prompts[row.prefix]))

    def _write(
        self,
        prompts: Sequence[tuple[int, ...]],
        batch: Sequence[_Row],
        sampling: Sampling,
        limits: Sequence[int] | None = None,
    ) -> list[Written]:
        """The new tokens of each row. limits: most of each, where they differ."""
        unique = {
            prompt: i
            for i, prompt in enumerate(dict.fromkeys(prompts[row.prefix] for row in batch))
        }

        def stopped(b: int, ids: list[int]) -> bool:
            return self._stopped(prompts[batch[b].prefix], ids, sampling.stop)

        return decode(
            self.model,
            prefill(self.model, list(unique), share=self._shares, memory=self._memory),
            [unique[prompts[row.prefix]] for row in batch],
            np.stack([row.noise(sampling) for row in batch]),
            sampling,
            ends=self.ends,
            stopped=stopped if sampling.stop else None,
            grammar=self.grammar,
            memory=self._memory,
            limits=limits,
        )

    def _response(
        self, prefix: Prefix, prompt: Sequence[int], ids: list[int], stop: tuple[str, ...]
    ) -> Response:
        finished = ids[-1] in self.ends
        text = self._text(prompt, ids[:-1] if finished else ids)
        if (cut := _first_stop(text, stop)) is not None:
            text, finished = text[:cut], False
        steps = tuple(self.split(text)) if text else ()
        if "".join(steps) != text:
            raise BackendError(
                f"the splitter changed the text: {text!r} became {steps!r}; steps must join to the"
                " text"
            )
        return Response(steps=(*prefix.steps, *steps), finished=finished, meta={"tokens": len(ids)})

    def _stopped(self, prompt: Sequence[int], ids: list[int], stop: tuple[str, ...]) -> bool:
        """Return whether the new text has a stop. Its end is looked at first: nearly every token is
        a byte or more."""
        reach = max(len(text.encode()) for text in stop) + SLACK
        if len(ids) > reach and _first_stop(self._decode(ids[-reach:]), stop) is None:
            return False
        return _first_stop(self._text(prompt, ids), stop) is not None

    def _text(self, prompt: Sequence[int], ids: list[int]) -> str:
        """The text that the tokens add: decoded after the token before, for tokenizers that drop a
        first space."""
        before = [*prompt[-1:]]
        return self._decode([*before, *ids]).removeprefix(self._decode(before))

    def _decode(self, ids: list[int]) -> str:
        return str(
            self.encoder.tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )


def _rows(
    prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]], count: int
) -> list[list[_Row]]:
    """Each prefix's rows, numbered from its `first`; one that comes again goes on where it left
    off."""
    before: Counter[tuple[bytes, int]] = Counter()
    rows = []
    for i, (prefix, ids) in enumerate(zip(prefixes, prompts, strict=True)):
        key = _key(ids)
        start = prefix.first + before[key, prefix.first]
        rows.append([_Row(i, key, start + number) for number in range(count)])
        before[key, prefix.first] += count
    return rows


def _key(ids: Sequence[int]) -> bytes:
    """Return the hash of a prefix's ids."""
    return hashlib.sha256(np.array(ids, dtype=np.int64).tobytes()).digest()[:16]


def _new_steps(steps: Sequence[str], text: str) -> Sequence[str]:
    """The last steps, which begin with what the new text begins with; the text may go on after a
    stop."""
    new = len(steps)
    while new and sum(map(len, steps[new - 1 :])) <= len(text):
        new -= 1
    while new < len(steps) and not text.startswith("".join(steps[new:])):
        new += 1
    return steps[new:]


def _first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Return where the first stop in a text ends."""
    return min((text.index(one) + len(one) for one in stop if one in text), default=None)
