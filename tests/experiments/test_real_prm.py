"""The bench of a process model on real labels: what its numbers rest on, and needs no model."""

import dataclasses
import gzip
import itertools
import json
import math
import operator
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from assay.data.records import normalised as normal
from assay.errors import DataError
from assay.types import Prompt, Response, Score, StepLabels, Unscored
from experiments import real_prm

STEPS = real_prm.DATA / "steps"
needs_data = pytest.mark.skipif(not STEPS.is_dir(), reason=f"no data at {STEPS}; set ASSAY_DATA")


def by_brute_force(numbers: Sequence[Fraction]) -> bool:
    """Every order, every three operators, every bracketing, written out."""
    operators = (operator.add, operator.sub, operator.mul, operator.truediv)
    for a, b, c, d in itertools.permutations(numbers):
        for f, g, h in itertools.product(operators, repeat=3):
            for made in (
                lambda a=a, b=b, c=c, d=d, f=f, g=g, h=h: h(g(f(a, b), c), d),
                lambda a=a, b=b, c=c, d=d, f=f, g=g, h=h: g(f(a, b), h(c, d)),
                lambda a=a, b=b, c=c, d=d, f=f, g=g, h=h: h(f(a, g(b, c)), d),
                lambda a=a, b=b, c=c, d=d, f=f, g=g, h=h: f(a, h(g(b, c), d)),
                lambda a=a, b=b, c=c, d=d, f=f, g=g, h=h: f(a, g(b, h(c, d))),
            ):
                try:
                    if made() == 24:
                        return True
                except ZeroDivisionError:
                    continue
    return False


@pytest.mark.parametrize(
    ("numbers", "possible"),
    [
        ((24,), True),
        ((23,), False),
        ((4, 6), True),
        ((30, 6), True),
        ((6, 30), True),
        ((3, Fraction(1, 8)), True),
        ((0, 24), True),
        ((5, 5), False),
        ((1, 5, 5, 5), True),  # 5 * (5 - 1/5)
        ((3, 3, 8, 8), True),  # 8 / (3 - 8/3)
        ((1, 1, 1, 1), False),
        ((0, 0, 0, 0), False),
    ],
)
def test_the_solver_knows_what_makes_24(numbers: tuple[int, ...], possible: bool) -> None:
    assert real_prm.makes_24([Fraction(n) for n in numbers]) is possible


def test_the_solver_agrees_with_every_expression_written_out() -> None:
    hands = list(itertools.combinations_with_replacement(range(1, 14), 4))[::60]
    answers = [real_prm.makes_24([Fraction(n) for n in hand]) for hand in hands]
    assert answers == [by_brute_force([Fraction(n) for n in hand]) for hand in hands]
    assert True in answers
    assert False in answers


def test_numbers_as_they_are_written() -> None:
    assert real_prm.number("8") == 8
    assert real_prm.number("0.33") == Fraction(33, 100)
    assert real_prm.number("0.333333") == Fraction(1, 3)
    assert real_prm.number("(2/3)") == Fraction(2, 3)
    assert real_prm.number("x") is None
    assert real_prm.number("1/0") is None


def record(question: str, steps: tuple[str, ...], labels: tuple[float | None, ...]) -> StepLabels:
    return StepLabels(prompt=Prompt.of(question), response=Response(steps=steps), labels=labels)


def test_baselines_see_place_and_length_of_scored_and_labelled_steps_only() -> None:
    records = [
        record("a", ("aa", "b", "cccc"), (1.0, 1.0, 0.0)),
        record("b", ("d" * 9, "e", "f"), (1.0, 0.0, None)),
        record("c", ("g", "h"), (0.0, 1.0)),
    ]
    scores: real_prm.Scores = [
        [Score(value=0.5, steps=(0.5,) * 3)],
        [Score(value=0.5, steps=(0.5,) * 3)],
        [Unscored(reason="too long")],
    ]
    found = real_prm.step_baselines(records, scores)
    # Right steps at places 0, 1, 0 and of 2, 1, 9 letters; wrong ones at 2, 1 and of 4, 1.
    assert found["step_auroc/earlier"].value == pytest.approx(5.5 / 6)
    assert found["step_auroc/shorter"].value == pytest.approx(2.5 / 6)
    assert {e.unscored for e in found.values()} == {1}
    assert {e.n for e in found.values()} == {2}


def test_step_seconds_sum_over_rows_that_are_steps(tmp_path: Path) -> None:
    rows = [
        {"records": 3},
        {"step": 1, "tokens": 100, "tokens_per_second": 50.0},
        {"step": 1, "eval_loss": 1.0},
    ]
    rows.append({"step": 2, "tokens": 30, "tokens_per_second": 10.0})
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert real_prm.step_seconds(tmp_path) == 5.0


