"""How far a quantised model is from the model as it is saved: both score the same few texts.

It is measured whenever one is opened, where the other has room beside it, for nobody can tell a
quantised model's scores from right ones by looking at them.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from assay.models.loading import say
from assay.models.log_probabilities import log_probabilities
from assay.models.parity import measured, one_by_one
from assay.models.reward_model import RewardModel
from assay.models.room import room, size_of
from assay.types import Prompt, Response

__all__ = ["TRIALS", "Closeness", "closeness", "likelihoods", "say_closeness", "scores"]

QUESTIONS: Final = (
    "What is 2 + 2?",
    "Name a colour.",
    "Write one sentence about the sea.",
    "Is 12 * 3 even?",
)
ANSWERS: Final = (
    "Two and two make 4.",
    "Blue",
    "The sea was calm that morning, and nobody was on the beach.",
    "12 * 3 = 36, and 36 = 2 * 18, so it is even.",
    "I cannot help with that.",
    "5",
)
TRIALS: Final = tuple(
    (Prompt.of(question), Response(steps=(answer,)))
    for question, answer in product(QUESTIONS, ANSWERS)
)
"""Every answer to every question, right or not."""


@dataclass(frozen=True)
class Closeness:
    """What quantisation did to the scores of some texts."""

    n: int
    """Texts."""
    largest: float
    """Largest absolute difference."""
    spread: float
    """Standard deviation of the scores as saved: what a difference is to be held against."""
    agreeing: int
    """Pairs of texts in the same order."""
    pairs: int
    """Pairs of texts whose scores as saved differ."""

    def __str__(self) -> str:
        """All of it in a line."""
        tau = 2 * self.agreeing / self.pairs - 1 if self.pairs else float("nan")
        return (
            f"largest difference {self.largest:.3g} where scores spread by {self.spread:.3g};"
            f" {self.agreeing} of {self.pairs} pairs in the same order (Kendall's tau {tau:.3f});"
            f" {self.n} texts"
        )


def closeness(saved: Sequence[float], quantised: Sequence[float]) -> Closeness:
    """Compare the scores of the same texts. A pair that quantisation makes equal is not in the same
    order."""
    a, b = np.asarray(saved, dtype=float), np.asarray(quantised, dtype=float)
    ordered = [(i, j) for i, j in combinations(range(len(a)), 2) if a[i] != a[j]]
    return Closeness(
        n=len(a),
        largest=float(np.abs(a - b).max()),
        spread=float(a.std()),
        agreeing=sum(bool((a[i] - a[j]) * (b[i] - b[j]) > 0) for i, j in ordered),
        pairs=len(ordered),
    )


def scores(model: RewardModel) -> list[float]:
    """The last logit of each trial."""
    with measured(model):
        return [float(row[-1]) for row in one_by_one(model, model.encoder.encode([*TRIALS]))]


def likelihoods(model: Any, tokenizer: Any) -> list[float]:
    """The log-probability of each trial's answer behind its question, in nats per token."""
    found = []
    for prompt, response in TRIALS:
        before, behind = (
            tokenizer(text, add_special_tokens=False)["input_ids"]
            for text in (f"{prompt.text}\n", response.text)
        )
        with torch.inference_mode():
            values = log_probabilities(model, [[*before, *behind]], [len(before)]).values_B_R
        found.append(float(values.double().mean()))
    return found


def say_closeness(
    folder: Path,
    dtype: Any,
    device: str,
    quantised: Callable[[], list[float]],
    saved: Callable[[], list[float]],
) -> None:
    """Measure and say it; where the model as saved has no room, say that it was not measured.

    saved: opens the model as it is saved, and scores.
    """
    size, free = size_of(folder, dtype), _free(device)
    if size is None or free is None or size > 0.8 * free:
        needs = "an unknown size" if size is None else f"{size / 1e9:,.1f} GB"
        has = "unknown" if free is None else f"{free / 1e9:,.1f}"
        say(
            f"{folder}: what quantisation does to scores was not measured: the model as saved"
            f" takes {needs} and {has} are free; measure it on data that you know"
        )
        return
    low = quantised()
    found = closeness(saved(), low)
    gc.collect()
    say(f"{folder}: quantised, against the model as saved: {found}")


def _free(device: str) -> int | None:
    """Bytes that are free where a model is put."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = room()
    return None if found is None else found[1]
