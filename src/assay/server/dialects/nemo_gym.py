"""NeMo Gym's resources server: `/verify` one rollout, or `/compare` several (genrm_compare).

/verify answers with its own body and "reward", and "reward_components" where the score has parts.
The reference answer is `expected_answer`, where there is one. A rollout that cannot be scored is
answered with 422: a reward of 0 with `mask_sample` would be trained on wherever the mask is not
looked at.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.errors import DataError
from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import message, messages, reference
from assay.server.dialects.numbers import flat
from assay.types import Group, Message, Prompt, Response

__all__ = ["COMPARE", "VERIFY"]

ROLLOUT: Final = s.extended(s.record("output", output=s.either(s.TEXT, s.many(s.OBJECT))))
ASKED: Final = s.extended(
    s.record(
        "input",
        input=s.either(s.TEXT, s.many(s.OBJECT)),
        instructions=s.ANY,
        tools=s.nullable(s.many(s.OBJECT)),
    )
)
VERIFIED: Final = s.extended(
    s.request(
        "responses_create_params response",
        responses_create_params=ASKED,
        response=ROLLOUT,
        expected_answer=s.REFERENCE,
    )
)
COMPARED: Final = s.refusing(
    s.request(
        "conversation_history response_objs",
        conversation_history=s.MESSAGES,
        response_objs=s.many(ROLLOUT),
    ),
    {"principle": "a scorer is served with its own instructions; leave it out"},
)


def _read(body: Mapping[str, Any]) -> Asked:
    s.check(body, VERIFIED)
    params = body["responses_create_params"]
    at = "responses_create_params."
    said = _items(params["input"], f"{at}input")
    if not said:
        raise Refused(f"{at}input", "must hold a message")
    if (system := params.get("instructions")) is not None:
        said = [message({"role": "system", "content": system}, f"{at}instructions"), *said]
    prompt = Prompt(
        messages=tuple(said),
        tools=tuple(map(_tool, params.get("tools") or ())),
        reference=reference(body, "expected_answer"),
    )
    group = Group(prompt=prompt, responses=(_response(body["response"], "response"),))
    return Asked(groups=(group,), settings={"items": "response", "body": body})


def _write(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    (score,) = flat(asked, scores)
    answer = {**asked.settings["body"], "reward": score.value}
    if score.parts and None not in score.parts.values():
        answer["reward_components"] = dict(score.parts)
    return answer


def _read_compare(body: Mapping[str, Any]) -> Asked:
    s.check(body, COMPARED)
    history = messages(body["conversation_history"], "conversation_history")
    given = body["response_objs"]
    responses = tuple(_response(one, f"response_objs[{i}]") for i, one in enumerate(given))
    group = Group(prompt=Prompt(messages=history), responses=responses)
    return Asked(groups=(group,), settings={"items": "response_objs[{}]"})


def _write_compare(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    rewards = [score.value for score in flat(asked, scores)]
    return {"rewards": rewards, "comparison_results": None, "metrics": None}


def _response(value: Mapping[str, Any], field: str) -> Response:
    from assay.data.conversations import response

    turns = _items(value["output"], f"{field}.output")
    try:
        return response(turns)
    except DataError as error:
        raise Refused(field, str(error)) from error


def _items(value: Any, field: str) -> list[Message]:
    """Read a text or the items of OpenAI's Responses API."""
    from assay.data.items import messages as read

    try:
        return read(value, field)
    except (DataError, ValueError) as error:
        raise Refused(field, str(error)) from error


def _tool(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """A definition of a tool as OpenAI's chat nests it."""
    if given.get("type") != "function" or "function" in given:
        return given
    return {"type": "function", "function": {k: v for k, v in given.items() if k != "type"}}


VERIFY: Final = Dialect(
    "/verify",
    "NeMo Gym: reward one rollout.",
    _read,
    _write,
    VERIFIED,
    s.extended(s.record("reward", reward=s.NUMBER, reward_components=s.OBJECT)),
)
COMPARE: Final = Dialect(
    "/compare",
    "NeMo Gym: reward several responses to one prompt.",
    _read_compare,
    _write_compare,
    COMPARED,
    s.record("rewards", rewards=s.NUMBERS, comparison_results=s.ANY, metrics=s.ANY),
    lists=("response_objs",),
)
