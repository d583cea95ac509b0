"""TypeSafe's `POST /v1/systemone`: questions about a state by name, and an answer for every one.

After typesafe-sdk 0.7.5 (api.typesafe.ai/openapi.json). There is no word for a question that cannot
be answered, and an answer without it breaks the contract: such a request gets 422 with the names
and reasons. Other fields at the top are passed over, as the contract has it; within a question they
are refused. Counts of tokens have to be numbers: where they are not known they are 0, and `x_usage`
says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.answerers.answered import Answered
from assay.answerers.dialects.table import DIALECTS
from assay.questions import Option, Question
from assay.server.dialects import About, Refused, typed
from assay.server.dialects import schemas as s
from assay.types import Prompt, Unscored

__all__ = ["SYSTEM_ONE"]

KINDS: Final = {"noul": "predicate", "choice": "choice", "score": "score"}
UNASKED: Final = {
    "noul": "Which of the two descriptions fits?",
    "choice": "Which one fits best?",
    "score": "Which level fits best?",
}
"""What is asked where there are no instructions: the criteria say what it is about."""
LEVELS: Final = DIALECTS["systemone"].most_levels or 0
WRITTEN: Final = s.either(s.TEXT, s.OBJECT, s.many(s.ANY))
"""A text, or what is shown as JSON."""
QUESTION: Final = s.record(
    "type",
    type=s.one_of(*KINDS),
    instructions=s.nullable(WRITTEN),
    criteria=s.either(s.OBJECT, s.many(WRITTEN), {"type": "null"}),
)
REQUEST: Final = s.extended(
    s.request(
        "state questions",
        model=s.TEXT,
        state=WRITTEN,
        questions=s.by_name(QUESTION),
        assets={"enum": [None, [], {}], "description": "images are not read"},
    )
)
ANSWER: Final = s.record(
    "type",
    type=s.one_of(*KINDS),
    noul=s.NUMBER,
    choice=s.TEXT,
    legend=s.OBJECT,
    probabilities=s.by_name(s.NUMBER),
    **typed.OWN,
)
ERRORS: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def _read(body: Mapping[str, Any]) -> typed.Inquiry:
    body = s.taken(body, REQUEST)
    asked = body["questions"]
    typed.some(len(asked), "questions")
    return typed.Inquiry(
        state=Prompt.of(typed.written(body["state"], "state")),
        questions=tuple(_question(id, one, f"questions.{id}") for id, one in asked.items()),
        model=body.get("model", ""),
        settings={"criteria": {id: one.get("criteria") for id, one in asked.items()}},
    )


def _question(name: str, one: Mapping[str, Any], field: str) -> Question:
    kind, criteria, place = one["type"], one.get("criteria"), f"{field}.criteria"
    options = _levels(criteria, place) if kind == "score" else _options(kind, criteria, place)
    if kind == "noul" and not (one.get("instructions") or criteria):
        raise Refused(f"{field}.instructions", "is not there, and criteria neither")
    asked = _described(one.get("instructions"), f"{field}.instructions") or UNASKED[kind]
    return typed.made(KINDS[kind], asked, options, name, place)


def _options(kind: str, criteria: Any, field: str) -> list[Option]:
    """The options of a choice, or the two of a noul, of which descriptions may lack."""
    if criteria is None and kind == "noul":
        criteria = {}
    if not isinstance(criteria, dict):
        raise Refused(field, "must be an object of descriptions by option")
    if kind == "choice":
        return [Option(name=k, description=_described(v, field)) for k, v in criteria.items()]
    for key in criteria:
        if key not in ("true", "false"):
            raise Refused(f"{field}.{key}", "is no field; there is true, false")
    return [
        Option(name=value, description=_described(criteria.get(key), field))
        for key, value in (("true", True), ("false", False))
    ]


def _levels(criteria: Any, field: str) -> list[Option]:
    if not isinstance(criteria, list):
        raise Refused(field, "must be a list of levels, worst first")
    if len(criteria) > LEVELS:
        raise Refused(field, f"{len(criteria)} levels, and {LEVELS} are the most")
    return [Option(name=typed.written(one, f"{field}[{i}]")) for i, one in enumerate(criteria)]


def _described(value: Any, field: str) -> str:
    return "" if value is None else typed.written(value, field)


def _write(asked: typed.Inquiry, answers: Sequence[Answered], about: About) -> dict[str, Any]:
    pairs = list(zip(asked.questions, answers, strict=True))
    lacking = [
        f"{question.name!r}: {one.answer.reason}"
        for question, one in pairs
        if isinstance(one.answer, Unscored)
    ]
    if lacking:
        raise Refused("questions", f"unscored: {'; '.join(lacking)}", status=422)
    count = typed.tokens(answers)
    criteria = asked.settings["criteria"]
    return {
        "model": about.name,
        "answers": {
            question.name: _answer(question, one, criteria[question.name])
            for question, one in pairs
        },
        "usage": {"input_tokens": count or 0, "output_tokens": 0},
        "x_usage": "unknown" if count is None else "summed over questions",
        "x_confidence": typed.CONFIDENCE,
        "x_fingerprint": about.fingerprint,
        "x_id": about.id,
    }


def _answer(question: Question, one: Answered, criteria: Any) -> dict[str, Any]:
    answer = one.answer
    assert not isinstance(answer, Unscored)
    if question.kind == "predicate":
        return {"type": "noul", "noul": answer.probabilities[0], **typed.own(answer)}
    said = {"type": question.kind, "confidence": typed.sure(answer, question), **typed.own(answer)}
    if question.kind == "choice":
        names = [option.text for option in question.options]
        said["choice"] = names[answer.top]
    else:
        names = [str(i) for i in range(len(question.options))]
        said |= {"score": typed.score(answer), "legend": dict(zip(names, criteria, strict=True))}
    return {**said, "probabilities": dict(zip(names, answer.probabilities, strict=True))}


def _refused(error: Refused) -> tuple[dict[str, Any], int]:
    """What is wrong with the request, where it stands; else the kind of error."""
    if error.status in (400, 422):
        where = ["body", error.field] if error.field else ["body"]
        return {"detail": [{"loc": where, "msg": error.reason, "type": "value_error"}]}, 422
    kind = ERRORS.get(error.status, "api_error")
    return {"detail": {"error_type": kind, "message": str(error)}}, error.status


SYSTEM_ONE: Final = typed.TypedDialect(
    "/v1/systemone",
    "TypeSafe's System One: answer typed questions.",
    _read,
    _write,
    _refused,
    REQUEST,
    s.record("answers", answers=s.by_name(ANSWER), **typed.SAID),
    s.record("detail", detail=s.either(s.OBJECT, s.many(s.OBJECT))),
    alias="jev-latest",
)
