"""RewardBench, its second edition, RM-Bench and JudgeBench by hand, as they are published."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.benchmarks import evaluate, read_scores, score_steps, write_scores
from assay.benchmarks.judgebench import JudgeBench
from assay.benchmarks.rewardbench import SECTIONS, RewardBench
from assay.benchmarks.rewardbench2 import RewardBench2
from assay.benchmarks.rm_bench import RMBench
from assay.errors import DataError
from assay.stats import Estimate
from assay.types import Group, Ranking, Score, Unscored


def put(path: Path, rows: Sequence[object]) -> tuple[str]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return (str(path),)


def given(*rows: Sequence[float | None]) -> list[list[Score | Unscored]]:
    return [[Unscored(reason="lost") if x is None else Score(value=x) for x in row] for row in rows]


def values(found: dict[str, Estimate]) -> dict[str, float]:
    return {name: e.value for name, e in found.items()}


def pair(subset: str, id: int) -> dict[str, Any]:
    return {"id": id, "prompt": f"q{id}", "chosen": "yes", "rejected": "no, not", "subset": subset}


def test_rewardbench_by_hand(tmp_path: Path) -> None:
    subsets = ["math-prm", "math-prm", "hep-cpp", "donotanswer", "alpacaeval-easy"]
    data = put(tmp_path / "x.jsonl", [pair(subset, i) for i, subset in enumerate(subsets)])
    benchmark = RewardBench(data=data)
    records = benchmark.records()
    assert [r.prompt.id for r in records][:3] == ["math-prm/0", "math-prm/1", "hep-cpp/2"]
    # One of two of math-prm, which weighs six times as much as hep-cpp; a tie wins nothing.
    found = values(benchmark.metrics(records, given((2, 1), (1, 2), (3, 1), (1, 1), (5, 4))))
    reasoning = (984 * 0.5 + 164 * 1) / (984 + 164)
    assert found["reasoning"] == pytest.approx(reasoning)
    assert (found["chat"], found["safety"]) == (1, 0)
    assert found["score"] == pytest.approx((reasoning + 1 + 0) / 3)
    assert (found["math-prm"], found["hep-cpp"], "chat_hard" in found) == (0.5, 1, False)
    baselines = benchmark.baselines(records)
    assert baselines["score/oracle"].value == baselines["score/longest"].value + 1 == 1
    assert baselines["score/shortest"].value == 1
    assert "math-prm/oracle" not in baselines
    benchmark.validate(records)
    assert (
        sum(map(sum, (weights.values() for weights in SECTIONS.values()))) == 358 + 456 + 740 + 1968
    )


def test_rewardbench_counts_what_is_unscored(tmp_path: Path) -> None:
    data = put(tmp_path / "x.jsonl", [pair("mine", i) for i in range(4)])
    rows = given((2, 1), (None, 1), (0, 1), (2, 0))
    found = RewardBench(data=data).metrics(RewardBench(data=data).records(), rows)
    # Subsets of nobody's section are measured by themselves.
    assert found["score"].value == pytest.approx(2 / 3)
    assert (found["mine"].n, found["mine"].unscored) == (3, 1)
    missed = RewardBench(data=data, unscored="wrong")
    assert missed.metrics(missed.records(), rows)["mine"].value == pytest.approx(2 / 4)


def four(subset: str, id: object, right: int = 1, wrong: int = 3) -> dict[str, Any]:
    texts = [f"{subset} {id} {k}" for k in range(right + wrong)]
    return {
        "id": str(id), "prompt": f"{subset} {id}?", "subset": subset,
        "chosen": texts[:right], "rejected": texts[right:],
    }  # fmt: skip


def test_rewardbench_2_by_hand(tmp_path: Path) -> None:
    rows = [
        four("Math", 0),
        four("Math", 1),
        four("Focus", 0),
        four("Ties", "ref:0"),
        four("Ties", "tied:0", right=3, wrong=2),
        four("Ties", "ref:1"),
        four("Ties", "tied:1", right=2, wrong=2),
    ]
    benchmark = RewardBench2(data=put(tmp_path / "x.jsonl", rows))
    records = benchmark.records()
    found = benchmark.metrics(
        records,
        given(
            (3, 1, 2, 0),
            (2, 2, 2, 1),  # a third of the credit
            (1, 4, 0, 0),
            (5, 1, 0, 0),  # 4 above
            (6, 5, 4, 2, 0),  # 2 apart, 2 above: not more
            (3, 1, 0, 0),  # 2 above
            (9, 8, 5, 1),  # 1 apart, 3 above
        ),
    )
    said = values(found)
    assert said["Math"] == pytest.approx((1 + 1 / 3) / 2)
    assert said["Focus"] == 0
    assert (said["tied_accuracy"], said["ref_accuracy"]) == (1, 1)
    assert (said["ties_preferred"], said["ties_preferred_hard"]) == (0.5, 0.5)
    margin = (math.tanh(2 / 2 - 1) + math.tanh(2 / 1 - 1)) / 2
    ties = 0.3 + 0.3 + 0.2 * 0.5 + 0.2 * 0.5 + 0.01 * margin
    assert said["ties"] == pytest.approx(ties)
    assert said["score"] == pytest.approx((2 / 3 + 0 + ties) / 3)
    assert (found["ties"].n, found["Math"].n) == (2, 2)  # a tied prompt and its like are one
    oracle = benchmark.baselines(records)
    assert oracle["ties/oracle"].value == pytest.approx(1.01)
    assert oracle["ties/oracle"].high <= 1.01
    assert oracle["Math/oracle"].value == 1
    benchmark.validate(records)
    with pytest.raises(DataError, match=r"x.jsonl:1: field 'id': of ties it is ref:NUMBER"):
        RewardBench2(data=put(tmp_path / "x.jsonl", [four("Ties", 3)])).records()


def _ties_as_published(groups: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> float:
    """The sum that the benchmark's code makes of all prompts at once."""
    numbers = sorted({n for _, n in groups})
    above = {key: right.min() - wrong.max() for key, (right, wrong) in groups.items()}
    apart = np.array([np.ptp(groups["tied", n][0]) for n in numbers])
    tied = np.array([above["tied", n] for n in numbers])
    least = np.minimum(tied, [above["ref", n] for n in numbers])
    return float(
        0.3 * np.mean(tied > 0)
        + 0.3 * np.mean([above["ref", n] > 0 for n in numbers])
        + 0.2 * np.mean(tied > apart)
        + 0.2 * np.mean(least > apart)
        + 0.01 * np.mean(np.tanh(least / apart - 1))
    )


