"""One score of many: by hand, within bounds, in order."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.aggregation import AGGREGATIONS, FLOOR, OF_PROBABILITIES, Aggregation, aggregate, caution
from assay.errors import ConfigError

STEPS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)
INNER: list[Aggregation] = ["last", "min", "mean", "geometric_mean", "softmin"]
"""Between the least and the largest step."""


def test_by_hand() -> None:
    steps = [0.5, 0.25, 0.5]
    expected: dict[Aggregation, float] = {
        "last": 0.5,
        "product": 0.0625,
        "min": 0.25,
        "mean": 1.25 / 3,
        "log_sum": math.log(0.0625),
        "geometric_mean": 0.0625 ** (1 / 3),
        "softmin": (0.25 + 2 * 0.5 * math.exp(-5)) / (1 + 2 * math.exp(-5)),
    }
    assert expected.keys() == AGGREGATIONS.keys()
    for how, value in expected.items():
        assert aggregate(steps, how) == pytest.approx(value)


@given(STEPS)
def test_bounds_and_single_steps(steps: list[float]) -> None:
    for how in INNER:
        assert min(steps) - 1e-12 <= aggregate(steps, how) <= max(steps) + 1e-12
        assert aggregate(steps[:1], how) == steps[0]
    assert aggregate(steps, "product") <= min(steps) + 1e-12


@given(STEPS)
def test_order_matters_to_the_last_step_only(steps: list[float]) -> None:
    moved = sorted(steps)
    for how in AGGREGATIONS:
        if how != "last":
            assert aggregate(moved, how) == pytest.approx(aggregate(steps, how))


@given(STEPS, st.data())
def test_a_better_step_is_never_worse(steps: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(steps) - 1))
    better = [*steps[:at], min(1.0, steps[at] + 0.05), *steps[at + 1 :]]
    for how in AGGREGATIONS:
        if how != "softmin":
            assert aggregate(better, how) >= aggregate(steps, how) - 1e-9


def test_softmin_is_near_the_weakest_and_may_fall_when_a_strong_step_rises() -> None:
    assert aggregate([0.1, 0.9, 0.9], "softmin") == pytest.approx(0.1, abs=1e-4)
    # A step above the weakest loses weight as it rises: not monotone, and known for it.
    assert aggregate([0.5, 0.7], "softmin") < aggregate([0.5, 0.55], "softmin")


def test_zero_is_finite_and_negative_refused() -> None:
    assert aggregate([0.0, 1.0], "log_sum") == pytest.approx(math.log(FLOOR))
    assert aggregate([0.0] + [1.0] * 1000, "geometric_mean") == 0
    for how in OF_PROBABILITIES:
        for wrong in (-2.0, 1.5, math.nan):
            with pytest.raises(
                ConfigError, match=f"a step scores {wrong}, and {how} needs probabilities"
            ):
                aggregate([wrong, 0.5], how)
    assert aggregate([-2.0, 0.5], "min") == -2.0


def test_log_sum_orders_as_the_product_does_where_that_underflows() -> None:
    long, longer = [0.1] * 400, [0.1] * 401
    assert aggregate(long, "product") == aggregate(longer, "product") == 0
    assert aggregate(long, "log_sum") > aggregate(longer, "log_sum")


@given(STEPS, STEPS)
def test_log_sum_never_turns_the_product_round(one: list[float], other: list[float]) -> None:
    # Probabilities as small as a sigmoid gives, too: 1e-20 and 1 lie below 1e-7 and 1e-7.
    for a, b in ((one, other), ([1e-20, 1.0], [1e-7, 1e-7])):
        if aggregate(a, "product") > aggregate(b, "product") * (1 + 1e-9) > 1e-300:
            assert aggregate(a, "log_sum") > aggregate(b, "log_sum")
    assert aggregate([1e-20, 1.0], "log_sum") < aggregate([1e-7, 1e-7], "log_sum")


def test_caution() -> None:
    assert not any(caution(how, "correctness") for how in AGGREGATIONS)
    told = {how: caution(how, "monte_carlo") for how in AGGREGATIONS}
    assert {how for how, text in told.items() if text is None} == {"last", "mean"}
    assert all("multiplying values" in (told[how] or "") for how in OF_PROBABILITIES)
    assert "lowest value" in (told["min"] or "")


def test_what_cannot_be_aggregated() -> None:
    with pytest.raises(ConfigError, match="softmin"):
        aggregate([0.5], "middle")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="without step scores"):
        aggregate([], "mean")
