"""OpenRLHF's remote reward model (`--reward.remote_url http://HOST:PORT/get_reward`; 0.11.2).

A query is prompt and response, decoded with their special tokens. `scores` in the answer are what
prompts are filtered by; they are the rewards, as in OpenRLHF's own server. With two URLs and more
the client sends shares of a batch that may be empty: `"query": []` is answered with empty lists.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import laid_out
from assay.server.dialects.numbers import flat
from assay.types import Score

__all__ = ["OPENRLHF"]

REQUEST: Final = s.request(
    "query",
    query=s.TEXTS,
    prompts=s.many(s.nullable(s.TEXT)),
    labels=s.many(s.nullable(s.REFERENCE)),
)


def _read(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, REQUEST)
    queries = body["query"]
    prompts = _beside(body, "prompts", len(queries))
    labels = _beside(body, "labels", len(queries))
    groups = tuple(
        laid_out(query, prompt=prompt or "", reference=None if label is None else str(label))
        for query, prompt, label in zip(queries, prompts, labels, strict=True)
    )
    return Asked(groups=groups, settings={"items": "query[{}]"})


def _beside(body: Mapping[str, Any], field: str, count: int) -> Sequence[Any]:
    """A list as long as the queries; nothing for each where it is not given."""
    value: Sequence[Any] = body.get(field, [None] * count)
    if len(value) != count:
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
    "/get_reward",
    "OpenRLHF: score texts as they are.",
    _read,
    _write,
    REQUEST,
    s.record(
        "rewards scores extra_logs",
        rewards=s.NUMBERS,
        scores=s.NUMBERS,
        extra_logs=s.by_name(s.NUMBERS),
    ),
    lists=("query",),
)
