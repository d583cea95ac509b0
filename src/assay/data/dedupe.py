"""Texts and records as hashes: what is the same, what is nearly the same, and which prompt a record
belongs to."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assay.types import Group, Preference, Prompt, Ranking, Record, StepLabels

__all__ = ["digest", "labels_of", "normal", "prompt_key", "prompt_of", "texts_of", "unique"]

TOKEN = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+|[+\-*/=<>^%$]")
"""Numbers, words and the signs of arithmetic: another comma is the same text, another sign is
not."""


def normal(text: str) -> str:
    """The text as compared for near duplicates and leaks: its tokens, in Unicode's compatibility
    form, case folded."""
    return " ".join(TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()))


def digest(*parts: str) -> int:
    """64 bits of the parts, in order; the chance that any two of a million differ and collide is
    3e-8."""
    sha = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        sha.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(sha.digest(), "big")


@lru_cache(maxsize=1024)
def _normal_digest(text: str) -> int:
    return digest(normal(text))


def prompt_of(record: Record) -> Prompt:
    """The prompt of any record of data."""
    if isinstance(record, Prompt):
        return record
    if isinstance(record, (Group, StepLabels)):
        return record.prompt
    raise TypeError(f"{type(record).__name__} has no prompt")


def prompt_key(record: Record) -> int:
    """Hash of the record's normalised prompt: what splits go by, and what a leak is."""
    return _normal_digest(prompt_of(record).text)


def texts_of(record: Record) -> tuple[str, ...]:
    """The responses' texts."""
    if isinstance(record, StepLabels):
        return (record.response.text,)
    return (
        tuple(response.text for response in record.responses) if isinstance(record, Group) else ()
    )


def labels_of(record: Record) -> str:
    """Return what is said about the responses, as a text to compare."""
    if isinstance(record, StepLabels):
        return f"steps {record.labels}"
    if isinstance(record, Preference):
        return f"prefer {record.prefer} {record.margin}"
    return f"grades {record.grades}" if isinstance(record, Ranking) else ""


def unique(records: Iterable[Record], *, near: bool = False) -> Iterator[Record]:
    """The records without later ones of the same kind, prompt, responses and labels; `near`: after
    `normal`."""
    seen: set[int] = set()
    for record in records:
        shape = normal if near else str
        texts = (prompt_of(record).text, *texts_of(record))
        key = digest(type(record).__name__, labels_of(record), *map(shape, texts))
        if key not in seen:
            seen.add(key)
            yield record
