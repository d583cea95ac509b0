"""Pools: many responses to each prompt, with their gold, their answers and their scores."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from assay.data import conversations, fields
from assay.data.records import as_groups, prompt_key
from assay.data.scores import read_scores
from assay.errors import DataError
from assay.stats import pad_pools
from assay.types import Group, Prompt, Ranking, Record, Response, Score, StepLabels, Unscored

__all__ = ["GOLD", "Pool", "matrix_of", "pool_of", "read_pool", "value_of"]

Array = NDArray[np.float64]

GOLD: Final = "gold"
"""Name of the gold reward among a pool's scores."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Responses to each of P prompts, up to N each, and what is known of them.

    Matrices are (P, N), NaN behind the shorter rows and where nothing is known.
    """

    groups: Sequence[Group]
    """Prompts with their responses."""
    gold: Sequence[Sequence[float] | None]
    """Gold reward of each response; None for a group whose records do not hold it."""
    answers: Sequence[Sequence[str | None]] | None = None
    """Canonical final answers; None where a text states no answer."""
    scores: Mapping[str, Sequence[Sequence[Score | Unscored]]] = field(default_factory=dict)
    """Scores of scorers, by name."""
    notes: Sequence[str] = ()
    """What a reader has to know of how the pool was read."""

    @property
    def graded(self) -> bool:
        """Whether the gold of every group is known."""
        return all(row is not None for row in self.gold)

    @property
    def grades(self) -> list[Sequence[float]]:
        """The gold of every response. Raises `DataError` where that of a group is not known."""
        known = [row for row in self.gold if row is not None]
        if len(known) < len(self.gold):
            raise DataError("the gold of some responses is not known; have them judged")
        return known

    @property
    def lengths(self) -> Array:
        """Characters of each response."""
        return pad_pools([[float(len(r.text)) for r in group.responses] for group in self.groups])

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Where a response has no text: nothing can be asked about it."""
        return np.asarray(self.lengths == 0.0)

    def judged(self, rows: Sequence[Sequence[Score | Unscored]]) -> "Pool":
        """Return the pool with the gold of the groups that had none, in order."""
        given = iter(rows)
        gold = [list(map(value_of, next(given))) if row is None else row for row in self.gold]
        return replace(self, gold=gold)

    def with_scores(self, name: str, rows: Sequence[Sequence[Score | Unscored]]) -> "Pool":
        """Return the pool with the scores of one scorer more."""
        return replace(self, scores={**self.scores, name: rows})

    def matrix(self, name: str = GOLD) -> Array:
        """Return the scores of a name: a scorer's, a column of the responses' `meta`, or the gold.

        Raises `DataError` where there are none, or one is no number.
        """
        if name in self.scores:
            return matrix_of(self.scores[name])
        if name == GOLD and self.graded:
            return pad_pools(self.grades)
        there = {key for group in self.groups for r in group.responses for key in r.meta if key}
        if name in there:
            return pad_pools([[_number(r, name) for r in group.responses] for group in self.groups])
        known = ", ".join(sorted({*self.scores, *there})) or "nothing"
        raise DataError(f"no response has {name!r}; there is {known}")


def value_of(score: Score | Unscored) -> float:
    """Return a score's value; NaN, which every statistic counts and leaves out, where there is
    none."""
    return score.value if isinstance(score, Score) else math.nan


def matrix_of(rows: Sequence[Sequence[Score | Unscored]]) -> Array:
    """Return scores as a matrix (P, N), NaN where one is unscored and behind the shorter rows."""
    return pad_pools([list(map(value_of, row)) for row in rows])


