"""Text Embeddings Inference's classifier.

POST /predict {"inputs": text | [prompt, response] | [[text], [prompt, response], ...],
"raw_scores"?} -> [{"score", "label"}], or one such list per input. A text is laid out already, a
pair is laid out by the model. As in TEI a score is activated unless `raw_scores` is true, and what
is too long is refused unless `truncate` is; `truncate` itself is refused here.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import flag, known, laid_out, texts
from assay.server.dialects.numbers import of_responses
from assay.types import Group, Prompt, Response

__all__ = ["PREDICT"]


def _read(body: Mapping[str, Any]) -> Asked:
    reason = {"truncate": "nothing is truncated; a text that is too long is an error"}
    known(body, ("inputs", "raw_scores", "truncation_direction"), reason)
    given = body.get("inputs")
    batch = isinstance(given, list) and bool(given) and isinstance(given[0], list)
    if batch and isinstance(given, list):
        groups = tuple(_input(one, f"inputs[{i}]") for i, one in enumerate(given))
    else:
        groups = (_input([given] if isinstance(given, str) else given, "inputs"),)
    settings = {"items": "inputs[{}]", "batch": batch, "raw": flag(body, "raw_scores")}
    return Asked(groups=groups, settings=settings)


def _input(value: Any, field: str) -> Group:
    match texts(value, field):
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


PREDICT: Final = Dialect("/predict", "TEI: score texts or pairs.", _read, _write, ("inputs",))
