"""A table of votes: a column each for the two players and the outcome, and more where there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from assay.arena.ballots import Ballot, outcome_of, winner_of
from assay.arena.votes import Votes
from assay.data import fields
from assay.errors import ConfigError, DataError

__all__ = ["KNOWN", "Table", "ballots", "matches", "rows"]

KNOWN: Final = {
    "first": ("first", "model_a", "left", "player_a", "a"),
    "second": ("second", "model_b", "right", "player_b", "b"),
    "outcome": ("outcome", "winner", "result", "preference"),
    "cluster": ("cluster", "prompt", "question_id", "prompt_id"),
    "judge": ("judge", "worker", "annotator"),
    "weight": ("weight",),
}
"""Columns that each part is looked for in, the first that is there."""
COVARIATE: Final = "covariate_"
SIDES: Final = ("_first", "_second")
MEASURE: Final = "measure_"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Which column is what; parts that are not named are looked for."""

    columns: Mapping[str, str] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := set(self.columns) - set(KNOWN):
            raise ConfigError(
                f"a vote has no part {', '.join(sorted(unknown))}; there is {', '.join(KNOWN)}"
            )

    def ballots(self, row: Mapping[str, Any]) -> Iterator[Ballot]:
        """One vote a row."""
        said = {part: self._value(row, part) for part in KNOWN}
        weight = said["weight"]
        yield Ballot(
            first=_name(said["first"]),
            second=_name(said["second"]),
            outcome=outcome_of(said["outcome"], "outcome", (said["first"], said["second"])),
            weight=1.0 if weight is None else _number(weight),
            cluster=None if said["cluster"] is None else str(said["cluster"]),
            judge=_name(said["judge"]),
            covariates={
                name.removeprefix(COVARIATE): _number(row.get(name))
                for name in (*self.covariates, *(n for n in row if n.startswith(COVARIATE)))
            },
            measures={
                stem.removeprefix(MEASURE): (_number(row[name]), _number(row[stem + SIDES[1]]))
                for name in row
                if name.startswith(MEASURE)
                and name.endswith(SIDES[0])
                and (stem := name.removesuffix(SIDES[0])) + SIDES[1] in row
            },
        )

    def _value(self, row: Mapping[str, Any], part: str) -> Any:
        if name := self.columns.get(part):
            return fields.value(row, name)
        there = [name for name in KNOWN[part] if name in row]
        # Of a table, an empty cell is null, and another column may have what it lacks.
        found = next((name for name in there if row[name] is not None), next(iter(there), None))
        if found is None and part in ("first", "second", "outcome"):
            raise DataError(
                f"no column says the {part} ({', '.join(KNOWN[part])}); the row has"
                f" {', '.join(row)}; where that is in another column name it (--columns"
                f" {part}=NAME), and leave out rows in which it is empty"
            )
        return None if found is None else row[found]


def matches(row: Mapping[str, Any]) -> bool:
    """Two players and an outcome, by any of their known names."""
    return all(set(KNOWN[part]) & row.keys() for part in ("first", "second", "outcome"))


def ballots(row: Mapping[str, Any]) -> Iterator[Ballot]:
    """One vote a row, its columns looked for."""
    return Table().ballots(row)


def rows(votes: Votes) -> Iterator[dict[str, Any]]:
    """Everything that votes hold."""
    for i in range(len(votes)):
        row: dict[str, Any] = {
            "first": votes.players[votes.first[i]],
            "second": votes.players[votes.second[i]],
            "outcome": winner_of(int(votes.outcome[i])),
        }
        if votes.weight is not None:
            row["weight"] = float(votes.weight[i])
        if votes.cluster is not None:
            row["cluster"] = int(votes.cluster[i])
        if votes.judge is not None:
            row["judge"] = votes.judges[votes.judge[i]]
        for j, name in enumerate(votes.covariate_names):
            row[COVARIATE + name] = float(votes.covariates[i, j])  # type: ignore[index]
        for j, name in enumerate(votes.measure_names):
            for side in (0, 1):
                value = float(votes.measures[i, j, side])  # type: ignore[index]
                row[MEASURE + name + SIDES[side]] = value
        yield row


def _name(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float:
    """A number; NaN, which is left out and counted, where there is none."""
    try:
        return fields.amount(value, "number")
    except DataError:
        return float("nan")