def solution(name: str, subset: str, wrong: bool) -> StepLabels:
    prompt = Prompt(messages=Prompt.of(name).messages, id=name, meta={"subset": subset})
    return StepLabels(
        prompt=prompt, response=Response(steps=("a", "b")), labels=(1.0, 0.0 if wrong else 1.0)
    )


def judged(records: Sequence[StepLabels], wrong: float, right: float) -> real_prm.Scores:
    """Score of the second step, by whether it is wrong; the first is sure to be right."""
    return [[Score(value=0.0, steps=(0.99, wrong if r.labels[1] == 0 else right))] for r in records]


def test_a_threshold_is_found_where_a_subset_has_one_kind_of_solution_only() -> None:
    # The mean over subjects is not defined here, whatever the threshold.
    records = [solution(f"p{i}", "physics", False) for i in range(3)]
    records += [solution(f"m{i}", "math", i % 2 == 0) for i in range(4)]
    scores = judged(records, wrong=0.62, right=0.78)
    benchmark = real_prm.MRBen(resamples=10)
    assert math.isnan(benchmark.metrics(records, scores)[benchmark.headline].value)
    assert 0.62 < real_prm.best_threshold(benchmark, records, scores) <= 0.78
    report = real_prm.beside_baselines(
        dataclasses.replace(benchmark, threshold=0.7), records, scores
    )
    assert report.metrics["pooled_mr_score_without_reason"].value == pytest.approx(1.0)


def test_no_threshold_is_made_up_where_nothing_can_be_tuned() -> None:
    records = [solution(f"m{i}", "math", False) for i in range(3)]
    with pytest.raises(DataError, match="--tune"):
        real_prm.best_threshold(
            real_prm.MRBen(resamples=10), records, judged(records, wrong=0.2, right=0.9)
        )


def test_baselines_are_measured_on_what_the_model_could_score() -> None:
    records = [solution(f"m{i}", "math", i % 2 == 0) for i in range(6)]
    scores = judged(records, wrong=0.2, right=0.9)
    scores[0] = [Unscored(reason="too long")]
    report = real_prm.beside_baselines(real_prm.MRBen(resamples=10), records, scores)
    model = report.metrics["pooled_mr_score_without_reason"]
    assert (model.n, model.unscored) == (5, 1)
    assert {e.n for key, e in report.baselines.items() if key.startswith(("pooled_", "mcc/"))} == {
        5
    }


@needs_data
@pytest.mark.filterwarnings("ignore:9 of 4296 rows")
def test_no_question_is_on_two_sides_nor_its_original() -> None:
    bench = dataclasses.replace(real_prm.Bench(), train=0, tune=0, test=0)
    with gzip.open(STEPS / "prmbench.jsonl.gz", "rt") as file:
        originals: dict[str, set[str]] = {}
        for row in map(json.loads, file):
            originals.setdefault(normal(row["modified_question"]), set()).add(
                normal(row["original_question"])
            )
    where: dict[str, str] = {}
    for benchmark in real_prm.benchmarks().values():
        for side, records in zip(("train", "tune", "test"), bench.parts(benchmark), strict=True):
            assert records
            for r in records:
                question = normal(r.prompt.text)
                for text in {question, *originals.get(question, ())}:
                    assert where.setdefault(text, side) == side


@needs_data
def test_prmbench_has_nine_kinds_of_error_on_both_sides() -> None:
    learn, _, test = dataclasses.replace(real_prm.Bench(), train=0, tune=0, test=0).parts(
        real_prm.benchmarks()["PRMBench"]
    )
    for part in (learn, test):
        assert len({r.prompt.meta["subset"] for r in part}) == 9


@needs_data
def test_game24_states_and_gpt4s_opinion_of_them() -> None:
    states = real_prm.game24_states()
    # Counted once from the public log; see the data's manifest.
    assert {depth: (len(found), sum(s.won for s in found)) for depth, found in states.items()} == {
        1: (920, 227),
        2: (3054, 185),
        3: (1585, 163),
    }
    areas = [
        real_prm.auroc([s.opinion for s in found], [s.won for s in found], resamples=2).value
        for found in states.values()
    ]
    assert areas == pytest.approx([0.755, 0.995, 1.0], abs=5e-4)
    assert all(len(s.left) == 4 - depth for depth, found in states.items() for s in found)
    # One number is left at depth 3, so the solver has nothing to do.
    assert all(s.won == (s.left == (24,)) for s in states[3])
