"""What a row of a file of scores may hold, of one response or of all responses to a prompt:

* a number: `value`, `score` or `reward`;
* a list: `scores`, `step_scores`, `rewards` or `steps`, with one number per step of the row's
  response, or one entry per response; `score_chosen` and `score_rejected` are such a list in two
  parts, and so are `chosen` and `rejected` where they are numbers;
* `prediction`: the index of the first wrong step, -1 where there is none (ProcessBench);
* `scores` with `step_level_validity_labels`, or such scores (PRMBench), or with three probabilities
  per step (ReasonEval);
* `judgments`, each with a `decision` such as "A>B", the second of the other order (JudgeBench): a
  response scores the decisions for it;
* null instead of a number, or `unscored`: it could not be scored, with a `reason` if there is one.

Other names are told behind the file's: `scores.csv?score=reward_a&id=uid`. A file that is one
object of columns, each a list, is read as its rows (RewardBench's results).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from assay.data import fields, sources
from assay.data.lines import Bad, Row
from assay.errors import ConfigError, DataError
from assay.types import Group, Preference, Ranking, Response, Score, Unscored

__all__ = ["Scores", "file_of", "id_of", "of_one", "of_prompt", "parsed", "rows_of"]

T = TypeVar("T")
Scores = list[Score | Unscored]
NUMBERS: Final = ("value", "score", "reward")
LISTS: Final = ("scores", "step_scores", "rewards", "steps")
CHOSEN, REJECTED = ("score_chosen", "scores_chosen"), ("score_rejected", "scores_rejected")
KNOWN: Final = (*NUMBERS, *LISTS, *CHOSEN, "prediction", "judgments", "unscored", "validity")
IDS: Final = ("id", "idx", "unique_id", "pair_id")


def file_of(scores: str | Path) -> Path:
    """Return the file, or the folder, that scores are read from, without the names of columns."""
    path, _, query = str(scores).rpartition("?")
    return Path(path) if query and path and not Path(scores).exists() else Path(scores)


def rows_of(path: str | Path) -> Iterator[Row]:
    """Read the rows of a file of scores. Raises `DataError` for one that cannot be read."""
    file = file_of(path)
    names = dict(parse_qsl(str(path).removeprefix(f"{file}").removeprefix("?")))
    if unknown := names.keys() - {"score", "id"}:
        raise ConfigError(
            f"{path}: {', '.join(sorted(unknown))} is no option; there is score=COLUMN and"
            " id=COLUMN"
        )
    for _, part in sources.parts(file):
        rows = []
        for row in part:
            if isinstance(row, Bad):
                with row.raw:
                    raise DataError(f"{row.where}: {row.error}")
            rows.append(_named_anew(row, names) if names else _of_sides(row))
        # Of a table, a row has no column whose cell is empty or null.
        there = {key for row in rows if row.raw is None for key in row.value} & set(KNOWN)
        rows = [
            replace(row, value=dict.fromkeys(there) | row.value) if row.raw is None else row
            for row in rows
        ]
        yield from _turned(rows[0]) if len(rows) == 1 else rows


def _named_anew(row: Row, names: Mapping[str, str]) -> Row:
    """Return a row with the columns of these names in place of all that may hold scores or ids."""
    for column in names.values():
        if column not in row.value and row.raw is not None:
            raise DataError(
                f"{row.where}: there is no column {column!r}; there is {', '.join(row.value)}"
            )
    known = {*KNOWN, *REJECTED} if "score" in names else set()
    ids = set(IDS) if "id" in names else set()
    kept = {key: value for key, value in row.value.items() if key not in known | ids}
    return replace(row, value=kept | {key: row.value.get(name) for key, name in names.items()})


def _of_sides(row: Row) -> Row:
    """Return a row {chosen, rejected} of numbers under the names of scores."""
    sides = {"score_chosen": row.value.get("chosen"), "score_rejected": row.value.get("rejected")}
    if {"chosen", "rejected"} <= row.value.keys() and all(map(_numeric, sides.values())):
        return replace(row, value=sides | row.value)
    return row


def _numeric(value: object) -> bool:
    """Tell scores from texts of responses."""
    if isinstance(value, list):
        return all(map(_numeric, value))
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _turned(row: Row) -> list[Row]:
    """Return the rows of a file that is one object of columns, as RewardBench's results are."""
    columns = {key: value for key, value in row.value.items() if isinstance(value, list)}
    lengths = {len(value) for value in columns.values()}
    if not columns.keys() & set(IDS) or len(lengths) != 1:
        return [row]
    return [
        Row(dict(zip(columns, values, strict=True)), f"{row.where}[{i}]")
        for i, values in enumerate(zip(*columns.values(), strict=True))
    ]


def id_of(row: Mapping[str, Any]) -> str | None:
    """Return the id of a row's response, or prompt; None where it has none."""
    found = next((row[name] for name in IDS if row.get(name) not in (None, "")), None)
    return None if found is None else str(found)


def of_prompt(row: Row, group: Group) -> Scores:
    """Return the scores of all responses to a prompt."""
    n = len(group.responses)
    if n == 1:
        return [of_one(row, group.responses[0])]
    listed = _placed(row, lambda: _listed(row.value, group))
    listed = _number(row.value) if listed is None else listed
    if listed is None:
        return [Unscored(reason=_reason(row.value)) for _ in range(n)]
    if not isinstance(listed, list) or len(listed) != n:
        got = f"{len(listed)} scores" if isinstance(listed, list) else repr(listed)[:60]
        raise DataError(
            f"{row.where}: {got} for the {n} responses to"
            f" {group.prompt.id or group.prompt.text[:60]!r}; give a list of one per response, in"
            " order"
        )
    return [
        _placed(row, partial(_score, row.value, each, response))
        for each, response in zip(listed, group.responses, strict=True)
    ]


