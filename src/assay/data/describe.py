"""A datasheet of records: how many of what, how long, how labelled, in which scripts, from where.

One pass; numbers are kept for each record, texts are not.
"""

import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import Final

import numpy as np

from assay.data.records import normalised_prompt_key, prompt_of, responses_of
from assay.types import Preference, Prompt, Ranking, Record, Response, StepLabels

__all__ = ["Datasheet", "Spread", "describe"]

SHOWN: Final = 8
"""Most values listed of a column, and of labels."""
DISTINCT: Final = 1000
"""Values counted of a column; with more of them, it is no category."""
LONGEST: Final = 80
"""Characters of the longest value that may be a category."""
LETTERS: Final = 200
"""Letters of a text by which its script is told."""
QUANTILES: Final = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A distribution of whole numbers."""

    n: int
    mean: float
    least: int
    low: int
    """5 % are below it."""
    median: int
    high: int
    """5 % are above it."""
    most: int


@dataclass(frozen=True, kw_only=True)
class Datasheet:
    """What records hold, counted."""

    kinds: dict[str, int]
    """Records by kind."""
    prompts: int
    """Distinct prompts, after `records.normalised`."""
    sizes: dict[str, Spread]
    """Characters, messages, responses and steps."""
    labels: dict[str, int]
    """Labels and decisions by value."""
    holds: dict[str, int]
    """Records with a system message, tools, images, several turns and the like."""
    scripts: dict[str, int]
    """Prompts by the script of most of their letters."""
    columns: dict[str, dict[str, int]]
    """Other columns whose values repeat, such as a source or a licence: the commonest values."""


def describe(records: Iterable[Record]) -> Datasheet:
    """Count what records hold, in one pass."""
    kinds: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    holds: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    prompts: set[int] = set()
    sizes: dict[str, array[int]] = {}
    columns: dict[str, Counter[str]] = {}
    for record in records:
        prompt = prompt_of(record)
        kinds[type(record).__name__] += 1
        prompts.add(normalised_prompt_key(record))
        scripts[_script(prompt.text)] += 1
        labels.update(_labels(record))
        holds.update(_holds(prompt, responses_of(record)))
        for name, size in _sizes(record):
            sizes.setdefault(name, array("Q")).append(size)
        for name, value in _categories(record):
            seen = columns.setdefault(name, Counter())
            if value in seen or len(seen) < DISTINCT:
                seen[value] += 1
    repeated = {name: seen for name, seen in columns.items() if len(seen) < seen.total()}
    return Datasheet(
        kinds=dict(kinds),
        prompts=len(prompts),
        sizes={name: _spread(found) for name, found in sizes.items()},
        labels=dict(labels.most_common(SHOWN)),
        holds=dict(holds),
        scripts=dict(scripts.most_common()),
        columns={
            name: dict(seen.most_common(SHOWN))
            for name, seen in repeated.items()
            if len(seen) < DISTINCT
        },
    )


def _sizes(record: Record) -> Iterable[tuple[str, int]]:
    prompt, responses = prompt_of(record), responses_of(record)
    yield "messages per prompt", len(prompt.messages)
    yield "characters per prompt", len(prompt.text)
    if not isinstance(record, Prompt):
        yield "responses per record", len(responses)
    for response in responses:
        yield "characters per response", len(response.text)
        yield "steps per response", len(response.steps)


def _labels(record: Record) -> Iterable[str]:
    """Return what is said of the responses, in words."""
    if isinstance(record, Preference):
        words = {1.0: "first preferred", 0.0: "second preferred", 0.5: "tie"}
        yield words.get(record.prefer, "preferred by a share")
        if record.margin is not None:
            yield "margin stated"
    elif isinstance(record, StepLabels):
        for label in record.labels:
            yield "step unlabelled" if label is None else f"step labelled {label:g}"
    elif isinstance(record, Ranking):
        yield from (f"grade {grade:g}" for grade in record.grades)


def _holds(prompt: Prompt, responses: tuple[Response, ...]) -> Iterable[str]:
    """Return what a record has that not all have."""
    turns = [turn for response in responses for turn in response.turns]
    messages = (*prompt.messages, *turns)
    found = {
        "system message": any(message.role == "system" for message in messages),
        "several turns in the prompt": sum(m.role == "user" for m in prompt.messages) > 1,
        "tools": bool(prompt.tools),
        "calls of tools": any(message.tool_calls for message in messages),
        "reasoning": any(message.reasoning for message in messages),
        "parts other than text": any(message.parts for message in messages),
        "trajectory": any(response.turns for response in responses),
        "rewards per step": any(response.rewards for response in responses),
        "reference": prompt.reference is not None,
        "unfinished response": not all(response.finished for response in responses),
    }
    return (name for name, there in found.items() if there)


def _categories(record: Record) -> Iterable[tuple[str, str]]:
    """Return the short values of a record's other columns."""
    metas = [prompt_of(record).meta, *(response.meta for response in responses_of(record))]
    return [
        (name, str(value))
        for name, value in chain.from_iterable(meta.items() for meta in metas)
        if isinstance(value, (str, bool, int)) and len(str(value)) <= LONGEST
    ]


def _script(text: str) -> str:
    """Return the script of most letters, in one word; "none" where there is no letter."""
    letters = islice(filter(str.isalpha, text), LETTERS)
    if text.isascii():
        return "none" if next(letters, None) is None else "latin"
    found = Counter(map(_script_of, letters))
    return found.most_common(1)[0][0] if found else "none"


@cache
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "unknown").partition(" ")[0].lower()


def _spread(found: "array[int]") -> Spread:
    sizes = np.frombuffer(found, dtype=np.uint64)
    cuts = np.quantile(sizes, QUANTILES, method="inverted_cdf")
    least, low, median, high, most = (int(cut) for cut in cuts)
    return Spread(
        n=len(sizes),
        mean=float(sizes.mean()),
        least=least,
        low=low,
        median=median,
        high=high,
        most=most,
    )
