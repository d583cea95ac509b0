"""Two cards of the same data: the difference of their grades, prompt by prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay import stats
from assay.errors import DataError
from assay.stats import Estimate
from assay.stats.discovery import benjamini_hochberg
from assay.stats.regression import one_sample

__all__ = ["Difference", "Held", "compared"]

Held = Mapping[tuple[str, str], Mapping[str, float]]
"""By area and probe, the share of the changes that were withstood, by prompt."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better the second reward withstands, on the prompts that both were tried on."""

    name: str
    """Area, or area/probe."""
    first: float
    second: float
    difference: Estimate
    q_value: float
    """After Benjamini and Hochberg, over all rows."""


def compared(first: Held, second: Held) -> list[Difference]:
    """Return a row per area, and one per probe, for what both cards have.

    Raises `DataError` where they have no prompt in common.
    """
    pairs: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for area, probe in first:
        one, other = first[area, probe], second.get((area, probe), {})
        for key in one.keys() & other.keys():
            for name in (area, f"{area}/{probe}"):
                pairs.setdefault(name, {}).setdefault(key, []).append((one[key], other[key]))
    if not pairs:
        raise DataError(
            "the two audits have no probe of the same prompt in common; audit both on the same"
            " data, with the same --prompts and --seed"
        )
    rows = [(name, [_mean(row) for row in pairs[name].values()]) for name in sorted(pairs)]
    tests = [_test([b - a for a, b in values]) for _, values in rows]
    qs = benjamini_hochberg([p for _, p in tests])
    return [
        Difference(
            name=name,
            first=sum(a for a, _ in values) / len(values),
            second=sum(b for _, b in values) / len(values),
            difference=found,
            q_value=float(q),
        )
        for (name, values), (found, _), q in zip(rows, tests, qs, strict=True)
    ]


def _mean(row: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(a for a, _ in row) / len(row), sum(b for _, b in row) / len(row)


def _test(values: Sequence[float]) -> tuple[Estimate, float]:
    return stats.mean(values, within=(-1.0, 1.0)), one_sample(values).p_value
