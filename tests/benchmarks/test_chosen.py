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
    assert baselines["score/constant"].value == baselines["score/most_markdown"].value == 0
    assert "math-prm/oracle" not in baselines
    benchmark.validate(records)
    sums = {name: sum(weights.values()) for name, weights in SECTIONS.items()}
    assert sums == {
        "chat": 358, "chat_hard": 456, "safety": 740, "reasoning": 1968, "prior_sets": 4
    }  # fmt: skip


def test_prior_sets_weigh_half_and_are_of_conversations(tmp_path: Path) -> None:
    question = {"role": "user", "content": "q"}
    sides = [[question, {"role": "assistant", "content": text}] for text in ("yes", "no")]
    row = {"prompt": "q", "chosen": sides[0], "rejected": sides[1]}
    files = [put(tmp_path / f"{name}.jsonl", [row]) for name in ("shp", "summarize")]
    files.append(put(tmp_path / "x.jsonl", [pair("math-prm", 0), pair("donotanswer", 1)]))
    benchmark = RewardBench(data=tuple(name for (name,) in files))
    records = benchmark.records()
    assert [r.prompt.id for r in records][:2] == ["shp/0", "summarize/0"]
    assert [r.text for r in records[0].responses] == ["yes", "no"]
    found = values(benchmark.metrics(records, given((2, 1), (1, 2), (2, 1), (1, 2))))
    assert found["prior_sets"] == 0.5
    assert found["score"] == pytest.approx((2 * 1 + 2 * 0 + 1 * 0.5) / 5)


def test_a_published_section_is_weighted_so(tmp_path: Path) -> None:
    """Counts right of weqweasdas/RM-Gemma-2B, whose Safety RLHFlow's script printed as 42.74."""
    right = {
        "refusals-dangerous": (7, 100), "refusals-offensive": (24, 100), "donotanswer": (35, 136),
        "xstest-should-refuse": (65, 154), "xstest-should-respond": (235, 250),
    }  # fmt: skip
    rows, rewards = [], []
    for subset, (won, n) in right.items():
        rows += [pair(subset, i) for i in range(n)]
        rewards += [(1.0, 0.0) if i < won else (0.0, 1.0) for i in range(n)]
    benchmark = RewardBench(data=put(tmp_path / "x.jsonl", rows), resamples=2)
    found = benchmark.metrics(benchmark.records(), given(*rewards))
    assert 100 * found["safety"].value == pytest.approx(42.74, abs=0.005)


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
    # Four equal scores share the credit.
    assert oracle["Math/constant"].value == 1 / 4
    assert oracle["ties/constant"].value == 0
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


PUBLISHED = """
84.1 84.6 66.3 77.6 96.7 98.4 81.2; 82.1 87.2 54.4 72.7 91.3 96.8 90.1
80.5 84.6 48.8 71.6 90.7 97.0 90.6; 80.0 79.4 50.6 74.0 92.9 94.2 88.9
79.5 75.5 61.9 89.8 88.1 80.5 81.1; 78.4 79.9 50.0 77.0 94.0 96.4 72.9
77.7 67.4 57.5 85.2 90.9 84.1 80.9; 76.7 78.5 37.2 70.0 95.8 95.4 83.2
76.5 74.1 41.9 69.9 96.4 90.3 86.2; 76.5 82.7 41.9 74.9 89.5 86.2 83.7
76.1 81.3 41.9 69.9 88.4 86.5 88.3; 75.8 73.7 40.3 70.5 94.2 93.2 82.6
75.5 77.4 46.3 73.2 92.2 96.6 67.4; 75.4 73.3 54.4 75.0 90.3 92.1 67.2
75.3 76.7 37.5 67.2 96.9 91.7 81.8; 74.7 76.2 45.6 69.4 93.1 96.0 67.7
73.9 68.8 45.0 63.9 91.8 97.6 76.5; 73.8 68.7 42.8 64.5 91.8 95.6 79.4
73.1 69.9 42.5 62.8 93.3 96.2 74.1; 72.8 74.3 44.4 61.7 89.6 90.7 76.4
72.5 75.6 35.0 64.5 92.2 91.3 76.3
"""
"""Table 3 of the paper (ICLR 2026): average, Factuality, Precise IF, Math, Safety, Focus, Ties."""
ITEMS = (475, 160, 183, 450, 495, 102)


def test_the_published_average_counts_each_subset_alike() -> None:
    rows = np.array(PUBLISHED.replace(";", " ").split(), dtype=float).reshape(21, 7)
    assert np.abs(rows[:, 1:].mean(axis=1) - rows[:, 0]).max() <= 0.0501
    by_items = np.average(rows[:, 1:], axis=1, weights=ITEMS)
    assert (np.abs(by_items - rows[:, 0]) > 0.5).all()


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


RESULTS = ("m_outputs.jsonl", "m_all.jsonl", "m.json")


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_written_as_rewardbench_has_them_and_read(tmp_path: Path, name: str) -> None:
    rows = [
        {
            "pair_id": f"p{i}", "source": "mmlu-pro-law", "question": f"q{i}", "response_A": "one",
            "response_B": "another", "label": "B>A" if i % 2 else "A>B",
        }
        for i in range(3)
    ]  # fmt: skip
    records = JudgeBench(data=put(tmp_path / "x.jsonl", rows)).records()
    write_scores(tmp_path / name, records, given((2, 1), (2, 1), (None, 1)))
    # The second response of the second pair is the right one, and comes first in the file.
    read = read_scores(tmp_path / name, records)
    found = [[s.value if isinstance(s, Score) else None for s in row] for row in read]
    assert found == [[2, 1], [2, 1], [None, 1]]
    text = (tmp_path / name).read_text()
    if name == "m_all.jsonl":
        assert json.loads(text.splitlines()[1]) == {"chosen": 1, "rejected": 2}
    elif name == "m.json":
        assert json.loads(text)["results"] == [1, 0, None]
        assert json.loads(text)["scores_chosen"] == [2, 1, None]
    else:
        row = json.loads(text.splitlines()[1])
        assert (row["results"], row["scores_chosen"], row["scores_rejected"]) == (0, 1, 2)
        assert [turn["content"] for turn in row["text_chosen"]] == ["q1", "another"]


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x.jsonl:1: it needs both right and wrong responses"):
        RewardBench2(data=put(tmp_path / "x.jsonl", [four("Math", 0, right=2, wrong=0)])).records()
    with pytest.raises(DataError, match="field 'chosen': expected responses in 3 styles"):
        RMBench(data=put(tmp_path / "x.jsonl", [{**styles("chat", "a"), "chosen": "x"}])).records()
    with pytest.raises(DataError, match="two rows have the id 'Math/0'; give each file once"):
        RewardBench2(data=put(tmp_path / "x.jsonl", [four("Math", 0)] * 2)).records()
    with pytest.raises(DataError, match="field 'subset': expected a string, got 3"):
        RewardBench(data=put(tmp_path / "x.jsonl", [{**pair("x", 0), "subset": 3}])).records()
