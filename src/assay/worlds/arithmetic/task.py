"""The task's texts: problems as digits, prompts and steps as strings. No model, no torch."""

import itertools
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.types import Prompt

__all__ = [
    "ANSWER",
    "DIGITS",
    "MAX_STEPS",
    "Digits",
    "all_problems",
    "digits_of",
    "prompt_of",
    "prompts_of",
    "split_steps",
    "step_text",
]

DIGITS = 4
"""Digits of a problem, each from 1 to 9: 6,561 problems."""
MAX_STEPS = 12
"""Longest chain, with its answer step."""
ANSWER = 10
"""Stands for "ans" where an operation is a number; 0 to 9 are the digits added."""

Digits = NDArray[np.int64]

_PROMPT = re.compile(r"Sum((?: [1-9])+):")
_BOUNDARY = re.compile(r"(?= \+| ans)")


def all_problems(count: int = DIGITS) -> Digits:
    """Every problem of `count` digits, (9 ** count, count), in lexicographic order."""
    return np.array(list(itertools.product(range(1, 10), repeat=count)), dtype=np.int64)


def prompt_of(digits: Iterable[int]) -> Prompt:
    """The prompt of one problem, with its answer as reference."""
    digits = [int(d) for d in digits]
    text = f"Sum {' '.join(map(str, digits))}:"
    return Prompt.of(text, reference=str(sum(digits) % 10), id="".join(map(str, digits)))


def prompts_of(digits: Digits) -> list[Prompt]:
    """Prompts of (P, K) digits."""
    return [prompt_of(row) for row in digits.tolist()]


def digits_of(prompt: Prompt) -> tuple[int, ...]:
    """The digits of a prompt. Raises `DataError` where it is not one of this world's."""
    found = _PROMPT.fullmatch(prompt.text)
    if found is None:
        raise DataError(f"{prompt.text!r} is no problem of this world; one reads 'Sum 3 5 2 7:'")
    return tuple(map(int, found[1].split()))


def step_text(op: int, result: int) -> str:
    """One step: an operation (a digit, or `ANSWER`) and the result it claims."""
    return f" ans={result}" if op == ANSWER else f" +{op}={result}"


def split_steps(text: str) -> tuple[str, ...]:
    """The steps of a text, whatever it is; their concatenation is the text."""
    return tuple(part for part in _BOUNDARY.split(text) if part)
