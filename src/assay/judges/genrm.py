"""A generative reward model: p(yes) that a response is right, averaged over critiques.

A generator writes K critiques of a response, and after each the answerer is asked whether the
response is right (GenRM-CoT, arXiv:2408.15240: r = Σ p(Yes | x, y, critique k) / K). Without
critiques it is the direct verifier of the same paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from statistics import fmean, pstdev
from typing import Final

from assay.errors import BackendError, ConfigError
from assay.fingerprint import ByContent
from assay.judges.ask import ask, shown
from assay.judges.fencing import JudgePrompt, prompt, response_of
from assay.protocols import Answerer, Generator, Prefix, Sampling, Streaming
from assay.questions import Distribution, Question
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["RIGHT", "GenRM"]

RIGHT: Final = Question.predicate("Is the response right?")

Critiques = list[Response] | Unscored


class GenRM:
    """A `Scorer` of responses by critiques that a generator writes.

    A score's value is the mean of p(yes) over the critiques after which there is an answer, its std
    their standard deviation (ddof 0), and its parts p(yes) after each; None where a critique was
    cut off or has no answer. A response without any is `Unscored`.
    prompt: its messages before {critique} are what the generator continues, and all of them, with
    the critique, what the answerer is asked behind. One without {critique} needs no generator.
    sampling: n is the number of critiques.
    """

    fingerprint = ByContent()

    def __init__(
        self,
        answerer: Answerer,
        generator: Generator | None = None,
        prompt: str | Path | JudgePrompt | None = None,
        *,
        sampling: Sampling | None = None,
        question: Question = RIGHT,
    ) -> None:
        if question.kind != "predicate":
            raise ConfigError(f"a generative reward model asks a predicate, not a {question.kind}")
        self.answerer = answerer
        self.generator = generator
        self.prompt = _loaded(prompt or ("genrm" if generator else "genrm-direct"), generator)
        self.sampling = sampling or Sampling(n=8, max_tokens=1024)
        self.question = question

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order."""
        pairs = [*chain.from_iterable(zip(repeat(group), group.responses) for group in groups)]
        if self.generator is None:
            written: list[Critiques] = [[Response.of("")] for _ in pairs]
        else:
            written = self._critiques(self.generator, pairs)
        states = [
            [] if isinstance(critiques, Unscored) else [self._judged(*pair, c) for c in critiques]
            for pair, critiques in zip(pairs, written, strict=True)
        ]
        answers = iter(ask(self.answerer, [*chain.from_iterable(states)], self.question))
        scores = iter(
            [
                critiques
                if isinstance(critiques, Unscored)
                else self._score([next(answers) for _ in row], critiques)
                for critiques, row in zip(written, states, strict=True)
            ]
        )
        return [[next(scores) for _ in group.responses] for group in groups]

    def _critiques(
        self, generator: Generator, pairs: Sequence[tuple[Group, Response]]
    ) -> list[Critiques]:
        """The critiques of each response, or why there are none."""
        asked = _before(self.prompt)
        states = [shown(asked, group, {"response": response_of(one)}) for group, one in pairs]
        prefixes = [Prefix(state) for state in states if isinstance(state, Prompt)]
        found: dict[int, Critiques] = dict(_generated(generator, prefixes, self.sampling))
        if len(found) != len(prefixes):
            raise BackendError(
                f"{type(generator).__name__} wrote for {len(found)} of {len(prefixes)} responses"
            )
        each = iter(found[i] for i in range(len(prefixes)))
        return [state if isinstance(state, Unscored) else next(each) for state in states]

    def _judged(self, group: Group, response: Response, critique: Response) -> Prompt | Unscored:
        if not critique.finished:
            return Unscored(reason=f"the critique is longer than {self.sampling.max_tokens} tokens")
        texts = {"response": response_of(response)}
        if "critique" in self.prompt.fields:
            texts["critique"] = critique.text
        return shown(self.prompt, group, texts)

    def _score(
        self, answers: Sequence[Distribution | Unscored], critiques: Sequence[Response]
    ) -> Score | Unscored:
        shares = [
            None if isinstance(answer, Unscored) else answer.expectation(self.question)
            for answer in answers
        ]
        known = [share for share in shares if share is not None]
        if not known:
            reasons = [answer.reason for answer in answers if isinstance(answer, Unscored)]
            return Unscored(reason=reasons[0] if reasons else "no critique was written")
        if self.generator is None:
            return Score(value=known[0])
        parts = {f"critique {i}": share for i, share in enumerate(shares, start=1)}
        said = zip(parts, critiques, strict=True)
        critique = "\n\n".join(f"{name}: {text.text}" for name, text in said)
        return Score(value=fmean(known), std=pstdev(known), parts=parts, critique=critique)


def _loaded(given: str | Path | JudgePrompt, generator: Generator | None) -> JudgePrompt:
    made = prompt(given, needs=("question", "response"), may=("reference", "critique"))
    holders = [m for m in made.messages if "{critique}" in m.content]
    if bool(holders) != (generator is not None):
        raise ConfigError(
            "the prompt shows a {critique}, and no generator writes one"
            if holders
            else "the prompt shows no {critique}, and the generator's would be for nothing"
        )
    if holders and (len(holders) > 1 or holders[0].role != "assistant"):
        raise ConfigError("{critique} must stand in one message, behind ### assistant")
    return made


def _before(made: JudgePrompt) -> JudgePrompt:
    """What the critique is written behind."""
    place = next(i for i, m in enumerate(made.messages) if "{critique}" in m.content)
    return replace(made, messages=made.messages[:place])


def _generated(
    generator: Generator, prefixes: Sequence[Prefix], sampling: Sampling
) -> Iterator[tuple[int, Critiques]]:
    """Each prefix's index and what was written, in any order."""
    if isinstance(generator, Streaming):
        yield from generator.stream(prefixes, sampling)
    elif prefixes:
        yield from enumerate(generator.generate(prefixes, sampling))
