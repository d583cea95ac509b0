"""Splits of a data set, such as train and test: what names them, and which are wanted.

Rows of several splits are read together only where that is asked for: what was kept for a test
would be trained on.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qs

from assay.errors import ConfigError, DataError

__all__ = ["belongs", "by_key", "by_path", "check_one", "missing", "wanted"]

WORDS: Final = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "eval": "test",
    "evaluation": "test",
    "heldout": "test",
    "held_out": "test",
    "held-out": "test",
    "holdout": "test",
}
"""Word in a name -> the split that it means, as `datasets` reads folders, and more."""
ALONE: Final = r"(?<![^\W\d_])(?:{})(?![^\W\d_])"
"""A word by itself: no letter stands beside it. A number may, as in train2."""
WHOLE: Final = r"(?<![^\W_])(?:{})(?![^\W_])"
"""A name with a number by itself: no digit stands beside it, either."""
WORD: Final = re.compile(ALONE.format("|".join(WORDS)), re.IGNORECASE)
KEY: Final = re.compile(r"[^\W\d]+(?:-[^\W\d]+)*")
"""A key that may name a split, such as test_sft. Numbers are of ids: test_17 is a problem's."""


def by_path(paths: Iterable[str]) -> dict[str, str]:
    """Return the words of splits in the paths of a folder's files, with what each means."""
    found = (WORD.search(path) for path in paths)
    return {match[0]: WORDS[match[0].casefold()] for match in found if match}


def belongs(path: str, split: str) -> bool:
    """Return whether a folder's file is of a split: below a folder of its name, or named so.

    path: without its suffix, which names no split.
    """
    alone = WHOLE if any(map(str.isdecimal, split)) else ALONE
    return re.search(alone.format(re.escape(split)), path) is not None


def by_key(keys: Iterable[str]) -> dict[str, str]:
    """Return the keys of a JSON object that name splits, with what each means."""
    found = ((key, WORD.search(key)) for key in keys if KEY.fullmatch(key))
    return {key: WORDS[match[0].casefold()] for key, match in found if match}


def wanted(source: str, query: str) -> tuple[str, ...]:
    """Return the splits that "split=NAME" or "split=NAME+OTHER" asks for.

    Raises `ConfigError` for another option.
    """
    options = parse_qs(query)
    names = tuple(re.findall(r"[^+\s]+", options["split"][0])) if "split" in options else ()
    if options.keys() != {"split"} or len(options["split"]) > 1 or not names:
        raise ConfigError(
            f"{source}?{query}: the only option of a folder or file is ?split=NAME, or"
            " ?split=NAME+OTHER for several"
        )
    return names


def check_one(source: str, found: Mapping[str, str]) -> None:
    """Raise `DataError` for splits that mean different things, and say how to choose."""
    if len(set(found.values())) < 2:
        return
    # What is copied from here by whoever trains is no test.
    first = next((name for name, split in found.items() if split == "train"), next(iter(found)))
    raise DataError(
        f"{source} holds the splits {', '.join(found)}, which are not read as one unasked; choose"
        f" '{source}?split={first}', or '{source}?split={'+'.join(found)}' for all"
    )


def missing(source: str, name: str, there: Iterable[str]) -> DataError:
    """Return the error of a split that is not there."""
    return DataError(f"{source} has no split {name!r}; it holds {', '.join(there) or 'none'}")
