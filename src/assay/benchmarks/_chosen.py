"""Is what was chosen scored above what was rejected? What RewardBench, RM-Bench, JudgeBench and
others like them count: credits by subset, and weighted sums of the subsets' means."""

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from assay.benchmarks._pooled import Statistic, estimates, over
from assay.data import conversations, fields, sources
from assay.data.lines import Bad, Row
from assay.data.records import cluster_key
from assay.errors import ConfigError, DataError
from assay.evaluation.judges.features import markdown
from assay.stats import Estimate
from assay.stats.intervals import Array
from assay.types import Prompt, Ranking, Response, Score, Unscored

__all__ = [
    "Credits",
    "OnUnscored",
    "Judged",
    "accuracies",
    "baselines",
    "by_subset",
    "chosen_and_rejected",
    "means",
    "pair",
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
    subset: str = ""
    """The file's name where it is empty."""
    id: str = ""
    """The row's number where it is empty."""
    used: Sequence[str]
    """Columns that hold them."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What the prompt's `meta` holds besides the other columns."""


def pair(
    row: Rows, names: tuple[str, str], label: str, wins: tuple[object, object], **others: Any
) -> Judged:
    """Return the two responses of a row, in its order, which is that of others' scores.

    label: column that says which one is right, by one of `wins`. others: of `Judged`. Raises
    `DataError` where it says something else.
    """
    said = fields.value(row, label)
    if said not in wins:
        raise fields.wrong(label, " or ".join(map(repr, wins)), said)
    return Judged(
        responses=[fields.value(row, name) for name in names],
        right=[said == win for win in wins],
        used=names,
        **others,
    )


def chosen_and_rejected(row: Rows, subset: str) -> Judged:
    """Return the responses of a row {"chosen", "rejected", "id"}, one or several on each side."""
    sides = [fields.value(row, name) for name in ("chosen", "rejected")]
    # A list of messages is one conversation, and any other list one of responses.
    chosen, rejected = (
        side if isinstance(side, list) and not isinstance([*side, 0][0], dict) else [side]
        for side in sides
    )
    return Judged(
        responses=[*chosen, *rejected],
        right=[True] * len(chosen) + [False] * len(rejected),
        subset=subset,
        id=str(row.get("id", "")),
        used=("chosen", "rejected"),
    )


def read(
    data: Sequence[str],
    prompt: str,
    judged: Callable[[Rows], Judged | None],
    *,
    named: Callable[[str], str] = lambda path: Path(path).name.split(".")[0],
    regrouped: Callable[[Iterable[Row]], Iterable[Row]] = iter,
) -> list[Ranking]:
    """Read the records of some files, right responses being of grade 1 and others of grade 0.

    data: files, folders or data sets of the hub. prompt: column of the question. judged: None
    leaves a row out, with a warning that counts them. named: subset of a file, for rows that name
    none. regrouped: rows of records from those of a file. Ids are the subset and the row's own id,
    or its number where it has none. Raises `DataError` for a row that cannot be read, or an id that
    another has.
    """
    if not data:
        raise ConfigError(
            "data names no file; give the benchmark's files, a folder of them, or a data set of"
            " the hub"
        )
    found: dict[str, Ranking] = {}
    left_out = 0
    for source in data:
        number = -1
        for name, part in sources.parts(source, as_one=True):
            for at, row in enumerate(regrouped(map(_good, part))):
                number += 1
                try:
                    if (one := judged(row.value)) is None:
                        left_out += 1
                        continue
                    # Parts of one source may be shards of one subset.
                    id = one.id or str(number if one.subset else at)
                    record = _record(row.value, prompt, one, one.subset or named(name), id)
                except DataError as error:
                    raise DataError(f"{row.where}: {error}") from error
                if record.prompt.id in found:
                    raise DataError(
                        f"{row.where}: two rows have the id {record.prompt.id!r}; give each file"
                        " once"
                    )
                found[record.prompt.id] = record
    if not found:
        raise DataError(f"{', '.join(data)} holds no rows")
    if left_out:
        warnings.warn(f"{left_out} rows name no winner and were left out", stacklevel=3)
    return list(found.values())


def _good(row: Row | Bad) -> Row:
    if isinstance(row, Bad):
        row.raw.close()
        raise DataError(f"{row.where}: {row.error}")
    return row


def _record(row: Rows, prompt: str, judged: Judged, subset: str, id: str) -> Ranking:
    if len(set(judged.right)) < 2:
        raise DataError("it needs both right and wrong responses")
    messages = conversations.turns(row, prompt)
    meta = {**fields.rest(row, prompt, "id", *judged.used), **judged.more, "subset": subset}
    return fields.make(
        Ranking,
        prompt=fields.make(
            Prompt,
            messages=messages,
            id=f"{subset}/{id}",
            meta={**meta, "id": judged.id} if judged.id else meta,
        ),
        responses=tuple(
            value
            if isinstance(value, Response)
            else conversations.reply(value, messages, "response")
            for value in judged.responses
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


def by_subset(record: Ranking) -> tuple[str, str]:
    """Name what a record counts in: the accuracy of all, and its subset's."""
    return "accuracy", str(record.prompt.meta["subset"])


def accuracies(
    records: Sequence[Ranking],
    scores: Scores,
    on_unscored: OnUnscored,
    *,
    counted: Callable[[Ranking], Iterable[str]] = by_subset,
    over: Mapping[str, Sequence[str]] = MappingProxyType({}),
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    """Return shares of the records whose right responses are all above the wrong ones.

    Equal scores win nothing. counted: names of the shares that a record counts in. over: plain
    means of some of these, by name.
    """
    credits = []
    for record, (right, wrong) in zip(records, sides(records, scores, on_unscored), strict=True):
        won = math.nan if np.isnan(right).any() else float(right.min() > wrong.max())
        credits.append(dict.fromkeys(counted(record), won))
    asked = {name: dict.fromkeys(parts, 1 / len(parts)) for name, parts in over.items()}
    return means(
        credits,
        asked | {name: {name: 1.0} for credit in credits for name in credit},
        clusters=list(map(cluster_key, records)),
        resamples=resamples,
        seed=seed,
    )


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
    """Return the metrics of what needs no model, as "metric/baseline".

    random: uniform draws. longest and shortest: characters. most_markdown: items of lists, headers,
    bold texts and rows of tables. constant: all scores equal, which is worth what the benchmark
    gives to ties. oracle: the grades.
    """
    rng = np.random.default_rng(seed)
    lengths = [[float(len(r.text)) for r in record.responses] for record in records]
    values = {
        "random": [rng.random(len(row)).tolist() for row in lengths],
        "longest": lengths,
        "shortest": [[-x for x in row] for row in lengths],
        "most_markdown": [[float(markdown(r.text)) for r in one.responses] for one in records],
        "constant": [[0.0] * len(row) for row in lengths],
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
