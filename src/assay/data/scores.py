"""Files of scores that exist, read beside the responses that were scored.

A row is of one response, or of all responses to a prompt, and holds

* a number: `value`, `score` or `reward`;
* a list: `scores`, `step_scores`, `rewards` or `steps`, with one number per step of the row's
  response, or one entry per response; `score_chosen` and `score_rejected` are such a list in two
  parts;
* `prediction`: the index of the first wrong step, -1 where there is none (ProcessBench);
* `scores` with `step_level_validity_labels`, or such scores (PRMBench), or with three probabilities
  per step (ReasonEval);
* null instead of a number, or `unscored`: it could not be scored, with a `reason` if there is one.

Rows are matched by their texts (`prompt` and `response`), as `assay score` numbers them, by `id` or
`idx`, or, where they have none of these, by the order of the data. Nothing is guessed: a row too
few, twice, or of the wrong length is refused, with its line. Rows of other data are left out.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

from assay.data import conversations, fields, sources
from assay.data.lines import Bad, Row
from assay.errors import DataError
from assay.types import Group, Preference, Response, Score, Unscored

__all__ = ["prompt_hash", "read_scores"]

T = TypeVar("T")
Scores = list[Score | Unscored]
NUMBERS: Final = ("value", "score", "reward")
LISTS: Final = ("scores", "step_scores", "rewards", "steps")
CHOSEN, REJECTED = ("score_chosen", "scores_chosen"), ("score_rejected", "scores_rejected")
KNOWN: Final = (*NUMBERS, *LISTS, *CHOSEN, "prediction", "unscored", "validity")
IDS: Final = ("id", "idx", "unique_id")
PLACES: Final = ("index", "response", "sample")
"""Columns that number the responses to a prompt."""


def prompt_hash(text: str) -> str:
    """Return what a file of scores names a prompt by: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_scores(path: str | Path, groups: Sequence[Group]) -> list[Scores]:
    """Read the scores of these responses, one per response, in their order.

    The path may be the folder of the run that wrote it. The groups are those of the data, in its
    order. Raises `DataError` where the file is no file of scores, lacks a response, holds one
    twice, or is of other texts.
    """
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"{path} holds no scores")
    some = False
    for key_of, matched in (
        (_by_text, _responses_by_text),
        (_by_hash, _responses_by_hash),
        (_by_id, _responses_by_id),
    ):
        keys = [key_of(row.value) for row in rows]
        some = some or any(key is not None for key in keys)
        if None in keys:
            continue
        known: dict[Hashable, list[Row]] = {}
        for key, row in zip(keys, rows, strict=True):
            known.setdefault(key, []).append(row)
        return matched(str(path), known, groups)
    if some:
        # By their order, rows with a key could be those of other responses.
        bare = next(row for row in rows if _by_id(row.value) is None)
        raise DataError(f"{bare.where}: no id, where other rows have one; give each row an id")
    return _in_order(str(path), rows, groups)


def _rows(path: str | Path) -> Iterator[Row]:
    for name, part in sources.parts(path):
        rows = []
        for row in part:
            if isinstance(row, Bad):
                with row.raw:
                    raise DataError(f"{row.where}: {row.error}")
            rows.append(row)
        if name.endswith(".parquet"):
            # A null there is read as a column that the row has not.
            there = {key for row in rows for key in row.value} & set(KNOWN)
            rows = [replace(row, value=dict.fromkeys(there) | row.value) for row in rows]
        yield from rows


def _by_text(row: dict[str, Any]) -> tuple[str, str] | None:
    prompt, response = row.get("prompt"), row.get("response")
    if isinstance(prompt, list) and isinstance(response, str):
        turns = conversations.conversation(prompt, "prompt")
        return "\n\n".join(turn.content for turn in turns), response
    return (prompt, response) if isinstance(prompt, str) and isinstance(response, str) else None


def _by_hash(row: dict[str, Any]) -> str | None:
    numbered = "group" in row and isinstance(row.get("response"), int)
    return str(row.get("prompt")) if numbered else None


def _by_id(row: dict[str, Any]) -> str | None:
    found = next((row[name] for name in IDS if row.get(name) not in (None, "")), None)
    return None if found is None else str(found)


