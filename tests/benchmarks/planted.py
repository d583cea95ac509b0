"""Records and scores made by hand or by chance, for the tests of every benchmark."""

from collections.abc import Sequence

import numpy as np

from assay.types import Prompt, Response, Score, StepLabels, Unscored

LOST = [Unscored(reason="planted")]


def solution(
    id: str, subset: str, steps: int, error: int = -1, *, question: str = "", **meta: object
) -> StepLabels:
    """A solution of so many steps whose first error is at `error`; -1: there is none."""
    labels = [1.0] * steps if error < 0 else [1.0] * error + [0.0] + [None] * (steps - error - 1)
    prompt = Prompt.of(question or f"question {id}", id=id).model_copy(
        update={"meta": {"subset": subset}}
    )
    texts = tuple(f"step {i}\n" for i in range(steps))
    return StepLabels(
        prompt=prompt, response=Response(steps=texts, meta=meta), labels=tuple(labels)
    )


def scored(*steps: float) -> list[Score | Unscored]:
    return [Score(value=min(steps), steps=steps)]


def says(steps: int, error: int = -1) -> list[Score | Unscored]:
    """Scores that put the first error there."""
    return scored(*(0.1 if i == error else 0.9 for i in range(steps)))


def many(n: int, seed: int, subsets: Sequence[str] = ("gsm8k", "math")) -> list[StepLabels]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        steps = int(rng.integers(2, 7))
        error = int(rng.integers(-2, steps))
        subset = subsets[i % len(subsets)]
        found.append(
            solution(f"{subset}-{i}", subset, steps, max(error, -1), question=f"question {i // 3}")
        )
    return found


def noisy(
    records: Sequence[StepLabels], seed: int, noise: float = 0.5
) -> list[list[Score | Unscored]]:
    """Scores that know something of the labels."""
    rng = np.random.default_rng(seed)
    return [
        scored(
            *(
                1 / (1 + np.exp(-(2.0 * (y or 0.0) - 1 + 2 * noise * rng.normal())))
                for y in record.labels
            )
        )
        for record in records
    ]
