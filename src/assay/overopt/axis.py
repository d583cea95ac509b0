"""Studies by a number that their proxies differ in, such as parameters: slopes of fits and gains
in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.overopt.scaling import Scaling, scaling
from assay.overopt.study import Study
from assay.stats import Estimate

__all__ = ["Axis", "axis"]


@dataclass(frozen=True)
class Axis:
    """A number that proxies differ in, and how the fits of best-of-n and the highest gain go with
    it."""

    name: str
    """Such as parameters, or preferences."""
    sizes: Mapping[str, float]
    """By proxy."""
    scalings: Mapping[str, Scaling]
    """Of "alpha", "beta" and "highest gain"; none where fewer than two sizes could be fitted."""


def axis(name: str, sizes: Mapping[str, float], studies: Sequence[Study]) -> Axis:
    """Relate studies to a number of their proxies, such as size; no slope for proxies against
    several golds."""
    used = [s for s in studies if s.proxy in sizes and s.fits is not None]
    numbers = [sizes[s.proxy] for s in used]
    if len(set(numbers)) < 2 or len({s.gold for s in used}) > 1:
        return Axis(name, sizes, {})
    fits = [s.fits.best_of_n for s in used if s.fits is not None]
    drawn = all(len(fit.draws_R_2) for fit in fits)
    result = {}
    for k, coefficient in enumerate(("alpha", "beta")):
        draws = np.stack([fit.draws_R_2[:, k] for fit in fits], axis=1) if drawn else None
        result[coefficient] = scaling(
            numbers, [getattr(fit, coefficient).value for fit in fits], draws
        )
    result["highest gain"] = scaling(numbers, [max(g.value for g in _used_gains(s)) for s in used])
    return Axis(name, sizes, result)


def _used_gains(study: Study) -> list[Estimate]:
    return [gain for gain, counts in zip(study.gains, study.counted, strict=True) if counts]
