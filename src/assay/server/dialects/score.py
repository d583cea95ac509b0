"""Assay's own: conversations in; values, steps, parts and reasons out.

A response is a text, a list of steps, messages, or a `Response` as JSON, such as {"steps",
"finished": false}. Its score is a `Score` as JSON, with the places of its steps, or the reason why
there is none. With "return_token_ids" or "return_logits" each has `token_ids` or `logits` (of its
steps, before link and aggregation) besides, and the answer the `readout` that makes scores of them.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

from pydantic import ValidationError

from assay.models.readout import Readout
from assay.server.dialects import About, Asked, Dialect, Refused, Schema, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import messages
from assay.server.dialects.numbers import ids
from assay.types import Group, Message, Prompt, Response, Score, Unscored

__all__ = ["SCORE", "score_json"]

GROUP: Final[Mapping[str, Schema]] = {
    "prompt": s.either(s.TEXT, s.MESSAGES),
    "responses": s.many(s.either(s.TEXT, s.many(s.TEXT, 1), s.MESSAGES, s.named(Response))),
    "reference": s.TEXT,
    "tools": s.many(s.OBJECT),
    "meta": s.OBJECT,
    "id": s.TEXT,
}
HOW: Final[Mapping[str, Schema]] = {
    "model": s.TEXT, "return_token_ids": s.FLAG, "return_logits": s.FLAG
}  # fmt: skip
ROW: Final = s.request("prompt responses", **GROUP)
ONE: Final = s.request("prompt responses", **GROUP, **HOW)
SEVERAL: Final = s.request("groups", groups=s.many(ROW), **HOW)
SCORES: Final = s.many(
    s.either(
        s.record(
            "value",
            **Score.model_json_schema()["properties"],
            spans=s.many(s.IDS),
            token_ids=s.IDS,
            logits=s.NUMBERS,
        ),
        s.record("unscored", unscored=s.TEXT, token_ids=s.IDS),
    )
)


def _read(body: Mapping[str, Any]) -> Asked:
    several = "groups" in body
    body = s.taken(body, SEVERAL if several else ONE)
    more = tuple(key for key in ("return_token_ids", "return_logits") if body.get(key))
    places = [(row, f"groups[{i}].") for i, row in enumerate(body["groups"])] if several else []
    groups = tuple(_group(*each) for each in places or ([] if several else [(body, "")]))
    settings = {"groups": several, "more": more}
    return Asked(groups=groups, model=body.get("model", ""), settings=settings)


def _group(row: Mapping[str, Any], before: str) -> Group:
    given = row["prompt"]
    prompt = Prompt(
        messages=(
            (Message(role="user", content=given),)
            if isinstance(given, str)
            else messages(given, f"{before}prompt")
        ),
        reference=row.get("reference"),
        tools=tuple(row.get("tools") or ()),
        id=row.get("id") or "",
        meta=row.get("meta") or {},
    )
    made = (_response(one, f"{before}responses[{i}]") for i, one in enumerate(row["responses"]))
    return Group(prompt=prompt, responses=tuple(made))


def _response(value: Any, field: str) -> Response:
    if isinstance(value, str):
        return Response.of(value)
    if isinstance(value, list) and isinstance(value[0], str):
        return Response(steps=tuple(value))
    if isinstance(value, list):
        return Response.trajectory(messages(value, field))
    try:
        return Response.model_validate(value)
    except ValidationError as error:
        problem = error.errors()[0]
        raise Refused(".".join(map(str, (field, *problem["loc"]))), problem["msg"]) from error


def score_json(score: Score | Unscored, response: Response) -> dict[str, Any]:
    """Return a score as JSON, each step with its place in the text, in characters."""
    if isinstance(score, Unscored):
        return {"unscored": score.reason}
    row = score.model_dump(mode="json", exclude_defaults=True)
    if score.steps:
        ends = accumulate(map(len, response.steps), initial=0)
        row["spans"] = [list(span) for span in pairwise(ends)]
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


def _answered(required: str, **found: Schema) -> Schema:
    about = dict.fromkeys(("id", "object", "model", "fingerprint"), s.TEXT)
    return s.record(required, **about, readout=s.named(Readout), **found)


SCORE: Final = Dialect(
    "/v1/score",
    "Assay: score responses to prompts.",
    _read,
    _write,
    s.either(ONE, SEVERAL),
    s.either(
        _answered("scores", scores=SCORES),
        _answered("groups", groups=s.many(s.record("scores", scores=SCORES))),
    ),
    lists=("groups", "responses"),
)