def test_ties_of_random_scores_are_as_published(tmp_path: Path) -> None:
    rows = [four("Ties", f"ref:{i}") for i in range(20)]
    rows += [four("Ties", f"tied:{i}", right=2 + i % 3, wrong=3) for i in range(20)]
    benchmark = RewardBench2(data=put(tmp_path / "x.jsonl", rows), resamples=50)
    records = benchmark.records()
    rng = np.random.default_rng(0)
    drawn = [rng.normal(np.array(r.grades), 0.5) for r in records]
    groups = {
        tuple(str(r.prompt.meta["id"]).split(":")): (
            x[: int(sum(r.grades))],
            x[int(sum(r.grades)) :],
        )
        for r, x in zip(records, drawn, strict=True)
    }
    found = benchmark.metrics(records, given(*(x.tolist() for x in drawn)))
    assert found["ties"].value == pytest.approx(_ties_as_published(groups))  # type: ignore[arg-type]
    assert found["ties"].low < found["ties"].value < found["ties"].high


def styles(domain: str, id: str) -> dict[str, Any]:
    texts = [f"{domain} {id} {k}" for k in range(6)]
    sides = {"chosen": texts[:3], "rejected": texts[3:]}
    return {"id": id, "prompt": f"{domain} {id}", "domain": domain, **sides}


def test_rm_bench_by_hand(tmp_path: Path) -> None:
    rows = [styles("chat", "a"), styles("safety-refuse", "b"), styles("safety-response", "c")]
    benchmark = RMBench(data=put(tmp_path / "x.jsonl", rows))
    records = benchmark.records()
    found = values(
        benchmark.metrics(
            records,
            # Right concise 3, detailed 1, markdown 2; wrong 0, 2, 3. Concise beats detailed, ties
            # with markdown, detailed loses: 1 of 3 hard. Concise wins, detailed loses, markdown
            # loses: 1 of 3 normal. Detailed > concise, markdown > concise, markdown = detailed: 2
            # of 3 easy.
            given((3, 1, 2, 0, 2, 3), (1, 1, 1, 0, 0, 0), (0, 0, 0, 1, 1, 1)),
        )
    )
    assert (found["chat_hard"], found["chat_normal"]) == (pytest.approx(1 / 3),) * 2
    assert found["chat_easy"] == pytest.approx(2 / 3)
    assert found["chat"] == pytest.approx((1 + 1 + 2) / 9)
    assert found["safety"] == found["safety_hard"] == 0.5
    assert found["hard"] == pytest.approx((1 / 3 + 0.5) / 2)
    assert found["score"] == pytest.approx(((1 + 1 + 2) / 9 + 0.5) / 2)
    benchmark.validate(records)
    # The benchmark's own results are its rows with the scores.
    rows[0] |= {"score_chosen": [3, 1, 2], "score_rejected": [0, 2, 3]}
    rows[1] |= {"score_chosen": [1, 1, 1], "score_rejected": [0, 0, 0]}
    rows[2] |= {"score_chosen": [0, 0, 0], "score_rejected": [1, 1, 1]}
    (path,) = put(tmp_path / "results.jsonl", rows)
    assert values(dict(evaluate(benchmark, path).metrics)) == found


