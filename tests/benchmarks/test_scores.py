"""A live scorer and a file of its step scores give the same report; a file that does not fit is
refused."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from assay.benchmarks import evaluate, read_scores, score_steps, write_scores
from assay.benchmarks.bigbench_mistake import BIGBenchMistake
from assay.benchmarks.diagnostics import Diagnostics
from assay.benchmarks.mrben import MRBen
from assay.benchmarks.prmbench import PRMBench
from assay.benchmarks.processbench import ProcessBench
from assay.errors import DataError
from assay.protocols import Benchmark
from assay.runs.settings import read_run, write_run
from assay.types import Group, Score, StepLabels, Unscored

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
BENCHMARKS: list[Benchmark[StepLabels]] = [
    ProcessBench(data=(str(GOLDEN / "processbench.jsonl"),)),
    PRMBench(data=(str(GOLDEN / "prmbench.jsonl"),)),
    MRBen(data=(str(GOLDEN / "mrben.json"),)),
    BIGBenchMistake(data=(str(GOLDEN / "bigbench_mistake.jsonl"),)),
    Diagnostics(data=(str(GOLDEN / "stepverify.jsonl"),)),
]
EACH = pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda b: type(b).__name__)


@dataclass(frozen=True)
class ByLength:
    """A step's score falls with its length; a response with "3" in it is not scored."""

    seen: list[Group] = field(default_factory=list)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.seen.extend(groups)
        return [[self._one(response.steps) for response in group.responses] for group in groups]

    def _one(self, steps: tuple[str, ...]) -> Score | Unscored:
        if any("3" in step for step in steps):
            return Unscored(reason="has a 3")
        values = tuple(1 / len(step) for step in steps)
        return Score(value=min(values), steps=values)


@EACH
def test_a_file_says_what_the_scorer_says(benchmark: Benchmark[StepLabels], tmp_path: Path) -> None:
    records = benchmark.records()
    scores = score_steps(ByLength(), records)
    path = tmp_path / "scores.jsonl"
    write_scores(path, records, scores)
    assert read_scores(path, records) == scores
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join(reversed(lines)) + "\n"
    )  # ids match scores with responses, not the order
    live, filed = evaluate(benchmark, ByLength()), evaluate(benchmark, path)
    assert json.dumps(live.to_json()) == json.dumps(filed.to_json())
    assert benchmark.headline in live.metrics
    metrics = {name.split("/")[0] for name in live.baselines}
    assert benchmark.headline in metrics
    assert metrics <= live.metrics.keys()
    lost = sum(isinstance(group[0], Unscored) for group in scores)
    assert live.notes == ([f"{lost} of {len(records)} responses unscored: has a 3"] if lost else [])


@EACH
def test_a_benchmark_is_settings_that_survive_run_json(
    benchmark: Benchmark[StepLabels], tmp_path: Path
) -> None:
    write_run(tmp_path, benchmark)
    assert read_run(tmp_path, type(benchmark)) == benchmark


@EACH
def test_the_scorer_sees_questions_and_steps_alone(benchmark: Benchmark[StepLabels]) -> None:
    scorer = ByLength()
    records = benchmark.records()
    score_steps(scorer, records)
    assert sum(len(group.responses) for group in scorer.seen) == len(records)
    assert len({group.prompt.text for group in scorer.seen}) == len(
        scorer.seen
    )  # one question, one group
    for group in scorer.seen:
        assert (group.prompt.id, group.prompt.meta) == ("", {})
        assert all(response.meta == {} for response in group.responses)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (
            [("gsm8k-0", [1, 0]), ("gsm8k-1", [1]), ("math-0", [0, 0])],
            r"s.jsonl:1: 2 scores for the 3 steps of 'gsm8k-0'",
        ),
        (
            [("gsm8k-0", [1, 0, 0]), ("gsm8k-1", [1]), ("math-0", [0, 0, 1])],
            r"s.jsonl:3: 3 scores for the 2 steps of 'math-0'",
        ),
        (
            [("gsm8k-0", [1, 0, 0]), ("math-0", [0, 0])],
            r"s.jsonl: 2 rows for 3 responses, none for 'gsm8k-1'.*null",
        ),
        (
            [("gsm8k-0", [1, 0, 0]), ("gsm8k-0", [1, 0, 0])],
            r"s.jsonl:2: id 'gsm8k-0' was scored before, at .*s.jsonl:1",
        ),
        ([("math-7", [1])], r"s.jsonl:1: no response .* id 'math-7'; ids look like 'gsm8k-0'"),
        ([("gsm8k-0", [1, None, 0])], r"s.jsonl:1: field 'scores': expected a number, got None"),
        ([("gsm8k-0", [1, True, 0])], r"s.jsonl:1: field 'scores': expected a number, got True"),
        (
            [("gsm8k-0", 0.5), ("gsm8k-1", 1), ("math-0", [0, 0])],
            r"record 0 \(gsm8k-0\): 0 step scores for 3 steps",
        ),
        ([(3, [1])], r"s.jsonl:1: no response .* id '3'"),
        ([("gsm8k-0", [1, float("nan"), 0])], r"s.jsonl:1: .*NaN"),
    ],
)
def test_a_misaligned_file_is_refused_with_file_line_and_both_counts(
    rows: list[tuple[object, object]], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps({"id": id, "scores": scores}) + "\n" for id, scores in rows))
    with pytest.raises(DataError, match=complaint):
        evaluate(BENCHMARKS[0], path)


def test_records_without_ids_are_scored_in_their_order(tmp_path: Path) -> None:
    records = [
        r.model_copy(update={"prompt": r.prompt.model_copy(update={"id": ""})})
        for r in BENCHMARKS[0].records()
    ]
    path = tmp_path / "s.jsonl"
    path.write_text('{"id": "a", "scores": [1]}\n' * 3)
    with pytest.raises(DataError, match="3 of 3 records have none; give rows"):
        read_scores(path, records)
    path.write_text('{"scores": [1, 0, 1]}\n{"scores": [1]}\n{"scores": null}\n')
    found = [score for (score,) in read_scores(path, records)]
    assert found[:2] == [Score(value=0, steps=(1, 0, 1)), Score(value=1, steps=(1,))]
    assert isinstance(found[2], Unscored)


def test_null_scores_are_unscored(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    rows = [
        {"id": "gsm8k-0", "scores": None, "reason": "too long"},
        {"id": "gsm8k-1", "scores": None},
    ]
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in [*rows, {"id": "math-0", "scores": [0.1, 1]}])
    )
    report = evaluate(BENCHMARKS[0], path)
    assert report.metrics["f1"].unscored == 2
    assert report.notes == [
        "1 of 3 responses unscored: too long",
        "1 of 3 responses unscored: no scores in the file",
    ]


def test_torch_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\nfrom"
        " assay.benchmarks import evaluate\nfrom assay.benchmarks import bigbench_mistake,"
        " diagnostics, judgebench, mrben, prmbench, processbench, rewardbench, rewardbench2,"
        " rm_bench\nb ="
        f" prmbench.PRMBench(data=({str(GOLDEN / 'prmbench.jsonl')!r},))"
        "\nb.baselines(b.records())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
