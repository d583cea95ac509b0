"""Answer with a language model in this process, read at the labels.

Every question behind every state is one sequence that ends where the answer begins. What sequences
have in common - a state with twenty questions, a prompt with sixteen candidates - goes through the
model once, and each is read by its next token: the log-probabilities of all labels over the whole
vocabulary, at temperature 1 and without a grammar, so that it is known what the model would rather
have said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from assay.answerers import phrasing
from assay.answerers.answered import Answered
from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.models.answer import Answering
from assay.models.fit import most_tokens
from assay.models.next_token import Tokens, next_tokens, passes
from assay.packing.budget import Budget, out_of_memory
from assay.questions import (
    FLOOR,
    Distribution,
    Question,
    from_log_probabilities,
    log_mean,
    tempered,
)
from assay.types import Prompt, Unscored

__all__ = ["LocalAnswerer"]

ROWS: Final = 1024
"""Sequences that are laid out at a time: a bound on memory, whatever is asked."""

Logs = tuple[float, ...] | Unscored


@dataclass(frozen=True)
class _Asked:
    """A question, its options in one order or in several, and how they are read."""

    turns: tuple[Question, ...]
    tokens: tuple[Tokens, ...]
    """Of each turn."""
    begin: str
    """Text with which the answer begins."""


@dataclass(frozen=True)
class _Row:
    """One question behind one state, in one order of its options."""

    ids: NDArray[np.integer[Any]]
    tokens: Tokens


class LocalAnswerer:
    """An `Answerer` on a causal language model and its chat template.

    model: a stock one of transformers, on one device. template_kwargs: settings of the template;
    reasoning is off unless they say else, and a template that leaves it open is refused. floor:
    least probability of all labels together. labels: letters and digits, or the options' own names
    ("words"). rotations: average the log-probabilities of a choice over the n cyclic orders of its
    options, all in the same passes, which takes out what is due to their places
    (`questions.log_mean`). temperatures: what logits of options are divided by, by the kind of
    question. max_length: longest sequence in tokens, by default the model's own.

    A state that is longer, or that the template refuses, is `Unscored`, and so is an answer that is
    not finite or below the floor. In fp32 answers do not depend on `micro_tokens`, nor on what else
    is asked. Raises `ConfigError` where the tokenizer has no chat template, or where a label is not
    one token of its own.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        template_kwargs: Mapping[str, Any] | None = None,
        floor: float = FLOOR,
        micro_tokens: int = 8192,
        labels: phrasing.Style = "auto",
        rotations: bool = False,
        max_length: int | None = None,
        temperatures: Mapping[str, float] | None = None,
    ) -> None:
        if micro_tokens < 1 or not 0 <= floor <= 1:
            raise ConfigError(
                f"micro_tokens is {micro_tokens} and floor {floor}; at least 1, and 0 to 1, are"
                " needed"
            )
        self.model = model.eval()
        self.answering = Answering(tokenizer, dict(template_kwargs or {}))
        self.floor = floor
        self.labels: phrasing.Style = labels
        self.rotations = rotations
        self.temperatures = {k: t for k, t in (temperatures or {}).items() if t != 1}
        config = model.config.get_text_config()
        own = most_tokens(model) or getattr(config, "max_position_embeddings", None)
        self.max_length: int | None = max_length or own
        self.budget = Budget(micro_tokens)
        self.tokens_read = 0
        """Tokens that went through the model so far; what several questions share counts once."""

    @property
    def fingerprint(self) -> str:
        """Name by model, tokenizer, template and settings; `micro_tokens` changes no answer."""
        settings: tuple[object, ...] = self.floor, self.labels, self.rotations, self.max_length
        if self.temperatures:
            settings = *settings, self.temperatures
        return fingerprint((type(self), self.model, self.answering, settings))

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order (`protocols.Answerer`)."""
        return [[one.answer for one in each] for each in self.answered(states, questions)]

    @torch.inference_mode()
    def answered(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Answered]]:
        """Answer as `answer` does, with the tokens of each question."""
        known: dict[Question, _Asked] = {}
        # Labels that cannot be read are found before anything is computed.
        for question in dict.fromkeys(question for each in questions for question in each):
            known[question] = self._asked(question)
        found: list[list[Answered]] = []
        pairs = zip(states, questions, strict=True)
        asked = ((state, [known[question] for question in each]) for state, each in pairs)
        for part in _parts(asked):
            rows = [row for state, each in part for row in self._rows(state, each)]
            read = zip(rows, self._read(rows), strict=True)
            found += [
                [self._answered(one, [next(read) for _ in one.turns]) for one in each]
                for _, each in part
            ]
        return found

    def _answered(self, one: _Asked, turns: Sequence[tuple[_Row | Unscored, Logs]]) -> Answered:
        tokens = sum(len(row.ids) for row, _ in turns if isinstance(row, _Row))
        found = self._distribution([logs for _, logs in turns])
        if isinstance(found, Distribution):
            found = tempered(found, self.temperatures.get(one.turns[0].kind, 1.0))
        return Answered(found, tokens)

    def _asked(self, question: Question) -> _Asked:
        rotates = self.rotations and question.kind == "choice" and question.text
        turns = tuple(_rotated(question)) if rotates else (question,)
        begin = "" if question.text else question.form.partition("{}")[0]
        labels = [phrasing.labels(turn, self.labels) for turn in turns]
        return _Asked(turns, tuple(self.answering.labels(each, begin) for each in labels), begin)

    def _rows(self, state: Prompt, asked: Sequence[_Asked]) -> list[_Row | Unscored]:
        """A state's sequences, or why there is none."""
        rows: list[_Row | Unscored] = []
        for one in asked:
            try:
                prompts = [phrasing.asked(state, turn, style=self.labels) for turn in one.turns]
                ids = self.answering.ids(prompts, one.begin)
            except (DataError, ConfigError) as error:
                rows += [Unscored(reason=str(error)) for _ in one.turns]
            else:
                rows += [self._fit(_Row(*each)) for each in zip(ids, one.tokens, strict=True)]
        return rows

    def _fit(self, row: _Row) -> _Row | Unscored:
        if self.max_length is not None and len(row.ids) > self.max_length:
            return Unscored(reason=f"{len(row.ids)} tokens > max_length {self.max_length}")
        if (highest := int(row.ids.max())) >= (
            size := self.model.get_input_embeddings().num_embeddings
        ):
            return Unscored(reason=f"token {highest} has no row in the model's embedding of {size}")
        return row

    def _read(self, rows: Sequence[_Row | Unscored]) -> list[Logs]:
        """The log-probabilities of each row's options. Where memory runs out a pass is halved, and
        what does not fit alone is `Unscored`."""
        found: dict[int, Logs] = {i: row for i, row in enumerate(rows) if isinstance(row, Unscored)}
        fit = {i: row for i, row in enumerate(rows) if isinstance(row, _Row)}
        places, before = [*fit], self.budget.micro_tokens
        cut = passes([row.ids for row in fit.values()], before)
        left = [[places[i] for i in each] for each in reversed(cut)]
        while left:
            part = left.pop()
            ids, tokens = [fit[i].ids for i in part], [fit[i].tokens for i in part]
            try:
                logs, count = next_tokens(
                    self.model, ids, tokens, micro_tokens=self.budget.micro_tokens
                )
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            else:
                found |= zip(part, logs, strict=True)
                self.tokens_read += count
                continue
            if len(part) > 1:
                self.budget.halve(sum(map(len, ids)))
                left += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                found[part[0]] = Unscored(reason=f"out of memory at {len(ids[0])} tokens")
                self.budget.micro_tokens = before
        return [found[i] for i in range(len(rows))]

    def _distribution(self, turns: Sequence[Logs]) -> Distribution | Unscored:
        """A question's answer, of the log-probabilities in each order of its options."""
        each: list[Distribution] = []
        for shift, logs in enumerate(turns):
            if isinstance(logs, Unscored):
                return logs
            cut = len(logs) - shift
            one = from_log_probabilities((*logs[cut:], *logs[:cut]), floor=self.floor)
            if isinstance(one, Unscored):
                return one
            each.append(one)
        try:
            return each[0] if len(each) == 1 else log_mean(each)
        except DataError as error:
            return Unscored(reason=str(error))


def _rotated(question: Question) -> Iterator[Question]:
    """The question with its options in every cyclic order, first the given one."""
    for shift in range(len(question.options)):
        options = question.options[shift:] + question.options[:shift]
        yield question.model_copy(update={"options": options})


def _parts(
    asked: Iterator[tuple[Prompt, list[_Asked]]],
) -> Iterator[list[tuple[Prompt, list[_Asked]]]]:
    """States in order, with `ROWS` sequences at a time or those of one state."""
    part: list[tuple[Prompt, list[_Asked]]] = []
    size = 0
    for state, each in asked:
        more = sum(len(one.turns) for one in each)
        if part and size + more > ROWS:
            yield part
            part, size = [], 0
        part.append((state, each))
        size += more
    if part:
        yield part
