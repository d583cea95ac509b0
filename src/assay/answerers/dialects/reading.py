"""Answers of decision servers, in any dialect, as distributions.

Servers differ and err: answers lack, are refused or of another type, come as a list or an object,
with probabilities as a list or an object, under a wrapper, with more fields than are known. What
cannot be read makes its own question `Unscored`, and no other. A confidence is kept, but never
read: servers mean different things by it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from assay.answerers.dialects.table import Dialect
from assay.answerers.ledger import Usage
from assay.errors import DataError
from assay.http.client import shorten
from assay.questions import CLOSE, FLOOR, Distribution, Question, from_probabilities
from assay.types import Unscored

__all__ = ["distributions", "kept", "usage"]

WRAPPERS: Final = "result", "response"
"""Keys under which Cloudflare and Databricks put everything."""
TYPES: Final = {
    "predicate": ("predicate", "noul", "yes_no"),
    "choice": ("choice",),
    "score": ("score",),
}
TOKENS_IN: Final = "input_tokens", "prompt_tokens", "inputTokens", "promptTokens"
TOKENS_OUT: Final = "output_tokens", "completion_tokens", "outputTokens", "completionTokens"
CACHED: Final = "cached_tokens", "cached_input_tokens", "cachedTokens", "cachedInputTokens"
HUGE: Final = 1e9
"""No probability, and more than some integers that JSON may hold can be as a float."""
DETAILS: Final = "input_tokens_details", "prompt_tokens_details", "inputTokensDetails"


def kept(payload: Any, dialect: Dialect) -> tuple[dict[str, Any], Usage]:
    """Return what to keep of an answer, as the server gave it, and what it cost.

    The name of the server's formula of a confidence is kept beside. Raises `DataError` where there
    are no answers at all, unless refused ones may be left out.
    """
    found = _unwrapped(payload)
    answers = found["answers"]
    if not isinstance(answers, (dict, list)) or not (answers or dialect.refuses):
        raise DataError(f"no answers, but {shorten(str(answers))}")
    keys = [key for key in ("model", "answers", "diagnostics") if found.get(key) is not None]
    return {**{key: found[key] for key in keys}, "confidence": dialect.confidence}, usage(found)


def _unwrapped(payload: Any) -> dict[str, Any]:
    """Return the object that holds the answers, with what stands around it."""
    around: dict[str, Any] = {}
    inner = payload
    while isinstance(inner, dict) and "answers" not in inner:
        around |= inner
        inner = next((inner[key] for key in WRAPPERS if key in inner), None)
    if not isinstance(inner, dict):
        raise DataError(f"no answers, but {shorten(str(payload))}")
    return {**around, **inner}


def usage(payload: Mapping[str, Any]) -> Usage:
    """Return what a request cost, by any of the names that servers have for it."""
    said = payload.get("usage")
    if not isinstance(said, dict):
        return Usage(requests=1)
    given = (said.get(key) for key in DETAILS)
    details: dict[str, Any] = next((one for one in given if isinstance(one, dict)), {})
    return Usage(
        requests=1,
        tokens_in=_count(said, TOKENS_IN),
        tokens_out=_count(said, TOKENS_OUT),
        tokens_cached=_count({**said, **details}, CACHED),
    )


def _count(said: Mapping[str, Any], names: Iterable[str]) -> int | None:
    found = (said.get(one) for one in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool)), None)


def distributions(
    found: Mapping[str, Any], asked: Mapping[str, Question], floor: float = FLOOR
) -> list[Distribution | Unscored]:
    """Read what `kept` returned: one distribution a question, in order.

    asked: questions by the names that they were sent under. floor: least mass of the labels, where
    the server sends it.
    """
    answers = _by_name(found["answers"], list(asked))
    diagnostics = found.get("diagnostics")
    told = diagnostics if isinstance(diagnostics, dict) else {}
    return [
        _distribution(question, answers.get(id), told.get(id), floor)
        for id, question in asked.items()
    ]


def _by_name(answers: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Return a list's answers by name, or by place where it is complete and no name speaks against
    it."""
    if isinstance(answers, dict):
        return answers
    given = [one.get("name") if isinstance(one, dict) else None for one in answers]
    if len(given) == len(names) and all(
        said in (None, sent) for said, sent in zip(given, names, strict=True)
    ):
        return dict(zip(names, answers, strict=True))
    return {said: one for said, one in zip(given, answers, strict=True) if isinstance(said, str)}


