"""Split by prompt, never by row: all that concerns one prompt falls on one side, in every file and every run.

The side is a hash of the normalised prompt and the seed, so it does not depend on the order of rows or on what else is
in the file, and files that share prompts split alike. Shares are therefore met on average, not exactly.
"""

from collections.abc import Mapping
from typing import Literal

from assay.data.dedupe import digest, prompt_key
from assay.errors import ConfigError
from assay.types import Record

__all__ = ["Side", "side"]

Side = Literal["train", "valid", "test"]


def side(record: Record, shares: Mapping[Side, float], seed: int = 0) -> Side:
    """Where a record falls. `shares`: of "valid" and "test", each at least 0, together below 1; the rest is "train"."""
    valid, test = shares.get("valid", 0.0), shares.get("test", 0.0)
    if not (valid >= 0 and test >= 0 and valid + test < 1):
        raise ConfigError(f"the shares of valid ({valid}) and test ({test}) have to be at least 0 and together below 1")
    point = digest(str(seed), str(prompt_key(record))) / 2**64
    if point < test:
        return "test"
    return "valid" if point < test + valid else "train"
