"""Preferences made from preferences: ones that do not depend on style alone, and ones with wrong
labels.

RRM (arXiv:2409.13156): what a reward model likes about good responses whatever was asked (length,
lists, tone) is no quality. With x_i a prompt and y other prompts' responses, it learns besides the
data that

    y_w,i  ≻  y        under x_i: a good answer beats one to another question, however good that is;
    y      ~  y'       under x_i: two answers to other questions are alike, whatever their style.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from assay.data.records import normalised_prompt_key
from assay.errors import ConfigError, DataError
from assay.types import Preference, Record, Response

__all__ = ["augment", "flip"]


def augment(
    records: Sequence[Record], *, wins: int = 1, ties: int = 1, seed: int = 0
) -> list[Preference]:
    """The preferences, each followed by `wins` of its better response over another prompt's, and
    `ties` of two such.

    A record without a better response is followed by ties alone. Other prompts are those that
    differ after normalisation, and are drawn evenly over records; a text never stands against
    itself. Raises `DataError` where a record is no preference, or no response can be drawn.
    """
    if wins < 0 or ties < 0:
        raise ConfigError(f"wins is {wins} and ties {ties}; both must be at least 0")
    preferences = _preferences(records)
    others = _Others(preferences, seed)
    found = []
    for i, record in enumerate(preferences):
        found.append(record)
        if record.prefer != 0.5:
            better = record.responses[int(record.prefer < 0.5)]
            found += [_made(record, better, others.draw(i, better), 1.0) for _ in range(wins)]
        for _ in range(ties):
            first = others.draw(i)
            found.append(_made(record, first, others.draw(i, first), 0.5))
    return found


def flip(records: Sequence[Record], share: float, seed: int = 0) -> list[Preference]:
    """The preferences with the label of this share of the decided ones turned round: noise to
    measure robustness with.

    Exactly round(share n) of the n that prefer one response, drawn evenly; their order stays.
    Raises `DataError` where a record is no preference.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share is {share}; it must be from 0 to 1")
    preferences = _preferences(records)
    decided = [i for i, record in enumerate(preferences) if record.prefer != 0.5]
    chosen = np.random.default_rng(seed).permutation(len(decided))[: round(share * len(decided))]
    flipped = {decided[i] for i in chosen}
    return [
        record.model_copy(update={"prefer": 1 - record.prefer}) if i in flipped else record
        for i, record in enumerate(preferences)
    ]


def _preferences(records: Sequence[Record]) -> list[Preference]:
    found = []
    for i, record in enumerate(records):
        if not isinstance(record, Preference):
            raise DataError(f"record {i} is a {type(record).__name__}; this is done to preferences")
        found.append(record)
    return found


def _made(record: Preference, first: Response, second: Response, prefer: float) -> Preference:
    return Preference(prompt=record.prompt, responses=(first, second), prefer=prefer)


class _Others:
    """Responses to other prompts than a record's."""

    def __init__(self, records: Sequence[Preference], seed: int) -> None:
        self._records = records
        self._rng = np.random.default_rng(seed)
        keys = np.array([normalised_prompt_key(record) for record in records], dtype=np.uint64)
        # Records of one prompt stand together, so that leaving them out is a jump.
        self._order = np.argsort(keys, kind="stable")
        self._first = np.searchsorted(keys[self._order], keys, side="left")
        self._end = np.searchsorted(keys[self._order], keys, side="right")

    def draw(self, i: int, unlike: Response | None = None) -> Response:
        """A response to another prompt than record i's, of another text than `unlike`."""
        for response in self._drawn(i):
            if unlike is None or response.text != unlike.text:
                return response
        raise DataError(
            f"no response to another prompt can be put under {self._records[i].prompt.text[:40]!r}:"
            " there is no other prompt, or all its responses read the same; give preferences over"
            " more prompts"
        )

    def _drawn(self, i: int) -> Iterator[Response]:
        first, size = int(self._first[i]), int(self._end[i] - self._first[i])
        others = len(self._records) - size
        for _ in range(100 if others else 0):
            place = int(self._rng.integers(others))
            record = self._records[self._order[place if place < first else place + size]]
            yield record.responses[int(self._rng.integers(2))]
