"""Is what was chosen scored above what was rejected? What RewardBench, RM-Bench and JudgeBench
count: credits by subset, and weighted sums of the subsets' means."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.benchmarks._pooled import Statistic, estimates, over
from assay.data import conversations, fields, sources
from assay.data.lines import Bad
from assay.errors import ConfigError, DataError
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Prompt, Ranking, Score, Unscored

__all__ = [
    "Credits",
    "OnUnscored",
    "Judged",
    "baselines",
    "chosen_and_rejected",
    "means",
    "read",
    "sides",
    "validate",
]

Rows = Mapping[str, Any]
Scores = Sequence[Sequence[Score | Unscored]]
Metrics = Callable[[Sequence[Ranking], Scores], dict[str, Estimate]]
Credits = Mapping[str, float]
"""What a record earns, by the name of what it counts in; NaN where it could not be scored."""
OnUnscored = Literal["leave_out", "wrong"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A row's responses, in its order, and where the row belongs."""

    responses: Sequence[Any]
    right: Sequence[bool]
    """Which of them are right, or were chosen."""
    subset: str
    id: str
    used: Sequence[str]
    """Columns that hold them."""


def chosen_and_rejected(row: Rows, subset: str) -> Judged:
    """Return the responses of a row {"chosen", "rejected", "id"}, one or several on each side."""
    sides = [fields.value(row, name) for name in ("chosen", "rejected")]
    chosen, rejected = (side if isinstance(side, list) else [side] for side in sides)
    return Judged(
        responses=[*chosen, *rejected],
        right=[True] * len(chosen) + [False] * len(rejected),
        subset=subset,
        id=str(row.get("id", "")),
        used=("chosen", "rejected"),
    )


def read(data: Sequence[str], prompt: str, judged: Callable[[Rows], Judged]) -> list[Ranking]:
    """Read the records of some files, right responses being of grade 1 and others of grade 0.

    data: files, folders or data sets of the hub. prompt: column of the question. Ids are the subset
    and the row's own id, or its number where it has none. Raises `DataError` for a row that cannot
    be read, or an id that another has.
    """
    if not data:
        raise ConfigError(
            "data names no file; give the benchmark's files, a folder of them, or a data set of"
            " the hub"
        )
    found: dict[str, Ranking] = {}
    for source in data:
        for number, row in enumerate(sources.rows(source)):
            if isinstance(row, Bad):
                row.raw.close()
                raise DataError(f"{row.where}: {row.error}")
            try:
                record = _record(row.value, prompt, judged(row.value), number)
            except DataError as error:
                raise DataError(f"{row.where}: {error}") from error
            if record.prompt.id in found:
                raise DataError(
                    f"{row.where}: two rows have the id {record.prompt.id!r}; give each file once"
                )
            found[record.prompt.id] = record
    if not found:
        raise DataError(f"{', '.join(data)} holds no rows")
    return list(found.values())


def _record(row: Rows, prompt: str, judged: Judged, number: int) -> Ranking:
    if len(set(judged.right)) < 2:
        raise DataError("it needs both right and wrong responses")
    messages = conversations.turns(row, prompt)
    meta = {**fields.rest(row, prompt, "id", *judged.used), "subset": judged.subset}
    return fields.make(
        Ranking,
        prompt=fields.make(
            Prompt,
            messages=messages,
            id=f"{judged.subset}/{judged.id or number}",
            meta={**meta, "id": judged.id} if judged.id else meta,
        ),
        responses=tuple(
            conversations.reply(value, messages, "response") for value in judged.responses
        ),
        grades=tuple(map(float, judged.right)),
    )


