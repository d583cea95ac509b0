"""RMB, RewardMATH, PPE, LLMBar, EvalBiasBench and RubricBench by hand, and on the data there is."""

import csv
import gzip
import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.benchmarks import evaluate, score_steps
from assay.benchmarks.evalbiasbench import EvalBiasBench
from assay.benchmarks.llmbar import LLMBar
from assay.benchmarks.ppe_correctness import PPECorrectness
from assay.benchmarks.ppe_preference import PPEPreference
from assay.benchmarks.rewardmath import RewardMATH
from assay.benchmarks.rmb import RMB
from assay.benchmarks.rubricbench import RubricBench
from assay.data.rubrics import rubric_of
from assay.errors import DataError
from assay.types import Group, Score, Unscored
from tests.benchmarks.test_chosen import given, put, values


def test_rmb_by_hand(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "q", "language": "English"}]

    def said(text: str) -> dict[str, str]:
        return {"llm_name": "m", "answer": text}

    pairs = [
        {
            "pair_uid": str(i), "conversation_input": asked, "chosen": said("good"),
            "reject": said("bad"), "category_path": f"Pairwise_set/{path}",
        }
        for i, path in enumerate(["Harmlessness/S1", "Harmlessness/S2", "Helpfulness/Code/Data"])
    ]  # fmt: skip
    lists = [
        {
            "bon_uid": str(i), "conversation_input": asked, "bon_best": said("best"),
            "loser_list": [said("x"), said("y")],
            "category_path": "BoN_set/Helpfulness/Open QA/Factual",
        }
        for i in range(3)
    ]  # fmt: skip
    benchmark = RMB(data=put(tmp_path / "x.jsonl", [*pairs, *lists]))
    records = benchmark.records()
    assert records[2].prompt.id == "Pairwise_set/Helpfulness/Code/Data/2"
    found = values(
        benchmark.metrics(
            # Above one of two is not enough, and neither is equal.
            records, given((2, 1), (1, 1), (1, 2), (3, 2, 1), (3, 4, 1), (2, 2, 1)),
        )
    )  # fmt: skip
    assert found == {
        "pairwise_harmlessness": 0.5, "pairwise_harmlessness_S1": 1, "pairwise_harmlessness_S2": 0,
        "pairwise_helpfulness": 0, "pairwise_helpfulness_Code": 0,
        "best_of_n_helpfulness": pytest.approx(1 / 3),
        "best_of_n_helpfulness_Open_QA": pytest.approx(1 / 3),
        "score": pytest.approx((0.5 + 0 + 1 / 3) / 3),
    }  # fmt: skip
    baselines = benchmark.baselines(records)
    assert baselines["score/oracle"].value == 1
    assert "pairwise_harmlessness_S1/oracle" not in baselines
    benchmark.validate(records)
    with pytest.raises(DataError, match=r"x.jsonl:1: field 'category_path': expected such as BoN"):
        RMB(data=put(tmp_path / "x.jsonl", [{**pairs[0], "category_path": "S1"}])).records()


def test_rewardmath_by_hand(tmp_path: Path) -> None:
    rows = [
        {
            "problem": f"p{p}", "problem_id": p, "subject": "Number Theory", "answer": "1",
            "eval_solution": ["a step", f"so {k}"],
            "solution_type": "rejected" if k else "chosen",
        }
        for p in range(3)
        for k in range(10)
    ]  # fmt: skip
    benchmark = RewardMATH(data=put(tmp_path / "x.jsonl", rows))
    records = benchmark.records()
    assert [r.prompt.id for r in records] == [f"Number_Theory/{p}" for p in range(3)]
    assert records[0].responses[3].steps == ("a step\n", "so 3")
    scores = given(
        (9, *range(9)),  # first
        (5, *range(9)),  # behind 6, 7, 8 and, being equal, 5: fifth
        (1, *[1] * 9),  # the last of ten equal ones
    )
    found = benchmark.metrics(records, scores)
    assert found["accuracy"].value == found["Number_Theory"].value == pytest.approx(1 / 3)
    assert found["mrr"].value == pytest.approx((1 + 1 / 5 + 1 / 10) / 3)
    # The set's own results are a row a problem, without ids.
    results = [{"problem": "", "score": [x.value for x in row]} for row in scores]  # type: ignore[union-attr]
    (path,) = put(tmp_path / "results.jsonl", results)
    assert evaluate(benchmark, path).metrics["mrr"].value == found["mrr"].value
    assert benchmark.baselines(records)["mrr/constant"].value == pytest.approx(0.1)
    lost = given((None, *range(9)), *((9, *range(9)) for _ in range(2)))
    assert benchmark.metrics(records, lost)["mrr"].unscored == 1
    missed = RewardMATH(data=benchmark.data, unscored="wrong").metrics(records, lost)
    assert missed["mrr"].value == pytest.approx((0.1 + 1 + 1) / 3)
    benchmark.validate(records)


