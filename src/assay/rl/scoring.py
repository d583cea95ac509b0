"""Score responses and turn the scores into token-level rewards: reward parts are placed separately
and summed, and gates multiply what they pay.

A response that any part could not score is left out of the group and counted; it is never 0. With
`missing` "partial" only one that a gate, or every other part, could not score is; the others are
compared by the parts that they have. A scorer that breaks its promise (a wrong count, a number that
is none, an error, no answer in time) ends the run with its name.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import numpy as np

from assay.data.records import all_responses
from assay.errors import AssayError, BackendError
from assay.protocols import Scorer
from assay.rl.advantages import Bools, Ints
from assay.rl.combining import Missing, filled
from assay.rl.parts import NOT_ASKED, Part, expand, passed, values_of, whole_values
from assay.rl.rewards import Array, place
from assay.rl.transforms import Context, Statistics, apply, spread_warning
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

FINE = ("", NOT_ASKED)
"""Reasons that are none: a value is there, or there was none to have."""


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
    """False where nothing can be learned from a response, for want of a score."""
    parts: Mapping[str, Array]
    """Total pay of each part, (B,), weight and gates included; NaN where unscored."""
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
    scales: Mapping[str, Array] = field(default_factory=dict)
    """Weight of each part that pays, without its sign, for each response, (B,)."""
    gates: Mapping[str, Array] = field(default_factory=dict)
    """How far each gate is open, (B,): 0 shut, 1 open; NaN where unscored."""
    asked: Mapping[str, Bools] = field(default_factory=dict)
    """Of which responses each part was asked, (B,)."""
    missing_B: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """True where a part that was asked has no score."""

    @property
    def shared(self) -> Mapping[str, Array]:
        """Pay of the parts that every response was asked, by name."""
        return {name: self.parts[name] for name in self.parts if self.asked[name].all()}

    @property
    def total_B(self) -> Array:
        """Total reward of each response; NaN where a part of it is not known."""
        known_B = self.scored_B & ~self.missing_B if len(self.missing_B) else self.scored_B
        return np.where(known_B, self.outcome_B + self.process_B_T.sum(1), np.nan)

    @property
    def learned_B(self) -> Array:
        """Reward that a response is compared by: what is missing of it is the group's mean."""
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
        values, reason = values_of(part, score, response, alone)
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
    missing: Missing = "drop",
) -> Rewards:
    """Score the responses of all groups and place their rewards.

    ends: the last token of each step of each response. tokens: how many the policy wrote of each.
    statistics: of earlier batches; of parts that are not there yet, this batch's are taken.
    references: (R, M) scores of reference responses to the prompt of each response. given: scores
    by part, where they are there already; None = ask for them. missing: what becomes of a response
    that a part could not score; without a gate's score nothing is known of it.
    """
    responses = all_responses(groups)
    if given is None:
        given = collect_scores(parts, groups, timeout)
    own: dict[str, PartScores] = {}
    expanded = expand(parts, given)
    for part, scores, _ in expanded:
        others_R_M = None
        if part.references:
            others_R_M = references(part, groups) if responses else np.zeros((0, part.references))
        known = statistics.get(part.name)
        own[part.name] = transform(part, scores, responses, tokens, others_R_M, known)
    # Tokens that an environment wrote stand between those of the policy.
    width = max((places[-1] + 1 for places in ends if places), default=0)
    shape = len(responses), max(width, *tokens, 0)
    outcome_B, process_B_T, ends_B_T = np.zeros(shape[0]), np.zeros(shape), np.zeros(shape, bool)
    for b, places in enumerate(ends):
        ends_B_T[b, list(places)] = True
    paying = [one.part for one in expanded if not one.part.gates]
    gating = [one.part for one in expanded if one.part.gates]
    paid = {p.name: place_part(p, own[p.name], ends, outcome_B, process_B_T) for p in paying}
    gates = {p.name: passed(p, own[p.name].values, own[p.name].reasons) for p in gating}
    gate_B = np.prod([np.ones(shape[0]), *gates.values()], axis=0)
    lost = {name: _are(scores, lambda reason: reason not in FINE) for name, scores in own.items()}
    missing_B = np.any([np.zeros(shape[0], bool), *lost.values()], axis=0)
    scored_B = ~missing_B
    if missing == "partial" and len(responses):
        group_B = np.repeat(np.arange(len(groups)), [len(group.responses) for group in groups])
        outcome_B += _of_others(paid, lost, group_B)
        scored_B = ~np.isnan(gate_B) & ~np.isnan([*paid.values()]).all(0)
    gate_B = np.where(scored_B, gate_B, 0.0)
    return Rewards(
        outcome_B=np.where(scored_B, outcome_B * gate_B, 0.0),
        process_B_T=np.where(scored_B[:, None], process_B_T * gate_B[:, None], 0.0),
        ends_B_T=ends_B_T,
        scored_B=scored_B,
        parts={name: np.where(scored_B, gate_B, 1.0) * paid_B for name, paid_B in paid.items()},
        statistics={**statistics, **{n: x.statistics for n, x in own.items() if x.statistics}},
        figures={f"{n}/{key}": value for n, x in own.items() for key, value in x.figures.items()},
        reasons=_reasons(own),
        scores=given,
        raw={name: scores.raw for name, scores in own.items()},
        warnings=_warnings([*paying, *gating], own),
        scales={
            one.part.name: abs(one.part.weight) * one.scale_B
            for one in expanded
            if not one.part.gates
        },
        gates=gates,
        asked={
            name: _are(scores, lambda reason: reason != NOT_ASKED) for name, scores in own.items()
        },
        missing_B=missing_B,
    )


