"""The task's texts: problems as numbers, prompts, calls and answers as strings. No model, no
torch."""

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from assay.errors import DataError
from assay.types import Message, Prompt, ToolCall

__all__ = [
    "Problem",
    "answer_of",
    "boxed",
    "call",
    "problem_of",
    "prompt_of",
    "prompts_of",
    "some_problems",
    "written",
]

_PROMPT = re.compile(r"([1-9][0-9])\*([1-9][0-9])\+([1-9][0-9])=")
_CALL = re.compile(r"([a-z]+)\((.*)\)")
_ANSWER = re.compile(r"\\boxed\{([0-9]+)\}")


class Problem(NamedTuple):
    """Three numbers of two digits: a * b + c is asked for."""

    a: int
    b: int
    c: int

    @property
    def value(self) -> int:
        """The answer."""
        return self.a * self.b + self.c


def some_problems(count: int, seed: int = 0) -> list[Problem]:
    """Return so many different problems of the 729,000."""
    rng = np.random.default_rng(seed)
    numbers = rng.choice(90**3, count, replace=False).tolist()
    return [Problem(10 + n // 8100, 10 + n // 90 % 90, 10 + n % 90) for n in numbers]


def prompt_of(problem: Problem) -> Prompt:
    """Return the prompt of a problem, with its answer as reference; the tools are known by
    heart."""
    text = f"{problem.a}*{problem.b}+{problem.c}="
    return Prompt.of(text, reference=str(problem.value), id=text)


def prompts_of(problems: Iterable[Problem]) -> list[Prompt]:
    """Return the prompts of problems."""
    return [prompt_of(problem) for problem in problems]


def problem_of(prompt: Prompt) -> Problem:
    """Return the problem of a prompt. Raises `DataError` where it is not one of this world's."""
    found = _PROMPT.fullmatch(prompt.text)
    if found is None:
        raise DataError(f"{prompt.text!r} is no problem of this world; one reads '23*47+19='")
    return Problem(*map(int, found.groups()))


def call(name: str, a: int, b: int) -> Message:
    """Return the turn that calls a tool."""
    arguments = json.dumps({"a": a, "b": b}, separators=(",", ":"))
    return Message(
        role="assistant", content="", tool_calls=(ToolCall(name=name, arguments=arguments),)
    )


def boxed(value: int) -> Message:
    """Return the turn that answers."""
    return Message(role="assistant", content=f"\\boxed{{{value}}}")


def written(text: str) -> Message:
    """Read the assistant's turn of what it wrote: a call, right or wrong, or a text."""
    found = _CALL.fullmatch(text)
    if found is None:
        return Message(role="assistant", content=text)
    made = ToolCall(name=found[1], arguments=found[2])
    return Message(role="assistant", content="", tool_calls=(made,))


def answer_of(turn: Message) -> int | None:
    """Return the number that a turn answers; None where it does not."""
    found = _ANSWER.fullmatch(turn.content)
    return int(found[1]) if found else None
