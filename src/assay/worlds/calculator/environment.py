"""The calculator, and the truth: what it answers, what a turn earns, and which turns are right.

A call is right where the problem needs it and it was not made before: the product first, then the
sum of what the calculator said and the last number. An answer is right where it is the problem's,
however it was found. All else is wrong: a call that cannot be made is answered "error", and may be
made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.errors import DataError
from assay.protocols import Reaction
from assay.types import Message, Prompt, Response, StepLabels, ToolCall
from assay.worlds.calculator.task import Problem, answer_of, problem_of, written

__all__ = ["Calculator", "compute", "judge", "label"]

LARGEST = 10**6
"""Larger numbers are an error, so that results stay short."""


def compute(made: ToolCall) -> int | None:
    """Return the result of a call; None where it cannot be made."""
    try:
        arguments = made.parsed()
    except DataError:
        return None
    if not isinstance(arguments, dict) or arguments.keys() != {"a", "b"}:
        return None
    a, b = arguments["a"], arguments["b"]
    if type(a) is not int or type(b) is not int or max(abs(a), abs(b)) > LARGEST:
        return None
    return {"multiply": a * b, "add": a + b}.get(made.name)


def judge(problem: Problem, turns: Sequence[Message]) -> tuple[bool, ...]:
    """Return whether each of the assistant's turns is right."""
    needed = [("multiply", {problem.a, problem.b}), ("add", {problem.a * problem.b, problem.c})]
    verdicts = []
    for turn in turns:
        if turn.role != "assistant":
            continue
        if not turn.tool_calls:
            verdicts.append(answer_of(turn) == problem.value)
            continue
        made = turn.tool_calls[0]
        right = compute(made) is not None and bool(needed)
        if right:
            right = (made.name, {*made.parsed().values()}) == needed[0]
        if right:
            needed.pop(0)
        verdicts.append(right)
    return tuple(verdicts)


def label(prompt: Prompt, response: Response) -> StepLabels:
    """Return a label per turn, 1 = right. Raises `DataError` where the prompt is not one of this
    world's."""
    verdicts = judge(problem_of(prompt), response.turns)
    return StepLabels(prompt=prompt, response=response, labels=tuple(map(float, verdicts)))


@dataclass(frozen=True)
class Calculator:
    """An `Environment`: it computes what is called for until there is an answer."""

    credit: float = 0.25
    """Reward of a right call; a wrong one gets none."""

    def react(self, prompt: Prompt, turns: Sequence[Message]) -> Reaction:
        """Answer a call; an answer ends the trajectory and earns 1 or 0."""
        turn = written(turns[-1].content)
        right = judge(problem_of(prompt), [*turns[:-1], turn])[-1]
        if not turn.tool_calls:
            return Reaction(turn=turn, reward=float(right))
        result = compute(turn.tool_calls[0])
        content = "error" if result is None else str(result)
        said = Message(role="tool", content=content, name=turn.tool_calls[0].name)
        return Reaction(turn=turn, answers=(said,), reward=self.credit if right else None)
