"""Trajectories to learn from, with errors planted where we know, and their labels."""

from collections.abc import Iterable, Sequence

import numpy as np

from assay.types import Message, Prompt, Response, StepLabels
from assay.worlds.calculator.environment import Calculator, label
from assay.worlds.calculator.task import (
    Problem,
    boxed,
    call,
    prompt_of,
)

__all__ = ["demonstrate", "trajectories"]


def demonstrate(
    problems: Iterable[Problem],
    rng: np.random.Generator,
    *,
    alone: float = 0.5,
    hasty: float = 0.2,
    slip: float = 0.15,
) -> list[Response]:
    """Return a trajectory per problem.

    alone: probability of an answer without the calculator, which is off by up to 200. hasty:
    probability of an answer after the product, without the sum. slip: probability that a turn has
    one wrong digit; later turns go on from it.
    """
    return [_trajectory(problem, rng, alone, hasty, slip) for problem in problems]


def _trajectory(
    problem: Problem, rng: np.random.Generator, alone: float, hasty: float, slip: float
) -> Response:
    if rng.random() < alone:
        guess = max(0, problem.value + int(rng.integers(-200, 201)))
        return _played(prompt_of(problem), [boxed(guess)])

    def copied(number: int) -> int:
        return _slipped(number, rng) if rng.random() < slip else number

    prompt = prompt_of(problem)
    turns = [call("multiply", copied(problem.a), problem.b)]
    so_far = _played(prompt, turns)
    if rng.random() >= hasty:
        turns.append(call("add", copied(_last_result(so_far)), problem.c))
        so_far = _played(prompt, turns)
    return _played(prompt, [*turns, boxed(copied(_last_result(so_far)))])


def _slipped(number: int, rng: np.random.Generator) -> int:
    """Return the number with one digit, and not the first, replaced by another."""
    digits = [*str(number)]
    place = int(rng.integers(1, len(digits)))
    digits[place] = str((int(digits[place]) + int(rng.integers(1, 10))) % 10)
    return int("".join(digits))


def _played(prompt: Prompt, said: Iterable[Message]) -> Response:
    """Return the trajectory of an assistant that says these turns."""
    calculator = Calculator()
    turns: list[Message] = []
    rewards = []
    for turn in said:
        reaction = calculator.react(prompt, [*turns, Message(role="assistant", content=turn.text)])
        turns += [reaction.turn, *reaction.answers]
        rewards.append(reaction.reward)
    return Response.trajectory(turns, rewards=tuple(rewards))


def _last_result(response: Response) -> int:
    return int(response.turns[-1].content)


def trajectories(
    problems: Sequence[Problem], seed: int = 0, *, outcome: bool = False
) -> list[StepLabels]:
    """Return a labelled trajectory per problem: with a label per turn, or for the answer alone."""
    responses = demonstrate(problems, np.random.default_rng([seed, 1]))
    labelled = [label(prompt_of(p), r) for p, r in zip(problems, responses, strict=True)]
    if not outcome:
        return labelled
    return [StepLabels.outcome(row.prompt, row.response, row.labels[-1] or 0.0) for row in labelled]
