"""BIG-Bench Mistake by hand, and its base rates."""

from pathlib import Path

import pytest

from assay.benchmarks.bigbench_mistake import BIGBenchMistake
from tests.benchmarks.planted import LOST, says, scored

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "bigbench_mistake.jsonl"
TASKS = {
    "dyck_languages": (986, 650),
    "logical_deduction": (300, 294),
    "multistep_arithmetic": (300, 238),
    "tracking_shuffled_objects": (300, 260),
    "word_sorting": (300, 266),
}
"""Chains, and those with a mistake."""


def test_by_hand():
    """The mistakes are at 1, nowhere and at 0, counted from 0."""
    benchmark = BIGBenchMistake(data=(str(GOLDEN),))
    records = benchmark.records()
    assert [r.prompt.id for r in records] == [f"bigbench_mistake-{i}" for i in range(3)]
    found = benchmark.metrics(records, [says(3, 1), scored(0.9), says(2, 1)])
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert found["accuracy_wrong"].value == pytest.approx(1 / 2)
    assert found["accuracy_right"].value == 1
    assert found["f1"].value == pytest.approx(2 / 3)
    found = benchmark.metrics(records, [LOST, scored(0.9), says(2, 1)])
    assert (found["accuracy"].value, found["accuracy"].n, found["accuracy"].unscored) == (0.5, 2, 1)


def test_the_public_files(assay_data: Path):
    benchmark = BIGBenchMistake(
        data=(str(assay_data / "steps" / "bigbench_mistake"),), resamples=100
    )
    records = benchmark.records()
    assert len(records) == 2186
    benchmark.validate(records)
    baselines = benchmark.baselines(records)
    for task, (chains, wrong) in TASKS.items():
        never = baselines[f"{task}_accuracy/always_right"]
        assert (never.n, never.value) == (chains, pytest.approx(1 - wrong / chains))
        assert baselines[f"{task}_accuracy_wrong/always_right"].n == wrong
    mean = sum(1 - wrong / chains for chains, wrong in TASKS.values()) / len(TASKS)
    assert baselines["accuracy/always_right"].value == pytest.approx(mean)
    assert baselines["f1/always_right"].value == 0
    # Nobody makes a mistake in the first step of these, and more than half of the shuffles go wrong
    # at one place.
    assert baselines["accuracy/first_step"].value == 0
    assert baselines["tracking_shuffled_objects_accuracy_wrong/majority_position"].value > 0.5