def _responses_by_text(
    path: str, known: dict[Hashable, list[Row]], groups: Sequence[Group]
) -> list[Scores]:
    """Match texts. One row serves all responses of one text, for they are the same."""
    keys = [[(group.prompt.text, r.text) for r in group.responses] for group in groups]
    count = Counter(chain.from_iterable(keys))
    taken: Counter[tuple[str, str]] = Counter()

    def one(key: tuple[str, str], response: Response) -> Score | Unscored:
        rows, at, what = known.get(key, []), taken[key], f"the response {key[1][:60]!r}"
        taken[key] += 1
        if not rows:
            raise DataError(
                f"{path}: no row has {what} to prompt {key[0][:60]!r}; score the same data, or"
                " give rows with ids and without texts"
            )
        if len(rows) > count[key]:
            raise _twice(rows[count[key]], what, rows[0])
        if len(rows) not in (1, count[key]):
            raise DataError(
                f"{rows[-1].where}: {len(rows)} rows have {what}, and {count[key]} responses; give"
                " one, or as many"
            )
        return _of_one(rows[min(at, len(rows) - 1)], response)

    return [
        [one(key, response) for key, response in zip(row, group.responses, strict=True)]
        for row, group in zip(keys, groups, strict=True)
    ]


def _responses_by_hash(
    path: str, known: dict[Hashable, list[Row]], groups: Sequence[Group]
) -> list[Scores]:
    """Take the scores of a prompt in the order in which the file has them: that of the data."""
    left = {key: iter(rows) for key, rows in known.items()}
    found = []
    for group in groups:
        of_prompt = left.get(prompt_hash(group.prompt.text), iter(()))
        rows = list(islice(of_prompt, len(group.responses)))
        if len(rows) < len(group.responses):
            raise DataError(
                f"{path} has {len(rows)} scores for the {len(group.responses)} responses to prompt"
                f" {_named(group)}; score the same data with `assay score`"
            )
        found.append(list(map(_of_one, rows, group.responses)))
    return found


def _responses_by_id(
    path: str, known: dict[Hashable, list[Row]], groups: Sequence[Group]
) -> list[Scores]:
    """Match ids, or those that the data had before a benchmark named it anew.

    Records of one id are scored as one, in the order of the data.
    """
    names = [group.prompt.id for group in groups]
    if not known.keys() & set(names):
        own = [str(group.prompt.meta.get("id", "")) for group in groups]
        names = own if known.keys() & set(own) else names
    together: dict[str, list[Group]] = {}
    for name, group in zip(names, groups, strict=True):
        together.setdefault(name, []).append(group)
    if "" in together:
        raise DataError(
            f"{path} names responses by ids, and {len(together[''])} of {len(groups)} records have"
            " none; give rows with prompt and response, or without ids, in the data's order"
        )
    if not together.keys() & known.keys():
        (first, *_), *_ = known.values()
        raise DataError(
            f"{first.where}: no response of the data has the id {_by_id(first.value)!r}; ids look"
            f" like {groups[0].prompt.id!r}"
        )
    found = {}
    for id, same in together.items():
        if id not in known:
            raise DataError(
                f"{path}: {sum(map(len, known.values()))} rows for"
                f" {sum(len(group.responses) for group in groups)} responses, none for {id!r}; give"
                " every response a row, with null where it could not be scored"
            )
        responses = tuple(chain.from_iterable(group.responses for group in same))
        if len(known[id]) == len(same) < len(responses):
            scores = list(chain.from_iterable(map(_of_row, known[id], same)))
        else:
            whole = Group(prompt=same[0].prompt, responses=responses)
            scores = _of_prompt(known[id], whole)
        found[id] = iter(scores)
    return [
        list(islice(found[name], len(group.responses)))
        for name, group in zip(names, groups, strict=True)
    ]


def _of_prompt(rows: Sequence[Row], group: Group) -> Scores:
    """Read a row for each response to a prompt, or one row for all."""
    n, id = len(group.responses), group.prompt.id
    if len(rows) == 1:
        return _of_row(rows[0], group)
    if len(rows) > n:
        raise _twice(rows[n], f"id {id!r}", rows[0])
    if len(rows) < n:
        raise DataError(
            f"{rows[-1].where}: {len(rows)} rows for the {n} responses to {id!r}; give one per"
            " response, or one with a list of all"
        )
    place = next((p for p in PLACES if all(isinstance(r.value.get(p), int) for r in rows)), None)
    if place is not None:
        rows = sorted(rows, key=lambda row: int(row.value[place]))
        for one, other in pairwise(rows):
            if one.value[place] == other.value[place]:
                raise _twice(other, f"response {one.value[place]} to {id!r}", one)
    return list(map(_of_one, rows, group.responses))


def _in_order(path: str, rows: Sequence[Row], groups: Sequence[Group]) -> list[Scores]:
    """Take rows without a key in the order of the data: one per response, or one per record."""
    total = sum(len(group.responses) for group in groups)
    if len(rows) == total:
        left = iter(rows)
        return [[_of_one(next(left), r) for r in group.responses] for group in groups]
    if len(rows) == len(groups):
        return list(map(_of_row, rows, groups))
    raise DataError(
        f"{path}: {len(rows)} rows, without id or texts, for {total} responses in {len(groups)}"
        " records; give one per response, in the data's order, or rows with ids"
    )


