"""Chains to learn from, with errors planted where we know: computed for all problems at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.types import Response
from assay.worlds.arithmetic.task import ANSWER, MAX_STEPS, Digits, step_text

__all__ = ["Demonstrations", "demonstrate"]


@dataclass(frozen=True)
class Demonstrations:
    """N chains of up to S steps; -1 where a chain has ended."""

    digits_N_K: Digits
    ops_N_S: Digits
    """The digit added, 0 for a no-op, `ANSWER` for the answer."""
    results_N_S: Digits
    planted_N_S: NDArray[np.bool_]
    """Where the result was replaced by a wrong one."""

    def responses(self) -> list[Response]:
        """The chains as text."""
        rows = zip(self.ops_N_S.tolist(), self.results_N_S.tolist(), strict=True)
        return [
            Response(
                steps=tuple(step_text(op, r) for op, r in zip(ops, results, strict=True) if op >= 0)
            )
            for ops, results in rows
        ]


def demonstrate(
    digits_N_K: Digits,
    rng: np.random.Generator,
    *,
    wrong: float = 0.15,
    no_op: float = 0.12,
    steps: int = MAX_STEPS,
) -> Demonstrations:
    """One chain a problem.

    wrong: probability that a step's result is replaced by one of the nine wrong digits; later steps
    go on from it, and the answer repeats the last result. no_op: probability that a step adds 0
    instead of what would come next, as long as there is room for the rest.
    """
    count, width = digits_N_K.shape
    ops, results = np.full((2, count, steps), -1)
    planted = np.zeros((count, steps), dtype=bool)
    total, used = np.zeros((2, count), dtype=np.int64)
    open_ = np.ones(count, dtype=bool)
    padded = np.concatenate([digits_N_K, np.full((count, 1), ANSWER)], axis=1)
    rows = np.arange(count)
    for s in range(steps):
        room = s + 1 + (width - used) + 1 <= steps
        op = np.where(room & (rng.random(count) < no_op), 0, padded[rows, used])
        answers = op == ANSWER
        slip = (rng.random(count) < wrong) & ~answers
        off = np.where(slip, rng.integers(1, 10, count), 0)
        result = np.where(answers, total, (total + op + off) % 10)
        ops[open_, s], results[open_, s], planted[open_, s] = op[open_], result[open_], slip[open_]
        total = np.where(open_, result, total)
        used = np.minimum(used + (open_ & (op > 0)), width)
        open_ &= ~answers
    return Demonstrations(digits_N_K, ops, results, planted)
