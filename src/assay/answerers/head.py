"""Answer with a scorer: its score is the probability that what it was trained to tell holds."""

import math
from collections.abc import Sequence
from typing import Literal

from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.protocols import Scorer
from assay.questions import Distribution, Question
from assay.types import Group, Message, Prompt, Response, Score, Unscored

__all__ = ["HeadAnswerer"]


class HeadAnswerer:
    """An `Answerer` of predicates on a scorer, such as a reward model's head.

    A state ends with the assistant's message that is judged; what stands before it is the prompt.
    The head answers the one question that it was trained for: a predicate's text is not read, and
    other kinds of questions raise `ConfigError`.

    link: "sigmoid" where scores are logits, so that p(True) = 1 / (1 + exp(-score)); without it a
    score outside [0, 1] raises `ConfigError`.
    """

    fingerprint = ByContent()

    def __init__(self, scorer: Scorer, *, link: Literal["sigmoid"] | None = None) -> None:
        readout = getattr(getattr(scorer, "model", None), "readout", None)
        if link is None and getattr(readout, "link", None) == "identity":
            raise ConfigError(
                "the reward model's scores are no probabilities; give link=sigmoid"
                " (head:SCORER,link=sigmoid) to take them for logits"
            )
        self.scorer = scorer
        self.link = link

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """Answer each state's own questions, in order (`protocols.Answerer`)."""
        for question in (question for each in questions for question in each):
            if question.kind != "predicate":
                raise ConfigError(
                    f"a head says whether one thing holds, and question {question.name!r} is a"
                    f" {question.kind}; ask predicates, or take another answerer"
                )
        members: dict[object, list[int]] = {}
        found: dict[int, Distribution | Unscored] = {}
        for i, state in enumerate(states):
            if state.messages and state.messages[-1].role == "assistant":
                # What is shown before the response: one group, whose prompt is read once.
                shown = state.model_copy(update={"messages": state.messages[:-1]}).shown
                members.setdefault((shown, state.reference), []).append(i)
            else:
                found[i] = Unscored(
                    reason="the state does not end with an assistant's message, which a head judges"
                )
        groups = [_group([states[i] for i in each]) for each in members.values()]
        for each, scores in zip(members.values(), self.scorer.score(groups), strict=True):
            found |= {i: self._distribution(one) for i, one in zip(each, scores, strict=True)}
        return [
            [found[i] for _ in each] for i, each in zip(range(len(states)), questions, strict=True)
        ]

    def _distribution(self, score: Score | Unscored) -> Distribution | Unscored:
        if isinstance(score, Unscored):
            return score
        p = score.value if self.link is None else _sigmoid(score.value)
        if not 0 <= p <= 1:
            raise ConfigError(
                f"a score of {p:g} is no probability; give link=sigmoid (head:SCORER,link=sigmoid)"
                " where scores are logits"
            )
        return Distribution(probabilities=(p, 1 - p))


def _sigmoid(logit: float) -> float:
    # The exponential of a positive number may be too large.
    small = math.exp(-abs(logit))
    return (1.0 if logit >= 0 else small) / (1.0 + small)


def _group(states: Sequence[Prompt]) -> Group:
    """States that differ in the last message alone."""
    prompt = states[0].model_copy(update={"messages": states[0].messages[:-1]})
    return Group(prompt=prompt, responses=tuple(_response(s.messages[-1]) for s in states))


def _response(message: Message) -> Response:
    whole = message.reasoning is not None or message.tool_calls
    return Response.trajectory([message]) if whole else Response.of(message.content)
