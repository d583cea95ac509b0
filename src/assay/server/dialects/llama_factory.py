"""LLaMA-Factory's API of reward models (`API_PORT=... llamafactory-cli api`, stage rm).

The texts are laid out already. LLaMA-Factory cuts off a text that is longer than `max_length`
tokens; here such a request is refused.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import laid_out
from assay.server.dialects.numbers import ids, of_responses

__all__ = ["LLAMA_FACTORY"]

REQUEST: Final = s.request(
    "messages", model=s.TEXT, messages=s.many(s.TEXT, least=1), max_length=s.COUNT
)


def _read(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, REQUEST)
    settings = {"items": "messages[{}]", "max_length": body.get("max_length")}
    groups = tuple(map(laid_out, body["messages"]))
    return Asked(groups=groups, model=body.get("model", ""), settings=settings)


def _write(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    numbers = of_responses(asked, scores, about, activate=False, field="")
    if (most := asked.settings["max_length"]) is not None:
        longest = max(map(len, ids(about, "max_length")))
        if longest > most:
            reason = f"a text has {longest} tokens, and nothing is cut off here; leave it out"
            raise Refused("max_length", reason)
    return {
        "id": f"scoreval-{about.id}",
        "object": "score.evaluation",
        "model": about.name,
        "scores": [row[-1] for row in numbers.rows],
        "activation": numbers.activation,
    }


LLAMA_FACTORY: Final = Dialect(
    "/v1/score/evaluation",
    "LLaMA-Factory: score texts as they are.",
    _read,
    _write,
    REQUEST,
    s.record(
        "scores", id=s.TEXT, object=s.TEXT, model=s.TEXT, scores=s.NUMBERS, activation=s.ACTIVATION
    ),
    lists=("messages",),
)
