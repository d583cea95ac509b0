"""Rubrics as others write them, told apart by their keys, as our record.

| layout             | keys                                                                       |
|--------------------|----------------------------------------------------------------------------|
| HealthBench, verl  | [{criterion, points, tags?}]                                               |
| RaR                | [{title, description, weight}]                                             |
| open-instruct      | {query, rubrics: [{description, weight, title?}]} or its JSON as a text;   |
|                    | description may be rubric_item or Ingredient, in one criterion or in all   |
| NeMo Gym, finance  | [{criteria, operator?, modifiers?: {severity, category}}]                  |
| autorubric         | [{requirement, weight?, name?, options?}], or under criteria, sections or  |
|                    | rubric                                                                     |
| verifiers          | {criteria: [{name, text, weight?, choices?}]}                              |
| PaperBench         | {id, requirements, weight, sub_tasks}                                      |
| plain weights      | [{criterion, weight, name?}] above 0, or under criteria: Σ w s / Σ w, as    |
|                    | nearly all have it; below 0 formulas differ, and these are refused         |
| OpenEnv, as data   | {type: WeightedSum, rubrics, weights}, {type: Gate, rubric},               |
|                    | {type: Sequential, rubrics}; inside {name, text}                           |
| this library's     | {criteria: [{id, text, points, ...}], normaliser?, ...}, or the list alone |
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from assay.data import fields
from assay.data.lines import STRICT
from assay.data.rubrics import nested
from assay.data.rubrics.record import Criterion, Rubric
from assay.errors import DataError, did_you_mean
from assay.types import Prompt

__all__ = ["KEY", "healthbench_rows", "required", "rubric_from", "rubric_of", "stored"]

KEY: Final = "rubric"
"""Where a prompt's `meta` has its rubric."""
MUST_PASS: Final = "must_pass"
TEXTS: Final = "description", "rubric_item", "Ingredient"
"""Names of open-instruct's texts."""

Row = Mapping[str, Any]


def rubric_of(prompt: Prompt) -> Rubric | None:
    """Return a prompt's own rubric, `meta["rubric"]`; None where it has none.

    Raises `DataError` naming the prompt where it is no rubric.
    """
    found = prompt.meta.get(KEY)
    if found is None:
        return None
    try:
        return rubric_from(found)
    except DataError as error:
        name = repr(prompt.id or prompt.text[:60])
        raise DataError(f"the rubric of prompt {name} cannot be used: {error}") from error


def required(prompt: Prompt) -> Rubric:
    """Return a prompt's own rubric. Raises `DataError` where it has none."""
    if (found := rubric_of(prompt)) is None:
        raise DataError(f"prompt {prompt.id!r} has no rubric in its meta")
    return found


def stored(rubric: Rubric) -> dict[str, Any]:
    """Return a rubric as a prompt's `meta` holds it: JSON, without what is empty."""
    return rubric.model_dump(mode="json")


def rubric_from(raw: Any, *, source: str = "") -> Rubric:
    """Read a rubric in any of the layouts above, each with the formula of its source.

    source: where it is from. Raises `DataError` where no layout fits, or the rubric is none.
    """
    if isinstance(raw, Rubric):
        return raw
    if isinstance(raw, str):
        try:
            raw = STRICT.decode(raw)
        except ValueError as error:
            raise DataError(f"the rubric is a text and no JSON: {error}") from error
    if _has(raw, "id", "text"):
        raw = {"criteria": raw}
    if isinstance(raw, Mapping) and (own := _our_own(raw)) is not None:
        return own if own.source or not source else own.model_copy(update={"source": source})
    if (read := _reader(raw)) is None:
        if _has(raw) and any({"id", "text"} & row.keys() for row in raw):
            raise nested.unread(raw)
        keys = sorted(raw) if isinstance(raw, Mapping) else _keys(raw)
        raise DataError(
            f"no rubric is known with {', '.join(map(_meant, keys)) or 'nothing'} in it; give"
            ' {"criteria": [{"id", "text", "points"}]}, or one of HealthBench, RaR, autorubric,'
            " verifiers, open-instruct, NeMo Gym, PaperBench"
        )
    return read(raw, source)


def _meant(key: object) -> str:
    """A key, and what it may be meant for."""
    known = {*nested.KEYS, *Rubric.model_fields}
    return f"{key}{'' if key in known else did_you_mean(str(key), known)}"


def _our_own(raw: Row) -> Rubric | None:
    criteria = raw.get("criteria")
    if not (isinstance(criteria, list) and _has(criteria, "id", "text")):
        return None
    _refuse_unknown(raw, Rubric, "the rubric")
    for i, row in enumerate(criteria, 1):
        _refuse_unknown(row, Criterion, f"criterion {i}")
    return fields.make(Rubric, **raw)


def _refuse_unknown(row: Row, record: type[Rubric] | type[Criterion], what: str) -> None:
    known = record.model_fields
    for key in row:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise DataError(f"{what} has no field {key!r}{hint}; there is {', '.join(known)}")


def _keys(raw: Any) -> list[str]:
    first = raw[0] if isinstance(raw, Sequence) and raw else None
    return sorted(first) if isinstance(first, Mapping) else [type(raw).__name__]


