"""Fine-Grained RLHF's question answering feedback (arXiv:2306.01693): six comparisons between four
predictions.

`preference` holds the pairs in the order 1-2, 1-3, 1-4, 2-3, 2-4, 3-4: 1 for the first, 2 for the
second, 0 for a tie. (The order is not stated with the data; of all 720 it leaves the fewest
intransitive answers by far.)
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from assay.data import fields
from assay.errors import DataError
from assay.types import Message, Preference, Prompt, Record, Response

__all__ = ["FineGrainedRlhf"]

PREFER = {0: 0.5, 1: 1.0, 2: 0.0}
ANSWERS: Final = tuple(f"prediction {i}" for i in range(1, 5))
LEFT_OUT: Final = frozenset({"feedback"})
"""Columns of the public file that are left out: labels of spans."""


@dataclass(frozen=True, kw_only=True)
class FineGrainedRlhf:
    """{question, passages: [[title, sentence, ...]], gold, prediction 1 (to 4), preference: [0 | 1
    | 2] x 6}."""

    passages: bool = True
    """Put the passages before the question, as the models had them."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Predictions by number, and their preferences."""
        return {"question", "prediction 1", "prediction 4", "preference"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """Six preferences, ties included."""
        votes = fields.value(row, "preference")
        if (
            not isinstance(votes, list)
            or len(votes) != 6
            or not all(vote in (0, 1, 2) for vote in votes)
        ):
            raise DataError(f"field 'preference': expected six of 0, 1 and 2, got {votes!r}")
        context = _passages(row) if self.passages else []
        question = "\n\n".join([*context, fields.text(row, "question")])
        prompt = fields.make(
            Prompt,
            messages=(fields.make(Message, role="user", content=question),),
            reference=row.get("gold"),
            meta=fields.rest(
                row, "question", "passages", "gold", "preference", *ANSWERS, *LEFT_OUT
            ),
        )
        answers = [fields.make(Response, steps=(fields.text(row, name),)) for name in ANSWERS]
        for pair, vote in zip(combinations(answers, 2), votes, strict=True):
            yield fields.make(Preference, prompt=prompt, responses=pair, prefer=PREFER[vote])

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _passages(row: Mapping[str, Any]) -> list[str]:
    """Title and sentences of each passage, in one paragraph."""
    passages = fields.value(row, "passages")
    if not isinstance(passages, list):
        raise DataError("field 'passages': expected a list of lists of strings")
    return [" ".join(fields.texts({"passages": passage}, "passages")) for passage in passages]