def _distribution(
    question: Question, answer: Any, told: Any, floor: float
) -> Distribution | Unscored:
    if answer is None:
        return Unscored(reason="the server gave no answer to this question")
    if not isinstance(answer, dict):
        return Unscored(reason=f"the answer is no object, but {shorten(str(answer), 60)}")
    kind = answer.get("type")
    if kind == "refusal":
        why = answer.get("x_reason")
        more = f": {shorten(why)}" if isinstance(why, str) else ""
        return Unscored(reason=f"the server refused to answer this question{more}")
    if kind is not None and kind not in TYPES[question.kind]:
        return Unscored(reason=f"an answer of type {kind!r} to a {question.kind}")
    shares = _of_predicate(answer) if question.kind == "predicate" else _shares(answer, question)
    if isinstance(shares, Unscored):
        return shares
    return from_probabilities(shares, mass=_mass(answer, told), floor=floor)


def _mass(answer: Mapping[str, Any], told: Any) -> float | None:
    """Return the labels' mass, where it is sent: SGLang in the answer, vLLM in diagnostics."""
    places = (
        answer.get("label_mass"),
        answer.get("x_label_mass"),
        told.get("label_mass") if isinstance(told, dict) else None,
    )
    given = next((mass for mass in places if mass is not None), None)
    return None if given is None else _number(given)


def _of_predicate(answer: Mapping[str, Any]) -> list[float] | Unscored:
    """Return p(True) and the rest; a server says the first, or both as yes and no."""
    both = answer.get("probabilities")
    either = both if isinstance(both, dict) else {}
    places = (answer.get("probability"), answer.get("noul"), either.get("yes"), either.get("true"))
    given = next((p for p in places if p is not None), None)
    if given is None:
        return Unscored(reason="the answer has no probability")
    p = _number(given)
    if -CLOSE <= p <= 1 + CLOSE:
        p = min(1.0, max(0.0, p))
    return [p, 1 - p]


def _shares(answer: Mapping[str, Any], question: Question) -> list[float] | Unscored:
    """Return the probability of each option. Keys that are no option's are passed over: the sum
    tells whether they had any."""
    given = answer.get("probabilities")
    if isinstance(given, dict):
        pairs = [(question.place(key), p) for key, p in given.items()]
    elif isinstance(given, list) and all(isinstance(one, dict) for one in given):
        pairs = [(_place(one, question), one.get("probability")) for one in given]
    else:
        return Unscored(reason="the answer has no probabilities")
    found: dict[int, float] = {}
    for place, p in pairs:
        if place in found:
            return Unscored(reason=f"the option {question.options[place].text!r} comes twice")
        if place is not None:
            found[place] = _number(p)
    absent = [option.text for i, option in enumerate(question.options) if i not in found]
    if absent:
        return Unscored(reason=f"no probability for {', '.join(map(repr, absent[:3]))}")
    return [found[place] for place in range(len(question.options))]


def _place(one: Mapping[str, Any], question: Question) -> int | None:
    """Return the option that an entry is of. A label may be a number, which is not its place."""
    if one.get("value") is not None:
        return question.place(one["value"])
    texts = [option.text for option in question.options]
    return texts.index(one["label"]) if one.get("label") in texts else None


def _number(given: Any) -> float:
    """Return a number; NaN for what is none."""
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return math.nan
    return float(given) if abs(given) < HUGE else math.nan
