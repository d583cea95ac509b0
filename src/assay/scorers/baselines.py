"""Baselines: scorers that know nothing. A reward model that does not beat them has learned nothing
worth its cost."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assay.fingerprint import ByContent
from assay.types import Group, Response, Score, Unscored

__all__ = ["Longest", "Random", "Shortest"]


@dataclass(frozen=True)
class Random:
    """A uniform draw from [0, 1) for each response.

    It depends on the seed, the prompt and the response's place in its group, so that batches may be
    cut in any way.
    """

    seed: int = 0
    """Seed of the draws."""

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        return [
            [self._draw(group.prompt.text, i) for i in range(len(group.responses))]
            for group in groups
        ]

    def _draw(self, prompt: str, place: int) -> Score:
        digest = hashlib.blake2b(f"{self.seed}\n{place}\n{prompt}".encode(), digest_size=8).digest()
        return Score(value=(int.from_bytes(digest) >> 11) / 2**53)


@dataclass(frozen=True)
class Longest:
    """The length in characters: prefers the longest, as many a reward model turns out to."""

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        return _each(groups, lambda response: float(len(response.text)))


@dataclass(frozen=True)
class Shortest:
    """Minus the length in characters: prefers the shortest."""

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        return _each(groups, lambda response: -float(len(response.text)))


def _each(
    groups: Sequence[Group], rule: Callable[[Response], float]
) -> list[list[Score | Unscored]]:
    return [[Score(value=rule(response)) for response in group.responses] for group in groups]
