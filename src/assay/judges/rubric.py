"""Score responses by a rubric: a question per criterion, and the rubric's formula.

Whatever answers questions can judge: a model read at its labels computes request and response once
for all criteria, a decision server takes them in one request, `TextAnswerer` writes reasons for
each, and `LinesAnswerer` for several at once.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final, Literal, cast

import numpy as np

from assay.data.rubrics.dropout import kept
from assay.data.rubrics.layouts import rubric_of
from assay.data.rubrics.normalisers import ABSTAINED, LEAST, Answer, Credit, Judged, rate
from assay.data.rubrics.record import Criterion, Rubric
from assay.errors import ConfigError
from assay.fingerprint import fingerprint
from assay.judges.ask import ask_each, shown, written
from assay.judges.fencing import JudgePrompt, prompt, response_of, visible
from assay.protocols import Answerer
from assay.questions import Distribution, Option, Question
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["RubricScorer", "answer_of", "question_of"]

MET: Final = "met"
UNMET: Final = "unmet"
CANNOT: Final = "cannot assess"
_UNTOLD: Final = "neither the request nor the response lets anyone tell"


@dataclass(frozen=True)
class RubricScorer:
    """A `Scorer` whose value is a rubric's formula over an answerer's verdicts.

    The value is the expected one, its std that of verdicts drawn from the answerer's probabilities,
    and its parts are the criteria's credits, None where there is none. A response is `Unscored`
    where a gate has no verdict, or criteria with less than `least` of the points have one.
    """

    answerer: Answerer
    rubric: Rubric | None = None
    """For all prompts; None = each prompt's own, `meta["rubric"]`."""
    _: KW_ONLY
    calls: Literal["item", "criterion"] | int = "item"
    """Criteria that the answerer is given at once: all of a response, one, or so many."""
    abstain: bool = True
    """Whether the judge may say that a criterion cannot be assessed."""
    prompt: str | Path | JudgePrompt = "rubric"
    """Name or file of the prompt; with {reference} in it, prompts without one are `Unscored`."""
    least: float = LEAST
    """Least share of the points that must have a verdict."""
    shuffle: int | None = None
    """Seed of the order in which criteria are asked for, another for each response; None = as the
    rubric has them."""
    drop: float = 0.0
    """Share of the positive criteria that each step of training leaves out (`at`)."""
    drop_seed: int = 0
    step: int | None = None
    """Step of training; None = all criteria are judged."""

    def __post_init__(self) -> None:
        count = {"item": 1, "criterion": 1}.get(str(self.calls), self.calls)
        if not isinstance(count, int) or count < 1:
            raise ConfigError(f"calls is {self.calls!r}; give item, criterion or a number from 1")
        if not 0 <= self.least <= 1 or not 0 <= self.drop < 1:
            raise ConfigError(
                f"least is {self.least:g} and drop {self.drop:g}; they are shares, and a drop of 1"
                " would leave nothing"
            )
        made = prompt(self.prompt, needs=("question", "response"), may=("reference", "guidelines"))
        object.__setattr__(self, "prompt", made)

    @property
    def fingerprint(self) -> str:
        """Name by all that changes a score: rubrics of prompts are the prompts'."""
        asked = (self.answerer, self.rubric, self.calls, self.abstain, self.prompt, self.shuffle)
        dropped = (self.drop, self.drop_seed, self.step) if self.drop else ()
        return fingerprint((type(self), asked, self.least, dropped))

    def at(self, step: int) -> "RubricScorer":
        """Return the scorer of a step of training, which leaves out a share of the criteria."""
        return replace(self, step=step) if self.drop else self

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score per response, in order."""
        return [[self.score_of(one) for one in row] for row in self.judge(groups)]

    def judge(self, groups: Sequence[Group]) -> list[list[Judged | Unscored]]:
        """What the answerer says of each response, criterion by criterion.

        Raises `DataError` for a prompt whose rubric cannot be read.
        """
        plans = [*chain.from_iterable(map(self._plans, groups))]
        pairs = [(plan, some) for plan in plans for some in plan.calls]
        questions = [[plan.questions[i] for i in some] for plan, some in pairs]
        rows = iter(ask_each(self.answerer, [plan.state for plan, _ in pairs], questions))
        judged = iter([_judged(plan, [next(rows) for _ in plan.calls]) for plan in plans])
        return [[next(judged) for _ in group.responses] for group in groups]

    def _rubric(self, asked: Prompt) -> Rubric | Unscored:
        found = self.rubric or rubric_of(asked)
        if found is None:
            return Unscored(reason='the prompt has no rubric (meta["rubric"])')
        if self.step is None or not self.drop:
            return found
        return kept(found, asked, step=self.step, share=self.drop, seed=self.drop_seed)

    def _plans(self, group: Group) -> list["_Plan"]:
        """What is asked of each response of a group."""
        rubric = self._rubric(group.prompt)
        if isinstance(rubric, Unscored):
            return [_Plan(rubric)] * len(group.responses)
        made = cast(JudgePrompt, self.prompt)
        questions = [question_of(c, rubric, abstain=self.abstain) for c in rubric.criteria]
        plans = []
        for response in group.responses:
            texts = {"response": response_of(response), "guidelines": _guidelines(rubric)}
            texts = {name: text for name, text in texts.items() if name in made.fields}
            state = shown(made, Group(prompt=group.prompt, responses=(response,)), texts)
            calls = self._calls(len(questions), group.prompt, response)
            plans.append(_Plan(state, rubric, questions, calls))
        return plans

    def _calls(self, count: int, asked: Prompt, response: Response) -> list[list[int]]:
        """Places of the criteria of each call."""
        order = list(range(count))
        if self.shuffle is not None:
            name = f"{self.shuffle}\0{asked.id or asked.text}\0{response.text}"
            seed = list(hashlib.sha256(name.encode("utf-8", "replace")).digest())
            order = np.random.default_rng(seed).permutation(count).tolist()
        size = {"item": count, "criterion": 1}.get(str(self.calls), self.calls)
        assert isinstance(size, int)
        return [order[i : i + size] for i in range(0, count, size)]

    def score_of(self, judged: Judged | Unscored) -> Score | Unscored:
        """Return the score that what is said of a response makes."""
        if isinstance(judged, Unscored):
            return judged
        rated = rate(judged.rubric, judged.answers, least=self.least)
        if isinstance(rated, Unscored):
            why = f" ({judged.failures[0]})" if judged.failures else ""
            return Unscored(reason=rated.reason + why)
        parts = {c.id: rated.credits.get(c.id) for c in judged.rubric.criteria}
        std = math.sqrt(rated.variance)
        return Score(
            value=rated.value,
            std=std,
            parts=parts,
            weights=rated.shares,
            critique=judged.critique,
        )


@dataclass(frozen=True)
class _Plan:
    """What is asked of one response: nothing where its state is `Unscored`."""

    state: Prompt | Unscored
    rubric: Rubric | None = None
    questions: Sequence[Question] = ()
    calls: Sequence[Sequence[int]] = ()
    """Places of the criteria of each call."""


def _guidelines(rubric: Rubric) -> str:
    return f"\nGuidelines for all criteria:\n{rubric.guidelines}" if rubric.guidelines else ""


def _judged(
    plan: _Plan, rows: Sequence[Sequence[Distribution | Unscored] | Unscored]
) -> Judged | Unscored:
    if isinstance(plan.state, Unscored):
        return plan.state
    assert plan.rubric is not None
    answers: list[Answer] = [None] * len(plan.questions)
    failures = []
    placed = dict(_placed(plan.calls, rows))
    for place, given in placed.items():
        if isinstance(given, Unscored):
            failures.append(f"{plan.rubric.criteria[place].id}: {given.reason}")
        else:
            answers[place] = answer_of(given, plan.questions[place])
    critique = written((c.id, placed.get(i)) for i, c in enumerate(plan.rubric.criteria))
    return Judged(plan.rubric, tuple(answers), tuple(failures), critique)


def _placed(
    calls: Sequence[Sequence[int]], rows: Sequence[Sequence[Distribution | Unscored] | Unscored]
) -> Iterator[tuple[int, Distribution | Unscored]]:
    for places, row in zip(calls, rows, strict=True):
        given = [row] * len(places) if isinstance(row, Unscored) else row
        yield from zip(places, given, strict=True)


def question_of(criterion: Criterion, rubric: Rubric, *, abstain: bool = True) -> Question:
    """Return the question that a criterion is.

    A predicate, or a score where it has levels; a choice where the judge may say that it cannot be
    assessed: an option without a value.
    """
    paths = ["/".join(criterion.group[: i + 1]) for i in range(len(criterion.group))]
    above = [rubric.groups[path].text for path in paths if path in rubric.groups]
    told = chain([f"Criterion: {visible(criterion.text)}"], _part_of(above))
    asked = "Which of the answers is right?" if criterion.levels else "Is the criterion met?"
    text = "\n".join([*told, asked])
    if not criterion.levels and not abstain:
        return Question.predicate(text, name=criterion.id)
    levels = criterion.levels
    options = [Option(name=level.label, value=level.value) for level in levels]
    if not levels:
        options = [Option(name=MET, value=1.0), Option(name=UNMET, value=0.0)]
    if abstain and all(option.value is not None and option.name != CANNOT for option in options):
        options.append(Option(name=CANNOT, description=_UNTOLD))
    values = [option.value for option in options if option.value is not None]
    rising = len(values) == len(options) and values == sorted(values)
    make = Question.score if rising else Question.choice
    return make(text, options, name=criterion.id)


def _part_of(above: Sequence[str]) -> list[str]:
    said = [visible(text) for text in above if text]
    return [f"It is a part of: {' > '.join(said)}"] if said else []


def answer_of(given: Distribution, question: Question) -> Answer:
    """Return what a distribution says of a criterion: the mean and variance of its credit, or that
    it cannot be assessed, where that is likelier than any level."""
    pairs = list(zip(given.probabilities, question.options, strict=True))
    if question.kind == "predicate":
        return Credit.of(given.probabilities[0])
    valued = [(p, option.value) for p, option in pairs if option.value is not None]
    total = math.fsum(p for p, _ in valued)
    if 1.0 - total > max(p for p, _ in valued):
        return ABSTAINED
    mean = math.fsum(p * value for p, value in valued) / total
    return Credit(mean, math.fsum(p * (value - mean) ** 2 for p, value in valued) / total)
