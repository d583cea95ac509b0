"""What every adapter asks: the reward of a completion, step by step, or why there is none.

A reward is a word, as for `assay rl --reward`: a scorer and how its scores are paid, such as
`remote:http://host:8765,model=prm,place=every_step`. Frameworks that take one number get the sum of
the steps' rewards; with `aggregate=last` that is the last step's score.
"""

import asyncio
import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np

from assay.data.conversations import conversation, response
from assay.data.items import messages
from assay.errors import ConfigError, DataError
from assay.protocols import Scorer
from assay.rl.parts import Part, values_of
from assay.rl.rewards import place
from assay.rl.scoring import ask
from assay.specs.generators import splitter
from assay.specs.rewards import reward
from assay.specs.words import parse
from assay.types import Group, Message, Prompt, Response, Score, Unscored

__all__ = ["Paid", "Payer", "column", "known", "laid_out", "payer", "prompt_of", "total_of"]

Split = Callable[[str], tuple[str, ...]]
"""A text's steps; their concatenation is the text."""

log = logging.getLogger(__name__)

SERVERS: Final = ("remote:", "http://", "https://")
"""How words of scorers begin that wait for servers, and may be asked by many threads at once."""


@dataclass(frozen=True)
class Paid:
    """The reward of a response."""

    steps: tuple[float, ...]
    """Reward of each step."""
    score: Score
    """The score that it was made of."""

    @property
    def total(self) -> float:
        """The sum over the steps."""
        return math.fsum(self.steps)


@dataclass(frozen=True)
class Payer:
    """A reward, and where the steps of texts end."""

    part: Part
    split: Split
    lock: "threading.Lock | None" = None
    """Held while a scorer in this process scores: models are asked by one thread at a time."""

    def pay(self, pairs: Sequence[tuple[Prompt, Response]]) -> list[Paid | Unscored]:
        """Return the reward of each response; those to one prompt, in a row, share its cost.

        What is unscored is logged, by reason. Raises `BackendError` where the scorer fails or
        cannot be asked, `ConfigError` where steps are paid and there are no step scores.
        """
        groups = [
            Group(prompt=prompt, responses=tuple(answer for _, answer in row))
            for prompt, row in groupby(pairs, key=lambda pair: pair[0])
        ]
        if self.lock is None:
            scores = ask(self.part.scorer, self.part.name, groups, None)
        else:
            with self.lock:
                scores = ask(self.part.scorer, self.part.name, groups, None)
        answers = [answer for _, answer in pairs]
        paid = [_paid(self.part, *each) for each in zip(scores, answers, strict=True)]
        reasons = Counter(one.reason for one in paid if isinstance(one, Unscored))
        for reason, count in reasons.most_common():
            log.warning("%s: %d of %d unscored: %s", self.part.name, count, len(paid), reason)
        return paid

    async def pay_one(self, prompt: Prompt, answer: Response) -> Paid | Unscored:
        """Return the reward of one response, in a thread: the event loop goes on."""
        (paid,) = await asyncio.to_thread(self.pay, [(prompt, answer)])
        return paid

    def said(self, completion: Any, **others: Any) -> Response:
        """Read a completion: a text, or messages as OpenAI's chat has them. Steps are where the
        split puts them in one text, and the assistant's turns where there are several messages."""
        if not isinstance(completion, str):
            answer = response(conversation([*completion], "completion"), **others)
            if answer.turns:
                return answer
            completion = answer.text
        return Response(steps=tuple(self.split(completion)) or (completion,), **others)

    def items(self, prompt: Any, output: Any, reference: Any) -> tuple[Prompt, Response]:
        """Read a conversation in the items of OpenAI's Responses API: what was asked (a text or
        items), what came back, and the reference answer or None."""
        said = response(messages(output, "output"))
        asked = Prompt(
            messages=tuple(messages(prompt, "input")),
            reference=None if reference is None else str(reference),
        )
        return asked, said if said.turns else self.said(said.text)


def payer(
    word: str | Part | Scorer | Callable[..., Any],
    *,
    split: str | Split = "newline",
    **compute: Any,
) -> Payer:
    """Open a reward, by its word or as an object.

    split: where steps of texts end, a name (newline, blank-line, ...) or a function. compute:
    device, dtype and micro_tokens of models in this process. Raises `ConfigError` for a word that
    means nothing, and for what is made of a whole batch's rewards: transforms, gates, each_part.
    """
    part = reward(word, **compute)
    if part.transforms or part.gates or part.each_part:
        raise ConfigError(
            f"reward {part.name!r}: transforms, gates and each_part are made of a batch's rewards,"
            " which the framework has; leave them out, and use what it offers in their place"
        )
    waits = isinstance(word, str) and parse(word).what.startswith(SERVERS)
    return Payer(part, splitter(split), None if waits else threading.Lock())


def prompt_of(prompt: Any, reference: Any = None) -> Prompt:
    """Read a prompt: a text, or messages as OpenAI's chat has them. None is no reference."""
    if isinstance(prompt, str):
        asked: tuple[Message, ...] = (Message(role="user", content=prompt),)
    else:
        asked = conversation([*prompt], "prompt")
    return Prompt(messages=asked, reference=None if reference is None else str(reference))


def known(paid: Paid | Unscored) -> Paid:
    """Return the reward. Raises `DataError` with the reason where there is none."""
    if isinstance(paid, Unscored):
        raise DataError(f"unscored: {paid.reason}")
    return paid


def total_of(paid: Paid | Unscored) -> float:
    """Return the reward as one number. Raises `DataError` with the reason where there is none."""
    return known(paid).total


def laid_out(prompt: str, query: str, said: str, reference: Any) -> tuple[Prompt, Response]:
    """Return what a policy's template laid out: models read `query` as it is, prompt and response
    with their special tokens, and other scorers the prompt's text and what was said."""
    return prompt_of(prompt, reference), Response(steps=(said,), rendered=query)


def column(columns: Mapping[str, Any], name: str, count: int) -> Sequence[Any]:
    """Return a column of a batch. Raises `ConfigError` where a name is given that is not there."""
    if not name:
        return [None] * count
    if name not in columns:
        there = ", ".join(sorted(columns)) or "none"
        raise ConfigError(f"no column is called {name!r}, of the references; there is {there}")
    found: Sequence[Any] = columns[name]
    return found


def _paid(part: Part, score: Score | Unscored, answer: Response) -> Paid | Unscored:
    values, reason = values_of(part, score, answer, alone=False)
    if reason or isinstance(score, Unscored):
        return Unscored(reason=reason)
    if part.whole:
        return Paid((*(0.0,) * (len(answer.steps) - 1), part.weight * values[0]), score)
    placed_S = place(
        np.asarray(values),
        part.place,
        threshold=part.threshold,
        temperature=part.temperature,
        prover=part.prover,
    )
    return Paid(tuple((part.weight * placed_S).tolist()), score)
