"""Assay's own: conversations in; values, steps, parts and reasons out.

POST /v1/score {"model"?, "prompt": text | messages, "responses": [text | [steps] | messages |
record], "reference"?, "tools"?} or {"groups": [{"prompt", "responses", ...}, ...]}; a record is a
`Response` as JSON, such as {"steps", "finished": false}. The answer has `scores`, or `groups` of
them, each {"value", "steps"?, "spans"?, "std"?, "parts"?} or {"unscored": reason}.
With "return_token_ids" or "return_logits" each has `token_ids` or `logits` (of its steps, before
link and aggregation) besides, and the answer the `readout` that makes scores of them.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

from pydantic import ValidationError

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import flag, message, text
from assay.server.dialects.numbers import ids
from assay.types import Group, Message, Prompt, Response, Score, Unscored

__all__ = ["SCORE", "score_json"]

KNOWN: Final = {
    "model", "prompt", "responses", "reference", "tools", "meta", "groups", "id",
    "return_token_ids", "return_logits",
}  # fmt: skip


def _read(body: Mapping[str, Any]) -> Asked:
    for key in body:
        if key not in KNOWN:
            raise Refused(key, f"is no field; there is {', '.join(sorted(KNOWN))}")
    model = text(body.get("model") or "", "model")
    more = tuple(key for key in ("return_token_ids", "return_logits") if flag(body, key))
    if "groups" not in body:
        return Asked(groups=(_group(body, ""),), model=model, settings={"more": more})
    rows = body["groups"]
    if not isinstance(rows, list) or {"prompt", "responses"} & body.keys():
        raise Refused("groups", "must be a list, in place of prompt and responses")
    groups = tuple(_group(row, f"groups[{i}].") for i, row in enumerate(rows))
    return Asked(groups=groups, model=model, settings={"groups": True, "more": more})


def _group(row: Any, before: str) -> Group:
    if not isinstance(row, Mapping):
        raise Refused(before.rstrip("."), "must be an object with prompt and responses")
    given = row.get("prompt")
    if isinstance(given, str):
        messages: tuple[Message, ...] = (Message(role="user", content=given),)
    elif isinstance(given, list) and given:
        messages = tuple(message(one, f"{before}prompt[{i}]") for i, one in enumerate(given))
    else:
        raise Refused(f"{before}prompt", "must be a text or a list of messages")
    responses = row.get("responses")
    if not isinstance(responses, list):
        raise Refused(f"{before}responses", "must be a list of texts or of lists of steps")
    reference, meta = row.get("reference"), row.get("meta")
    if meta is not None and not isinstance(meta, Mapping):
        raise Refused(f"{before}meta", f"must be an object, got {type(meta).__name__}")
    prompt = Prompt(
        messages=messages,
        reference=None if reference is None else text(reference, f"{before}reference"),
        tools=_tools(row.get("tools"), f"{before}tools"),
        id=text(row.get("id") or "", f"{before}id"),
        meta=meta or {},
    )
    made = (_response(one, f"{before}responses[{i}]") for i, one in enumerate(responses))
    return Group(prompt=prompt, responses=tuple(made))


def _response(value: Any, field: str) -> Response:
    if isinstance(value, str):
        return Response.of(value)
    if isinstance(value, list) and value and all(isinstance(step, str) for step in value):
        return Response(steps=tuple(value))
    if isinstance(value, list) and value:
        turns = [message(one, f"{field}[{i}]") for i, one in enumerate(value)]
        return Response.trajectory(turns)
    if isinstance(value, Mapping):
        try:
            return Response.model_validate(value)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, (field, *problem["loc"])))
            raise Refused(place, problem["msg"]) from error
    raise Refused(field, "must be a text, a list of steps, a list of messages, or a response")


def _tools(value: Any, field: str) -> tuple[Mapping[str, Any], ...]:
    """Definitions of tools; none where there is no such field."""
    if value is not None and not (
        isinstance(value, list) and all(isinstance(one, Mapping) for one in value)
    ):
        raise Refused(field, "must be a list of definitions")
    return tuple(value or ())


def score_json(score: Score | Unscored, response: Response) -> dict[str, Any]:
    """Return a score as JSON, each step with its place in the text, in characters."""
    if isinstance(score, Unscored):
        return {"unscored": score.reason}
    row: dict[str, Any] = {"value": score.value}
    if score.steps:
        row["steps"] = list(score.steps)
        ends = accumulate(map(len, response.steps), initial=0)
        row["spans"] = [list(span) for span in pairwise(ends)]
    if score.std is not None:
        row["std"] = score.std
    if score.parts:
        row["parts"] = dict(score.parts)
    return row


def _write(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    rows = [_rows(group, row) for group, row in zip(asked.groups, scores, strict=True)]
    for key in asked.settings["more"]:
        _add(rows, key, about)
    answer: dict[str, Any] = {"id": about.id, "object": "scores", "model": about.name}
    answer["fingerprint"] = about.fingerprint
    if asked.settings["more"] and about.readout is not None:
        answer["readout"] = about.readout.model_dump()
    if asked.settings.get("groups"):
        answer["groups"] = [{"scores": row} for row in rows]
    else:
        answer["scores"] = rows[0]
    return answer


def _add(rows: Sequence[Sequence[dict[str, Any]]], key: str, about: About) -> None:
    """Put what was read, or the logits, beside each score."""
    tokens = iter(ids(about, key))
    for row, readings in zip(rows, about.readings, strict=True):
        for written, reading in zip(row, readings, strict=True):
            own = next(tokens)
            if key == "return_token_ids":
                written["token_ids"] = own
            elif reading.logits:
                written["logits"] = list(reading.logits)


def _rows(group: Group, scores: Sequence[Score | Unscored]) -> list[dict[str, Any]]:
    return [score_json(*pair) for pair in zip(scores, group.responses, strict=True)]


SCORE: Final = Dialect(
    "/v1/score", "Assay: score responses to prompts.", _read, _write, ("groups", "responses")
)
