"""A language model that gives its reasons first, and then a verdict: K texts, K verdicts.

Every text is kept in the ledger, whole, as it comes: another reading of the verdicts costs nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from assay.answerers.asking import Prices
from assay.answerers.ledger import Ledger
from assay.answerers.phrasing import Style, asked, critique, labels, verdict
from assay.answerers.writing import Kept
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.protocols import Generator, Prefix, Sampling
from assay.questions import Distribution, Question, from_verdicts
from assay.types import Prompt, Response, Unscored

__all__ = ["TextAnswerer"]


ENDING = 60
"""Characters shown of a text without a verdict."""
MANY = 5
"""Labels that are not all named."""


class TextAnswerer:
    """An `Answerer` on a generator, its probabilities the shares of K verdicts.

    repeats: texts per question (K). temperature: None = 0 for one text, 1 for several.
    max_tokens: longest text; one that is cut off has no verdict. seed: of the samples; a text is a
    function of seed, prompt and its number among the K. retries: texts more, of other seeds, in
    place of one without a verdict; the ledger's `retried` counts them. prices: for its bill.
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
        self.writer = Kept(generator, ledger, prices)
        self.repeats = repeats
        # At temperature 0 another seed writes the same again.
        self.retries = retries if temperature else 0
        self.sampling = Sampling(max_tokens=max_tokens, temperature=temperature, seed=seed)
        self.style = style

    @property
    def fingerprint(self) -> str:
        """Name by the generator and how it is sampled and read."""
        how = self.repeats, self.retries, self.style
        return fingerprint((type(self), self.writer, self.sampling, how))

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
            found = self._texts([(pairs[i][0], repeat) for i, repeat in wanted], sampling)
            for (i, repeat), text in zip(wanted, found, strict=True):
                texts[i][repeat] = text
            self.writer.ledger.retried += len(wanted) if more else 0
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

    def _texts(
        self, wanted: Sequence[tuple[Prompt, int]], sampling: Sampling
    ) -> list[Response | Unscored]:
        """Return a text for each prompt and repeat; what is wanted twice is asked for once."""
        places: dict[Any, int] = {}
        prefixes: list[Prefix] = []
        for prompt, repeat in wanted:
            if (prompt.shown, repeat) not in places:
                places[prompt.shown, repeat] = len(prefixes)
                prefixes.append(Prefix(prompt, first=repeat))
        found = dict(self.writer.stream(prefixes, sampling))
        texts = (found[places[prompt.shown, repeat]] for prompt, repeat in wanted)
        return [one if isinstance(one, Unscored) else one[0] for one in texts]

    def _verdict(self, text: Response, question: Question) -> int | None:
        return verdict(text.text, question, self.style) if text.finished else None

    def _wanted(self, question: Question) -> str:
        """The labels that were asked for, in words."""
        stand = labels(question, self.style, "reason")
        if len(stand) < MANY:
            return f"{', '.join(stand[:-1])} or {stand[-1]}"
        return f"one of {stand[0]} to {stand[-1]}"

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
        counted = from_verdicts(
            [*places, *(None for _ in failed)], len(question.options), critiques
        )
        if isinstance(counted, Unscored):
            end = " ".join(written[0].text.split())[-ENDING:]
            return Unscored(
                reason=f'{counted.reason}: "{end}" (asked for {self._wanted(question)})'
            )
        return counted
