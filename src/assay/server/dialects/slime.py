"""slime's remote reward model (`--rm-type remote_rm --rm-url http://HOST:PORT/slime`).

slime posts to the URL that it is given {"prompt": text | messages, "response": text, "label": text}
and takes what comes back for the reward. POST /slime is answered with the number; POST /slime/parts
with {"score": number, part: number ...}, from which `--reward-key` picks.

A prompt that is a text has been laid out by the policy's chat template: a model reads prompt and
response as one text, as it is. Messages are laid out by the reward model's own.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import laid_out, messages, reference, said
from assay.server.dialects.numbers import flat
from assay.types import Group, Prompt, Response

__all__ = ["SLIME", "SLIME_PARTS"]

REQUEST: Final = s.request(
    "prompt response", prompt=s.either(s.TEXT, s.MESSAGES), response=s.TEXT, label=s.REFERENCE
)


def _read(body: Mapping[str, Any]) -> Asked:
    s.check(body, REQUEST)
    prompt, response, right = body["prompt"], body["response"], reference(body, "label")
    if isinstance(prompt, str):
        group = laid_out(prompt + response, prompt=prompt, reference=right)
    else:
        asked = Prompt(messages=messages(prompt, "prompt"), reference=right)
        group = Group(prompt=asked, responses=(Response.of(said(response)),))
    return Asked(groups=(group,), settings={"items": "response"})


def _number(asked: Asked, scores: Scores, about: About) -> float:
    return flat(asked, scores)[0].value


def _parts(asked: Asked, scores: Scores, about: About) -> dict[str, float | None]:
    score = flat(asked, scores)[0]
    return {**score.parts, "score": score.value}


SLIME: Final = Dialect(
    "/slime", "slime: score one sample, as a number.", _read, _number, REQUEST, s.NUMBER
)
SLIME_PARTS: Final = Dialect(
    "/slime/parts",
    "slime: score one sample, its parts beside the score.",
    _read,
    _parts,
    REQUEST,
    {"type": "object", "required": ["score"], "additionalProperties": s.nullable(s.NUMBER)},
)
