"""A language model that gives its reasons first, and then a verdict: K texts, K verdicts.

Every text is kept in the ledger, whole, as it comes: what is asked again is what is missing, and
another reading of the verdicts costs nothing.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property

from assay.answerers.asking import Prices
from assay.answerers.ledger import Entry, Ledger, Usage
from assay.answerers.phrasing import Style, asked, critique, verdict
from assay.errors import AssayError, BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Prefix, Sampling, Streaming
from assay.questions import Distribution, Question, from_verdicts
from assay.types import Prompt, Response, Unscored

__all__ = ["TextAnswerer"]

CHUNK = 16
"""Texts that a generator without a stream is asked for at once."""

Place = tuple[str, int]
"""Key and repeat of a text."""


class TextAnswerer:
    """An `Answerer` on a generator, its probabilities the shares of K verdicts.

    repeats: texts per question (K). temperature: None = 0 for one text, 1 for several.
    max_tokens: longest text; one that is cut off has no verdict. seed: of the samples; a text is a
    function of seed, prompt and its number among the K. retries: texts more, of other seeds, in
    place of one without a verdict; `retried` counts them. prices: for the ledger's bill.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        repeats: int = 1,
        temperature: float | None = None,
        max_tokens: int = 1024,
        seed: int = 0,
        retries: int = 1,
        style: Style = "auto",
        ledger: Ledger | None = None,
        prices: Prices | None = None,
    ) -> None:
        if repeats < 1 or retries < 0:
            raise ConfigError(f"repeats is {repeats} and retries {retries}; 1 and 0 are the least")
        if temperature is None:
            temperature = 0.0 if repeats == 1 else 1.0
        if temperature == 0 and repeats > 1:
            raise ConfigError(
                f"{repeats} texts at temperature 0 are one text; give a temperature above 0, or"
                " repeats=1"
            )
        self.generator = generator
        self.repeats = repeats
        # At temperature 0 another seed writes the same again.
        self.retries = retries if temperature else 0
        self.sampling = Sampling(max_tokens=max_tokens, temperature=temperature, seed=seed)
        self.style = style
        self.ledger = Ledger() if ledger is None else ledger
        self.prices = prices
        self.retried = 0

    @cached_property
    def _name(self) -> str:
        return fingerprint(self.generator)

    @property
    def fingerprint(self) -> str:
        """Name by the generator and how it is sampled and read."""
        return fingerprint((self._name, self.sampling, self.repeats, self.retries, self.style))

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's questions; the critiques are what was written before the verdicts.

        `Unscored` where a question has no verdict. Raises `BackendError` where going on is of no
        use.
        """
        pairs = [
            (asked(state, question, how="reason", style=self.style), question)
            for state, some in zip(states, questions, strict=True)
            for question in some
        ]
        texts: list[dict[int, Response | Unscored]] = [{} for _ in pairs]
        wanted = [(i, repeat) for i in range(len(pairs)) for repeat in range(self.repeats)]
        for more in range(self.retries + 1):
            sampling = replace(self.sampling, seed=self.sampling.seed + more)
            keys = {i: self._key(pairs[i][0], sampling) for i in {i for i, _ in wanted}}
            found = self._texts({(keys[i], repeat): pairs[i][0] for i, repeat in wanted}, sampling)
            for i, repeat in wanted:
                texts[i][repeat] = found[keys[i], repeat]
            self.retried += len(wanted) if more else 0
            wanted = [
                (i, repeat)
                for i, repeat in wanted
                if isinstance(text := texts[i][repeat], Response)
                and self._verdict(text, pairs[i][1]) is None
            ]
        answers = (
            self._read([*some.values()], question)
            for some, (_, question) in zip(texts, pairs, strict=True)
        )
        return [[next(answers) for _ in some] for some in questions]

    def _key(self, prompt: Prompt, sampling: Sampling) -> str:
        shown = [[one.model_dump(mode="json") for one in prompt.messages], prompt.tools]
        body = json.dumps([self._name, asdict(sampling), shown], sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:32]

    def _texts(
        self, wanted: Mapping[Place, Prompt], sampling: Sampling
    ) -> dict[Place, Response | Unscored]:
        """Return the texts, from the ledger where they are there."""
        entries = {place: self.ledger.get(*place) for place in wanted}
        found: dict[Place, Response | Unscored] = {
            place: Response(steps=(entry.answer["text"],), finished=entry.answer["finished"])
            for place, entry in entries.items()
            if entry is not None
        }
        missing = [place for place in wanted if place not in found]
        prefixes = [Prefix(wanted[place], first=place[1]) for place in missing]
        last = time.perf_counter()
        for i, text in _stream(self.generator, prefixes, sampling):
            # Beside others: the seconds of all add up to the time that passed.
            last, seconds = time.perf_counter(), time.perf_counter() - last
            if isinstance(text, Response):
                self.ledger.put([self._entry(missing[i], text, seconds)])
            found[missing[i]] = text
        return found

    def _entry(self, place: Place, text: Response, seconds: float) -> Entry:
        usage = Usage(
            requests=1,
            tokens_in=text.meta.get("prompt_tokens"),
            tokens_out=text.meta.get("tokens"),
            seconds=seconds,
        )
        if self.prices is not None:
            usage = usage.model_copy(update={"money": self.prices.of(usage)})
        answer = {"text": text.text, "finished": text.finished}
        return Entry(key=place[0], repeat=place[1], answer=answer, usage=usage)

    def _verdict(self, text: Response, question: Question) -> int | None:
        return verdict(text.text, question, self.style) if text.finished else None

    def _read(
        self, texts: Sequence[Response | Unscored], question: Question
    ) -> Distribution | Unscored:
        """Count the verdicts of a question's texts."""
        failed = [text for text in texts if isinstance(text, Unscored)]
        written = [text for text in texts if isinstance(text, Response)]
        if not written:
            return failed[0]
        places = [self._verdict(text, question) for text in written]
        if cut := sum(not text.finished for text in written):
            reason = f"no verdict: {cut} of {len(written)} texts were cut off at max_tokens"
            if all(place is None for place in places):
                return Unscored(reason=f"{reason}, {self.sampling.max_tokens}")
        critiques = [
            critique(text.text, question, self.style)
            for text, place in zip(written, places, strict=True)
            if place is not None
        ]
        return from_verdicts([*places, *(None for _ in failed)], len(question.options), critiques)


