"""ProcessBench by hand, against slow code, and at the counts that the paper gives."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from assay.benchmarks._records import NEVER, error_place, place
from assay.benchmarks.processbench import ProcessBench
from assay.errors import ConfigError, DataError
from tests.benchmarks.planted import LOST, many, noisy, says, scored, solution

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "processbench.jsonl"


def test_golden_rows_have_ids_and_subsets():
    records = ProcessBench(data=(str(GOLDEN),)).records()
    assert [(r.prompt.id, r.prompt.meta["subset"]) for r in records] == [
        ("gsm8k-0", "gsm8k"),
        ("gsm8k-1", "gsm8k"),
        ("math-0", "math"),
    ]
    assert [error_place(r) for r in records] == [1, NEVER, 0]
    assert [r.response.meta["final_answer_correct"] for r in records] == [False, True, True]
    gsm8k = records[:2]
    found = ProcessBench().metrics(gsm8k, [scored(0.5, 0.49, 0.1), scored(0.6)])
    assert found["gsm8k_f1"].value == 1


def test_by_hand():
    """Subset a: two of three errors found, one of two right solutions left alone: F1 4/7. Subset b:
    all found."""
    records = [
        solution("a-0", "a", 3, 1),
        solution("a-1", "a", 3, 2),
        solution("a-2", "a", 3, 2),
        solution("a-3", "a", 2),
        solution("a-4", "a", 2),
        solution("b-0", "b", 2, 0),
        solution("b-1", "b", 2),
    ]
    scores = [
        scored(0.5, 0.4, 0.9),  # one half is right
        scored(0.9, 0.9, 0.1),
        scored(0.9, 0.4, 0.1),  # an error, but not the first
        scored(0.9, 0.9),
        scored(0.9, 0.2),
        scored(0.2, 0.1),
        scored(0.6, 0.5),
    ]
    found = ProcessBench().metrics(records, scores)
    assert found["a_accuracy_wrong"].value == pytest.approx(2 / 3)
    assert found["a_accuracy_right"].value == pytest.approx(1 / 2)
    assert found["a_f1"].value == pytest.approx(4 / 7)
    assert found["b_f1"].value == 1
    assert found["f1"].value == pytest.approx(11 / 14)  # not weighted by the subsets' sizes
    assert found["accuracy_wrong"].value == pytest.approx(5 / 6)
    assert (found["a_accuracy_wrong"].n, found["a_accuracy_right"].n, found["f1"].n) == (3, 2, 7)
    # What one right or one wrong solution of a subset tells has no interval.
    assert all(np.isnan(e.low) or e.low <= e.value <= e.high for e in found.values())
    assert not np.isnan(found["f1"].low)
    assert np.isnan(found["b_f1"].low)  # one problem of each kind proves nothing


def test_neither_accuracy_gives_zero_not_nan():
    records = [solution("a-0", "a", 2, 1), solution("a-1", "a", 2)]
    assert ProcessBench().metrics(records, [says(2, 0), says(2, 0)])["f1"].value == 0
    assert math.isnan(
        ProcessBench().metrics(records[:1], [says(2, 1)])["f1"].value
    )  # there is no right solution


def test_unscored_is_counted_and_never_a_guess():
    records = [
        solution("a-0", "a", 2, 1),
        solution("a-1", "a", 2),
        solution("a-2", "a", 2),
        solution("a-3", "a", 2, 0),
    ]
    scores = [says(2, 1), says(2), LOST, LOST]
    left_out = ProcessBench().metrics(records, scores)
    assert (left_out["f1"].value, left_out["f1"].n, left_out["f1"].unscored) == (1, 2, 2)
    assert (left_out["accuracy_right"].n, left_out["accuracy_right"].unscored) == (1, 1)
    missed = ProcessBench(unscored="wrong").metrics(records, scores)
    # Were it read as "no error", the right solution would be found.
    assert (missed["f1"].value, missed["f1"].n, missed["f1"].unscored) == (0.5, 4, 2)
    nothing = ProcessBench().metrics(records, [LOST] * 4)
    assert math.isnan(nothing["f1"].value)
    assert (nothing["f1"].n, nothing["f1"].unscored) == (0, 4)


def test_the_order_of_records_does_not_matter_and_the_sign_of_scores_does():
    records = many(60, 0)
    scores = noisy(records, 1)
    found = ProcessBench(resamples=50).metrics(records, scores)
    order = np.random.default_rng(2).permutation(len(records))
    again = ProcessBench(resamples=50).metrics(
        [records[i] for i in order], [scores[i] for i in order]
    )
    for name, estimate in found.items():
        assert again[name].value == pytest.approx(estimate.value)
        assert (again[name].n, again[name].unscored) == (estimate.n, estimate.unscored)
    away = [(scored(*(1 - p for p in group[0].steps))) for group in scores]
    assert ProcessBench(resamples=50).metrics(records, away)["f1"].value < found["f1"].value / 2


def _slow_f1(records, scores, threshold):
    hit = {True: [], False: []}
    for record, (score,) in zip(records, scores, strict=True):
        truth = error_place(record)
        hit[truth == NEVER].append(place(np.array(score.steps), threshold) == truth)
    a, b = np.mean(hit[False]), np.mean(hit[True])
    return 2 * a * b / (a + b) if a + b else 0.0


def test_the_tuned_threshold_is_the_best_of_all_and_is_reused():
    records = many(90, 3)
    scores = noisy(records, 4)
    mine = [i for i, r in enumerate(records) if r.prompt.meta["subset"] == "gsm8k"]
    gsm8k, theirs = [records[i] for i in mine], [scores[i] for i in mine]
    found = ProcessBench(policy="tuned", resamples=200).metrics(records, scores)
    best = max(_slow_f1(gsm8k, theirs, t) for t in np.linspace(0, 1, 4001))
    assert found["gsm8k_f1"].value == pytest.approx(best)
    t = found["threshold"]
    assert np.isnan(t.low)  # the place of a maximum has no interval
    assert _slow_f1(gsm8k, theirs, t.value) == pytest.approx(best)
    rest = [i for i in range(len(records)) if i not in mine]
    reused = _slow_f1([records[i] for i in rest], [scores[i] for i in rest], t.value)
    assert found["math_f1"].value == pytest.approx(reused)
    own = ProcessBench(resamples=50).metrics(records, scores)
    assert own["threshold"].value == 0.5
    assert own["gsm8k_f1"].value <= found["gsm8k_f1"].value


def test_tuning_needs_no_scale():
    """Rewards in any increasing scale have the same best F1, where one half would mean something
    else."""
    records = many(60, 5)
    scores = noisy(records, 6)
    logits = [
        scored(*(7 + 100 * math.log(p / (1 - p)) for p in group[0].steps)) for group in scores
    ]
    tuned = ProcessBench(policy="tuned", resamples=50)
    a, b = tuned.metrics(records, scores), tuned.metrics(records, logits)
    assert all(
        a[name].value == pytest.approx(b[name].value) for name in a if name.endswith("gsm8k_f1")
    )
    own = ProcessBench(resamples=50)
    zero = ProcessBench(threshold=7.0, resamples=50)
    assert own.metrics(records, scores)["f1"] == zero.metrics(records, logits)["f1"]


def test_a_tuned_threshold_lies_between_what_it_parts():
    records = [solution("gsm8k-0", "gsm8k", 2, 1), solution("gsm8k-1", "gsm8k", 2)]
    found = ProcessBench(policy="tuned").metrics(records, [scored(0.9, 0.1), scored(0.9, 0.7)])
    assert (found["f1"].value, found["threshold"].value) == (1, pytest.approx(0.4))


def test_tuning_without_its_subset_is_refused():
    records = [solution("math-0", "math", 2, 1), solution("math-1", "math", 2)]
    with pytest.raises(DataError, match="'gsm8k' to tune on; there is math"):
        ProcessBench(policy="tuned").metrics(records, [says(2), says(2)])
    with pytest.raises(DataError, match="both right and wrong"):
        ProcessBench(policy="tuned", tune_on="math").metrics(records[:1], [says(2)])


def test_the_interval_is_that_of_resampled_problems():
    """Against a loop that draws whole problems and recomputes the F1."""
    records = many(150, 7, subsets=("gsm8k",))
    scores = noisy(records, 8)
    found = ProcessBench().metrics(records, scores)["f1"]
    problems: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        problems.setdefault(record.prompt.text, []).append(i)
    rng, keys = np.random.default_rng(9), list(problems)
    draws = []
    for _ in range(2000):
        rows = [i for k in rng.integers(0, len(keys), len(keys)) for i in problems[keys[k]]]
        draws.append(_slow_f1([records[i] for i in rows], [scores[i] for i in rows], 0.5))
    assert found.n == len(keys) == 50
    assert np.percentile(draws, [2.5, 97.5]) == pytest.approx([found.low, found.high], abs=0.015)


def test_gold_labels_are_perfect_and_baselines_are_not():
    records = many(80, 10)
    for benchmark in (ProcessBench(resamples=50), ProcessBench(resamples=50, policy="tuned")):
        benchmark.validate(records)
        baselines = benchmark.baselines(records)
        assert baselines["accuracy_right/always_right"].value == 1
        assert baselines["accuracy_wrong/always_right"].value == 0
        assert baselines["accuracy_right/first_step"].value == 0
        # No constant answer has an F1.
        assert [baselines[f"f1/{name}"].value for name in ("always_right", "first_step")] == [0, 0]
        assert 0 < baselines["f1/random"].value < 0.5
    with pytest.raises(DataError, match="both right and wrong solutions"):
        ProcessBench().validate([record for record in records if error_place(record) != NEVER])


PAPER = {
    "gsm8k": (207, 193, 7),
    "math": (594, 406, 94),
    "olympiadbench": (661, 339, 161),
    "omnimath": (759, 241, 259),
}
"""Wrong solutions, right ones, and wrong ones with a right answer, as counted in the public
files."""


def test_a_folder_of_the_public_layout_has_the_counts_of_the_paper(tmp_path: Path):
    for subset, (wrong, right, lucky) in PAPER.items():
        rows = [
            {
                "id": f"{subset}-{i}",
                "generator": "a",
                "problem": f"{subset} {i}?",
                "steps": ["One.", "Two.", "Three."],
                "final_answer_correct": i < lucky or i >= wrong,
                "label": i % 3 if i < wrong else -1,
            }
            for i in range(wrong + right)
        ]
        (tmp_path / f"{subset}.json").write_text(json.dumps(rows))
    benchmark = ProcessBench(data=(str(tmp_path),), resamples=100)
    records = benchmark.records()
    benchmark.validate(records)
    baselines = benchmark.baselines(records)
    for subset, (wrong, right, _) in PAPER.items():
        assert baselines[f"{subset}_accuracy_wrong/always_right"].n == wrong
        assert baselines[f"{subset}_accuracy_right/always_right"].n == right
        # A random place among three and "nowhere": one in four, whatever the label.
        for part in ("wrong", "right"):
            drawn = baselines[f"{subset}_accuracy_{part}/random"]
            assert abs(drawn.value - 0.25) < 4 * math.sqrt(0.25 * 0.75 / drawn.n)


def test_no_data_is_refused():
    with pytest.raises(ConfigError, match="names no file"):
        ProcessBench().records()
    with pytest.raises(DataError, match="give each file once"):
        ProcessBench(data=(str(GOLDEN), str(GOLDEN))).records()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": 3}, "no step 3"),
        ({"label": -2}, "no step -2"),
        ({"label": "1"}, "whole number"),
        ({"final_answer_correct": 1}, "true or false"),
        ({"steps": []}, "no steps"),
        ({"id": 3}, "'id'"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(change, complaint, tmp_path: Path):
    lines = GOLDEN.read_text().splitlines()
    row = {**json.loads(lines[0]), **change}
    path = tmp_path / "gsm8k.jsonl"
    path.write_text("\n".join([*lines[1:], json.dumps(row)]) + "\n")
    with pytest.raises(DataError, match=f"gsm8k.jsonl:3.*{complaint}"):
        ProcessBench(data=(str(path),)).records()
