"""MR-Ben by hand, and its base rates."""

import math
from pathlib import Path

import numpy as np
import pytest

from assay.benchmarks.mrben import MRBen
from assay.errors import DataError
from tests.benchmarks.planted import LOST, many, noisy, says, solution

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "mrben.json"


def test_golden_rows_have_ids_and_a_subject():
    records = MRBen(data=(str(GOLDEN),)).records()
    assert [r.prompt.id for r in records] == ["u1/m1/0", "u1/m2/1", "u2/m1/2"]
    assert {r.prompt.meta["subset"] for r in records} == {"mrben"}


def test_by_hand():
    """Three of four wrong solutions are called wrong, two at the right step; one of two right ones
    is left alone."""
    records = [solution(f"a-{i}", "a", 3, 1) for i in range(4)] + [
        solution(f"a-{i}", "a", 3) for i in (4, 5)
    ]
    scores = [says(3, 1), says(3, 1), says(3, 0), says(3), says(3), says(3, 2)]
    found = MRBen().metrics(records, scores)
    tp, tn, fp, fn = 1, 3, 1, 1
    mcc = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert found["mcc"].value == found["a_mcc"].value == pytest.approx(mcc)
    assert found["accuracy_wrong"].value == pytest.approx(2 / 4)
    assert found["accuracy_right"].value == pytest.approx(1 / 2)
    # (.2 MCC + .3 accuracy) / .5
    assert found["mr_score_without_reason"].value == pytest.approx((0.2 * mcc + 0.3 * 0.5) / 0.5)


def test_a_correlation_below_zero_counts_as_none():
    records = [solution("a-0", "a", 2, 1), solution("a-1", "a", 2)]
    found = MRBen().metrics(records, [says(2), says(2, 0)])
    assert found["mcc"].value == -1
    assert found["mr_score_without_reason"].value == 0
    # One wrong and one right solution say nothing of the next.
    assert math.isnan(found["mcc"].low)


def test_subjects_weigh_alike():
    records = [
        solution(f"{s}-{i}", s, 2, i % 2 - 1) for s, n in (("a", 8), ("b", 2)) for i in range(n)
    ]
    perfect = [says(2, i % 2 - 1) for i in range(8)]
    found = MRBen().metrics(records, [*perfect, says(2), says(2)])
    assert found["accuracy_wrong"].value == 0.5
    assert found["mcc"].value == 0.5
    assert (found["b_mcc"].value, found["b_mcc"].n) == (0, 2)


def test_mcc_is_a_correlation():
    records = many(120, 0, subsets=("a",))
    scores = noisy(records, 1)
    y = [min(label for label in r.labels if label is not None) for r in records]
    said = [float(min(group[0].steps) >= 0.5) for group in scores]
    assert MRBen().metrics(records, scores)["mcc"].value == pytest.approx(
        np.corrcoef(y, said)[0, 1]
    )


def test_unscored():
    records = [solution("a-0", "a", 2, 1), solution("a-1", "a", 2), solution("a-2", "a", 2)]
    scores = [says(2, 1), says(2), LOST]
    found = MRBen().metrics(records, scores)
    assert (
        found["accuracy_right"].value,
        found["accuracy_right"].n,
        found["accuracy_right"].unscored,
    ) == (1, 1, 1)
    assert MRBen(unscored="wrong").metrics(records, scores)["accuracy_right"].value == 0.5
    # A wrong solution that is not scored is not taken for one that was called wrong.
    missed = MRBen(unscored="wrong").metrics(records[:2], [LOST, says(2)])
    assert (missed["mcc"].value, missed["accuracy_wrong"].value, missed["mcc"].unscored) == (
        0,
        0,
        1,
    )


def test_the_public_files(assay_data: Path):
    """4,296 solutions, nine of which cannot be placed: 2,572 are wrong, most of them in
    mathematics."""
    data = (str(assay_data / "steps" / "mrben"),)
    with pytest.raises(DataError, match=r"and 8 more rows.*\(--unreadable leave_out, "):
        MRBen(data=data).records()
    benchmark = MRBen(data=data, unreadable="leave_out", resamples=100)
    with pytest.warns(UserWarning, match="9 of 4296 rows"):
        records = benchmark.records()
    assert len(records) == 4287
    benchmark.validate(records)
    wrong = dict.fromkeys(("biology", "chemistry", "math", "medicine", "physics"), 0)
    for record in records:
        wrong[str(record.prompt.meta["subset"])] += (
            min(y for y in record.labels if y is not None) == 0
        )
    assert 2572 - 9 <= sum(wrong.values()) <= 2572
    assert wrong["math"] > 760
    baselines = benchmark.baselines(records)
    assert baselines["mr_score_without_reason/always_right"].value == 0
    assert baselines["mcc/first_step"].value == 0
    firsts = [
        sum(r.labels[0] == 0 for r in records if r.prompt.meta["subset"] == s) / wrong[s]
        for s in wrong
    ]
    assert baselines["accuracy_wrong/first_step"].value == pytest.approx(np.mean(firsts))
    assert baselines["mr_score_without_reason/first_step"].value == pytest.approx(
        0.6 * np.mean(firsts)
    )
