"""Conditions on estimates, for a pipeline that must not go on: `accuracy<0.7`, `ece.high>0.1`."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from assay.errors import ConfigError, did_you_mean
from assay.stats.estimate import Estimate

__all__ = ["check", "met"]

COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
ENDS: Final = (".low", ".high")
CONDITION: Final = re.compile(r"(.+?)(\.low|\.high|\.value)?\s*(<=|>=|<|>)\s*(\S+)")


def met(conditions: Sequence[str], estimates: Mapping[str, Estimate]) -> list[str]:
    """Return the conditions that hold, each with the number found, in words.

    A condition is NAME<NUMBER or with >, <=, >=. NAME is an estimate's and means its value;
    NAME.low and NAME.high are the ends of its 95 % interval, so that `accuracy.low<0.7` also holds
    where there is too little data to know. A number that is not finite meets every condition: what
    could not be measured is no success. Raises `ConfigError` for another form or an unknown name.
    """
    found = []
    for condition in conditions:
        name, end, sign, limit = _parts(condition)
        if name not in estimates:
            there = [*estimates, *(f"{known}{end}" for known in estimates for end in ENDS)]
            hint = did_you_mean(name, there)
            raise ConfigError(
                f"{condition!r}: nothing is called {name!r}{hint}; there is {', '.join(estimates)}"
            )
        value = getattr(estimates[name], end)
        if not math.isfinite(value) or COMPARE[sign](value, limit):
            found.append(f"{condition} (it is {value:.4g})")
    return found


def check(conditions: Sequence[str]) -> None:
    """Raise `ConfigError` for what is no condition, before anything is measured."""
    for condition in conditions:
        _parts(condition)


def _parts(condition: str) -> tuple[str, str, str, float]:
    """Name, end (value, low or high), sign and number of a condition."""
    parts = CONDITION.fullmatch(condition.strip())
    name, end, sign, number = parts.groups() if parts else ("", None, "", "")
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if math.isnan(limit):  # Nothing is below or above it: the condition would never hold.
        raise ConfigError(
            f"{condition!r} is no condition; write one like accuracy<0.7 or accuracy.low<0.7"
        )
    return name, (end or ".value").removeprefix("."), sign, limit