def pool_of(
    records: Iterable[Record],
    source: str = "the data",
    files: Mapping[str, str | Path] | None = None,
) -> Pool:
    """Return the pool that records make up.

    Groups stay as they are, and the grades of rankings are their gold. Step labels of one prompt
    become one group, whose gold is the last label of each. files: files of scores, by name. Raises
    `DataError` for what is no pool.
    """
    groups: list[Group] = []
    gold: list[list[float] | None] = []
    labelled: dict[str, int] = {}
    metas: dict[int, list[Mapping[str, Any]]] = {}
    places: list[int] = []
    records = list(records) if files else records
    for number, record in enumerate(records, 1):
        match record:
            case Ranking():
                groups.append(record)
                gold.append(list(record.grades))
            case Group() if type(record) is Group:
                groups.append(record)
                gold.append(None)
            case StepLabels():
                at = labelled.setdefault(prompt_key(record), len(groups))
                if at == len(groups):
                    groups.append(Group(prompt=record.prompt, responses=()))
                    gold.append([])
                where = f"{source}, record {number}"
                told = _told(groups[at].prompt, record.prompt.reference, where)
                together = (*groups[at].responses, record.response)
                groups[at] = Group(prompt=told, responses=together)
                metas.setdefault(at, []).append(record.prompt.meta)
                label = record.labels[-1] if record.labels else None
                gold[at] = [*(gold[at] or ()), math.nan if label is None else label]
                places.append(at)
                continue
            case _:
                raise DataError(
                    f"{source}: a {type(record).__name__} is no pool; give groups, rankings or"
                    " step labels (`assay eval` measures preferences)"
                )
        places.append(len(groups) - 1)
    if not any(group.responses for group in groups):
        raise DataError(f"{source} holds no response in any pool")
    for at, rows in metas.items():
        groups[at] = _with_own(groups[at], rows)
    scores = _scores(files, as_groups(records), places) if files else {}
    return Pool(groups=groups, gold=gold, scores=scores)


def _with_own(group: Group, rows: Sequence[Mapping[str, Any]]) -> Group:
    """Return a group whose responses hold what their rows say: columns that are not the same in
    all rows of the prompt are no columns of the prompt. rows: the prompt's `meta` in each."""
    keys = {key for row in rows for key in row}
    own = {key for key in keys if any(key not in r or r[key] != rows[0].get(key) for r in rows)}
    if not own:
        return group
    shared = {key: value for key, value in rows[0].items() if key not in own}
    responses = tuple(
        r.model_copy(update={"meta": {**{k: row[k] for k in row if k in own}, **r.meta}})
        for r, row in zip(group.responses, rows, strict=True)
    )
    prompt = group.prompt.model_copy(update={"meta": shared})
    return Group(prompt=prompt, responses=responses)


def _scores(
    files: Mapping[str, str | Path], given: Sequence[Group], places: Sequence[int]
) -> dict[str, list[list[Score | Unscored]]]:
    """Read the scores of what was given, and put them where its responses are in the pool."""
    found: dict[str, list[list[Score | Unscored]]] = {}
    for name, path in files.items():
        rows: list[list[Score | Unscored]] = [[] for _ in range(max(places) + 1)]
        for place, row in zip(places, read_scores(path, given), strict=True):
            rows[place] += row
        found[name] = rows
    return found


def read_pool(
    source: str,
    *,
    format: str | None = None,
    limit: int | None = None,
    columns: bool = False,
    files: Mapping[str, str | Path] | None = None,
) -> Pool:
    """Read a pool from a source of records, or of rows {"prompt", "response", NAME: number, ...},
    one per response; prompts without a response are left out.

    limit: most prompts. columns: whether scores are in the rows, whatever layout they look like.
    files: files of scores, by name. Raises `DataError` where the source is neither.
    """
    from assay.data import io, sources
    from assay.data.formats.assay import KINDS
    from assay.data.lines import Bad

    first = next(sources.rows(source), None)
    if isinstance(first, Bad):
        first.raw.close()
    is_record = (
        first is not None and not isinstance(first, Bad) and first.value.get("type") in KINDS
    )
    # Plain rows by name are rows, too: those of one prompt are a pool.
    if format in (None, "plain") and not is_record and (columns or _is_row(first)):
        whole = _rows(source, limit, files or {})
    else:
        whole = pool_of(io.read(source, format=format), source, files)
    spoken = (k for k, group in enumerate(whole.groups) if group.responses)
    kept = list(islice(spoken, limit))
    if not kept:
        raise DataError(f"{source} holds no response")
    return replace(
        whole,
        groups=[whole.groups[k] for k in kept],
        gold=[whole.gold[k] for k in kept],
        scores={name: [rows[k] for k in kept] for name, rows in whole.scores.items()},
    )


def _is_row(first: Any) -> bool:
    """Return whether a source begins with a row {"prompt", "response", ...}, and not with one of a
    known layout.

    Plain rows are such rows: here those of one prompt are a pool, and not one each. Where they are
    labelled, records hold the label, and become pools as step labels do.
    """
    from assay.data import layouts
    from assay.data.lines import Row

    if not isinstance(first, Row) or not {"prompt", "response"} <= first.value.keys():
        return False
    if isinstance(fields.parsed(first.value.get("label")), (bool, int, float)):
        return "reference" in first.value
    others = (name for name in layouts.names() if name != "plain")
    return not any(layouts.resolve(name).matches(first.value) for name in others)