def _stream(
    generator: Generator, prefixes: Sequence[Prefix], sampling: Sampling
) -> Iterator[tuple[int, Response | Unscored]]:
    """One text per prefix, each as soon as it is there."""
    found: Iterable[tuple[int, list[Response] | Unscored]]
    if isinstance(generator, Streaming):
        found = generator.stream(prefixes, sampling) if prefixes else ()
    else:
        found = _in_chunks(generator, prefixes, sampling)
    for i, texts in found:
        yield i, texts if isinstance(texts, Unscored) else texts[0]


def _in_chunks(
    generator: Generator, prefixes: Sequence[Prefix], sampling: Sampling
) -> Iterator[tuple[int, list[Response] | Unscored]]:
    """Texts of a generator that gives all or raises; a prompt that fails alone is `Unscored`."""
    worked = False
    for start in range(0, len(prefixes), CHUNK):
        some = prefixes[start : start + CHUNK]
        try:
            found: list[list[Response] | Unscored] = [*generator.generate(some, sampling)]
            worked = True
        except AssayError:
            found = [_alone(generator, prefix, sampling) for prefix in some]
            worked = worked or not all(isinstance(one, Unscored) for one in found)
            if not worked:
                raise
        if len(found) != len(some):
            raise BackendError(f"the generator answered {len(found)} of {len(some)} prompts")
        yield from enumerate(found, start)


def _alone(generator: Generator, prefix: Prefix, sampling: Sampling) -> list[Response] | Unscored:
    try:
        return generator.generate([prefix], sampling)[0]
    except AssayError as error:
        return Unscored(reason=str(error))
