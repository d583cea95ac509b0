"""NeMo Gym's resources server: `/verify` one rollout, or `/compare` several (genrm_compare).

POST /verify {"responses_create_params": {"input": text | items, ...}, "response": {"output":
items}, ...} -> the same with "reward", and "reward_components" where the score has parts. The
reference answer is `expected_answer`, where there is one.
POST /compare {"conversation_history": messages, "response_objs": [{"output": items}, ...]} ->
{"rewards": [r], "comparison_results": null, "metrics": null}.

A rollout that cannot be scored is answered with 422: a reward of 0 with `mask_sample` would be
trained on wherever the mask is not looked at.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.errors import DataError
from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import known, message, messages, reference
from assay.server.dialects.numbers import flat
from assay.types import Group, Message, Prompt, Response

__all__ = ["COMPARE", "VERIFY"]


def _read(body: Mapping[str, Any]) -> Asked:
    params = _object(body.get("responses_create_params"), "responses_create_params")
    at = "responses_create_params."
    said = _items(params.get("input"), f"{at}input")
    if not said:
        raise Refused(f"{at}input", "must hold a message")
    if (system := params.get("instructions")) is not None:
        said = [message({"role": "system", "content": system}, f"{at}instructions"), *said]
    prompt = Prompt(
        messages=tuple(said),
        tools=_tools(params.get("tools"), f"{at}tools"),
        reference=reference(body.get("expected_answer"), "expected_answer"),
    )
    group = Group(prompt=prompt, responses=(_response(body.get("response"), "response"),))
    return Asked(groups=(group,), settings={"items": "response", "body": body})


def _write(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    (score,) = flat(asked, scores)
    answer = {**asked.settings["body"], "reward": score.value}
    if score.parts and None not in score.parts.values():
        answer["reward_components"] = dict(score.parts)
    return answer


def _read_compare(body: Mapping[str, Any]) -> Asked:
    refused = {"principle": "a scorer is served with its own instructions; leave it out"}
    known(body, ("conversation_history", "response_objs"), refused)
    history = messages(body.get("conversation_history"), "conversation_history")
    given = body.get("response_objs")
    if not isinstance(given, list):
        raise Refused("response_objs", "must be a list of responses")
    responses = tuple(_response(one, f"response_objs[{i}]") for i, one in enumerate(given))
    group = Group(prompt=Prompt(messages=history), responses=responses)
    return Asked(groups=(group,), settings={"items": "response_objs[{}]"})


def _write_compare(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    rewards = [score.value for score in flat(asked, scores)]
    return {"rewards": rewards, "comparison_results": None, "metrics": None}


def _response(value: Any, field: str) -> Response:
    from assay.data.conversations import response

    turns = _items(_object(value, field).get("output"), f"{field}.output")
    try:
        return response(turns)
    except DataError as error:
        raise Refused(field, str(error)) from error


def _items(value: Any, field: str) -> list[Message]:
    """Read a text or the items of OpenAI's Responses API."""
    from assay.data.items import messages as read

    if not isinstance(value, str | list):
        raise Refused(field, "must be a text or a list of items")
    try:
        return read(value, field)
    except (DataError, ValueError) as error:
        raise Refused(field, str(error)) from error


def _tools(value: Any, field: str) -> tuple[Mapping[str, Any], ...]:
    """Definitions of tools as OpenAI's chat nests them."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise Refused(field, "must be a list of definitions")
    flat = [one for one in value if one.get("type") == "function" and "function" not in one]
    return tuple(
        {"type": "function", "function": {k: v for k, v in one.items() if k != "type"}}
        if one in flat
        else one
        for one in value
    )


def _object(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused(field, f"must be an object, got {type(value).__name__}")
    return value


VERIFY: Final = Dialect("/verify", "NeMo Gym: reward one rollout.", _read, _write)
COMPARE: Final = Dialect(
    "/compare", "NeMo Gym: reward several responses to one prompt.", _read_compare, _write_compare,
    ("response_objs",),
)  # fmt: skip
