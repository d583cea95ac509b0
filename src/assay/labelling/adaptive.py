"""Rollouts where a label is undecided, until it is decided.

What rollouts say of a step is read off a chain of three states (`chain`): rollouts from one step
inform the others, as in a binary search, but a lucky one is evidence, no verdict. The next rollouts
go where they are expected to tell most about the step's label, the mutual information of one more
outcome and the label (Lindley 1956; on a line of steps that is noisy binary search, Burnashev and
Zigangirov 1974). A solution is done when every label is decided with the confidence asked for; the
beliefs are fitted again as rollouts come in. With `structure` off each step is judged alone.

A label says whether the step is sound, and its interval how sure that is; the rollouts are evidence
for it. No step has a label that the prior alone would give it: a label above one half needs
something right from that step or from a later one, a label below it rollouts that speak against the
step, and a solution of which no rollout came to an end that could be judged has none but what its
own answer says. Solutions of one prompt that begin alike share the rollouts of what they share;
where they are on two sides of one half there, it has no label. `predictive` checks the prior
against the first rollouts.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.errors import ConfigError
from assay.labelling.chain import (
    SOUND,
    START,
    Array,
    Beliefs,
    Counts,
    credible,
    fit,
    information,
    posterior,
    supported,
)
from assay.labelling.rollouts import Rollouts, need_references
from assay.protocols import Prefix
from assay.types import Prompt, Response, RolloutLabels

__all__ = ["Adaptive"]

ROUNDS_OF_FITS = (1, 2, 3, 5, 8, 13, 21, 34)
"""A fit changes little once there are many rollouts."""
Pairs = Sequence[tuple[Prompt, Response]]
Alike = Mapping[tuple[int, int], Sequence[tuple[int, int]]]
"""Of every solution and step, all those that end the same prefix of the same prompt."""


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Rollouts where they tell most, until every label is decided."""

    confidence: float = 0.95
    """A label is decided when it is 1, or 0, with this probability."""

    most: int = 16
    """Most rollouts from after one step."""

    batch: int = 2
    """Rollouts from the chosen step before choosing again."""

    least: float = 0.004
    """Least expected information of one more rollout, in nats. Lower buys more truth for more
    rollouts; at 0 a label that no rollouts can decide gets the most of them."""

    label: Literal["hard", "soft"] = "hard"
    """soft: the probability that no step so far is lost; hard: whether it is above one half."""

    undecided: Literal["label", "drop"] = "label"
    """Label of a step that is undecided when rollouts have run out: the one that they favour,
    or none."""

    structure: bool = True
    """Joint model of the steps of one solution: what is lost stays lost."""

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1 or self.most < 1 or self.batch < 1 or not self.least >= 0:
            raise ConfigError(
                f"confidence is {self.confidence}, most {self.most}, batch {self.batch} and least"
                f" {self.least}; they must be between 0.5 and 1, at least 1, at least 1, and at"
                " least 0"
            )

    def __call__(self, responses: Pairs, rollouts: Rollouts) -> list[RolloutLabels]:
        """Label one record per response, in order. Raises `DataError` where a prompt has no
        reference."""
        need_references(prompt for prompt, _ in responses)
        counts = self.nothing_yet(responses, rollouts)
        asked_N_T = np.zeros(counts.right_N_T.shape, dtype=np.int64)
        ended_N = np.zeros(len(responses), dtype=bool)
        x, beliefs = START, Beliefs.of(START)
        alike = _alike(responses)
        turn = 0
        while True:
            chosen = self.places(responses, counts, beliefs, asked_N_T)
            if not chosen:
                break
            prefixes = [Prefix(responses[i][0], responses[i][1].steps[: t + 1]) for i, t in chosen]
            for place in chosen:
                asked_N_T[place] = min(asked_N_T[place] + self.batch, self.most)
            rollouts.want(
                [
                    (prefix, int(asked_N_T[place]))
                    for prefix, place in zip(prefixes, chosen, strict=True)
                ]
            )
            for prefix, place in zip(prefixes, chosen, strict=True):
                most = int(asked_N_T[place])
                tally, ended = rollouts.tally(prefix, most), rollouts.judged_one(prefix, most)
                # Evidence of one prefix is that of every solution that begins with it.
                for i, t in alike[place]:
                    asked_N_T[i, t] = most
                    counts.right_N_T[i, t], counts.judged_N_T[i, t] = tally.right, tally.judged
                    ended_N[i] |= ended
            turn += 1
            if turn in ROUNDS_OF_FITS:
                x = fit(counts, x)
                beliefs = Beliefs.of(x)
        for rows_N_T in (counts.right_N_T, counts.judged_N_T):
            rows_N_T[~ended_N] = 0
        x = fit(counts, x)
        return list(self._records(responses, counts, x, alike))

    def nothing_yet(self, responses: Pairs, rollouts: Rollouts) -> Counts:
        """Counts before any rollout: the answers are checked."""
        size = max((len(response.steps) for _, response in responses), default=0)
        answer_N = np.full(len(responses), np.nan)
        for i, (prompt, response) in enumerate(responses):
            if response.finished and response.steps:
                verdict = rollouts.check(Prefix(prompt), response).right
                answer_N[i] = np.nan if verdict is None else float(verdict)
        steps_N = np.array([len(response.steps) for _, response in responses], dtype=np.intp)
        return Counts(
            np.zeros((len(responses), size)), np.zeros((len(responses), size)), steps_N, answer_N
        )

    def places(
        self, responses: Pairs, counts: Counts, beliefs: Beliefs, asked_N_T: NDArray[np.int64]
    ) -> list[tuple[int, int]]:
        """Return where the next rollouts go, as solution and step: one step a solution, or every
        undecided step where each is judged alone. A finished response is its own only rollout from
        after its last step."""
        size = counts.right_N_T.shape[1]
        open_N_T = np.array(
            [[t < len(r.steps) - r.finished for t in range(size)] for _, r in responses], dtype=bool
        )
        may_N_T = open_N_T.reshape(counts.right_N_T.shape) & (asked_N_T < self.most)
        states_N_T_3 = posterior(counts, beliefs, structure=self.structure)
        sound_N_T = states_N_T_3[..., SOUND]
        undecided_N_T = counts.there_N_T & (np.maximum(sound_N_T, 1 - sound_N_T) < self.confidence)
        if not self.structure:
            return [(int(i), int(t)) for i, t in np.argwhere(undecided_N_T & may_N_T)]
        told_N_T = np.where(may_N_T, information(counts, beliefs, states_N_T_3), -1.0)
        worth_N = undecided_N_T.any(axis=1) & (told_N_T.max(axis=1, initial=-1.0) > self.least)
        return [(i, int(told_N_T[i].argmax())) for i in np.flatnonzero(worth_N).tolist()]

    def _records(
        self, responses: Pairs, counts: Counts, x: Array, alike: Alike
    ) -> Iterator[RolloutLabels]:
        sound_N_T = posterior(counts, Beliefs.of(x), structure=self.structure)[..., SOUND]
        rests_N_T = supported(counts, sound_N_T, structure=self.structure)
        # A prefix that one solution calls sound and another lost is undecided.
        sides = [
            {bool(sound_N_T[at] > 0.5) for at in places if rests_N_T[at]}
            for places in alike.values()
        ]
        for place, sides_of in zip(alike, sides, strict=True):
            rests_N_T[place] &= len(sides_of) == 1
        quantiles_4_N_T = credible(counts, x, (0.025, 0.05, 0.95, 0.975), structure=self.structure)
        for i, (prompt, response) in enumerate(responses):
            size = len(response.steps)
            chances = [
                p if rests_N_T[i, t] else None for t, p in enumerate(sound_N_T[i, :size].tolist())
            ]
            right = counts.right_N_T[i].astype(int).tolist()
            judged = counts.judged_N_T[i].astype(int).tolist()
            if not np.isnan(counts.answer_N[i]):
                right[size - 1], judged[size - 1] = int(counts.answer_N[i]), 1
            yield RolloutLabels(
                prompt=prompt,
                response=response,
                labels=tuple(self._label(p) for p in chances),
                # Whether a step is sound, not how often a policy finishes from it.
                meaning="correctness",
                right=tuple(right[:size]),
                rollouts=tuple(judged[:size]),
                intervals=tuple(
                    self._interval(p, quantiles_4_N_T[:, i, t].tolist())
                    for t, p in enumerate(chances)
                ),
            )

    def _label(self, p: float | None) -> float | None:
        if p is None or (self.undecided == "drop" and max(p, 1 - p) < self.confidence):
            return None
        return p if self.label == "soft" else float(p > 0.5)

    def _interval(self, p: float | None, quantiles: Sequence[float]) -> tuple[float, float]:
        """Interval of the chance that the step is sound: on both sides, or how near it is at least
        to a label of 0 or 1."""
        if p is None:
            return 0.0, 1.0
        lowest, low, high, highest = quantiles
        if self.label == "hard":
            return (min(low, p), 1.0) if p > 0.5 else (0.0, max(high, p))
        return min(lowest, p), max(highest, p)


def _alike(responses: Pairs) -> Alike:
    found: dict[Hashable, list[tuple[int, int]]] = {}
    places: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, (prompt, response) in enumerate(responses):
        for t in range(len(response.steps)):
            key = prompt.shown, prompt.reference, response.steps[: t + 1]
            places[i, t] = found.setdefault(key, [])
            places[i, t].append((i, t))
    return places
