"""A critic of steps where reward models go: on a benchmark, and as the second labeller."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from assay import benchmarks
from assay.benchmarks.mrben import MRBen
from assay.data import io
from assay.errors import DataError
from assay.judges.steps import StepCritic
from assay.labelling.consensus import labelled
from assay.types import Score, StepLabels, Unscored
from assay.workflows.benchmark import benchmark
from assay.workflows.label import agreed
from tests.judges.test_steps import by_record, off_by_one, place_of, records


def number(record: StepLabels) -> int:
    return int(sha256(record.prompt.text.encode()).hexdigest(), 16)


@pytest.fixture
def real(assay_data: Path, tmp_path: Path) -> tuple[Path, list[StepLabels]]:
    """Solutions of GSM8K whose first wrong step teachers marked, as rows of ProcessBench; every
    third without what follows its last right step, which makes it right."""
    rows = []
    for i, record in enumerate(io.read(str(assay_data / "steps" / "stepverify.json.gz"))):
        assert isinstance(record, StepLabels)
        place = place_of(record)
        assert place is not None
        steps, label = [step.strip() for step in record.response.steps], place - 1
        if i % 3 == 0 and label > 0:
            steps, label = steps[:label], -1
        rows.append(
            {
                "id": f"gsm8k-{i}",
                "generator": "unknown",
                "problem": f"{i}. {record.prompt.text}",
                "steps": steps,
                "final_answer_correct": label < 0,
                "label": label,
            }
        )
    file = tmp_path / "gsm8k.json"
    file.write_text(json.dumps(rows[:300]))
    read = [record for record in io.read(str(file)) if isinstance(record, StepLabels)]
    return file, read


def clumsy(record: StepLabels) -> Any:
    """Right on about two of three, else one step late (or at the first, where none is wrong); mute
    on one in ten."""
    place, chance = place_of(record), number(record) % 30
    if chance < 3:
        return "no verdict"
    if chance < 20:
        return place
    return 1 if place is None else min(place + 1, len(record.labels))


@pytest.mark.parametrize("asks", ["first", "number", "each"])
def test_real_solutions_have_the_f1_that_the_critic_must_have(
    asks: Any, real: tuple[Path, list[StepLabels]], tmp_path: Path
) -> None:
    file, given = real
    counts = {True: [0, 0], False: [0, 0]}
    for record in given:
        place, said = place_of(record), clumsy(record)
        if said != "no verdict":
            counts[place is None][1] += 1
            counts[place is None][0] += said == place
    b, a = (hits / n for hits, n in (counts[True], counts[False]))
    critic = StepCritic(by_record(given, clumsy), asks=asks)
    found = benchmark("processbench", critic, data=file, out=tmp_path / "out")
    assert found.metrics["accuracy_wrong"].value == pytest.approx(a)
    assert found.metrics["accuracy_right"].value == pytest.approx(b)
    assert found.metrics["f1"].value == pytest.approx(2 * a * b / (a + b))
    assert 0.5 < found.metrics["f1"].value < 0.9
    mute = sum(clumsy(record) == "no verdict" for record in given)
    assert found.metrics["f1"].unscored == mute > 0
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_perfect_critic_finds_every_first_error_of_mrben(assay_data: Path) -> None:
    file = assay_data / "steps" / "mrben" / "biology.json.gz"
    with pytest.warns(UserWarning, match="3 of 1035 rows cannot be read"):
        every = MRBen(data=(str(file),), unreadable="leave_out").records()
    given = [*{record.prompt.messages[0].content: record for record in every}.values()][:80]
    found = benchmark_of(given, place_of)
    assert (found["mr_score_without_reason"].value, found["mcc"].value) == (1, 1)
    late = benchmark_of(given, off_by_one)
    assert (late["accuracy_wrong"].value, late["mcc"].value) == (0, 1)


def benchmark_of(given: list[StepLabels], say: Any) -> Any:
    scores = benchmarks.score_steps(StepCritic(by_record(given, say)), given)
    return MRBen(resamples=20).metrics(given, scores)


def test_a_critic_is_a_second_labeller(tmp_path: Path) -> None:
    given = records(40)
    io.write(given, tmp_path / "first.jsonl")

    def say(record: StepLabels) -> Any:
        i = int(record.prompt.id.split("-")[1])
        return "no verdict" if i % 10 == 0 else place_of(record) if i % 10 < 8 else 1

    said = agreed(
        tmp_path / "first.jsonl", StepCritic(by_record(given, say)), tmp_path / "kept.jsonl"
    )
    ids = [int(record.prompt.id.split("-")[1]) for record in given]
    places = {i: place_of(record) for i, record in zip(ids, given, strict=True)}
    same = [i for i in ids if i % 10 and (i % 10 < 8 or places[i] == 1)]
    assert f"{len(same)} solutions on which both agree" in said
    assert "4 whose first wrong step one leaves open" in said
    kept = list(io.read(str(tmp_path / "kept.jsonl")))
    assert [record.prompt.id for record in kept] == [f"{given[i].prompt.id}" for i in same]  # type: ignore[union-attr]
    assert [record.labels for record in kept] == [given[i].labels for i in same]  # type: ignore[union-attr]


def test_scores_that_are_no_probabilities_are_no_labels() -> None:
    (record,) = records(1)
    n = len(record.labels)
    lost = labelled([record], [[Unscored(reason="x")]])
    assert lost[0].labels == (None,) * n
    for steps in ((2.0,) * n, (0.5,) * (n - 1), ()):
        with pytest.raises(DataError, match="labels need a probability for each step"):
            labelled([record], [[Score(value=0.0, steps=steps)]])