def _of_row(row: Row, group: Group) -> Scores:
    """Read the scores of all responses to a prompt."""
    n = len(group.responses)
    if n == 1:
        return [_of_one(row, group.responses[0])]
    listed = _placed(row, lambda: _listed(row.value, group))
    listed = _number(row.value) if listed is None else listed
    if listed is None:
        return [Unscored(reason=_reason(row.value)) for _ in range(n)]
    if not isinstance(listed, list) or len(listed) != n:
        got = f"{len(listed)} scores" if isinstance(listed, list) else repr(listed)[:60]
        raise DataError(
            f"{row.where}: {got} for the {n} responses to {_named(group)}; give a list of one per"
            " response, in order"
        )
    return [
        _placed(row, partial(_score, row.value, each, response))
        for each, response in zip(listed, group.responses, strict=True)
    ]


def _of_one(row: Row, response: Response) -> Score | Unscored:
    """Read the score of a row's only response."""
    return _placed(row, lambda: _found(row.value, response))


def _placed(row: Row, make: Callable[[], T]) -> T:
    """Make something of a row; an error says where the row stands."""
    if not any(name in row.value for name in KNOWN):
        raise DataError(
            f"{row.where}: no column holds a score; there is {', '.join(row.value)}; call it"
            f" {' or '.join(NUMBERS)}, or scores for a list"
        )
    try:
        return make()
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error


def _found(row: dict[str, Any], response: Response) -> Score | Unscored:
    if row.get("unscored") not in (None, ""):
        return Unscored(reason=str(row["unscored"]))
    number, listed = _number(row), _listed(row)
    if number is None and listed is None and _parsed(row.get("prediction")) is not None:
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
    numbers = [_parsed(row[name]) for name in NUMBERS if name in row]
    return next((x for x in numbers if x is not None), None)


def _listed(row: dict[str, Any], group: Group | None = None) -> Any:
    """What a row lists: scores of steps, or of responses."""
    for name in LISTS:
        found = _parsed(row.get(name))
        if isinstance(found, dict):
            return _validity(found)
        # In rows of data, the texts of the steps may have that name.
        texts = name == "steps" and isinstance(found, list) and isinstance([*found, 0][0], str)
        if found is not None and not texts:
            return found
    sides = [[_parsed(row[name]) for name in part if name in row] for part in (CHOSEN, REJECTED)]
    if isinstance(group, Preference) and group.prefer < 0.5:
        sides.reverse()
    values = chain.from_iterable(sides)
    return [*chain.from_iterable(x if isinstance(x, list) else [x] for x in values)] or None


def _validity(found: dict[str, Any]) -> list[Any]:
    """Return what PRMBench's own programs judge of each step: its metrics are of these labels."""
    for name in ("step_level_validity_labels", "step_level_validity_scores"):
        if isinstance(listed := found.get(name), list):
            return [float(x) if isinstance(x, bool) else x for x in listed]
    raise DataError(f"field 'scores': no step_level_validity_labels; there is {', '.join(found)}")


def _score(row: dict[str, Any], value: Any, response: Response) -> Score | Unscored:
    """Read a number, the numbers of the steps, or null."""
    value = _parsed(value)
    if value is None:
        return Unscored(reason=_reason(row))
    if not isinstance(value, list):
        number = float(value) if isinstance(value, bool) else fields.number(value, "score")
        return fields.make(Score, value=number)
    steps = tuple(fields.number(_not_wrong(_parsed(x)), "scores") for x in value)
    # A text that nobody split may have scores of steps all the same.
    if not steps or len(steps) != len(response.steps) > 1:
        raise DataError(
            f"{len(steps)} scores for the {len(response.steps)} steps of"
            f" {_by_id(row) or response.text[:60]!r}; give one a step, in order"
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
    at, n = fields.index(_parsed(prediction), "prediction"), len(response.steps)
    if not -1 <= at < n:
        # No score of a step says this, and it is no "no error".
        return Unscored(reason="the prediction names a step that is not there")
    steps = tuple(float(i != at) for i in range(n))
    return Score(value=min(steps, default=1.0), steps=steps)


def _parsed(value: Any) -> Any:
    """Return a cell of a table as what it says: "0.5" is a number, "" is null."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError:
        return value


def _reason(row: dict[str, Any]) -> str:
    return str(row.get("reason") or "no scores in the file")


def _named(group: Group) -> str:
    return repr(group.prompt.id or group.prompt.text[:60])


def _twice(row: Row, what: str, first: Row) -> DataError:
    return DataError(
        f"{row.where}: {what} was scored before, at {first.where}; give one row a response"
    )
