"""Records of typed questions with the answers that they should have.

Three layouts are read, with questions as System One's requests have them ({id: {type: noul | choice
| score, instructions, criteria}}):

* typed-decisions (LocalLLaMA/typed-decisions): {state, questions, gold}, each a JSON text; gold is
  {id: {label, probabilities}}, the mean of a teacher's samples;
* NeMo AutoModel: {id, state, questions, answers: {id: option}, soft_labels?: {id: {option: p}},
  meta?}; options of a noul are "true" and "false", of a score "0", "1", ...;
* NeMo AutoModel, short: {state, question, type, options, label, soft_labels?, group?}.

A state that is no text becomes the JSON of it.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from assay.data import fields, sources
from assay.data.lines import Bad
from assay.errors import DataError
from assay.questions import Distribution, Option, Question, from_probabilities
from assay.types import Prompt, Record, Unscored

__all__ = ["Decisions", "decisions", "is_typed", "read_decisions"]

ROW = "id", "state", "questions", "gold", "answers", "soft_labels", "meta"
SHORT = "id", "state", "question", "type", "options", "label", "soft_labels"
TYPES = {"noul": "predicate", "predicate": "predicate", "choice": "choice", "score": "score"}

SHAPE = '{"happy": {"type": "noul", "instructions": "Is the user happy?"}}'
"""A question as a row has it, for errors."""

ANSWERS = Question.predicate("")


class Decisions(Record):
    """A state with questions on it, and what each should be answered."""

    prompt: Prompt
    questions: tuple[Question, ...]
    gold: tuple[Distribution | None, ...]
    """None = not known."""

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        sizes = [len(question.options) for question in self.questions]
        given = [None if one is None else len(one.probabilities) for one in self.gold]
        if len(given) != len(sizes) or any(
            n not in (None, size) for n, size in zip(given, sizes, strict=False)
        ):
            raise ValueError(f"gold of {given} options for questions of {sizes}")
        return self


def read_decisions(source: str) -> list[Decisions]:
    """Read the rows of a file, folder or hub data set. Raises `DataError` with the row's place."""
    found = []
    for row in sources.rows(source):
        if isinstance(row, Bad):
            with row.raw:
                raise DataError(f"{row.where}: {row.error}")
        try:
            found.append(decisions(row.value))
        except DataError as error:
            raise DataError(f"{row.where}: {error}") from error
    return found


def is_typed(row: Mapping[str, Any]) -> bool:
    """Return whether a row looks like one of typed questions."""
    return "state" in row and ("questions" in row or "question" in row)


def decisions(row: Mapping[str, Any]) -> Decisions:
    """Read a row of any of the layouts. Raises `DataError` that names the field."""
    if "questions" not in row and "question" in row:
        return _short(row)
    if isinstance(row.get("questions"), list):
        raise fields.wrong(
            "questions", f"an object of questions by name, {SHAPE}", row["questions"]
        )
    asked = _object(row, "questions")
    questions = {id: _question(one, id, f"questions.{id}") for id, one in asked.items()}
    soft: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    if "gold" in row:
        gold = {id: _object({"gold": one}, "gold") for id, one in _object(row, "gold").items()}
        soft = {id: one["probabilities"] for id, one in gold.items() if one.get("probabilities")}
        labels = {id: one["label"] for id, one in gold.items() if one.get("label") is not None}
    else:
        labels = _object(row, "answers") if row.get("answers") is not None else {}
        soft = _object(row, "soft_labels") if row.get("soft_labels") is not None else {}
    if astray := [id for id in (*labels, *soft) if id not in questions]:
        raise DataError(f"{astray[0]!r} has an answer, and is no question of this row")
    golds = tuple(_gold(one, soft.get(id), labels.get(id), id) for id, one in questions.items())
    more = {**fields.rest(row, *ROW), **fields.mapping({"meta": row.get("meta") or {}}, "meta")}
    return fields.make(
        Decisions, prompt=_prompt(row, more), questions=tuple(questions.values()), gold=golds
    )


def _short(row: Mapping[str, Any]) -> Decisions:
    """Read a row of one question."""
    given = row.get("options")
    asked = {"type": row.get("type"), "instructions": row["question"], "criteria": given}
    if asked["type"] in ("choice", None) and isinstance(given, list):
        asked |= {"type": "choice", "criteria": dict.fromkeys(given)}
    if asked["type"] == "noul" and isinstance(given, list):
        asked["criteria"] = None
    question = _question(asked, "", "question")
    gold = _gold(question, row.get("soft_labels"), row.get("label"), "label")
    prompt = _prompt(row, fields.rest(row, *SHORT))
    return fields.make(Decisions, prompt=prompt, questions=(question,), gold=(gold,))


def _object(row: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Read a field that is an object, or a text that is the JSON of one."""
    value = fields.value(row, field)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise DataError(f"field {field!r} is no JSON: {error}") from error
    return fields.mapping({field: value}, field)


def _text(value: object) -> str:
    """Return a text, or the JSON of what is none."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _prompt(row: Mapping[str, Any], more: Mapping[str, Any]) -> Prompt:
    text = _text(fields.value(row, "state"))
    return Prompt.of(text, id=str(row.get("id") or "")).model_copy(update={"meta": dict(more)})


def _question(given: object, name: str, place: str) -> Question:
    """Read a question of System One."""
    row = fields.mapping({place: given}, place)
    kind = TYPES.get(str(row.get("type")))
    if kind is None:
        raise fields.wrong(f"{place}.type", f"one of {', '.join(TYPES)}", row.get("type"))
    criteria = row.get("criteria")
    text = _text(row.get("instructions") or "")
    if kind == "predicate":
        means = fields.mapping({f"{place}.criteria": criteria or {}}, f"{place}.criteria")
        sides = {ANSWERS.place(key): _text(one or "") for key, one in means.items()}
        if None in sides:
            raise fields.wrong(f"{place}.criteria", "meanings of true and false", criteria)
        return Question.predicate(text, name=name, true=sides.get(0, ""), false=sides.get(1, ""))
    if kind == "choice":
        options = fields.mapping({f"{place}.criteria": criteria}, f"{place}.criteria").items()
        listed = [Option(name=key, description=_text(means or "")) for key, means in options]
    elif isinstance(criteria, list):
        listed = [Option(name=_text(level)) for level in criteria]
    else:
        raise fields.wrong(f"{place}.criteria", "a list of levels", criteria)
    return fields.make(Question, kind=kind, text=text, name=name, options=tuple(listed))


def _gold(question: Question, soft: Any, label: Any, id: str) -> Distribution | None:
    """Return the distribution that is given, else all on the label. Options that are not named have
    no probability, provided that the others sum to 1."""
    if soft is None and label is None:
        return None
    given = [(label, 1.0)] if soft is None else [*fields.mapping({id: soft}, id).items()]
    shares: dict[int, float] = {}
    for key, p in given:
        place = question.place(key)
        if place is None:
            names = ", ".join(option.text for option in question.options)
            raise DataError(f"{id}: {key!r} is no option; there is {names}")
        if place in shares:
            raise DataError(f"{id}: the option {question.options[place].text!r} comes twice")
        shares[place] = fields.number(p, id)
    found = from_probabilities([shares.get(i, 0.0) for i in range(len(question.options))])
    if isinstance(found, Unscored):
        raise DataError(f"{id}: {found.reason}")
    return found
