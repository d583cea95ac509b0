from collections.abc import Sequence

from assay.stats import CurvePoint, Estimate
from assay.studies.arithmetic.conclusion import conclusion
from assay.studies.arithmetic.summary import Summary


def e(value: float, half: float = 0.02) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=300)


def curve(*values: float, half: float = 0.02) -> Sequence[CurvePoint]:
    return [CurvePoint(2**i, e(value, half)) for i, value in enumerate(values)]


def summary(majority: float = 0.9, **curves: Sequence[CurvePoint]) -> Summary:
    return Summary(
        mean_at_1=e(0.5),
        majority=e(majority),
        oracle=e(1.0),
        best_of_n=curves,
        majority_of_n=(),
        oracle_of_n=(),
        steps={},
        parity_max_abs_diff=0.0,
        stages={},
    )


def test_a_fall_below_no_selection_is_reported() -> None:
    text = conclusion(summary(outcome=curve(0.5, 0.6, 0.3)))
    assert (
        "the outcome model peaks at n=2 with 0.600 [0.580, 0.620] and falls to 0.300 [0.280, 0.320]"
        " at n=4" in text
    )
    assert "worse than no selection" in text
    assert "is worse than a majority vote" in text


def test_nothing_is_claimed_within_the_intervals() -> None:
    text = conclusion(summary(outcome=curve(0.5, 0.52, 0.51), majority=0.51))
    assert "falls" not in text
    assert "not distinguishable from no selection" in text
    assert "not distinguishable from a majority vote" in text


def test_a_curve_that_only_rises_and_the_best_of_several() -> None:
    text = conclusion(summary(outcome=curve(0.5, 0.6, 0.3), process=curve(0.5, 0.8, 0.97)))
    assert (
        "the process model rises to 0.970 [0.950, 0.990] at n=4, better than no selection" in text
    )
    assert "The best choice, the process model's at n=4" in text
    assert "is better than a majority vote" in text
