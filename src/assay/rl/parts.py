"""Parts of a reward: a scorer each, what is taken of its scores, and where that is paid.

A part adds to the reward, or it is a gate and decides whether the others do.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from assay.aggregation import Aggregation, aggregate
from assay.errors import BackendError, ConfigError
from assay.protocols import Scorer
from assay.rl.rewards import Array, Place
from assay.rl.transforms import Transform
from assay.types import Response, Score, Unscored

__all__ = ["NOT_ASKED", "Expanded", "Part", "expand", "passed", "values_of", "whole_values"]

NOT_ASKED: Final = "not asked"
"""Why a prompt whose scores have no such part has no value of it; nothing is missing there."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the reward: its scorer, and where its scores are placed."""

    name: str
    scorer: Scorer
    weight: float = 1.0
    place: Place = "terminal"
    """`terminal` is one reward for the whole response; every other placement pays steps (see
    `rl.rewards`)."""
    aggregate: Aggregation | None = None
    """Aggregate of the step scores that `terminal` pays; None = the scorer's own score."""
    threshold: float = 0.9
    """Threshold of `below`."""
    temperature: float = 0.1
    """Temperature of `softmin`."""
    prover: float = 1.0
    """Step scores are values v of the policy; with k here, they become those of its best of k, 1 -
    (1 - v)^k."""
    transforms: tuple[Transform, ...] = ()
    """Applied to the scores, in order, before they are placed."""
    must_pass: float | None = None
    """Threshold of a gate: where its value is below, the response earns 0, whatever the other parts
    say. A gate pays nothing itself."""
    factor: bool = False
    """A gate by degrees: its value, in [0, 1], multiplies what the other parts pay."""
    each_part: bool = False
    """Pay for every part of the scores (`Score.parts`: criteria, members, heads) by itself, each
    with this weight times its own (`Score.weights`; 1 where a score does not say), instead of for
    the whole."""

    def __post_init__(self) -> None:
        for name in ("weight", "threshold", "temperature", "prover", "must_pass"):
            if not math.isfinite(getattr(self, name) or 0.0):
                raise ConfigError(
                    f"part {self.name!r}: {name} is {getattr(self, name)}; give a number"
                )
        if not self.temperature > 0 or not self.prover >= 1:
            raise ConfigError(
                f"part {self.name!r}: temperature is {self.temperature:g} and prover"
                f" {self.prover:g}; temperature must be above 0, and prover at least 1"
            )
        idle = {
            "threshold": self.threshold != 0.9 and self.place != "below",
            "temperature": self.temperature != 0.1 and self.place != "softmin",
            "prover": self.prover != 1 and self.place == "terminal",
            "aggregate": self.aggregate is not None and self.place != "terminal",
        }
        if unused := [name for name, does_nothing in idle.items() if does_nothing]:
            raise ConfigError(
                f"part {self.name!r}: {', '.join(unused)} does nothing where it is placed:"
                f" {self.place}"
            )
        self._check_kind()

    def _check_kind(self) -> None:
        """Refuse what a gate, or a part that is paid by its own parts, cannot be."""
        if self.must_pass is not None and self.factor:
            raise ConfigError(f"part {self.name!r}: it is must_pass or a factor; give one of them")
        if self.gates and (self.weight != 1 or not self.whole or self.each_part):
            raise ConfigError(
                f"part {self.name!r} is a gate, which pays nothing: weight, place and each_part do"
                " nothing; name the scorer twice where it is to pay as well"
            )
        if self.each_part and (not self.whole or self.aggregate is not None or self.references):
            raise ConfigError(
                f"part {self.name!r}: each_part pays the parts of a whole response's score at its"
                " end; leave out place, aggregate and par"
            )

    @property
    def gates(self) -> bool:
        """True for a part that decides whether the others pay."""
        return self.must_pass is not None or self.factor

    @property
    def whole(self) -> bool:
        """True for a part that pays the whole response at its end."""
        return self.place == "terminal"

    @property
    def references(self) -> int:
        """Responses of the untrained policy that its transforms need per prompt."""
        return max((transform.references for transform in self.transforms), default=0)


class Expanded(NamedTuple):
    """A part with its scores."""

    part: Part
    scores: Sequence[Score | Unscored]
    scale_B: Array
    """What its scores have been multiplied by, for each response; without a sign."""


