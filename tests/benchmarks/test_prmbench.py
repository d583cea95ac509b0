"""PRMScore by hand and by its textbook definition; base rates of the public file."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from assay.benchmarks._baselines import gold
from assay.benchmarks.prmbench import KINDS, PRMBench
from assay.errors import DataError
from assay.types import Score
from tests.benchmarks.planted import LOST, scored

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "prmbench.jsonl"


def test_by_hand():
    """Errors, counted from 1, are at steps 2 and 3 of the first row, nowhere in the second, at 1 in
    the third."""
    benchmark = PRMBench(data=(str(GOLDEN),))
    records = benchmark.records()
    assert [r.prompt.id for r in records] == [
        "circular_p0",
        "multi_solutions_p1",
        "missing_condition_p2",
    ]
    assert [r.labels for r in records] == [(1, 0, 0), (1, 1), (0,)]
    # TP 2, FP 1 (the third step), TN 2, FN 1 (the fifth).
    found = benchmark.metrics(records, [scored(0.9, 0.2, 0.8), scored(0.5, 0.1), scored(0.3)])
    assert found["f1"].value == pytest.approx(4 / 6)
    assert found["f1_negative"].value == pytest.approx(4 / 6)
    assert found["prmscore"].value == pytest.approx(4 / 6)
    assert found["circular_prmscore"].value == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert found["multi_solutions_f1"].value == pytest.approx(2 / 3)
    assert "multi_solutions_prmscore" not in found
    assert math.isnan(
        found["missing_condition_prmscore"].value
    )  # no valid step, and none called so
    assert found["accuracy_right_steps"].value == pytest.approx(2 / 3)
    assert found["accuracy_wrong_steps"].value == pytest.approx(2 / 3)
    assert found["first_error_noticed"].value == 1
    assert (found["prmscore"].n, found["accuracy_wrong_steps"].n) == (3, 2)


def test_counted_from_one_not_from_zero():
    """Scores that are right if the errors were counted from 0 are not right."""
    benchmark = PRMBench(data=(str(GOLDEN),))
    records = benchmark.records()[:1]
    assert benchmark.metrics(records, [scored(0.9, 0.1, 0.1)])["prmscore"].value == 1
    assert benchmark.metrics(records, [scored(0.9, 0.9, 0.1)])["prmscore"].value < 1


def test_unscored_is_left_out_and_counted():
    benchmark = PRMBench(data=(str(GOLDEN),))
    records = benchmark.records()
    found = benchmark.metrics(records, [scored(0.9, 0.2, 0.1), LOST, scored(0.3)])
    assert (found["prmscore"].value, found["prmscore"].n, found["prmscore"].unscored) == (1, 2, 1)
    assert (found["multi_solutions_f1"].n, found["multi_solutions_f1"].unscored) == (0, 1)
    assert found["accuracy_wrong_steps"].unscored == 0  # the lost one has no wrong step


def test_scores_that_do_not_fit_are_refused():
    benchmark = PRMBench(data=(str(GOLDEN),))
    records = benchmark.records()
    with pytest.raises(DataError, match=r"record 0 \(circular_p0\): 2 step scores for 3 steps"):
        benchmark.metrics(records, [scored(0.9, 0.2), scored(0.9, 0.9), scored(0.3)])
    with pytest.raises(
        DataError, match="0 step scores for 3 steps; use a scorer that scores every step"
    ):
        benchmark.metrics(records, [[Score(value=1.0)], scored(0.9, 0.9), scored(0.3)])
    with pytest.raises(DataError, match="2 groups of scores for 3 records"):
        benchmark.metrics(records, [scored(0.9, 0.2)] * 2)
    with pytest.raises(DataError, match="no record"):
        benchmark.metrics([], [])


def test_steps_that_are_not_there(tmp_path: Path):
    path = tmp_path / "prmbench.jsonl"
    path.write_text(GOLDEN.read_text().replace('"error_steps": [2, 3]', '"error_steps": [2, 9]'))
    assert PRMBench(data=(str(path),)).records()[0].labels == (1, 0, 1)
    with pytest.raises(DataError, match=r"prmbench.jsonl:1.*beyond the last"):
        PRMBench(data=(str(path),), out_of_range="refuse").records()


def test_rows_of_one_id_are_kept_or_the_first_is(tmp_path: Path):
    rows = [
        {"idx": "p0", "modified_question": "q", "modified_process": steps, "error_steps": []}
        for steps in (["a", "b"], ["a", "c", "d"])
    ]
    # The files by kind name it in their names, at least.
    path = tmp_path / "p12_multi_solutions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = PRMBench(data=(str(path),))
    records = benchmark.records()
    assert [r.prompt.id for r in records] == ["multi_solutions_p0", "multi_solutions_p0/2"]
    found = benchmark.metrics(records, [scored(0.9, 0.9), scored(0.9, 0.1, 0.1)])
    assert found["multi_solutions_f1"].value == pytest.approx(2 * 3 / (2 * 3 + 2))
    (first,) = PRMBench(data=(str(path),), repeated="first").records()
    assert first == records[0]
    with pytest.raises(DataError, match="two rows have the id 'multi_solutions_p0'; give each"):
        PRMBench(data=(str(path), str(path))).records()


def test_an_id_that_names_its_kind_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_text(GOLDEN.read_text().replace('"idx": "p0"', '"idx": "circular_p0"'))
    assert PRMBench(data=(str(path),)).records()[0].prompt.id == "circular_p0"


def _textbook(y: np.ndarray, said: np.ndarray) -> float:
    """Mean of the F1 of both classes, by precision and recall."""
    scores = []
    for cls in (True, False):
        precision = ((said == cls) & (y == cls)).sum() / (said == cls).sum()
        recall = ((said == cls) & (y == cls)).sum() / (y == cls).sum()
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / 2


def test_the_public_file(assay_data: Path):
    benchmark = PRMBench(data=(str(assay_data / "steps/prmbench.jsonl.gz"),), resamples=200)
    records = benchmark.records()
    assert len(records) == 6211
    benchmark.validate(records)
    y = np.array([label for record in records for label in record.labels]) == 1
    assert (len(y), int((~y).sum())) == (83371, 13149)
    baselines = benchmark.baselines(records)
    # A model that calls everything right: F1 of the positive class alone, halved.
    right = 70222
    assert baselines["prmscore/always_right"].value == pytest.approx(right / (2 * right + 13149))
    assert baselines["multi_solutions_f1/always_right"].value == 1
    assert abs(baselines["accuracy_wrong_steps/random"].value - 0.5) < 4 * math.sqrt(0.25 / 13149)
    assert baselines["prmscore/random"].value < baselines["prmscore/always_right"].value
    # Random scores, against the textbook.
    rng = np.random.default_rng(0)
    p = [rng.random(len(record.labels)) for record in records]
    found = benchmark.metrics(records, [scored(*x.tolist()) for x in p])
    assert found["prmscore"].value == pytest.approx(_textbook(y, np.concatenate(p) >= 0.5))
    kind = np.array([r.prompt.meta["subset"] == "deception" for r in records for _ in r.labels])
    assert found["deception_prmscore"].value == pytest.approx(
        _textbook(y[kind], np.concatenate(p)[kind] >= 0.5)
    )
    # One kind turned round moves the pooled score, and of the kinds that one alone.
    scores = gold(records)
    for i, record in enumerate(records):
        if record.prompt.meta["subset"] == "circular":
            scores[i] = scored(*(1 - float(label or 0) for label in record.labels))
    turned = benchmark.metrics(records, scores)
    assert turned["circular_prmscore"].value == 0
    assert turned["confidence_prmscore"].value == 1
    assert 0.5 < turned["prmscore"].value < 1


def test_the_files_by_kind_are_the_public_file(assay_data: Path, tmp_path: Path):
    """The benchmark's 25 files hold the rows of the one file."""
    import gzip

    rows: dict[str, list[str]] = {}
    with gzip.open(assay_data / "steps/prmbench.jsonl.gz", "rt") as whole:
        for line in whole:
            row = json.loads(line)
            rows.setdefault(row.pop("source_file"), []).append(json.dumps(row))
    assert len(rows) == 25
    for name, lines in rows.items():
        (tmp_path / name).write_text("\n".join(lines[:20]) + "\n")
    benchmark = PRMBench(data=(str(tmp_path),), resamples=20)
    records = benchmark.records()
    assert len(records) == 25 * 20
    benchmark.validate(records)
    assert {r.prompt.meta["subset"] for r in records} == set(KINDS)
