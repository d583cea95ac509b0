"""Votes: who met whom, and who won, as columns.

Everything in the arena is computed from a `Votes`: ratings, intervals, designs, tournaments. What
could not be used is left out with its reason, and counted.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.stats.intervals import Array

__all__ = ["Codes", "Outcome", "Votes", "joined", "summary", "votes"]

Codes = NDArray[np.int32]


class Outcome(IntEnum):
    """What a vote says of its two players."""

    FIRST = 0
    SECOND = 1
    TIE = 2
    BOTH_BAD = 3
    """Nobody won, for both were bad: a tie in every rating."""


COLUMNS: Final = (
    "first", "second", "outcome", "weight", "cluster", "judge", "covariates", "measures",
)  # fmt: skip
POINTS: Final = np.array([1.0, 0.0, 0.5, 0.5])
NO_PLAYER: Final = "a player has no name"
SELF_PLAY: Final = "a player met itself"
NO_OUTCOME: Final = "the outcome is not known"
NOT_FINITE: Final = "a covariate or measure is NaN, infinite or beyond 1e100"
LARGEST: Final = 1e100
"""Largest number used, and its inverse the smallest weight: their squares are numbers yet."""
BAD_WEIGHT: Final = "the weight is not a number above 0 (1e-100 to 1e100)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Votes:
    """n votes on players 0..k-1, as columns.

    Raises `DataError` for columns that do not agree. `votes` makes it of names.
    """

    players: tuple[str, ...]
    """Name of each player, (k,)."""
    first: Codes
    """Player shown first, (n,)."""
    second: Codes
    """Player shown second, (n,)."""
    outcome: NDArray[np.int8]
    """An `Outcome` per vote, (n,)."""
    weight: Array | None = None
    """How many votes each one counts as, (n,); None where each counts once."""
    cluster: Codes | None = None
    """Prompt (or annotator) of each vote, as a code, (n,): votes of a cluster are not
    independent. None where each vote stands alone."""
    judge: Codes | None = None
    """Position in `judges` of who voted, (n,)."""
    judges: tuple[str, ...] = ()
    """Name of each judge or annotator."""
    covariates: Array | None = None
    """What enters a rating beside the two players, first less second, (n, c)."""
    covariate_names: tuple[str, ...] = ()
    """Name of each covariate, (c,)."""
    measures: Array | None = None
    """What was measured of each side, such as its length, (n, m, 2); `style` makes covariates of
    it."""
    measure_names: tuple[str, ...] = ()
    """Name of each measure, (m,)."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of votes that could not be used, by reason."""

    def __post_init__(self) -> None:
        n, k = len(self.first), len(self.players)
        if len(set(self.players)) < k:
            raise DataError("two players have one name; give each a name of its own")
        columns: dict[str, Any] = {
            "second": self.second,
            "outcome": self.outcome,
            "weight": self.weight,
            "cluster": self.cluster,
            "judge": self.judge,
            "covariates": self.covariates,
            "measures": self.measures,
        }
        for name, column in columns.items():
            if column is not None and len(column) != n:
                raise DataError(f"{name} has {len(column)} rows and first has {n}; give one a vote")
        for name, codes, size in (
            ("first", self.first, k),
            ("second", self.second, k),
            ("outcome", self.outcome, len(Outcome)),
            ("judge", self.judge, len(self.judges)),
        ):
            if codes is not None and n and not (codes.min() >= 0 and codes.max() < size):
                raise DataError(f"{name} must be codes from 0 to {size - 1}")
        if n and bool((self.first == self.second).any()):
            raise DataError(f"{SELF_PLAY}; make the value by `votes`, which leaves it out")
        if self.weight is not None and not _usable(self.weight).all():
            raise DataError(f"{BAD_WEIGHT}; make the value by `votes`, which leaves it out")
        _check_numbers("covariates", self.covariates, (n, len(self.covariate_names)))
        _check_numbers("measures", self.measures, (n, len(self.measure_names), 2))
        object.__setattr__(self, "left_out", MappingProxyType(dict(self.left_out)))

    def __len__(self) -> int:
        return len(self.first)

    @property
    def points(self) -> Array:
        """Points of the first player, (n,): 1 for a win, 1/2 for a tie of either kind, else 0."""
        return POINTS[self.outcome]

    @property
    def weights(self) -> Array:
        """How many votes each one counts as, (n,)."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def where(self, kept: NDArray[Any]) -> "Votes":
        """Return the votes of a mask or of positions; the players stay the same."""
        chosen: dict[str, Any] = {
            name: None if (column := getattr(self, name)) is None else column[kept]
            for name in COLUMNS
        }
        return replace(self, **chosen)

    def among(self, kept: Sequence[int] | NDArray[Any]) -> "Votes":
        """Return the votes between these players alone, who are coded anew in this order."""
        order = np.asarray(kept, dtype=np.intp)
        code = np.full(len(self.players), -1, dtype=np.int32)
        code[order] = np.arange(len(order), dtype=np.int32)
        inside = self.where((code[self.first] >= 0) & (code[self.second] >= 0))
        return replace(
            inside,
            players=tuple(self.players[i] for i in order),
            first=code[inside.first],
            second=code[inside.second],
        )

    def repeats(self) -> int:
        """Count votes that repeat one: the same judge, cluster, pair in the same order, outcome
        and covariates.

        0 where judges or clusters are not known, for then equal votes may be two people's.
        """
        if self.judge is None or self.cluster is None or not len(self):
            return 0
        columns: list[NDArray[Any]] = [self.first, self.second, self.outcome, self.judge]
        columns.append(self.cluster)
        if self.covariates is not None:
            columns.extend(self.covariates.T)
        order = np.lexsort(tuple(columns))
        same = np.ones(len(self) - 1, dtype=np.bool_)
        for column in columns:
            same &= column[order][1:] == column[order][:-1]
        return int(same.sum())


def votes(
    first: Sequence[str | None],
    second: Sequence[str | None],
    outcome: Sequence[Outcome | int | None],
    *,
    weight: ArrayLike | None = None,
    cluster: Sequence[Hashable] | None = None,
    judge: Sequence[str | None] | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    measures: Mapping[str, ArrayLike] | None = None,
    players: Sequence[str] | None = None,
) -> Votes:
    """Return votes from names, in which what cannot be used is left out and counted.

    first, second: names of players, (n,). outcome: of each vote, None where it is not known.
    cluster: what votes share, a prompt or an annotator; one that is None stands alone. covariates:
    numbers (n,) by name, first less second. measures: numbers (n, 2) by name, of each side.
    players: names in the order of their codes; None takes them as they appear. Left out are votes
    of a player with itself, without a name, without an outcome, with a weight that is no number
    above 0 and with a covariate or a measure that is not finite. Raises `DataError` for columns of
    other lengths and for a player who is not among `players`.
    """
    n = len(first)
    given = {"second": second, "outcome": outcome, "cluster": cluster, "judge": judge}
    for name, column in given.items():
        if column is not None and len(column) != n:
            raise DataError(f"{name} has {len(column)} rows and first has {n}; give one a vote")
    codes = {name: i for i, name in enumerate(players or ())}
    if players is None:
        a, b = _coded(first, codes), _coded(second, codes)
    else:
        known = {*codes, None, ""}
        if unknown := next((x for x in (*first, *second) if x not in known), None):
            raise DataError(f"{unknown!r} is not among the players; give them all, or none")
        a, b = (_coded(side, codes) for side in (first, second))
    known_outcomes = {int(each) for each in Outcome}
    results = np.array([x if x in known_outcomes else -1 for x in outcome], dtype=np.int8)
    faults: list[tuple[str, NDArray[np.bool_]]] = [
        (NO_PLAYER, (a < 0) | (b < 0)),
        (SELF_PLAY, a == b),
        (NO_OUTCOME, results < 0),
    ]
    w = None if weight is None else np.asarray(weight, dtype=np.float64)
    if w is not None:
        faults.append((BAD_WEIGHT, ~_usable(w)))
    x = _stacked(covariates or {}, faults)
    sides = _stacked(measures or {}, faults)
    kept, counts = np.ones(n, dtype=np.bool_), {}
    for reason, fault in faults:
        if len(fault) != n:
            raise DataError(f"weights and covariates have {len(fault)} rows, and first has {n}")
        if count := int((fault & kept).sum()):
            counts[reason] = count
            kept &= ~fault
    judges: dict[str, int] = {}
    who = None if judge is None else _coded([x or "unnamed" for x in judge], judges)
    return Votes(
        players=tuple(codes),
        first=a[kept],
        second=b[kept],
        outcome=results[kept],
        weight=None if w is None else w[kept],
        cluster=None if cluster is None else _clusters(cluster)[kept],
        judge=None if who is None else who[kept],
        judges=tuple(judges),
        covariates=None if x is None else x[kept],
        covariate_names=tuple(covariates or ()),
        measures=None if sides is None else sides[kept],
        measure_names=tuple(measures or ()),
        left_out=counts,
    )


def _check_numbers(name: str, x: Array | None, shape: tuple[int, ...]) -> None:
    there = (shape[0], 0, *shape[2:]) if x is None else x.shape
    if there != shape:
        raise DataError(f"{name} have the shape {there}; their names ask for {shape}")
    if x is not None and not (np.abs(x) <= LARGEST).all():
        raise DataError(f"{name} must be finite; make the value by `votes`, which leaves them out")


def _usable(weight: Array) -> NDArray[np.bool_]:
    return (weight >= 1 / LARGEST) & (weight <= LARGEST)


def _stacked(
    named: Mapping[str, ArrayLike], faults: list[tuple[str, NDArray[np.bool_]]]
) -> Array | None:
    """Columns side by side, (n, c) or (n, c, 2); rows that are not finite are a fault."""
    if not named:
        return None
    x = np.stack([np.asarray(each, dtype=np.float64) for each in named.values()], axis=1)
    finite = np.asarray((np.abs(x.reshape(len(x), -1)) <= LARGEST).all(axis=1))
    faults.append((NOT_FINITE, ~finite))
    return x


def _coded(names: Iterable[str | None], codes: dict[str, int]) -> Codes:
    """A code per name, -1 where there is none; new names are added to `codes`."""
    return np.array(
        [codes.setdefault(name, len(codes)) if name else -1 for name in names], dtype=np.int32
    )


def _clusters(ids: Sequence[Hashable]) -> Codes:
    """A code per cluster, another one for each vote without."""
    codes: dict[Hashable, int] = {}
    return np.array(
        [codes.setdefault((i,) if x is None else x, len(codes)) for i, x in enumerate(ids)],
        dtype=np.int32,
    )


def joined(parts: Sequence[Votes]) -> Votes:
    """Return the votes of several sources as one: players and judges by name, clusters apart.

    Clusters of different parts are different. A part without judges is `unnamed`'s where another
    has them. Raises `DataError` where covariates differ.
    """
    if len({(part.covariate_names, part.measure_names) for part in parts}) > 1:
        raise DataError(
            "the sources have different covariates or measures; read them with the same ones"
        )
    players: dict[str, int] = {}
    judges: dict[str, int] = {}
    columns: dict[str, list[Any]] = {}
    counts: dict[str, int] = {}
    clusters = 0
    for part in parts:
        code = _coded(part.players, players)
        who = np.zeros(len(part), dtype=np.int32) if part.judge is None else part.judge
        names = ("unnamed",) if part.judge is None else part.judges
        own = np.arange(len(part), dtype=np.int32) if part.cluster is None else part.cluster
        for name, column in (
            ("first", code[part.first]),
            ("second", code[part.second]),
            ("outcome", part.outcome),
            ("weight", part.weights),
            ("cluster", own + clusters),
            ("judge", _coded(names, judges)[who]),
            ("covariates", part.covariates),
            ("measures", part.measures),
        ):
            columns.setdefault(name, []).append(column)
        clusters += int(own.max(initial=-1)) + 1
        for reason, count in part.left_out.items():
            counts[reason] = counts.get(reason, 0) + count
    has = {
        "weight": any(part.weight is not None for part in parts),
        "cluster": any(part.cluster is not None for part in parts),
        "judge": any(part.judge is not None for part in parts),
        "covariates": bool(parts and parts[0].covariate_names),
        "measures": bool(parts and parts[0].measure_names),
    }
    whole = {
        name: np.concatenate(column) for name, column in columns.items() if has.get(name, True)
    }
    return Votes(
        players=tuple(players),
        judges=tuple(judges) if has["judge"] else (),
        covariate_names=parts[0].covariate_names if parts else (),
        measure_names=parts[0].measure_names if parts else (),
        left_out=counts,
        **whole,
    )


def summary(votes: Votes) -> str:
    """Say how many votes there are, on how many players, and what was left out and why."""
    n, k = len(votes), len(votes.players)
    ties = int((votes.outcome >= Outcome.TIE).sum())
    lines = [f"{n:,} votes on {k} players, {ties:,} of them ties"]
    lines += [f"{count:,} left out: {why}" for why, count in votes.left_out.items()]
    if repeats := votes.repeats():
        lines.append(
            f"{repeats:,} repeat another vote of the same judge on the same pair and cluster;"
            " drop them, or take intervals by cluster"
        )
    return "; ".join(lines)
