"""Score responses and turn the scores into token-level rewards: reward parts are placed separately
and summed.

A response that any part could not score is left out of the group and counted; it is never 0. A
scorer that breaks its promise (a wrong count, a number that is none, an error, no answer in time)
ends the run with its name.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import numpy as np

from assay.aggregation import Aggregation, aggregate
from assay.data.records import all_responses
from assay.errors import AssayError, BackendError, ConfigError
from assay.protocols import Scorer
from assay.rl.advantages import Bools, Ints
from assay.rl.rewards import Array, Place, place
from assay.rl.transforms import Context, Statistics, Transform, apply, spread_warning
from assay.types import Group, Response, Score, Unscored

__all__ = [
    "Part",
    "PartScores",
    "Rewards",
    "Statistics",
    "ask",
    "collect_scores",
    "differing",
    "place_part",
    "reward",
    "transform",
    "whole_values",
]

ALIKE = 1e-9
"""Rewards that are no further apart are the same."""


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

    def __post_init__(self) -> None:
        for name in ("weight", "threshold", "temperature", "prover"):
            if not math.isfinite(getattr(self, name)):
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

    @property
    def whole(self) -> bool:
        """True for a part that pays the whole response at its end."""
        return self.place == "terminal"

    @property
    def references(self) -> int:
        """Responses of the untrained policy that its transforms need per prompt."""
        return max((transform.references for transform in self.transforms), default=0)


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """Of B responses, at most T tokens."""

    outcome_B: Array
    """Rewards of whole responses."""
    process_B_T: Array
    """Rewards of steps, each at its last token."""
    ends_B_T: Bools
    """The last token of every step."""
    scored_B: Bools
    """False where a part has no score."""
    parts: Mapping[str, Array]
    """Total pay of each part, (B,), weight included; NaN where unscored."""
    statistics: Mapping[str, Statistics]
    """Of each part's scores in the run's first batch."""
    figures: Mapping[str, float]
    """Effects of the transforms."""
    reasons: Mapping[str, int]
    """Counts of the reasons why responses were not scored."""
    scores: Mapping[str, Sequence[Score | Unscored]] = field(default_factory=dict)
    """By part, as the scorers gave them."""
    raw: Mapping[str, Sequence[tuple[float, ...]]] = field(default_factory=dict)
    """Values of each part before any transform, by response: one, or one per step; () where
    unscored."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """Warnings about the parts, by name."""

    @property
    def total_B(self) -> Array:
        """Total reward of each response; NaN where unscored."""
        return np.where(self.scored_B, self.outcome_B + self.process_B_T.sum(1), np.nan)


@dataclass(frozen=True, kw_only=True)
class PartScores:
    """A part's scores of B responses, before and after its transforms."""

    raw: Sequence[tuple[float, ...]]
    """Values before any transform: one per response, or one per step; () where unscored."""
    values: Sequence[Array]
    """Values after all transforms, (S,) each."""
    reasons: Sequence[str]
    """Why a response was not scored; "" where it was."""
    statistics: Statistics | None
    """Of the run's first batch; None without any score."""
    figures: Mapping[str, float]
    """Effects of the transforms."""


def ask(
    scorer: Scorer, name: str, groups: Sequence[Group], timeout: float | None
) -> list[Score | Unscored]:
    """One score per response of all groups, in order. Raises `BackendError` naming the scorer that
    broke its promise."""
    rows = _within(timeout, name, lambda: [[*row] for row in scorer.score(groups)])
    wanted = [len(group.responses) for group in groups]
    if (given := [len(row) for row in rows]) != wanted:
        raise BackendError(
            f"scorer {name!r} gave {given[:8]} scores for groups of {wanted[:8]} responses; it"
            " must give one each"
        )
    scores = list(chain.from_iterable(rows))
    for score, response in zip(scores, all_responses(groups), strict=True):
        if not isinstance(score, Score | Unscored):
            raise BackendError(
                f"scorer {name!r} gave a {type(score).__name__}; it must give `Score` or `Unscored`"
            )
        if isinstance(score, Score) and not all(map(math.isfinite, (score.value, *score.steps))):
            raise BackendError(
                f"scorer {name!r} gave {score.value} and steps {score.steps[:8]}; a failure is"
                " `Unscored`"
            )
        if isinstance(score, Score) and score.steps and len(score.steps) != len(response.steps):
            raise BackendError(
                f"scorer {name!r} gave {len(score.steps)} step scores for {len(response.steps)}"
                " steps"
            )
    return scores


