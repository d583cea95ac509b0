"""Rows as people write them: a prompt with its reference, with one response or with several."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, fields
from assay.errors import DataError
from assay.types import Group, Prompt, Ranking, Record, Response, StepLabels

__all__ = ["Plain"]

OTHERS: Final = frozenset(
    "type candidates chosen completion completions correct entry_point helpfulness"
    " instruction_id_list is_correct ranks rejected scores test_list".split()
)
"""Columns that are other layouts' marks beside a prompt."""
GRADES: Final = frozenset(("correctness", "labels", "ratings", "rewards"))
"""Columns that may be grades of several responses by another name."""


@dataclass(frozen=True, kw_only=True)
class Plain:
    """{prompt, response, label?} or {prompt, responses: [string], grades?: [number]} or {prompt,
    reference}.

    A label in [0, 1] is the whole response's. Any row may have a reference and an id; other columns
    are the response's, or the prompt's where there is none.
    """

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A prompt, something said of it, and no mark of another layout."""
        if "prompt" not in row or not OTHERS.isdisjoint(row):
            return False
        if "responses" in row and "grades" not in row and not GRADES.isdisjoint(row):
            return False
        said = not {"response", "responses", "reference"}.isdisjoint(row)
        return said or row.keys() <= {"prompt", "id", "tools"}

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record: an outcome label, a group, a ranking or a prompt."""
        turns, row = conversations.asked(row, "prompt")
        if row.get("reference") is not None:
            row = {**row, "reference": fields.reference(row["reference"])}
        if "responses" in row:
            yield _several(fields.prompt(turns, row, "prompt", "responses", "grades"), row)
            return
        if "response" not in row:
            yield fields.prompt(turns, row, "prompt")
            return
        if isinstance(row["response"], int) and "group" in row:
            raise DataError(
                "a line of scores without texts is no data; score with the texts (--texts)"
            )
        # A rubric says what a prompt asks for.
        known = {key: row[key] for key in ("id", "reference", "rubric", "tools") if key in row}
        prompt = fields.prompt(turns, known)
        more = fields.rest(row, "prompt", "response", "label", *known)
        response = conversations.reply(row["response"], turns, "response", meta=more)
        if "label" not in row:
            yield fields.make(Group, prompt=prompt, responses=(response,))
        elif not response.steps:
            raise DataError("field 'response': an empty response has no step to label")
        else:
            labels = (*(None,) * (len(response.steps) - 1), _label(row["label"]))
            yield fields.make(StepLabels, prompt=prompt, response=response, labels=labels)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Groups, rankings and prompts of unsplit responses, and labels of whole ones."""
        for record in records:
            kind: Any = type(record)
            if kind not in ROWS:
                raise DataError(
                    f"plain holds {', '.join(each.__name__ for each in ROWS)} records, not"
                    f" {kind.__name__}"
                )
            yield from fields.written(self, [record], kind, ROWS[kind])


def _several(prompt: Prompt, row: Mapping[str, Any]) -> Group:
    """A pool, which is a ranking where the row grades it."""
    found = fields.parsed(row["responses"])
    if not isinstance(found, list):
        raise fields.wrong("responses", "a list of responses", found)
    responses = tuple(
        conversations.reply(each, prompt.messages, f"responses.{i}") for i, each in enumerate(found)
    )
    if "grades" not in row:
        return fields.make(Group, prompt=prompt, responses=responses)
    values = fields.parsed(row["grades"])
    if not isinstance(values, list):
        raise DataError("field 'grades': expected a list with a number per response")
    grades = tuple(_number(value, f"grades.{i}") for i, value in enumerate(values))
    return fields.make(Ranking, prompt=prompt, responses=responses, grades=grades)


def _label(value: Any) -> float | None:
    return None if value is None else _number(value, "label")


def _number(value: Any, field: str) -> float:
    """A number; true is 1 and false is 0."""
    return float(value) if isinstance(value, bool) else fields.number(value, field)


def _start(prompt: Prompt) -> dict[str, Any]:
    return {
        "prompt": conversations.column(prompt.messages),
        **fields.columns(prompt),
    }


def _said(response: Response) -> str | list[dict[str, Any]]:
    return conversations.said(response, chat=False)


def _group(record: Group) -> dict[str, Any]:
    if len(record.responses) == 1 and not record.prompt.meta:
        (only,) = record.responses
        return {**_start(record.prompt), "response": _said(only), **only.meta}
    return {**_start(record.prompt), "responses": [_said(each) for each in record.responses]}


def _ranking(record: Ranking) -> dict[str, Any]:
    texts = [_said(each) for each in record.responses]
    return {**_start(record.prompt), "responses": texts, "grades": list(record.grades)}


def _outcome(record: StepLabels) -> dict[str, Any]:
    label = record.labels[-1] if record.labels else None
    response = record.response
    return {**_start(record.prompt), "response": _said(response), "label": label, **response.meta}


ROWS: Final[Mapping[Any, Callable[[Any], dict[str, Any]]]] = {
    Group: _group,
    Ranking: _ranking,
    StepLabels: _outcome,
    Prompt: _start,
}
