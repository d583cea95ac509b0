"""Judges with planted faults, and pairs to ask them about."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assay.evaluation.judges.features import has_list
from assay.questions import Comparison, Game
from assay.types import Group, Preference, Prompt, Response, Unscored

Rule = Callable[[random.Random, str, str], float]
"""Chance that what is shown first wins."""


def records(n: int, seed: int = 0, per_prompt: int = 1) -> list[Preference]:
    """Pairs of a right and a wrong answer; one is twice as long as the other, some are lists, one
    is by the model "ours"."""
    rng = random.Random(seed)
    made = []
    for i in range(n):
        right = rng.random() < 0.5
        long = rng.random() < 0.5
        ours = rng.random() < 0.5
        both = [
            Response(
                steps=(_text(good, longer, rng.random() < 0.5),),
                meta={"model": "ours" if own else "theirs"},
            )
            for good, longer, own in ((right, long, ours), (not right, not long, not ours))
        ]
        prompt = Prompt.of(f"question {i // per_prompt}")
        made.append(Preference(prompt=prompt, responses=tuple(both), prefer=float(right)))
    return made


def _text(good: bool, longer: bool, listed: bool) -> str:
    """A text of 100 or 200 characters."""
    lines = ["right" if good else "wrong", "so", "it", "is"]
    text = "\n".join(f"- {line}" if listed else line for line in lines)
    return text.ljust(200 if longer else 100, ".")


@dataclass(frozen=True)
class Planted:
    """Follows a rule in both orders, `repeats` times each."""

    rule: Rule
    repeats: int = 2
    seed: int = 0
    fails: float = 0.0
    """Chance that a pair gets no verdict."""

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """Judge each pair by itself."""
        return [self._one(pair, random.Random(f"{self.seed} {i}")) for i, pair in enumerate(pairs)]

    def _one(self, pair: Group, rng: random.Random) -> Comparison | Unscored:
        if rng.random() < self.fails:
            return Unscored(reason="no verdict")
        one, other = (response.text for response in pair.responses)
        games = []
        for swapped in (False, True):
            shown = (other, one) if swapped else (one, other)
            for repeat in range(self.repeats):
                first_shown = rng.random() < self.rule(rng, *shown)
                won = first_shown != swapped
                games.append(Game(swapped=swapped, repeat=repeat, first=float(won)))
        return Comparison.of(games)


def perfect(rng: random.Random, first: str, second: str) -> float:
    """Prefer the right one."""
    return float("right" in first)


def coin(rng: random.Random, first: str, second: str) -> float:
    """Say anything."""
    return 0.5


def noisy(rng: random.Random, first: str, second: str) -> float:
    """Prefer the right one four times of five."""
    return 0.8 if "right" in first else 0.2


def sometimes(chance: float, fault: Rule, otherwise: Rule = noisy) -> Rule:
    """Follow a fault so often."""

    def rule(rng: random.Random, first: str, second: str) -> float:
        return (fault if rng.random() < chance else otherwise)(rng, first, second)

    return rule


def by(measure: Callable[[str], float]) -> Rule:
    """Prefer what has more of something; where both have as much, the right one."""

    def rule(rng: random.Random, first: str, second: str) -> float:
        difference = measure(first) - measure(second)
        return noisy(rng, first, second) if difference == 0 else float(difference > 0)

    return rule


first_slot: Rule = lambda rng, first, second: 1.0  # noqa: E731
longer = by(len)
listed = by(has_list)