def _are(scores: PartScores, holds: Callable[[str], bool]) -> Bools:
    """(B,) whether something holds of the reason why a response has no value, "" where it has."""
    return np.array([holds(reason) for reason in scores.reasons], dtype=bool)


def _of_others(paid: Mapping[str, Array], lost: Mapping[str, Bools], group_B: Ints) -> Array:
    """(B,) what the parts that a response lost paid the others of its group, on average."""
    mean_B_K = filled(np.stack([*paid.values()], axis=1), group_B)
    lost_B_K = np.stack([lost[name] for name in paid], axis=1)
    return np.asarray(np.where(lost_B_K, mean_B_K, 0.0).sum(1))


def _reasons(own: Mapping[str, PartScores]) -> Counter[str]:
    pairs = ((name, reason) for name, scores in own.items() for reason in scores.reasons)
    return Counter(f"{name}: {reason}" for name, reason in pairs if reason not in FINE)


def _warnings(parts: Sequence[Part], own: Mapping[str, PartScores]) -> dict[str, str]:
    found = {}
    for part in parts:
        taken = own[part.name].statistics
        if taken is not None and (warning := spread_warning(part.transforms, taken)):
            found[f"no spread to divide by: {part.name}"] = warning
    return found


def differing(
    rewards: Rewards, group_B: Ints, what: Literal["total", "steps", "raw"] = "total"
) -> list[int]:
    """Groups of which at least two scored responses differ: in what they earn in all, in what they
    or any of their steps earn, or in what the scorers gave, before any transform."""
    columns: list[Sequence[Sequence[float]]] = [[[one] for one in rewards.learned_B.tolist()]]
    if what == "steps":
        ends = zip(rewards.process_B_T, rewards.ends_B_T, strict=True)
        columns.append([paid_T[ends_T].tolist() for paid_T, ends_T in ends])
    elif what == "raw":
        columns = [*rewards.raw.values()]
    found = []
    for g in np.unique(group_B).tolist():
        members = np.flatnonzero((group_B == g) & rewards.scored_B).tolist()
        # What a part could not score is no difference.
        known = ([rows[b] for b in members if len(rows[b])] for rows in columns)
        if any(_differ(rows) for rows in known if rows):
            found.append(g)
    return found


def _differ(rows: Sequence[Sequence[float]]) -> bool:
    first, *others = rows
    return any(
        len(row) != len(first) or not np.allclose(row, first, rtol=0, atol=ALIKE) for row in others
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
