"""OpenRLHF's remote reward model (`--reward.remote_url http://HOST:PORT/get_reward`; 0.11.2).

POST /get_reward {"query": [text], "prompts"?: [text], "labels"?: [text]}; a query is prompt and
response, decoded with their special tokens. The answer is {"rewards": [r], "scores": [s],
"extra_logs": {name: [x]}}. `scores` are what prompts are filtered by; they are the rewards, as in
OpenRLHF's own server. With two URLs and more the client sends shares of a batch that may be empty:
`"query": []` is answered with empty lists.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import known, laid_out, reference, texts
from assay.server.dialects.numbers import flat
from assay.types import Score

__all__ = ["OPENRLHF"]


def _read(body: Mapping[str, Any]) -> Asked:
    known(body, ("query", "prompts", "labels"))
    queries = texts(body.get("query"), "query")
    prompts = _beside(body, "prompts", len(queries))
    labels = _beside(body, "labels", len(queries))
    groups = []
    for i, (query, prompt, label) in enumerate(zip(queries, prompts, labels, strict=True)):
        if prompt is not None and not isinstance(prompt, str):
            raise Refused(f"prompts[{i}]", f"must be a text, got {type(prompt).__name__}")
        right = reference(label, f"labels[{i}]")
        groups.append(laid_out(query, prompt=prompt or "", reference=right))
    return Asked(groups=tuple(groups), settings={"items": "query[{}]"})


def _beside(body: Mapping[str, Any], field: str, count: int) -> Sequence[Any]:
    """A list as long as the queries; nothing for each where it is not given."""
    value = body.get(field)
    if value is None:
        return [None] * count
    if not isinstance(value, list) or len(value) != count:
        raise Refused(field, f"must be a list of {count}, one per query")
    return value


def _write(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    found = flat(asked, scores)
    rewards = [score.value for score in found]
    return {"rewards": rewards, "scores": rewards, "extra_logs": _logs(found)}


def _logs(scores: Sequence[Score]) -> dict[str, list[float]]:
    """Parts and deviations that every response has: the client takes means of them."""
    rows = [{**score.parts, "std": score.std} for score in scores]
    names = rows[0] if rows else ()
    columns = {name: [row.get(name) for row in rows] for name in names}
    return {
        name: [x for x in column if x is not None]
        for name, column in columns.items()
        if None not in column
    }


OPENRLHF: Final = Dialect(
    "/get_reward", "OpenRLHF: score texts as they are.", _read, _write, ("query",)
)