def test_judgebench_by_hand(tmp_path: Path) -> None:
    kinds = ["mmlu-pro-law", "mmlu-pro-math", "livebench-math", "livecodebench"]
    rows = [
        {
            "pair_id": f"p{i}", "source": kind, "question": f"q{i}", "response_A": "one",
            "response_B": "another", "label": "B>A" if i % 2 else "A>B",
        }
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    benchmark = JudgeBench(data=put(tmp_path / "x.jsonl", rows))
    records = benchmark.records()
    # Scores are in the order of the rows, A before B.
    found = values(benchmark.metrics(records, given((2, 1), (2, 1), (1, 2), (1, 2))))
    assert found == {"accuracy": 0.5, "knowledge": 0.5, "mathematics": 0, "coding": 1}
    tied = values(benchmark.metrics(records, given(*((1, 1) for _ in rows))))
    assert tied["accuracy"] == 0
    # The benchmark's own results: the second judgment is of the other order. Right twice; right
    # and tied; once each, which is a tie; nothing.
    decided = [("A>B", "B>A"), ("B>A", "A=B"), ("A>B", "A>B"), (None, None)]
    for row, pair in zip(rows, decided, strict=True):
        row["judgments"] = [None if word is None else {"decision": word} for word in pair]
    (path,) = put(tmp_path / "results.jsonl", rows)
    published = evaluate(benchmark, path).metrics
    assert published["knowledge"].value == 1
    assert (published["accuracy"].value, published["accuracy"].unscored) == (
        pytest.approx(2 / 3),
        1,
    )
    benchmark.validate(records)
    with pytest.raises(DataError, match=r"x.jsonl:1: field 'label': expected 'A>B' or 'B>A', got"):
        JudgeBench(data=put(tmp_path / "x.jsonl", [{**rows[0], "label": "A=B"}])).records()


def test_files_of_scores_and_scorers_say_the_same(tmp_path: Path) -> None:
    data = put(tmp_path / "x.jsonl", [four("Math", 0), four("Focus", 0), four("Math", 1)])
    benchmark = RewardBench2(data=data, resamples=50)
    records = benchmark.records()

    seen: list[Group] = []

    class Last:
        """Scores by the last digit."""

        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            seen.extend(groups)
            return [[Score(value=float(r.text[-1])) for r in g.responses] for g in groups]

    found = score_steps(Last(), records)
    assert all(group.prompt.meta == {} and not isinstance(group, Ranking) for group in seen)
    path = tmp_path / "scores.jsonl"
    write_scores(path, records, found)
    read = [[s.value for s in row if isinstance(s, Score)] for row in read_scores(path, records)]
    assert read == [[0, 1, 2, 3]] * 3
    # The benchmark's own results are one object of columns.
    columns = {
        "model": "m",
        "id": [r.prompt.meta["id"] for r in records],
        "scores": [[[float(k)] for k in range(4)] for _ in records],
    }
    results = tmp_path / "results.json"
    results.write_text(json.dumps(columns))
    live, filed, published = (evaluate(benchmark, x) for x in (Last(), path, results))
    assert live.to_json() == filed.to_json() == published.to_json()
    assert live.metrics["score"].value == 0


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x.jsonl:1: it needs both right and wrong responses"):
        RewardBench2(data=put(tmp_path / "x.jsonl", [four("Math", 0, right=2, wrong=0)])).records()
    with pytest.raises(DataError, match="field 'chosen': expected responses in 3 styles"):
        RMBench(data=put(tmp_path / "x.jsonl", [{**styles("chat", "a"), "chosen": "x"}])).records()
    with pytest.raises(DataError, match="two rows have the id 'Math/0'; give each file once"):
        RewardBench2(data=put(tmp_path / "x.jsonl", [four("Math", 0)] * 2)).records()
    with pytest.raises(DataError, match="field 'subset' is missing"):
        RewardBench(data=put(tmp_path / "x.jsonl", [{"chosen": "a", "rejected": "b"}])).records()
