"""LLaMA-Factory's API of reward models (`API_PORT=... llamafactory-cli api`, stage rm).

POST /v1/score/evaluation {"model", "messages": [text], "max_length"?} -> {"id", "object":
"score.evaluation", "model", "scores": [logit]}. The texts are laid out already. LLaMA-Factory cuts
off a text that is longer than `max_length` tokens; here such a request is refused.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import known, laid_out, text, texts
from assay.server.dialects.numbers import ids, of_responses

__all__ = ["LLAMA_FACTORY"]


def _read(body: Mapping[str, Any]) -> Asked:
    known(body, ("model", "messages", "max_length"))
    given = texts(body.get("messages"), "messages")
    if not given:
        raise Refused("messages", "must hold one text at least")
    most = body.get("max_length")
    if most is not None and (type(most) is not int or most < 1):
        raise Refused("max_length", f"must be a whole number from 1 on, got {most!r}")
    settings = {"items": "messages[{}]", "max_length": most}
    model = text(body.get("model") or "", "model")
    return Asked(groups=tuple(map(laid_out, given)), model=model, settings=settings)


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
    "/v1/score/evaluation", "LLaMA-Factory: score texts as they are.", _read, _write, ("messages",)
)
