"""Audits of real judges, against numbers that others found of them."""

import csv
import gzip
import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from assay.evaluation.judges import audit
from assay.evaluation.judges.cycles import cycles
from assay.questions import Comparison, Game
from assay.types import Preference, Prompt, Response

WON = {"left": 1.0, "tie": 0.5, "right": 0.0}
SUBSETS = {
    "LLMBar/Natural": "LLMBar_Natural",
    **{
        f"LLMBar/Adversarial/{name}": f"LLMBar_Adversarial_{name}"
        for name in ("Manual", "Neighbor", "GPTInst", "GPTOut")
    },
}


def llmbar(folder, evaluator):
    """Records and comparisons in both orders of one of LLMBar's evaluators."""
    said = {}
    with gzip.open(folder / "evaluator_verdicts.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["evaluator"] == evaluator:
                said[row["subset"], int(row["item"])] = row["winner_order1"], row["winner_order2"]
    records, comparisons = [], []
    for subset, name in SUBSETS.items():
        for i, row in enumerate(json.loads((folder / f"{name}.json").read_text())):
            both = tuple(Response.of(row[f"output_{side}"]) for side in (1, 2))
            records.append(
                Preference(
                    prompt=Prompt.of(row["input"]), responses=both, prefer=float(row["label"] == 1)
                )
            )
            games = [
                Game(swapped=swapped, first={"1": 1.0, "2": 0.0}.get(winner), unscored="unread")
                for swapped, winner in zip((False, True), said[subset, i], strict=True)
            ]
            comparisons.append(Comparison.of(games))
    return records, comparisons


@pytest.mark.parametrize(
    ("evaluator", "gap", "verdict"),
    [
        ("GPT-4/Vanilla", 0.024, "none found"),
        ("ChatGPT/Vanilla", 0.294, "biased"),
        ("Falcon/Vanilla", 0.551, "biased"),
        # Equal ratings are written there as a win of the second slot in either order.
        ("GPT-4/Rating", -0.155, "biased"),
    ],
)
def test_llmbar_positions(assay_data, evaluator, gap, verdict):
    folder = assay_data / "judges" / "llmbar"
    found = audit(*llmbar(folder, evaluator))
    row = {row.name: row for row in found.rows}["position/first_slot"]
    assert row.effect.value == pytest.approx(gap, abs=5e-4)
    assert row.verdict == verdict
    published = json.loads((folder / "evaluator_statistics.json").read_text())
    counts = [published[f"{subset}|{evaluator}"] for subset in SUBSETS]
    for metric, key in (("consistency", "equal"), ("both_right", "correct_both")):
        right = sum(int(one[key].split(" / ")[0]) for one in counts)
        assert found.metrics[f"position/{metric}"].value == pytest.approx(right / 419)


def votes(folder, name):
    with (folder / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_llmfao_judges(assay_data):
    """Each pair was judged in one order: the share of first slots must be held against people's."""
    folder = assay_data / "arena" / "llmfao"
    people = defaultdict(Counter)
    for row in votes(folder, "crowd-comparisons"):
        people[row["id"]][row["winner"]] += 1
    with (folder / "pairs-crowd.jsonl").open() as file:
        texts = {str(row["id"]): row for row in map(json.loads, file)}
    records = []
    for name, row in texts.items():
        lead = people[name]["left"] / people[name].total() - 0.5
        behind = people[name]["right"] / people[name].total() - 0.5
        label = 1.0 if lead > 0 else 0.0 if behind > 0 else 0.5
        both = (Response.of(row["result_x"]), Response.of(row["result_y"]))
        records.append(Preference(prompt=Prompt.of(row["text"]), responses=both, prefer=label))
    effects = {}
    for judge, share, agreement in (("gpt4", 0.455, 0.761), ("gpt3", 0.695, 0.640)):
        won = {r["id"]: WON[r["winner"]] for r in votes(folder, f"{judge}-crowd-comparisons")}
        said = [
            Comparison.of([Game(first=float(won[name] == 1), tie=float(won[name] == 0.5))])
            for name in texts
        ]
        found = audit(records, said)
        row = {row.name: row for row in found.rows}["position/first_slot_by_label"]
        assert row.verdict == "biased"
        assert row.effect.n == 13
        effects[judge] = row.effect.value
        decided = [w for w in won.values() if w != 0.5]
        assert np.mean(decided) == pytest.approx(share, abs=5e-4)
        of = [(w, r.prefer) for w, r in zip(won.values(), records, strict=True)
              if w != 0.5 and r.prefer != 0.5]  # fmt: skip
        assert np.mean([a == b for a, b in of]) == pytest.approx(agreement, abs=5e-4)
    assert effects["gpt3"] == pytest.approx(0.348, abs=5e-4)
    assert effects["gpt4"] == pytest.approx(-0.102, abs=5e-4)


def test_llmfao_cycles(assay_data):
    """People's majority over 59 models has 510 cycles in 5,249 triples."""
    rows = votes(assay_data / "arena" / "llmfao", "crowd-comparisons")
    models = [[row[side] for row in rows] for side in ("model_x", "model_y")]
    won = np.array([WON[row["winner"]] for row in rows])
    assert cycles(*models, won, [0] * len(rows)).value == 510 / 5249
