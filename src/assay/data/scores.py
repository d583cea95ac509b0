"""Files of scores that exist, read beside the responses that were scored.

`score_rows` says what a row may hold. Rows are matched by their texts (`prompt` and `response`), as
`assay score` numbers them, by `id` or `idx`, or, where they have none of these, by the order of the
data. Nothing is guessed: a row too few, twice, or of the wrong length is refused, with its line.
Rows of other data are left out.
"""

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, Final

from assay.data import conversations
from assay.data.lines import Row
from assay.data.score_rows import Scores, file_of, id_of, of_one, of_prompt, parsed, rows_of
from assay.errors import DataError
from assay.types import Group, Response, Score, Unscored

__all__ = ["file_of", "prompt_hash", "read_scores"]

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
    rows = list(rows_of(path))
    if not rows:
        raise DataError(f"{path} holds no scores")
    some = False
    for key_of, matched in (
        (_by_text, _responses_by_text),
        (_by_hash, _responses_by_hash),
        (id_of, _responses_by_id),
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
        bare = next(row for row in rows if id_of(row.value) is None)
        raise DataError(
            f"{bare.where}: no id, where other rows have one, or texts; give each row an id, or"
            " prompt and response"
        )
    return _in_order(str(path), rows, groups)


def _by_text(row: dict[str, Any]) -> tuple[str, str] | None:
    prompt, response = row.get("prompt"), row.get("response")
    if isinstance(prompt, list) and isinstance(response, str):
        turns = conversations.conversation(prompt, "prompt")
        return "\n\n".join(turn.content for turn in turns), response
    return (prompt, response) if isinstance(prompt, str) and isinstance(response, str) else None


def _by_hash(row: dict[str, Any]) -> str | None:
    numbered = "group" in row and isinstance(row.get("response"), int)
    return str(row.get("prompt")) if numbered else None


def _responses_by_text(
    path: str, known: dict[Hashable, list[Row]], groups: Sequence[Group]
) -> list[Scores]:
    """Match texts. One row serves all responses of one text where nothing else differs."""
    keys = [[(group.prompt.text, r.text) for r in group.responses] for group in groups]
    count = Counter(chain.from_iterable(keys))
    kinds: dict[tuple[str, str], set[Hashable]] = {}
    for row, group in zip(keys, groups, strict=True):
        for key, response in zip(row, group.responses, strict=True):
            kinds.setdefault(key, set()).add((group.prompt.shown, response.turns))
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
        if len(rows) < len(kinds[key]):
            raise DataError(
                f"{rows[-1].where}: {what} is that of {len(kinds[key])} trajectories or prompts"
                " that differ in messages, images or tools; give a row for each, in the data's"
                " order, or rows with ids and without texts"
            )
        if len(rows) not in (1, count[key]):
            raise DataError(
                f"{rows[-1].where}: {len(rows)} rows have {what}, and {count[key]} responses; give"
                " one, or as many"
            )
        return of_one(rows[min(at, len(rows) - 1)], response)

    return [
        [one(key, response) for key, response in zip(row, group.responses, strict=True)]
        for row, group in zip(keys, groups, strict=True)
    ]


def _responses_by_hash(
    path: str, known: dict[Hashable, list[Row]], groups: Sequence[Group]
) -> list[Scores]:
    """Take the scores of a prompt in the order in which the file has them: that of the data."""
    keys = [prompt_hash(group.prompt.text) for group in groups]
    count: Counter[str] = Counter()
    for key, group in zip(keys, groups, strict=True):
        count[key] += len(group.responses)
    for key, group in zip(keys, groups, strict=True):
        if len(known.get(key, ())) != count[key]:
            raise DataError(
                f"{path} has {len(known.get(key, ()))} scores for the {count[key]} responses to"
                f" prompt {_named(group)}; score the same data with `assay score`"
            )
    left = {key: iter(known[key]) for key in count}
    return [
        [of_one(next(left[key]), response) for response in group.responses]
        for key, group in zip(keys, groups, strict=True)
    ]


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
            f"{first.where}: no response of the data has the id {id_of(first.value)!r}; ids look"
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
            scores = list(chain.from_iterable(map(of_prompt, known[id], same)))
        else:
            whole = Group(prompt=same[0].prompt, responses=responses)
            scores = _by_row(known[id], whole)
        found[id] = iter(scores)
    return [
        list(islice(found[name], len(group.responses)))
        for name, group in zip(names, groups, strict=True)
    ]


def _by_row(rows: Sequence[Row], group: Group) -> Scores:
    """Read a row for each response to a prompt, or one row for all of them."""
    n, id = len(group.responses), group.prompt.id
    if len(rows) == 1:
        return of_prompt(rows[0], group)
    if len(rows) > n:
        raise _twice(rows[n], f"id {id!r}", rows[0])
    if len(rows) < n:
        raise DataError(
            f"{rows[-1].where}: {len(rows)} rows for the {n} responses to {id!r}; give one per"
            " response, or one with a list of all"
        )
    if all(isinstance(row.value.get("response"), str) for row in rows):
        known: dict[Hashable, list[Row]] = {}
        for row in rows:
            known.setdefault((group.prompt.text, row.value["response"]), []).append(row)
        return _responses_by_text(rows[0].where, known, [group])[0]
    for name in PLACES:
        places = [parsed(row.value.get(name)) for row in rows]
        if not all(isinstance(place, int) for place in places):
            continue
        order = sorted(range(n), key=places.__getitem__)
        for one, other in pairwise(order):
            if places[one] == places[other]:
                raise _twice(rows[other], f"response {places[one]} to {id!r}", rows[one])
        rows = [rows[i] for i in order]
        break
    return list(map(of_one, rows, group.responses))


def _in_order(path: str, rows: Sequence[Row], groups: Sequence[Group]) -> list[Scores]:
    """Take rows without a key in the order of the data: one per response, or one per record."""
    total = sum(len(group.responses) for group in groups)
    if len(rows) == total:
        left = iter(rows)
        return [[of_one(next(left), r) for r in group.responses] for group in groups]
    if len(rows) == len(groups):
        return list(map(of_prompt, rows, groups))
    raise DataError(
        f"{path}: {len(rows)} rows, without id or texts, for {total} responses in {len(groups)}"
        " records; give one per response, in the data's order, or rows with ids"
    )


def _named(group: Group) -> str:
    return repr(group.prompt.id or group.prompt.text[:60])


def _twice(row: Row, what: str, first: Row) -> DataError:
    return DataError(
        f"{row.where}: {what} was scored before, at {first.where}; give one row a response"
    )
