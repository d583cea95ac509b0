"""OpenAI's `POST /v1/decisions`: a list of questions about an input, answers in their order.

After openai 3.57 (types/decision.py, decision_create_params.py). A question that cannot be answered
is a refusal, with the reason as `x_reason`. What is not in OpenAI's answer begins with `x_`; counts
of tokens that are not known are null. Hints about caches change no answer and are passed over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.answerers.answered import Answered
from assay.data.items import ANSWERS, CALLS, messages
from assay.errors import DataError
from assay.questions import Option, Question
from assay.server.dialects import About, Refused, Schema, typed
from assay.server.dialects import schemas as s
from assay.types import Prompt, Unscored

__all__ = ["DECISIONS"]

LISTED: Final = {"predicate": None, "choice": "choices", "score": "levels"}
"""Types of questions, each with the key of its options."""
PART: Final = s.record(
    "type",
    type=s.one_of("input_text", "input_json"),
    text=s.TEXT,
    data=s.ANY,
    prompt_cache_breakpoint=s.ANY,
)
OPTIONS: Final[Mapping[str, Schema]] = {
    "choices": s.request("value", value=s.either(s.TEXT, s.FLAG), description=s.TEXT),
    "levels": s.request("label", label=s.TEXT, description=s.TEXT),
}
ASKED: Final[Mapping[str, Schema]] = {
    kind: s.record(
        f"type instructions {listed or ''}",
        type={"const": kind},
        name=s.TEXT,
        instructions=s.either(s.TEXT, s.many(PART, 1)),
        **({listed: s.many(OPTIONS[listed], 2)} if listed else {}),
    )
    for kind, listed in LISTED.items()
}
REQUEST: Final = s.request(
    "input questions",
    model=s.TEXT,
    input=s.either(s.TEXT, s.many(s.OBJECT, 1)),
    questions=s.many(s.either(*ASKED.values()), 1),
    **dict.fromkeys(("prompt_cache_key", "prompt_cache_options", "safety_identifier"), s.ANY),
)
ANSWER: Final = s.record(
    "type",
    type=s.one_of(*LISTED, "refusal"),
    name=s.nullable(s.TEXT),
    probability=s.NUMBER,
    probabilities=s.many(s.OBJECT),
    choice=s.either(s.TEXT, s.FLAG),
    x_reason=s.TEXT,
    **typed.OWN,
)


def _read(body: Mapping[str, Any]) -> typed.Inquiry:
    body = s.taken(body, REQUEST)
    asked = body["questions"]
    typed.some(len(asked), "questions")
    return typed.Inquiry(
        state=_state(body["input"]),
        questions=tuple(_question(one, f"questions[{i}]") for i, one in enumerate(asked)),
        model=body.get("model", ""),
        settings={"named": [one.get("name") is not None for one in asked]},
    )


def _state(given: Any) -> Prompt:
    """The input as a conversation; data in it as JSON."""
    if isinstance(given, str):
        return Prompt.of(given)
    called: set[Any] = set()
    for i, item in enumerate(given):
        if item.get("type") in CALLS:
            called.add(str(item.get("call_id")))
        elif item.get("type") in ANSWERS and str(item.get("call_id")) not in called:
            raise Refused(f"input[{i}].call_id", "names no call that stands before it")
    try:
        return Prompt(messages=tuple(messages([_plain(item) for item in given], "input")))
    except DataError as error:
        raise Refused("input", str(error)) from error


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item with its data as text."""
    content = item.get("content")
    if not isinstance(content, list):
        return dict(item)
    parts = [
        {"type": "input_text", "text": typed.written(part.get("data"), "input")}
        if isinstance(part, dict) and part.get("type") == "input_json"
        else part
        for part in content
    ]
    return {**item, "content": parts}


def _question(one: Mapping[str, Any], field: str) -> Question:
    kind, name = one["type"], one.get("name") or ""
    asked = _instructions(one["instructions"], f"{field}.instructions")
    if (listed := LISTED[kind]) is None:
        return Question.predicate(asked, name=name)
    key = "value" if kind == "choice" else "label"
    options = [Option(name=o[key], description=o.get("description") or "") for o in one[listed]]
    return typed.made(kind, asked, options, name, f"{field}.{listed}")


def _instructions(given: str | list[Any], field: str) -> str:
    """A question's text, of which a list has parts."""
    if isinstance(given, list):
        given = "\n".join(_part(part, f"{field}[{i}]") for i, part in enumerate(given))
    if not given.strip():
        raise Refused(field, "is empty; say what is asked")
    return given


def _part(part: Mapping[str, Any], field: str) -> str:
    if part["type"] == "input_json":
        return typed.written(part.get("data"), f"{field}.data")
    if "text" not in part:
        raise Refused(f"{field}.text", "is not there")
    return str(part["text"])


def _write(asked: typed.Inquiry, answers: Sequence[Answered], about: About) -> dict[str, Any]:
    triples = zip(asked.questions, answers, asked.settings["named"], strict=True)
    count = typed.tokens(answers)
    return {
        "model": about.name,
        "answers": [_answer(question, one, named) for question, one, named in triples],
        "usage": {
            "input_tokens": count,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": None if count is None else 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": count,
        },
        "x_confidence": typed.CONFIDENCE,
        "x_fingerprint": about.fingerprint,
        "x_id": about.id,
    }


def _answer(question: Question, one: Answered, named: bool) -> dict[str, Any]:
    answer, name = one.answer, question.name if named else None
    if isinstance(answer, Unscored):
        return {"type": "refusal", "name": name, "x_reason": answer.reason}
    head: dict[str, Any] = {"type": question.kind, "name": name}
    if question.kind == "predicate":
        return {**head, "probability": answer.probabilities[0], **typed.own(answer)}
    pairs = list(zip(question.options, answer.probabilities, strict=True))
    head["confidence"] = typed.sure(answer, question)
    if question.kind == "choice":
        head["probabilities"] = [{"value": option.name, "probability": p} for option, p in pairs]
        head["choice"] = question.options[answer.top].name
    else:
        head["probabilities"] = [
            {"value": i, "label": option.name, "probability": p}
            for i, (option, p) in enumerate(pairs)
        ]
        head["score"] = typed.score(answer)
    return {**head, **typed.own(answer)}


def _refused(error: Refused) -> tuple[dict[str, Any], int]:
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    said = {"message": str(error), "type": kind, "param": error.field or None, "code": None}
    return {"error": said}, error.status


DECISIONS: Final = typed.TypedDialect(
    "/v1/decisions",
    "OpenAI: answer typed questions.",
    _read,
    _write,
    _refused,
    REQUEST,
    s.record("answers", answers=s.many(ANSWER), **typed.SAID),
    s.record("error", error=s.record(message=s.TEXT, type=s.TEXT, param=s.ANY, code=s.ANY)),
)
