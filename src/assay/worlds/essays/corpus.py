"""Ordinary essays to learn from, written by chance: a word is likely by the topic times by the word
before."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assay.worlds.essays.task import KEYWORDS_K_V, MAX_WORDS, NONE, Ints

__all__ = ["habits", "ordinary"]

Floats = NDArray[np.float64]

END: Final = (0.05, 0.30)
"""Chance to end before the second and third word, and before every later one."""
EARLY: Final = 3


@cache
def habits(seed: int = 0) -> tuple[Floats, Floats]:
    """Return how likely each word is for each topic (K, V), its keywords a little more so, and
    after each word (V, V)."""
    rng = np.random.default_rng([seed, 2])
    topics, size = KEYWORDS_K_V.shape
    of_topic = np.exp(0.7 * rng.standard_normal((topics, size)) + 0.5 * KEYWORDS_K_V)
    after_word = np.exp(1.2 * rng.standard_normal((size, size)))
    return of_topic / of_topic.sum(1, keepdims=True), after_word / after_word.sum(1, keepdims=True)


def ordinary(topics_N: Ints, rng: np.random.Generator, seed: int = 0) -> Ints:
    """Words (N, MAX_WORDS) of one essay a topic, `NONE` after the last; every essay has a word."""
    of_topic, after_word = habits(seed)
    count = len(topics_N)
    ids_N_T = np.full((count, MAX_WORDS), NONE, dtype=np.int64)
    going = np.ones(count, dtype=bool)
    chances = of_topic[topics_N]
    for t in range(MAX_WORDS):
        if t:
            going &= rng.random(count) >= END[t >= EARLY]
            chances = of_topic[topics_N] * after_word[ids_N_T[:, t - 1]]
            chances = chances / chances.sum(1, keepdims=True)
        drawn = (chances.cumsum(1) < rng.random((count, 1))).sum(1).clip(max=chances.shape[1] - 1)
        ids_N_T[going, t] = drawn[going]
    return ids_N_T