def _has(rows: Any, *keys: str) -> bool:
    """Whether all of a list are objects with these keys."""
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, Mapping) and {*keys} <= row.keys() for row in rows)
    )


def _reader(raw: Any) -> Callable[[Any, str], Rubric] | None:
    """What reads a rubric of these keys."""
    if isinstance(raw, Mapping):
        rows = raw.get("rubrics")
        if "requirements" in raw:
            return nested.paperbench
        if raw.get("type") in nested.CONTAINERS:
            return nested.openenv
        if _has(rows, "criterion", "points"):
            return lambda found, source: _healthbench(found["rubrics"], source)
        if (
            isinstance(rows, list)
            and _has(rows)
            and all(any(text in row for text in TEXTS) for row in rows)
        ):
            return _open_instruct
        if _has(raw.get("criteria"), "name", "text"):
            return nested.verifiers
        if _has(raw.get(KEY), "description", "weight"):
            return lambda found, source: _rar(found[KEY], source)
        if _is_weighted(raw.get("criteria")):
            return _weighted
        return nested.autorubric if raw.keys() & {"criteria", "sections", "rubric"} else None
    if _has(raw, "criteria") and all(isinstance(row["criteria"], str) for row in raw):
        return _finance
    for keys, read in LISTS:
        if _has(raw, *keys):
            return read
    if _is_weighted(raw):
        return _weighted
    rows = raw if isinstance(raw, list) else []
    return nested.autorubric if any(map(nested.is_autorubric, rows)) else None


def _healthbench(rows: Sequence[Row], source: str) -> Rubric:
    criteria = [
        fields.make(
            Criterion,
            id=f"c{i}",
            text=fields.text(row, "criterion"),
            points=fields.number(row["points"], "points"),
            tags=tuple(fields.texts(row, "tags")) if row.get("tags") else (),
        )
        for i, row in enumerate(rows, 1)
    ]
    return fields.make(Rubric, criteria=criteria, normaliser="healthbench", source=source)


def healthbench_rows(rubric: Rubric) -> list[dict[str, Any]]:
    """Return the criteria as HealthBench has them; what it cannot hold is lost."""
    return [
        {"criterion": c.text, "points": c.points, "tags": list(c.tags)} for c in rubric.criteria
    ]


def _rar(rows: Sequence[Row], source: str) -> Rubric:
    return fields.make(
        Rubric, criteria=_titled(rows, ("description",)), normaliser="rar", source=source
    )


def _is_weighted(rows: Any) -> bool:
    """Whether these are criteria with weights, and nothing that says whose they are."""
    plain = {"criterion", "weight", "name", "title"}
    return _has(rows, "criterion", "weight") and all(row.keys() <= plain for row in rows)


def _weighted(raw: Any, source: str) -> Rubric:
    rows, guidelines = raw, ""
    if isinstance(raw, Mapping):
        rows, guidelines = raw["criteria"], raw.get("guidelines") or ""
    criteria = _titled(rows, ("criterion",))
    if any(criterion.points < 0 for criterion in criteria):
        raise DataError(
            "a weight below 0 means one thing here and another there; say which: points instead of"
            " weight (HealthBench), or requirement instead of criterion (autorubric)"
        )
    return fields.make(
        Rubric, criteria=criteria, guidelines=guidelines, normaliser="autorubric", source=source
    )


def _open_instruct(raw: Row, source: str) -> Rubric:
    return fields.make(
        Rubric,
        criteria=_titled(raw["rubrics"], TEXTS),
        normaliser="open-instruct",
        source=source,
    )


def _titled(rows: Sequence[Row], texts: Sequence[str]) -> list[Criterion]:
    """Criteria with a title or name, which may stand twice: then they are numbered."""
    titles = [str(row.get("title") or row.get("name") or "") for row in rows]
    criteria = []
    for i, (row, title) in enumerate(zip(rows, titles, strict=True), 1):
        text = next((name for name in texts if row.get(name)), texts[0])
        alone = title and titles.count(title) == 1
        criteria.append(
            fields.make(
                Criterion,
                id=title if alone else f"{title or 'c'}{' ' * bool(title)}{i}",
                text=fields.text(row, text),
                points=fields.number(fields.value(row, "weight"), "weight"),
            )
        )
    return criteria


def _finance(rows: Sequence[Row], source: str) -> Rubric:
    criteria = []
    for i, row in enumerate(rows, 1):
        modifiers = fields.mapping(row, "modifiers") if row.get("modifiers") else {}
        # Others than "correctness" say what must not be there.
        if (operator := row.get("operator", "correctness")) not in ("correctness", "", None):
            raise fields.wrong("operator", '"correctness"', operator)
        criteria.append(
            fields.make(
                Criterion,
                id=f"c{i}",
                text=fields.text(row, "criteria"),
                points=fields.number(modifiers.get("severity", 1.0), "modifiers.severity"),
                veto=modifiers.get("category") == MUST_PASS,
            )
        )
    return fields.make(Rubric, criteria=criteria, normaliser="nemo-finance", source=source)


LISTS: Final[Sequence[tuple[tuple[str, ...], Callable[[Any, str], Rubric]]]] = (
    (("criterion", "points"), _healthbench),
    (("description", "weight"), _rar),
    (("name", "text"), nested.verifiers),
)