def of_one(row: Row, response: Response) -> Score | Unscored:
    """Return the score of a row's only response."""
    return _placed(row, lambda: _found(row.value, response))


def _placed(row: Row, make: Callable[[], T]) -> T:
    """Make something of a row; an error says where the row stands."""
    if not any(name in row.value for name in KNOWN):
        raise DataError(
            f"{row.where}: no column holds a score; there is {', '.join(row.value)}; call it"
            f" {' or '.join(NUMBERS)}, or scores for a list, or name it: FILE?score=COLUMN"
        )
    try:
        return make()
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error


def _found(row: dict[str, Any], response: Response) -> Score | Unscored:
    if row.get("unscored") not in (None, ""):
        return Unscored(reason=str(row["unscored"]))
    number, listed = _number(row), _listed(row)
    if number is None and listed is None and parsed(row.get("prediction")) is not None:
        return _predicted(row["prediction"], response)
    if number is None or isinstance(number, list):
        return _score(row, listed if number is None else number, response)
    score = _score(row, number, response)
    if isinstance(score, Unscored) or not isinstance(listed, list):
        return score
    steps = tuple(fields.number(x, "steps") for x in listed)
    return fields.make(Score, value=score.value, steps=steps)


def _number(row: dict[str, Any]) -> Any:
    """What a row has for its only number."""
    numbers = [parsed(row[name]) for name in NUMBERS if name in row]
    return next((x for x in numbers if x is not None), None)


def _listed(row: dict[str, Any], group: Group | None = None) -> Any:
    """What a row lists: scores of steps, or of responses."""
    for name in LISTS:
        found = parsed(row.get(name))
        if isinstance(found, dict):
            return _validity(found, str(id_of(row)))
        # In rows of data, the texts of the steps may have that name.
        texts = name == "steps" and isinstance(found, list) and isinstance([*found, 0][0], str)
        if found is not None and not texts:
            return found
    if isinstance(judgments := row.get("judgments"), list):
        return _decided(judgments)
    sides = [[parsed(row[name]) for name in part if name in row] for part in (CHOSEN, REJECTED)]
    if isinstance(group, Preference) and group.prefer < 0.5:
        sides.reverse()
    values = chain.from_iterable(sides)
    found = [*chain.from_iterable(x if isinstance(x, list) else [x] for x in values)]
    if isinstance(group, Ranking) and len(found) == len(group.grades) and {*group.grades} == {0, 1}:
        # Right responses need not come first in the data.
        order = sorted(range(len(found)), key=lambda i: -group.grades[i])
        found = [x for _, x in sorted(zip(order, found, strict=True))]
    return found or None


def _decided(judgments: list[Any]) -> list[int] | None:
    """Return how often each of two responses won; None where nothing was decided."""
    won = [0, 0]
    for order, judgment in enumerate(judgments):
        decision = judgment.get("decision") if isinstance(judgment, dict) else None
        if decision in ("A>B", "B>A"):
            won[(decision == "B>A") ^ (order % 2)] += 1
    return won if any(isinstance(j, dict) and j.get("decision") for j in judgments) else None


def _validity(found: dict[str, Any], id: str) -> list[Any]:
    """Return what PRMBench's own programs judge of each step: its metrics are of these labels.

    Of redundant and circular steps, who says what is redundant is not asked what is valid.
    """
    redundant = found.get("step_level_redundancy_labels")
    if isinstance(redundant, list) and id.startswith(("redundency", "circular")):
        return [float(not x) for x in redundant]
    for name in ("step_level_validity_labels", "step_level_validity_scores"):
        if isinstance(listed := found.get(name), list):
            return [float(x) if isinstance(x, bool) else x for x in listed]
    raise DataError(f"field 'scores': no step_level_validity_labels; there is {', '.join(found)}")


def _score(row: dict[str, Any], value: Any, response: Response) -> Score | Unscored:
    """Read a number, the numbers of the steps, or null."""
    value = parsed(value)
    if value is None:
        return Unscored(reason=_reason(row))
    if not isinstance(value, list):
        number = float(value) if isinstance(value, bool) else fields.number(value, "score")
        return fields.make(Score, value=number)
    steps = tuple(fields.number(_not_wrong(parsed(x)), "scores") for x in value)
    # A text that nobody split may have scores of steps all the same.
    if not steps or len(steps) != len(response.steps) > 1:
        raise DataError(
            f"{len(steps)} scores for the {len(response.steps)} steps of"
            f" {id_of(row) or response.text[:60]!r}; give one a step, in order"
        )
    return fields.make(Score, value=min(steps), steps=steps)


def _not_wrong(value: Any) -> Any:
    """Return ReasonEval's three probabilities of a step, wrong, neutral and right, as one."""
    if not isinstance(value, list) or len(value) != 3:
        return value
    wrong, *others = (fields.number(x, "scores") for x in value)
    return sum(others) if abs(wrong + sum(others) - 1) < 1e-3 else value


def _predicted(prediction: Any, response: Response) -> Score | Unscored:
    """Return a predicted first error as scores of steps: 0 there and 1 elsewhere."""
    at, n = fields.index(parsed(prediction), "prediction"), len(response.steps)
    if not -1 <= at < n:
        # No score of a step says this, and it is no "no error".
        return Unscored(reason="the prediction names a step that is not there")
    steps = tuple(float(i != at) for i in range(n))
    return Score(value=min(steps, default=1.0), steps=steps)


def parsed(value: Any) -> Any:
    """Return a cell of a table as what it says: "0.5" is a number, "" is null."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError:
        return value


def _reason(row: dict[str, Any]) -> str:
    return str(row.get("reason") or "no scores in the file")
