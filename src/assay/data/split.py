"""Split by prompt, never by row: all that concerns one prompt falls on one side, in every file and
every run.

The side is a hash of the normalised prompt, the seed and what the split is for, so it does not
depend on the order of rows or on what else is in the file, and files that share prompts split
alike. Shares are therefore met on average, not exactly. The purposes (test, valid, held out of a
training) have hashes of their own: what one of them leaves over is an even sample for the next.
"""

from collections.abc import Mapping
from typing import Literal

from assay.data.records import digest, normalised_prompt_key
from assay.errors import ConfigError
from assay.types import Record

__all__ = ["Side", "held_out", "side", "surprising"]

Side = Literal["train", "valid", "test"]
RARE = 1e-6
"""A share that is met so badly by chance only once in a million splits was not met by chance."""


def side(record: Record, shares: Mapping[Side, float], seed: int = 0) -> Side:
    """Tell where a record falls.

    shares: of "valid" and "test", each at least 0, together below 1; the rest is "train". Of the
    prompts that are not test, valid/(1 - test) are valid. Raises `ConfigError` for other shares.
    """
    valid, test = shares.get("valid", 0.0), shares.get("test", 0.0)
    if not (valid >= 0 and test >= 0 and valid + test < 1):
        raise ConfigError(
            f"the shares of valid ({valid}) and test ({test}) have to be at least 0 and together"
            " below 1"
        )
    if _point(record, seed) < test:
        return "test"
    return "valid" if _point(record, seed, "valid") < valid / (1 - test) else "train"


def held_out(record: Record, share: float, seed: int = 0) -> bool:
    """Tell whether a training holds the record out. The same for every training, whatever `side`
    says of the record."""
    return _point(record, seed, "held out") < share


def surprising(count: int, of: int, share: float) -> bool:
    """Tell whether so many of the prompts cannot be an accident: they were drawn by the same hash
    before.

    Two-sided binomial test of `count` in `of` draws of chance `share`, at one in a million.
    """
    from scipy.stats import binomtest

    return bool(of) and bool(binomtest(count, of, share).pvalue < RARE)


def _point(record: Record, seed: int, *purpose: str) -> float:
    """A number from 0 to 1, even over prompts. Without a purpose it is that of test sides, which
    older splits have."""
    return digest(str(seed), str(normalised_prompt_key(record)), *purpose) / 2**64
