"""Text Embeddings Inference's classifier.

A text is laid out already, a pair is laid out by the model. As in TEI a score is activated unless
`raw_scores` is true, and what is too long is refused unless `truncate` is; `truncate` itself is
refused here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import laid_out
from assay.server.dialects.numbers import of_responses
from assay.types import Group, Prompt, Response

__all__ = ["PREDICT"]

REQUEST: Final = s.refusing(
    s.request(
        "inputs",
        inputs=s.either(s.TEXT, s.TEXTS, s.many(s.TEXTS)),
        raw_scores=s.FLAG,
        truncation_direction=s.ANY,
    ),
    {"truncate": "nothing is truncated; a text that is too long is an error"},
)
CLASSES: Final = s.many(s.record("score label", score=s.NUMBER, label=s.TEXT))


def _read(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, REQUEST)
    given = body["inputs"]
    batch = bool(given) and isinstance(given[0], list)
    if batch:
        groups = tuple(_input(one, f"inputs[{i}]") for i, one in enumerate(given))
    else:
        groups = (_input([given] if isinstance(given, str) else given, "inputs"),)
    settings = {"items": "inputs[{}]", "batch": batch, "raw": body.get("raw_scores", False)}
    return Asked(groups=groups, settings=settings)


def _input(value: Sequence[str], field: str) -> Group:
    match value:
        case [text]:
            return laid_out(text)
        case [prompt, response]:
            return Group(prompt=Prompt.of(prompt), responses=(Response.of(response),))
    raise Refused(field, "must be a text, or a pair of prompt and response")


def _write(asked: Asked, scores: Scores, about: About) -> list[Any]:
    activate = not asked.settings["raw"]
    rows, _ = of_responses(asked, scores, about, activate=activate, field="raw_scores")
    found = [
        [{"score": x, "label": f"LABEL_{i}"} for i, x in sorted(enumerate(row), key=_by_score)]
        for row in rows
    ]
    return found if asked.settings["batch"] else found[0]


def _by_score(pair: tuple[int, float]) -> float:
    """TEI lists the highest first."""
    return -pair[1]


PREDICT: Final = Dialect(
    "/predict",
    "TEI: score texts or pairs.",
    _read,
    _write,
    REQUEST,
    s.either(CLASSES, s.many(CLASSES)),
    lists=("inputs",),
)
