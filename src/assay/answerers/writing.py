"""A generator whose texts are kept as they come: what is asked again is what is missing."""

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, Final

from assay.answerers.asking import Prices
from assay.answerers.ledger import Entry, Ledger, Usage
from assay.errors import AssayError, BackendError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Prefix, Sampling, Streaming
from assay.types import Response, Unscored

__all__ = ["Kept"]

CHUNK: Final = 16
"""Texts that a generator without a stream is asked for at once."""

Place = tuple[str, int]
"""Key and number of a text."""
Texts = list[Response] | Unscored


class Kept:
    """A `Generator` and `Streaming` on another one, and a ledger of what it wrote.

    A text is a function of generator, prefix, sampling and its number (`Prefix.first` and on), and
    is kept under these: a kill costs what is under way, and more samples of a prefix cost what is
    new. A text that could not be had is not kept, and is asked for by the next run.
    prices: for the ledger's bill.
    """

    def __init__(
        self, generator: Generator, ledger: Ledger | None = None, prices: Prices | None = None
    ) -> None:
        self.generator = generator
        self.ledger = Ledger() if ledger is None else ledger
        self.prices = prices

    @cached_property
    def fingerprint(self) -> str:
        """Name by content: the generator's."""
        return fingerprint(self.generator)

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses for each prefix, in order. Raises `BackendError` where one has
        none."""
        found = dict(self.stream(prefixes, sampling))
        for i, texts in found.items():
            if isinstance(texts, Unscored):
                raise BackendError(f"prefix {i} has no responses: {texts.reason}")
        return [texts for i in range(len(prefixes)) if not isinstance(texts := found[i], Unscored)]

    def stream(self, prefixes: Sequence[Prefix], sampling: Sampling) -> Iterator[tuple[int, Texts]]:
        """For each prefix, in any order: its index and its `sampling.n` responses, or why there are
        none. A prefix given k times has k n different ones."""
        alone = replace(sampling, n=1)
        places = self._places(prefixes, sampling)
        owner = {place: i for i, some in enumerate(places) for place in some}
        found: dict[int, dict[Place, Response]] = defaultdict(dict)
        missing = []
        for place, i in owner.items():
            if (entry := self.ledger.get(*place)) is None:
                missing.append(place)
            else:
                found[i][place] = _read(entry, prefixes[i])
        for i, some in enumerate(places):
            if len(found[i]) == len(some):
                yield i, [found[i][place] for place in some]
        asked = [replace(prefixes[owner[place]], first=place[1]) for place in missing]
        failed: set[int] = set()
        last = time.perf_counter()
        for j, texts in _stream(self.generator, asked, alone):
            # Beside others: the seconds of all add up to the time that passed.
            last, seconds = time.perf_counter(), time.perf_counter() - last
            place = missing[j]
            i = owner[place]
            if isinstance(texts, Unscored):
                if i not in failed:
                    failed.add(i)
                    yield i, texts
                continue
            entry = self._entry(place, prefixes[i], texts[0], seconds)
            [kept] = self.ledger.put([entry])
            found[i][place] = texts[0] if kept is entry else _read(kept, prefixes[i])
            if len(found[i]) == len(places[i]):
                yield i, [found[i][place] for place in places[i]]

    def _places(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Place]]:
        """Where each prefix's texts are kept."""
        how = asdict(replace(sampling, n=1))
        before: Counter[Place] = Counter()
        places = []
        for prefix in prefixes:
            messages = [one.model_dump(mode="json") for one in prefix.prompt.messages]
            shown = [messages, prefix.prompt.tools, prefix.steps]
            body = json.dumps([self.fingerprint, how, shown], sort_keys=True)
            key = hashlib.sha256(body.encode()).hexdigest()[:32]
            first = prefix.first + before[key, prefix.first]
            before[key, prefix.first] += sampling.n
            places.append([(key, first + k) for k in range(sampling.n)])
        return places

    def _entry(self, place: Place, prefix: Prefix, text: Response, seconds: float) -> Entry:
        usage = Usage(
            requests=1,
            tokens_in=text.meta.get("prompt_tokens"),
            tokens_out=text.meta.get("tokens"),
            seconds=seconds,
        )
        if self.prices is not None:
            usage = usage.model_copy(update={"money": self.prices.of(usage)})
        answer = {"steps": text.steps[len(prefix.steps) :], "finished": text.finished}
        return Entry(key=place[0], repeat=place[1], answer=answer, usage=usage)


def _read(entry: Entry, prefix: Prefix) -> Response:
    counts = {"tokens": entry.usage.tokens_out, "prompt_tokens": entry.usage.tokens_in}
    return Response(
        steps=(*prefix.steps, *entry.answer["steps"]),
        finished=entry.answer["finished"],
        meta={name: count for name, count in counts.items() if count is not None},
    )


def _stream(
    generator: Generator, prefixes: Sequence[Prefix], sampling: Sampling
) -> Iterable[tuple[int, Texts]]:
    """Each prefix's text as soon as it is there."""
    if not prefixes:
        return ()
    if isinstance(generator, Streaming):
        return generator.stream(prefixes, sampling)
    return _in_chunks(generator, prefixes, sampling)


def _in_chunks(
    generator: Generator, prefixes: Sequence[Prefix], sampling: Sampling
) -> Iterator[tuple[int, Texts]]:
    """Texts of a generator that gives all or raises; a prompt that fails alone is `Unscored`.

    Raises what the generator raises where it has not written anything yet.
    """
    worked = False
    for start in range(0, len(prefixes), CHUNK):
        some = prefixes[start : start + CHUNK]
        try:
            found: list[Any] = generator.generate(some, sampling)
            worked = True
        except AssayError:
            found = [_alone(generator, prefix, sampling) for prefix in some]
            worked = worked or not all(isinstance(one, Unscored) for one in found)
            if not worked:
                raise
        if len(found) != len(some):
            raise BackendError(f"the generator answered {len(found)} of {len(some)} prompts")
        yield from enumerate(found, start)


def _alone(generator: Generator, prefix: Prefix, sampling: Sampling) -> Texts:
    try:
        return generator.generate([prefix], sampling)[0]
    except AssayError as error:
        return Unscored(reason=str(error))