def expand(
    parts: Sequence[Part], given: Mapping[str, Sequence[Score | Unscored]]
) -> list[Expanded]:
    """Return each part with its scores; in place of one with `each_part` those of its scores, under
    "name/part", times their own weights.

    A part that a score does not have at all was not asked of that prompt (`NOT_ASKED`); None of one
    that it has is a failure. Raises `ConfigError` where no score has parts.
    """
    expanded: list[Expanded] = []
    for part in parts:
        scores = given[part.name]
        if not part.each_part:
            expanded.append(Expanded(part, scores, np.ones(len(scores))))
            continue
        known = [score for score in scores if isinstance(score, Score)]
        names = dict.fromkeys(name for score in known for name in score.parts)
        if known and not names:
            raise ConfigError(
                f"part {part.name!r} is to be paid by the parts of its scores, and its scorer gives"
                " none; leave out each_part"
            )
        for name in names:
            one = replace(part, name=f"{part.name}/{name}", each_part=False)
            own = [_part_of(score, name) for score in scores]
            scale_B = np.array([_weight_of(score, name) for score in scores])
            expanded.append(Expanded(one, own, np.abs(scale_B)))
        if not known:
            one = replace(part, each_part=False)
            expanded.append(Expanded(one, scores, np.ones(len(scores))))
    return expanded


def _part_of(score: Score | Unscored, name: str) -> Score | Unscored:
    if isinstance(score, Unscored):
        return score
    value = score.parts.get(name, math.nan)
    if value is None:
        return Unscored(reason="this part of the score is missing")
    if math.isnan(value):
        return Unscored(reason=NOT_ASKED)
    return Score(value=value * _weight_of(score, name))


def _weight_of(score: Score | Unscored, name: str) -> float:
    if isinstance(score, Unscored) or not score.weights:
        return 1.0
    return score.weights.get(name, 0.0)


def passed(part: Part, values: Sequence[Array], reasons: Sequence[str]) -> Array:
    """Return how far a gate is open for each response, (B,): 0 shut, 1 open, NaN where unscored.

    values: of each response, after transforms. Raises `BackendError` for a factor outside [0, 1].
    """
    pairs = zip(values, reasons, strict=True)
    value_B = np.array([math.nan if reason else float(own[0]) for own, reason in pairs])
    if part.must_pass is not None:
        return np.where(np.isnan(value_B), math.nan, value_B >= part.must_pass)
    wrong_N = value_B[(value_B < 0) | (value_B > 1)]
    if len(wrong_N):
        raise BackendError(
            f"part {part.name!r} is a factor and is worth {wrong_N[0]:.3g}; a factor lies between 0"
            " and 1: bound it (clip=0:1), or give it a threshold (must_pass)"
        )
    return value_B


def whole_values(
    part: Part, scores: Sequence[Score | Unscored], responses: Sequence[Response]
) -> Array:
    """One value per response, NaN where there is none: that of a part that pays whole responses,
    and the score of the whole where it pays steps."""
    values = [
        values_of(part, *each, alone=False)[0] for each in zip(scores, responses, strict=True)
    ]
    whole = [score.value if isinstance(score, Score) else math.nan for score in scores]
    if not part.whole:
        return np.array(whole)
    return np.array([value[0] if value else math.nan for value in values])


def values_of(
    part: Part, score: Score | Unscored, response: Response, alone: bool
) -> tuple[Sequence[float], str]:
    """Take a part's values of a score, one or one per step; or the reason why there are none.

    alone: whether none of the reference responses that it is to be compared with has a score.
    """
    if isinstance(score, Unscored):
        return (), score.reason or "unscored"
    if alone:
        return (), "no reference response has a score"
    if part.whole and part.aggregate is None:
        return (score.value,), ""
    if not response.steps:
        return (), "the response has no steps"
    if not score.steps:
        raise ConfigError(
            f"part {part.name!r} is placed by"
            f" {part.place!r}{f' of {part.aggregate}' if part.whole else ''}, which needs step"
            " scores, and its scorer gives none; use terminal without an aggregate, or a process"
            " model"
        )
    return (
        ((aggregate(score.steps, part.aggregate),), "")
        if part.whole and part.aggregate
        else (score.steps, "")
    )