def collect_scores(
    parts: Sequence[Part], groups: Sequence[Group], timeout: float | None
) -> dict[str, list[Score | Unscored]]:
    """Scores of the responses of all groups, by part, in order."""
    return {part.name: ask(part.scorer, part.name, groups, timeout) for part in parts}


def transform(
    part: Part,
    scores: Sequence[Score | Unscored],
    responses: Sequence[Response],
    tokens: Sequence[int],
    references_R_M: Array | None = None,
    statistics: Statistics | None = None,
) -> PartScores:
    """Take what a part needs of its scores, and apply its transforms.

    tokens: length of each response. references: (R, M) scores of reference responses to each
    response's prompt. statistics: of the run's first batch; None = this one's are taken.
    """
    raw: list[tuple[float, ...]] = []
    reasons: list[str] = []
    for b, (score, response) in enumerate(zip(scores, responses, strict=True)):
        alone = references_R_M is not None and bool(np.isnan(references_R_M[b]).all())
        values, reason = _values(part, score, response, alone)
        raw.append(tuple(values))
        reasons.append(reason)
    counts = [len(values) for values in raw]
    context = Context(
        owner_N=np.repeat(np.arange(len(raw)), counts),
        tokens_R=np.asarray(tokens),
        finished_R=np.array([r.finished for r in responses], dtype=bool),
        texts_R=[r.text for r in responses],
        references_R_M=references_R_M,
    )
    flat_N = np.array(list(chain.from_iterable(raw)), dtype=np.float64)
    flat_N, figures, own = apply(part.transforms, flat_N, context, statistics)
    return PartScores(
        raw=raw,
        values=np.split(flat_N, np.cumsum(counts)[:-1]) if counts else [],
        reasons=reasons,
        statistics=own,
        figures=figures,
    )


def place_part(
    part: Part,
    scores: PartScores,
    ends: Sequence[Sequence[int]],
    outcome_B: Array,
    process_B_T: Array,
) -> Array:
    """Add a part's pay to the rewards of whole responses or of tokens, in place.

    ends: the last token of each step of each response. Returns the part's pay per response, (B,),
    weight included; NaN where unscored.
    """
    paid_B = np.full(len(outcome_B), np.nan)
    for b, (values_S, reason) in enumerate(zip(scores.values, scores.reasons, strict=True)):
        if reason:
            continue
        if part.whole:
            paid_B[b] = part.weight * values_S[0]
            outcome_B[b] += paid_B[b]
            continue
        placed_S = part.weight * place(
            values_S,
            part.place,
            threshold=part.threshold,
            temperature=part.temperature,
            prover=part.prover,
        )
        # Two steps may end with one token, which then earns both rewards.
        np.add.at(process_B_T[b], list(ends[b]), placed_S)
        paid_B[b] = placed_S.sum()
    return paid_B


