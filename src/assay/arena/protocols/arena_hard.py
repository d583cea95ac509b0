"""Arena-Hard (arXiv:2406.11939): every model against its category's baseline, in both orders.

The score is the mean of points against the baseline, a ">>" counting three times, with an interval
by prompt: Arena-Hard resamples the games, of which a prompt has two and a ">>" three copies, takes
the 5th and 95th percentile, and so prints intervals that are much too narrow. Style control fits
Bradley-Terry with length and density of markdown (`style`, "arena_hard"), and the score is the
sigmoid of the difference from the baseline.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy.special import expit

from assay import stats
from assay.arena.ballots import Ballot, collected
from assay.arena.bradley_terry import fit
from assay.arena.intervals import covariance, difference
from assay.arena.layouts import arena_hard
from assay.arena.layouts.arena_hard import BASELINES
from assay.arena.style import MEASURES, controlled, measured
from assay.arena.votes import Votes
from assay.data import fields
from assay.errors import DataError
from assay.stats import Estimate

__all__ = ["BASELINES", "measures_of", "scores", "style_controlled", "votes_of"]

STATED: Final = ("token_len", "header_count", "list_count", "bold_count")
Measures = Mapping[tuple[str, str], tuple[float, ...]]


def measures_of(answers: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[float, ...]]:
    """Return length, headers, lists and bold texts of each answer by (uid, model): those that its
    `metadata` states, or those of its text, {uid, model, messages, metadata?}."""
    found = {}
    for row in answers:
        stated = row.get("metadata")
        if isinstance(stated, Mapping) and set(STATED) <= stated.keys():
            sums = (stated[name] for name in STATED)
            counts = tuple(
                float(sum(each.values()) if isinstance(each, Mapping) else each) for each in sums
            )
        else:
            said = fields.value(row, "messages")[-1]["content"]
            counts = measured(said["answer"] if isinstance(said, Mapping) else str(said))
        found[str(row.get("uid", row.get("question_id"))), fields.text(row, "model")] = counts
    return found


def votes_of(
    judgments: Iterable[Mapping[str, Any]], category: str, measures: Measures | None = None
) -> Votes:
    """Return the votes of a category, with measures of the answers where they are given.

    An answer that was not measured leaves its votes out, counted.
    """
    return collected(_ballots(judgments, category, measures))


def _ballots(
    judgments: Iterable[Mapping[str, Any]], category: str, measures: Measures | None
) -> Iterator[Ballot]:
    nothing = (float("nan"),) * len(MEASURES)
    for row in judgments:
        if row.get("category", category) != category:
            continue
        for each in arena_hard.ballots({**row, "category": category}):
            if measures is None:
                yield each
                continue
            first, second = (
                measures.get((str(each.cluster), str(player)), nothing)
                for player in (each.first, each.second)
            )
            pairs = zip(first, second, strict=True)
            yield replace(each, measures=dict(zip(MEASURES, pairs, strict=True)))


def scores(votes: Votes, baseline: str) -> dict[str, Estimate]:
    """Return each model's share of points against the baseline, by prompt; votes of weight 3 count
    three times. Raises `DataError` where nobody met the baseline."""
    at = _code(votes, baseline)
    found = {}
    clusters = np.arange(len(votes)) if votes.cluster is None else votes.cluster
    copies = np.rint(votes.weights).astype(np.intp)
    for code, player in enumerate(votes.players):
        first = (votes.first == code) & (votes.second == at)
        met = first | ((votes.second == code) & (votes.first == at))
        if code == at or not met.any():
            continue
        points = np.where(first, votes.points, 1 - votes.points)
        found[player] = stats.proportion(
            np.repeat(points[met], copies[met]),
            clusters=np.repeat(clusters[met], copies[met]).tolist(),
        )
    return found


def style_controlled(votes: Votes, baseline: str) -> dict[str, Estimate]:
    """Return each model's score at equal style: sigmoid(r_model - r_baseline), by prompt.

    Raises `ConfigError` for votes without measures.
    """
    at = _code(votes, baseline)
    made = fit(controlled(votes, how="arena_hard"))
    spread = covariance(made, controlled(votes, how="arena_hard"))
    found = {}
    for code, player in enumerate(votes.players):
        if code == at:
            continue
        gap = difference(made, spread, code, at)
        value, low, high = (float(expit(x)) for x in (gap.value, gap.low, gap.high))
        found[player] = Estimate(value=value, low=low, high=high, n=gap.n)
    return found


def _code(votes: Votes, baseline: str) -> int:
    if baseline not in votes.players:
        raise DataError(
            f"nobody met the baseline {baseline!r}; the votes are on"
            f" {', '.join(votes.players[:20]) or 'nobody'}"
        )
    return votes.players.index(baseline)
