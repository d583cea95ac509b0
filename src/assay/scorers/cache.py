"""Verdicts by content: what was judged before is not judged again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from assay.types import Verdict

__all__ = ["remembered"]

MOST: Final = 100_000
"""Verdicts kept; the oldest are forgotten first."""

K = TypeVar("K")
T = TypeVar("T")


def remembered(
    known: dict[K, Verdict],
    wanted: Mapping[K, T],
    check_all: Callable[[Sequence[T]], Sequence[Verdict]],
) -> dict[K, Verdict]:
    """The verdict of every key: from `known`, or by `check_all`; those that were decided are added
    to `known`."""
    new = {key: item for key, item in wanted.items() if key not in known}
    found = dict(zip(new, check_all([*new.values()]), strict=True))
    verdicts = {key: found[key] if key in found else known[key] for key in wanted}
    known.update({key: verdict for key, verdict in found.items() if verdict.outcome != "undecided"})
    for old in list(known)[: max(0, len(known) - MOST)]:
        del known[old]
    return verdicts