def sides(
    records: Sequence[Ranking], scores: Scores, on_unscored: OnUnscored
) -> list[tuple[Array, Array]]:
    """Return the scores of each record's chosen and of its other responses.

    NaN where one of them is unscored; minus infinity for what was chosen where that is to be wrong.
    Raises `DataError` where records and scores do not fit together.
    """
    if not records:
        raise DataError("there is no record to measure")
    if len(scores) != len(records):
        raise DataError(
            f"{len(scores)} groups of scores for {len(records)} records; give one a record"
        )
    found = []
    for record, row in zip(records, scores, strict=True):
        if len(row) != len(record.responses):
            raise DataError(
                f"{record.prompt.id}: {len(row)} scores for {len(record.responses)} responses"
            )
        right = np.array(record.grades) > 0.5
        values = np.array([s.value if isinstance(s, Score) else np.nan for s in row])
        if np.isnan(values).any():
            lost = np.nan if on_unscored == "leave_out" else -np.inf
            values = np.where(right, lost, np.nan if np.isnan(lost) else 0.0)
        found.append((values[right], values[~right]))
    return found


def means(
    credits: Sequence[Credits],
    asked: Mapping[str, Mapping[str, float]],
    *,
    clusters: Sequence[str],
    resamples: int,
    seed: int,
    ends: tuple[float, float] = (0.0, 1.0),
) -> dict[str, Estimate]:
    """Return weighted sums of the mean credits, each with its interval.

    asked: what is asked for, as the weight of each name's mean. clusters: records that are
    resampled together. ends: the smallest and the largest possible value.
    """
    names = list(dict.fromkeys(name for credit in credits for name in credit))
    place = {name: i for i, name in enumerate(names)}
    width = len(names)
    columns = np.zeros((len(credits), 2 * width + len(asked)))
    unscored = np.zeros(len(credits), dtype=bool)
    for i, credit in enumerate(credits):
        unscored[i] = any(math.isnan(value) for value in credit.values())
        for name, value in credit.items():
            columns[i, [place[name], width + place[name]]] = value, 1.0
        for j, weights in enumerate(asked.values()):
            columns[i, 2 * width + j] = any(name in weights for name in credit)
    statistics = {
        name: _weighted([(place.get(key, -1), w) for key, w in weights.items()], width, j, ends)
        for j, (name, weights) in enumerate(asked.items())
    }
    return estimates(
        np.nan_to_num(columns),
        statistics,
        clusters=clusters,
        counted=~unscored,
        unscored=unscored,
        resamples=resamples,
        seed=seed,
    )


def _weighted(
    places: Sequence[tuple[int, float]], width: int, j: int, ends: tuple[float, float]
) -> Statistic:
    def formula(c: Array) -> Array:
        parts = [
            w * over(c[..., at], c[..., width + at]) if at >= 0 else np.full(c.shape[:-1], np.nan)
            for at, w in places
        ]
        return np.asarray(np.sum(parts, axis=0))

    there = tuple(width + at for at, w in places if at >= 0)
    return Statistic(formula=formula, base=2 * width + j, low=ends[0], high=ends[1], parts=there)


def baselines(metrics: Metrics, records: Sequence[Ranking], seed: int) -> dict[str, Estimate]:
    """Return the metrics of random scores, of lengths, and of the grades, as "metric/baseline"."""
    rng = np.random.default_rng(seed)
    lengths = [[float(len(r.text)) for r in record.responses] for record in records]
    values = {
        "random": [rng.random(len(row)).tolist() for row in lengths],
        "longest": lengths,
        "shortest": [[-x for x in row] for row in lengths],
        "oracle": [list(record.grades) for record in records],
    }
    return {
        f"{metric}/{name}": estimate
        for name, rows in values.items()
        for metric, estimate in metrics(records, _scored(rows)).items()
    }


def validate(metrics: Metrics, records: Sequence[Ranking], headline: str) -> None:
    """Raises `DataError` unless the grades give 1 or more and grades turned round give less."""
    rows = [list(record.grades) for record in records]
    turned = [[1 - x for x in row] for row in rows]
    best, worst = (metrics(records, _scored(x))[headline].value for x in (rows, turned))
    if not (best > 1 - 1e-9 and worst < 1):
        raise DataError(
            f"{headline} is {best:g} for the grades and {worst:g} for wrong ones, where 1 and less"
            " are due; give all parts of the benchmark"
        )


def _scored(rows: Sequence[Sequence[float]]) -> list[list[Score | Unscored]]:
    return [[Score(value=x) for x in row] for row in rows]
