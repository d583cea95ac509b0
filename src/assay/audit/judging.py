"""What a judge of pairs is asked beside probes: place, itself, names and scores given before."""

from collections.abc import Sequence
from typing import Final

from assay.audit.direct import from_bias
from assay.audit.findings import Finding, withstood
from assay.data.records import cluster_key
from assay.evaluation.judges import position, probes
from assay.evaluation.judges.findings import bias
from assay.evaluation.judges.pairs import outcome, pairs_of
from assay.evaluation.judges.probes import PROBES
from assay.protocols import Judge
from assay.questions import Comparison
from assay.stats.regression import one_sample
from assay.types import Group, Unscored

__all__ = ["judged"]

SMALLEST: Final = 0.1
ASKED: Final = tuple(one for one in PROBES if one.name.startswith(("anchor/", "name/")))
"""Texts that no probe of single responses has, for they are put on both sides of a pair."""


def judged(judge: Judge, pairs: Sequence[Group]) -> list[Finding]:
    """Ask a judge about pairs, about a response against itself, and with texts around responses.

    Raises `DataError` for groups of another size than two.
    """
    said = judge.compare(pairs)
    table = pairs_of(pairs, said)
    keys = [
        cluster_key(p) for p, one in zip(pairs, said, strict=True) if not isinstance(one, Unscored)
    ]
    same = outcome(table.sides[table.both])
    kept = [key for key, both in zip(keys, table.both, strict=True) if both]
    held = withstood([float(x) for x in same[:, 0] == same[:, 1]], kept)
    found = [from_bias(row, held=held) for row in position.rows(table, SMALLEST)]
    found.append(_itself(judge, pairs))
    return found + [from_bias(row) for row in probes.pairs(judge, pairs, ASKED, SMALLEST)]


def _itself(judge: Judge, pairs: Sequence[Group]) -> Finding:
    """How far verdicts on a response and itself are from a tie, order by order."""
    twice = [Group(prompt=p.prompt, responses=(p.responses[0],) * 2) for p in pairs]
    rows = [
        (_decided(said), cluster_key(pair))
        for pair, said in zip(pairs, judge.compare(twice), strict=True)
        if isinstance(said, Comparison)
    ]
    values, keys = [x for x, _ in rows], [key for _, key in rows]
    found = one_sample(values, clusters=keys, unscored=len(pairs) - len(rows))
    meaning = "a response against itself: distance of the verdict from a tie"
    row = bias("position/identical", meaning, found, SMALLEST, within=1.0)
    return from_bias(row, held=withstood([1 - x for x in values], keys))


def _decided(said: Comparison) -> float:
    """0 for a tie in every game, 1 for a winner in every one."""
    games = [x for x in (game.prefer for game in said.games) if x is not None] or [said.prefer]
    return sum(abs(2 * x - 1) for x in games) / len(games)
