"""Conditions on estimates: by hand."""

import math

import pytest

from assay.errors import ConfigError
from assay.stats import Estimate
from assay.stats.conditions import met

FOUND = {
    "accuracy": Estimate(value=0.75, low=0.65, high=0.85, n=50),
    "accuracy/longest": Estimate(value=math.nan, low=math.nan, high=math.nan, n=0),
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("accuracy<0.7", False),
        ("accuracy.low<0.7", True),
        ("accuracy.high < 0.85", False),
        ("accuracy.high <= 0.85", True),
        ("accuracy>0.7", True),
        ("accuracy>=.75", True),
        ("accuracy/longest>1", True),
    ],
)
def test_a_condition_is_of_the_value_or_of_an_end(condition: str, holds: bool) -> None:
    assert bool(met([condition], FOUND)) is holds


def test_the_number_is_told() -> None:
    assert met(["accuracy.low<0.7"], FOUND) == ["accuracy.low<0.7 (it is 0.65)"]


@pytest.mark.parametrize(
    "condition", ["accuracy", "accuracy=0.7", "<0.7", "accuracy<x", "ece<1", "accuracy<nan"]
)
def test_what_is_no_condition_is_refused(condition: str) -> None:
    with pytest.raises(ConfigError, match=r"condition|there is accuracy"):
        met([condition], FOUND)


def test_a_misspelled_end_is_told() -> None:
    with pytest.raises(ConfigError, match=r"did you mean accuracy\.low"):
        met(["accuracy.lo<0.7"], FOUND)