def _battles(n: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Battles of five models of known strength, and how probably the first wins."""
    rng = np.random.default_rng(0)
    rows, chances = [], []
    for i in range(n):
        a, b = rng.choice(5, 2, replace=False).tolist()
        chances.append(float(1 / (1 + np.exp(b - a))))
        won = rng.random() < chances[-1]
        rows.append(
            {
                "question_id": "same", "prompt": f"q{i}", "language": "English",
                "response_1": f"{a}", "response_2": f"{b}", "model_a": f"m{a}", "model_b": f"m{b}",
                "winner": "model_a" if won else "model_b",
            }
        )  # fmt: skip
    return rows, chances


def _row_pearson(rows: Sequence[dict[str, Any]], wins: Sequence[float]) -> float:
    """The same by loops over models."""
    names = [f"m{i}" for i in range(5)]
    table = np.zeros((2, 5, 5, 2))
    for row, mine in zip(rows, wins, strict=True):
        a, b = names.index(row["model_a"]), names.index(row["model_b"])
        for k, first in enumerate((float(row["winner"] == "model_a"), mine)):
            table[k, a, b] += first, 1
            table[k, b, a] += 1 - first, 1
    off = [[j for j in range(5) if j != i] for i in range(5)]
    shares = [[t[i, o, 0] / t[i, o, 1] for i, o in enumerate(off)] for t in table]
    return float(np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(*shares, strict=True)]))


def test_ppe_preference_by_loops(tmp_path: Path) -> None:
    rows, _ = _battles(600)
    rng = np.random.default_rng(1)
    rewards = rng.integers(0, 3, (600, 2)) + [
        [int(r["response_1"]), int(r["response_2"])] for r in rows
    ]
    tied = {**rows[0], "winner": "tie (bothbad)"}
    benchmark = PPEPreference(data=put(tmp_path / "x.jsonl", [tied, *rows]), resamples=50)
    with pytest.warns(UserWarning, match="1 rows name no winner and were left out"):
        records = benchmark.records()
    assert records[0].prompt.id == "English/1"
    found = benchmark.metrics(records, given(*rewards.tolist()))
    wins = (np.sign(rewards[:, 0] - rewards[:, 1]) + 1) / 2
    right = [w == float(r["winner"] == "model_a") for w, r in zip(wins, rows, strict=True)]
    assert found["accuracy"].value == found["English"].value == pytest.approx(np.mean(right))
    pearson = found["row_pearson"]
    assert pearson.value == pytest.approx(_row_pearson(rows, wins.tolist()))
    assert 0.5 < pearson.low < pearson.value < pearson.high <= 1
    baselines = benchmark.baselines(records)
    assert baselines["row_pearson/oracle"].value == pytest.approx(1)
    # Scores that never differ say nothing of models.
    assert np.isnan(baselines["row_pearson/constant"].value)
    assert abs(baselines["row_pearson/random"].value) < 0.9
    benchmark.validate(records)


def test_ppe_correctness_by_every_subset(tmp_path: Path) -> None:
    right = [True, False, False, True, False]
    row = {
        "question_id": "g1", "prompt": "q", "scores": right,
        "sampled_conflict_pairs": [[0, 1], [4, 3]],
        **{f"response_{k + 1}": f"a{k}" for k in range(5)},
    }  # fmt: skip
    benchmark = PPECorrectness(data=put(tmp_path / "gpqa.jsonl", [row]), resamples=2)
    records = benchmark.records()
    assert records[0].prompt.id == "gpqa/g1"
    rewards = (4.0, 3.0, 5.0, 2.0, 2.0)
    found = values(benchmark.metrics(records, given(rewards)))
    # Of the named pairs the first is won, and the second a tie. Of all six two are won, those of
    # 4 with 3 and 2, and one is a tie.
    assert (found["accuracy"], found["gpqa"]) == (0.5, 0.5)
    assert found["auc"] == pytest.approx((2 + 0.5) / 6)
    curve, best = [], []
    for k in range(1, 6):
        subsets = list(combinations(range(5), k))
        tops = [[i for i in s if rewards[i] == max(rewards[j] for j in s)] for s in subsets]
        curve.append(np.mean([np.mean([right[i] for i in top]) for top in tops]))
        best.append(np.mean([any(right[i] for i in s) for s in subsets]))
    assert found["best_of_2"] == pytest.approx(curve[1])
    assert found["end_score"] == pytest.approx(curve[-1]) == 0
    assert found["max_score"] == pytest.approx(max(curve))
    assert found["loss"] == pytest.approx(np.mean(best) - np.mean(curve))
    baselines = values(benchmark.baselines(records))
    assert baselines["loss/oracle"] == pytest.approx(0)
    assert baselines["end_score/oracle"] == 1
    # Equal scores are drawn from at random.
    assert baselines["end_score/constant"] == pytest.approx(0.4)
    assert baselines["max_score/constant"] == pytest.approx(0.4)
    assert (baselines["accuracy/constant"], baselines["auc/constant"]) == (0, 0.5)
    lost = benchmark.metrics(records, given((None, 3, 5, 2, 2)))["auc"]
    assert (lost.n, lost.unscored) == (0, 1)
    benchmark.validate(records)
    with pytest.raises(DataError, match="field 'scores': expected one for each of the 5 responses"):
        PPECorrectness(data=put(tmp_path / "x.jsonl", [{**row, "scores": [True]}])).records()


def test_rubricbench_shows_the_rubric_and_nothing_else(tmp_path: Path) -> None:
    rows = [
        {
            "case_id": i, "instruction": "Write.", "response_a": "a", "response_b": "b", "label": i,
            "rubrics": f"Is it {i}?\n\n Is it short? ", "source": "s", "domain": "Chat",
        }
        for i in range(2)
    ]  # fmt: skip
    benchmark = RubricBench(data=put(tmp_path / "x.jsonl", rows))
    records = benchmark.records()
    assert [r.grades for r in records] == [(1, 0), (0, 1)]

    class Reads:
        """The number that the rubric asks for, for the response that should have it."""

        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            assert len(groups) == 2  # one prompt with two rubrics
            found: list[list[Score | Unscored]] = []
            for group in groups:
                assert group.prompt.meta.keys() == {"rubric"}
                rubric = rubric_of(group.prompt)
                assert rubric is not None
                assert [c.points for c in rubric.criteria] == [1, 1]
                wanted = "ab"[int("1" in rubric.criteria[0].text)]
                found.append([Score(value=float(r.text == wanted)) for r in group.responses])
            return found

    metrics = benchmark.metrics(records, score_steps(Reads(), records))
    assert values(metrics) == {"accuracy": 1, "Chat": 1}
    benchmark.validate(records)


def test_evalbiasbench_of_lengths(assay_data: Path) -> None:
    path = assay_data / "judges" / "evalbiasbench" / "biasbench.json"
    benchmark = EvalBiasBench(data=(str(path),), resamples=2)
    records = benchmark.records()
    assert len(records) == 80
    baselines = benchmark.baselines(records)
    assert baselines["length_bias/longest"].value == 0
    assert baselines["length_bias/shortest"].value == 1
    assert {name.partition("/")[0] for name in baselines} == {
        "accuracy", "length_bias", "concreteness", "empty_reference", "content_continuation",
        "nested_instruction", "familiar_knowledge_preference_bias",
    }  # fmt: skip
    benchmark.validate(records)


def test_llmbar_as_its_evaluators_are_published(assay_data: Path) -> None:
    """What GPT-4 and ChatGPT said in the first order gives the published accuracies."""
    folder = assay_data / "judges" / "llmbar"
    names = ("Natural", *(f"Adversarial_{x}" for x in ("Neighbor", "GPTInst", "GPTOut", "Manual")))
    files = [str(folder / f"LLMBar_{name}.json") for name in names]
    benchmark = LLMBar(data=tuple(files), resamples=2)
    records = benchmark.records()
    assert len(records) == 100 + 134 + 92 + 47 + 46
    benchmark.validate(records)
    # What length alone gets on these was published for RewardBench, which holds them.
    assert benchmark.baselines(records)["Neighbor/longest"].value == pytest.approx(0.119, abs=0.001)
    published = json.loads((folder / "evaluator_statistics.json").read_text())
    said: dict[tuple[str, str, int], str] = {}
    with gzip.open(folder / "evaluator_verdicts.csv.gz", "rt") as rows:
        for row in csv.DictReader(rows):
            key = row["subset"].rpartition("/")[2], row["evaluator"], int(row["item"])
            said[key] = row["winner_order1"]
    for evaluator in ("GPT-4/Vanilla", "ChatGPT/CoT", "GPT-4/Swap_CoT"):
        verdicts = []
        for record in records:
            subset, _, item = record.prompt.id.partition("/")
            winner = said.get((subset, evaluator, int(item)))
            verdicts.append([float(winner == "1"), float(winner == "2")])
        found = benchmark.metrics(records, given(*verdicts))
        for name in names:
            both = f"LLMBar/{name.replace('_', '/')}|{evaluator}"
            percent = published[both]["correct_False"].partition("= ")[2]
            assert 100 * found[name.rpartition("_")[2]].value == pytest.approx(float(percent[:-1]))
        hard = [found[name.rpartition("_")[2]].value for name in names[1:]]
        assert found["adversarial"].value == pytest.approx(np.mean(hard))
        assert found["score"].value == pytest.approx(np.mean([found["Natural"].value, *hard]))


def test_llmbar_is_named_by_its_folders(tmp_path: Path) -> None:
    row = {"input": "q", "output_1": "a", "output_2": "b", "label": 2}
    for folder in ("Adversarial/Manual", "Natural", "Base_9"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "dataset.json").write_text(json.dumps([row]))
    benchmark = LLMBar(data=(str(tmp_path),))
    records = benchmark.records()
    assert [r.prompt.id for r in records] == ["Manual/0", "Base_9/0", "Natural/0"]
    found = values(benchmark.metrics(records, given((0, 1), (1, 0), (1, 0))))
    assert found == {"Manual": 1, "Base_9": 0, "Natural": 0, "adversarial": 1, "score": 0.5}
    with pytest.raises(DataError, match="field 'label': expected 1 or 2, got 0"):
        LLMBar(data=put(tmp_path / "x.jsonl", [{**row, "label": 0}])).records()