def _rows(source: str, limit: int | None, files: Mapping[str, str | Path]) -> Pool:
    """Rows {"prompt": id or text, "response": text, NAME: number, ...}, one a response."""
    from assay.data import sources
    from assay.data.lines import Bad

    found: dict[str, list[Response]] = {}
    prompts: dict[str, Prompt] = {}
    given: list[Group] = []
    lax = 0
    for row in sources.rows(source):
        if isinstance(row, Bad):
            with row.raw:
                value, where = _lax(row), row.where
            lax += 1
        else:
            value, where = row.value, row.where
        prompt, text = value.get("prompt"), value.get("response")
        if (
            isinstance(prompt, bool)
            or not isinstance(prompt, (str, int))
            or not isinstance(text, (str, type(None)))
        ):
            raise DataError(
                f'{where}: a row is {{"prompt": an id or a text, "response": a text, NAME: a'
                f" number, ...}}; prompt is {prompt!r:.60}, response {text!r:.60}"
            )
        asked = _asked(value, where)
        key = asked.text
        if key not in prompts:
            if limit is not None and len(prompts) == limit:
                continue
            prompts[key] = asked
        prompts[key] = _told(prompts[key], asked.reference, where)
        used = ("prompt", "response", "reference", conversations.system(value) or "prompt")
        meta = {"": where, **fields.rest(value, *used)}
        response = Response(steps=() if text is None else (text,), meta=meta)
        found.setdefault(key, []).append(response)
        if files:
            named = prompts[key].model_copy(update={"id": str(value.get("id") or "")})
            given.append(Group(prompt=named, responses=(response,)))
    notes = [f"{lax} rows hold NaN, which is no JSON: such scores count as unscored"] if lax else []
    groups = [
        Group(prompt=prompts[key], responses=tuple(responses)) for key, responses in found.items()
    ]
    place = {key: k for k, key in enumerate(found)}
    scores = _scores(files, given, [place[group.prompt.text] for group in given])
    return Pool(groups=groups, gold=[None] * len(groups), notes=notes, scores=scores)


def _told(prompt: Prompt, reference: str | None, where: str) -> Prompt:
    """Return the prompt with the reference that its rows state. Raises `DataError` where one states
    another."""
    if reference is None or reference == prompt.reference:
        return prompt
    if prompt.reference is not None:
        raise DataError(
            f"{where}: the reference of prompt {prompt.id or prompt.text!r:.60} is"
            f" {reference!r:.60}, and {prompt.reference!r:.60} in a row before; give every prompt"
            " one reference, and prompts that differ their own texts"
        )
    return prompt.model_copy(update={"reference": reference})


def _asked(row: Mapping[str, Any], where: str) -> Prompt:
    """The prompt of a row, with its reference and the system message before it."""
    text, stated = f"{row['prompt']}", row.get("reference")
    try:
        reference = None if stated is None else fields.reference(stated)
        conversations.whole(text, row)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    prompt = Prompt.of(text, reference=reference)
    if name := conversations.system(row):
        messages = conversations.instructed(prompt.messages, row[name])
        prompt = prompt.model_copy(update={"messages": messages})
    return prompt


def _lax(row: Any) -> dict[str, Any]:
    """A row with NaN in it, as Python writes them."""
    from assay.data.lines import NOT_JSON

    if NOT_JSON not in row.error:
        raise DataError(f"{row.where}: {row.error}")
    try:
        value = json.loads(row.raw.read())
    except ValueError:
        raise DataError(f"{row.where}: {row.error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{row.where}: it is not an object")
    return value


def _number(response: Response, name: str) -> float:
    value = fields.parsed(response.meta.get(name))
    if value is None:
        return math.nan
    if isinstance(value, list) and value and all(isinstance(x, (int, float)) for x in value):
        # Scores of steps: the lowest, as everywhere where nothing else is asked for.
        value = min(value)
    if not isinstance(value, (int, float)):
        where = response.meta.get("", "a response's meta")
        raise DataError(
            f"{where}: {name!r} is {value!r:.60}; it must be a number, or null for unscored"
        )
    try:
        return float(value)
    except OverflowError:
        return math.inf