def reward(
    parts: Sequence[Part],
    groups: Sequence[Group],
    ends: Sequence[Sequence[int]],
    tokens: Sequence[int],
    *,
    statistics: Mapping[str, Statistics],
    references: Callable[[Part, Sequence[Group]], Array | None] = lambda part, groups: None,
    timeout: float | None = None,
    given: Mapping[str, Sequence[Score | Unscored]] | None = None,
) -> Rewards:
    """Score the responses of all groups and place their rewards.

    ends: the last token of each step of each response. tokens: how many the policy wrote of each.
    statistics: of earlier batches; of parts that are not there yet, this batch's are taken.
    references: (R, M) scores of reference responses to the prompt of each response. given: scores
    by part, where they are there already; None = ask for them.
    """
    responses = all_responses(groups)
    if given is None:
        given = collect_scores(parts, groups, timeout)
    # Tokens that an environment wrote stand between those of the policy.
    width = max((places[-1] + 1 for places in ends if places), default=0)
    shape = len(responses), max(width, *tokens, 0)
    outcome_B, process_B_T = np.zeros(shape[0]), np.zeros(shape)
    scored_B, ends_B_T = np.ones(shape[0], dtype=bool), np.zeros(shape, dtype=bool)
    for b, places in enumerate(ends):
        ends_B_T[b, list(places)] = True
    reasons: Counter[str] = Counter()
    known, paid, figures = dict(statistics), dict[str, Array](), dict[str, float]()
    raw, warnings = dict[str, Sequence[tuple[float, ...]]](), dict[str, str]()
    for part in parts:
        others_R_M = None
        if part.references:
            others_R_M = references(part, groups) if responses else np.zeros((0, part.references))
        scores = given[part.name]
        own = transform(part, scores, responses, tokens, others_R_M, known.get(part.name))
        if own.statistics is not None:
            known[part.name] = own.statistics
            if warning := spread_warning(part.transforms, own.statistics):
                warnings[f"no spread to divide by: {part.name}"] = warning
        paid[part.name] = place_part(part, own, ends, outcome_B, process_B_T)
        raw[part.name] = own.raw
        scored_B &= ~np.array([bool(reason) for reason in own.reasons], dtype=bool)
        reasons.update(f"{part.name}: {reason}" for reason in own.reasons if reason)
        figures |= {f"{part.name}/{key}": value for key, value in own.figures.items()}
    return Rewards(
        outcome_B=np.where(scored_B, outcome_B, 0.0),
        process_B_T=np.where(scored_B[:, None], process_B_T, 0.0),
        ends_B_T=ends_B_T,
        scored_B=scored_B,
        parts=paid,
        statistics=known,
        figures=figures,
        reasons=reasons,
        scores=given,
        raw=raw,
        warnings=warnings,
    )


def differing(
    rewards: Rewards, group_B: Ints, what: Literal["total", "steps", "raw"] = "total"
) -> list[int]:
    """Groups of which at least two scored responses differ: in what they earn in all, in what they
    or any of their steps earn, or in what the scorers gave, before any transform."""
    rows_B: list[Sequence[float]] = [[total] for total in rewards.total_B.tolist()]
    if what == "steps":
        ends = zip(rows_B, rewards.process_B_T, rewards.ends_B_T, strict=True)
        rows_B = [[*row, *paid_T[ends_T].tolist()] for row, paid_T, ends_T in ends]
    elif what == "raw":
        rows_B = [sum(own, ()) for own in zip(*rewards.raw.values(), strict=True)]
    groups = []
    for g in np.unique(group_B).tolist():
        first, *others = [rows_B[b] for b in np.flatnonzero((group_B == g) & rewards.scored_B)] or [
            ()
        ]
        if any(
            len(row) != len(first) or not np.allclose(row, first, rtol=0, atol=ALIKE)
            for row in others
        ):
            groups.append(g)
    return groups


def whole_values(
    part: Part, scores: Sequence[Score | Unscored], responses: Sequence[Response]
) -> Array:
    """One value per response, NaN where there is none: that of a part that pays whole responses,
    and the score of the whole where it pays steps."""
    values = [_values(part, *each, alone=False)[0] for each in zip(scores, responses, strict=True)]
    whole = [score.value if isinstance(score, Score) else math.nan for score in scores]
    if not part.whole:
        return np.array(whole)
    return np.array([value[0] if value else math.nan for value in values])


def _values(
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


def _within(timeout: float | None, name: str, call: Callable[[], Any]) -> Any:
    """Return the result of a call; `BackendError` where it fails, or is not done in time."""
    import torch

    results: list[Any] = []
    wrong: list[BaseException] = []
    threads = torch.get_num_threads()

    def run() -> None:
        # A new thread would take all the threads that there are.
        torch.set_num_threads(threads)
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - the caller raises it again
            wrong.append(error)

    if timeout is None:
        run()
    else:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            raise BackendError(
                f"scorer {name!r} gave no answer within {timeout:g} s; look whether it hangs, or"
                " allow it more (score_timeout)"
            )
    if wrong:
        if isinstance(wrong[0], AssayError) or not isinstance(wrong[0], Exception):
            raise wrong[0]
        raise BackendError(
            f"scorer {name!r} failed: {type(wrong[0]).__name__}: {wrong[0]}"
        ) from wrong[0]
    return results[0]
