"""Ask scorers, and make the answers rewards at tokens: `Part`s are added up, each placed in its own
way.

A response that any part could not score is left out of the group and counted; it is never 0. A
scorer that breaks its promise (a wrong count, a number that is none, an error, no answer in time)
ends the run with its name.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from assay.aggregation import Aggregation, aggregate
from assay.errors import AssayError, BackendError, ConfigError
from assay.protocols import Scorer
from assay.rl.advantages import Bools, Ints
from assay.rl.rewards import Array, Place, place
from assay.rl.transforms import Context, Statistics, Transform, apply, spread_warning
from assay.types import Group, Response, Score, Unscored

__all__ = ["Part", "Rewards", "Statistics", "ask", "differing", "reward", "whole_values"]

ALIKE = 1e-9
"""Rewards that are no further apart are the same."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the reward: who scores, and where its scores land."""

    name: str
    scorer: Scorer
    weight: float = 1.0
    place: Place = "terminal"
    """`terminal` is one reward for the whole response; every other placement pays steps (see
    `rl.rewards`)."""
    aggregate: Aggregation | None = None
    """Of `terminal`: the aggregate of the step scores that is paid; None is the score as the scorer
    gives it."""
    threshold: float = 0.9
    """Of `below`."""
    temperature: float = 0.1
    """Of `softmin`."""
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
        """Whether it pays the whole response at its end."""
        return self.place == "terminal"

    @property
    def references(self) -> int:
        """Responses of the untrained policy that its transforms need a prompt."""
        return max((transform.references for transform in self.transforms), default=0)


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """Of B responses, at most T tokens."""

    outcome_B: Array
    """What whole responses earn."""
    process_B_T: Array
    """What steps earn, each at its last token."""
    ends_B_T: Bools
    """The last token of every step."""
    scored_B: Bools
    """False where a part has no score."""
    parts: Mapping[str, Array]
    """What each part pays in all, (B,), weight included; NaN where unscored."""
    statistics: Mapping[str, Statistics]
    """Of each part's scores in the run's first batch."""
    figures: Mapping[str, float]
    """What the transforms did."""
    reasons: Mapping[str, int]
    """Why responses were not scored, and how many."""
    scores: Mapping[str, Sequence[Score | Unscored]] = field(default_factory=dict)
    """By part, as the scorers gave them."""
    raw: Mapping[str, Sequence[tuple[float, ...]]] = field(default_factory=dict)
    """What each part took of them before any transform, by response: one value, or one a step; ()
    where unscored."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """What is to be said of the parts, by a name for it."""

    @property
    def total_B(self) -> Array:
        """What each response earns in all; NaN where unscored."""
        return np.where(self.scored_B, self.outcome_B + self.process_B_T.sum(1), np.nan)


def ask(
    scorer: Scorer, name: str, groups: Sequence[Group], timeout: float | None
) -> list[Score | Unscored]:
    """One score a response of all groups, in order. Raises `BackendError` naming the scorer that
    broke its promise."""
    rows = _within(timeout, name, lambda: [[*row] for row in scorer.score(groups)])
    wanted = [len(group.responses) for group in groups]
    if (found := [len(row) for row in rows]) != wanted:
        raise BackendError(
            f"scorer {name!r} gave {found[:8]} scores for groups of {wanted[:8]} responses; it must"
            " give one each"
        )
    scores = [score for row in rows for score in row]
    for score, response in zip(
        scores, (r for group in groups for r in group.responses), strict=True
    ):
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
    """Score the responses of all groups and place what they earn.

    ends: the last token of each step of each response. tokens: length of each response. statistics:
    of earlier batches; of parts that are not there yet, this batch's are taken. references: (R, M)
    scores of reference responses to the prompt of each response. given: scores by part, where they
    are there already; None = ask for them.
    """
    responses = [response for group in groups for response in group.responses]
    shape = len(responses), max(tokens, default=0)
    outcome_B, process_B_T, ends_B_T = (
        np.zeros(shape[0]),
        np.zeros(shape),
        np.zeros(shape, dtype=bool),
    )
    for b, places in enumerate(ends):
        ends_B_T[b, list(places)] = True
    scored_B = np.ones(shape[0], dtype=bool)
    reasons: Counter[str] = Counter()
    known, paid, figures = dict(statistics), dict[str, Array](), dict[str, float]()
    raw, warnings = dict[str, Sequence[tuple[float, ...]]](), dict[str, str]()
    if given is None:
        given = {part.name: ask(part.scorer, part.name, groups, timeout) for part in parts}
    for part in parts:
        scores = given[part.name]
        others_R_M = None
        if part.references:
            others_R_M = references(part, groups) if responses else np.zeros((0, part.references))
        alone_R = [
            others_R_M is not None and bool(np.isnan(others_R_M[b]).all()) for b in range(shape[0])
        ]
        found = [_values(part, *each) for each in zip(scores, responses, alone_R, strict=True)]
        values, why = zip(*found, strict=True) if found else ((), ())
        reasons.update(f"{part.name}: {reason}" for reason in why if reason)
        owner_N = np.repeat(np.arange(len(values)), [len(v) for v in values])
        flat_N = (
            np.concatenate([np.asarray(v, dtype=np.float64) for v in values])
            if values
            else np.zeros(0)
        )
        raw[part.name] = [tuple(v) for v in values]
        context = Context(
            owner_N=owner_N,
            tokens_R=np.asarray(tokens),
            finished_R=np.array([r.finished for r in responses], dtype=bool),
            texts_R=[r.text for r in responses],
            references_R_M=others_R_M,
        )
        flat_N, changes, own = apply(part.transforms, flat_N, context, known.get(part.name))
        if own is not None:
            known[part.name] = own
            if warning := spread_warning(part.transforms, own):
                warnings[f"no spread to divide by: {part.name}"] = warning
        figures |= {f"{part.name}/{key}": value for key, value in changes.items()}
        pays_B = np.full(shape[0], np.nan)
        for b in range(shape[0]):
            if why[b]:
                scored_B[b] = False
                continue
            own_S = (
                flat_N[owner_N == b] if not part.whole else flat_N[np.searchsorted(owner_N, [b])]
            )
            if part.whole:
                pays_B[b] = part.weight * own_S[0]
                outcome_B[b] += pays_B[b]
            else:
                placed_S = part.weight * _placed(part, own_S)
                # Two steps may end with one token, which then earns both rewards.
                np.add.at(process_B_T[b], list(ends[b]), placed_S)
                pays_B[b] = placed_S.sum()
        paid[part.name] = pays_B
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
    found = []
    for g in np.unique(group_B).tolist():
        first, *others = [rows_B[b] for b in np.flatnonzero((group_B == g) & rewards.scored_B)] or [
            ()
        ]
        if any(
            len(row) != len(first) or not np.allclose(row, first, rtol=0, atol=ALIKE)
            for row in others
        ):
            found.append(g)
    return found


def whole_values(
    part: Part, scores: Sequence[Score | Unscored], responses: Sequence[Response]
) -> Array:
    """One value a response, NaN where there is none: what a part that pays whole responses takes of
    a score, and the score of the whole where it pays steps."""
    found = [_values(part, *each, alone=False)[0] for each in zip(scores, responses, strict=True)]
    whole = [score.value if isinstance(score, Score) else math.nan for score in scores]
    if not part.whole:
        return np.array(whole)
    return np.array([value[0] if value else math.nan for value in found])


def _values(
    part: Part, score: Score | Unscored, response: Response, alone: bool
) -> tuple[Sequence[float], str]:
    """What a part takes of a score, one value or one a step; or why there is nothing.

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


def _placed(part: Part, scores_S: Array) -> Array:
    return place(
        scores_S,
        part.place,
        threshold=part.threshold,
        temperature=part.temperature,
        prover=part.prover,
    )


def _within(timeout: float | None, name: str, call: Callable[[], Any]) -> Any:
    """What a call gives; `BackendError` where it fails, or gives nothing in time."""
    import torch

    found: list[Any] = []
    wrong: list[BaseException] = []
    threads = torch.get_num_threads()

    def run() -> None:
        # A new thread would take all the threads that there are.
        torch.set_num_threads(threads)
        try:
            found.append(call())
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
    return found[0]
