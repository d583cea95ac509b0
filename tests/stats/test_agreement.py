"""Agreement by hand, by brute force and against published numbers."""

import csv
import gzip
import json
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import agreement


def test_cohens_kappa_by_hand():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: .7 observed, .5 by chance.
    a = ["yes"] * 25 + ["no"] * 25
    b = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = agreement.cohen_kappa(a, b)
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high < 1
    assert found.n == 50


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_weighted_kappa_is_what_the_definition_says(weights):
    rng = np.random.default_rng(0)
    a = rng.choice([1, 2, 5], size=40)
    b = np.where(rng.random(40) < 0.6, a, rng.choice([1, 2, 5], size=40))
    apart = {"none": lambda d: float(d != 0), "linear": abs, "quadratic": lambda d: d * d}[weights]
    observed = np.mean([apart(x - y) for x, y in zip(a, b, strict=True)])
    expected = np.mean([apart(x - y) for x in a for y in b])
    found = agreement.cohen_kappa(a, b, weights=weights, resamples=0)
    assert found.value == pytest.approx(1 - observed / expected)
    assert math.isnan(found.low)


def test_levels_in_words_have_an_order():
    a, b = ["low", "mid", "high", "low"], ["mid", "mid", "low", "low"]
    number = {"low": 0, "mid": 1, "high": 2}
    words = agreement.cohen_kappa(a, b, weights="quadratic", levels=list(number))
    numbers = agreement.cohen_kappa(
        [number[x] for x in a], [number[x] for x in b], weights="quadratic"
    )
    assert words == numbers
    with pytest.raises(DataError, match="none of the levels"):
        agreement.cohen_kappa(a, b, levels=["low", "mid"])


def test_raters_who_never_vary_have_no_kappa():
    assert math.isnan(agreement.cohen_kappa([1, 1, 1], [1, 1, 1]).value)


def test_a_missing_rating_is_no_category():
    with pytest.raises(DataError, match="1 items lack"):
        agreement.cohen_kappa([1, None, 2], [1, 1, 2])


KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


@pytest.mark.parametrize(
    ("metric", "value"), [("nominal", 904 / 1216), ("ordinal", 0.815388), ("interval", 0.849107)]
)
def test_alpha_of_the_textbook(metric, value):
    ratings = [list(unit) for unit in zip(*KRIPPENDORFF, strict=True)]
    found = agreement.alpha(ratings, metric)
    assert found.value == pytest.approx(value, abs=1e-6)
    assert found.n == 11  # the last unit has one rating


def test_alpha_is_what_the_definition_says():
    rng = np.random.default_rng(1)
    ratings = rng.integers(0, 4, size=(30, 3)).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    units = [row[~np.isnan(row)] for row in ratings]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units)
    observed = sum(((u[:, None] - u[None, :]) ** 2).sum() / (len(u) - 1) for u in units)
    expected = ((every[:, None] - every[None, :]) ** 2).sum() / (len(every) - 1)
    found = agreement.alpha(ratings, "interval", resamples=0)
    assert found.value == pytest.approx(1 - observed / expected)


def test_ordinal_alpha_sees_only_the_order():
    rng = np.random.default_rng(2)
    ratings = rng.integers(0, 4, size=(30, 3))
    assert agreement.alpha(ratings, "ordinal").value == pytest.approx(
        agreement.alpha(ratings**3, "ordinal").value
    )


def test_fleiss_kappa_of_the_textbook():
    # Fleiss (1971) as in the usual example: 10 subjects, 14 raters, 5 categories.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    ratings = [np.repeat(np.arange(5), row) for row in counts]
    assert agreement.fleiss_kappa(ratings).value == pytest.approx(0.210, abs=5e-4)
    with pytest.raises(DataError, match="same number"):
        agreement.fleiss_kappa([[1, 2], [1, None]])


def test_ac1_where_kappa_fails():
    # Gwet's example: 118 and 2 and 5 of 125; kappa is -.0234.
    ratings = [[1, 1]] * 118 + [[1, 2]] * 5 + [[2, 1]] * 2
    assert agreement.gwet_ac1(ratings).value == pytest.approx(0.9408, abs=5e-5)
    a, b = zip(*ratings, strict=True)
    assert agreement.cohen_kappa(a, b).value == pytest.approx(-0.0234, abs=5e-5)


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(3)
    a = np.repeat(rng.integers(0, 2, 40), 5)
    b = np.where(np.repeat(rng.random(40), 5) < 0.7, a, 1 - a)
    alone = agreement.cohen_kappa(a, b)
    together = agreement.cohen_kappa(a, b, clusters=np.arange(200) // 5)
    assert together.value == alone.value
    assert (together.n, alone.n) == (40, 200)
    assert together.high - together.low > 1.7 * (alone.high - alone.low)


def test_the_interval_of_kappa_covers():
    # Two raters of one truth, each right 85 % of the time: kappa .49.
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        truth = rng.integers(0, 2, 80)
        a, b = (np.where(rng.random(80) < 0.85, truth, 1 - truth) for _ in range(2))
        found = agreement.cohen_kappa(a, b, resamples=300)
        held += found.low <= 0.49 <= found.high
    assert held / 200 > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 200)


def test_classification_by_hand():
    truth, said = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0, 1, 1]
    found = agreement.classification(truth, said, positive=1)
    values = {name: each.value for name, each in found.items()}
    assert values == pytest.approx({
        "accuracy": 0.7,
        "balanced_accuracy": (3 / 4 + 4 / 6) / 2,
        "macro_precision": (3 / 5 + 4 / 5) / 2,
        "macro_recall": (3 / 4 + 4 / 6) / 2,
        "macro_f1": (6 / 9 + 8 / 11) / 2,
        "sensitivity": 3 / 4,
        "specificity": 4 / 6,
    })  # fmt: skip
    assert found["sensitivity"].n == 4


def test_ceilings():
    ratings = [["a", "a", "b"], ["a", "a", "a"], ["b", None, None]]
    found = agreement.pairwise_agreement(ratings)
    assert found.value == pytest.approx((1 / 3 + 1) / 2)
    assert (found.n, found.unscored) == (2, 1)
    assert agreement.constant_agreement(["a", "b", "a", "a"]).value == 0.75


def test_llmbar_statistics_are_reproduced(assay_data):
    """All 499 published rows. Their kappa between orders takes an answer that was not understood
    for a vote for the second response; their kappas with the labels are of mismatched codes."""
    folder = assay_data / "judges" / "llmbar"
    published = json.loads((folder / "evaluator_statistics.json").read_text())
    games = defaultdict(list)
    with gzip.open(folder / "evaluator_verdicts.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            games[f"{row['subset']}|{row['evaluator']}"].append(
                (row["label"], row["winner_order1"], row["winner_order2"])
            )
    assert games.keys() == published.keys()
    for name, rows in games.items():
        label, one, two = (np.array(column) for column in zip(*rows, strict=True))
        counts = {
            "correct_False": (one == label).sum(),
            "correct_True": (two == label).sum(),
            "correct_both": ((one == label) & (two == label)).sum(),
            "equal": (one == two).sum(),
        }
        said = published[name]
        assert counts == {key: int(said[key].split(" / ")[0]) for key in counts}, name
        kappa = agreement.cohen_kappa(one == "1", two == "1", resamples=0).value
        assert kappa == pytest.approx(said["kappa_agreement"], abs=1e-9, nan_ok=True), name


def test_pandalm_as_published(assay_data):
    folder = assay_data / "judges" / "pandalm"

    def read(name):
        return json.loads(gzip.decompress((folder / name).read_bytes()))

    rows = read("testset-v1.json.gz")
    people = np.array([[row[f"annotator{i}"] for i in (1, 2, 3)] for row in rows])
    for (i, j), kappa in {(0, 1): 0.85, (0, 2): 0.88, (1, 2): 0.86}.items():
        found = agreement.cohen_kappa(people[:, i], people[:, j], resamples=0)
        assert round(found.value, 2) == kappa
    assert agreement.fleiss_kappa(people).value == pytest.approx(0.864175, abs=5e-7)
    assert agreement.alpha(people).value == pytest.approx(0.864221, abs=5e-7)
    majority = [Counter(row).most_common(1)[0][0] for row in people.tolist()]
    assert Counter(majority) == {0: 105, 1: 422, 2: 472}
    # What their judge did not understand counts as a tie there.
    code = {"1": 1, "2": 2, "Tie": 0, "garbage": 0}
    chat = [code[r["gpt_result"]] for r in read("gpt-3.5-turbo-testset-v1.json.gz")]
    tuned = [int(r["pandalm_result"]) for r in read("pandalm-7b-testset-v1.json.gz")]
    for said, published in (
        (chat, (71.07, 58.79, 57.36, 57.55)),
        (tuned, (66.77, 57.38, 57.50, 57.43)),
    ):
        found = agreement.classification(majority, said)
        names = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
        assert tuple(round(100 * found[name].value, 2) for name in names) == published


def test_llmfao_alpha(assay_data):
    votes = defaultdict(list)
    with (assay_data / "arena" / "llmfao" / "crowd-comparisons.csv").open() as file:
        for row in csv.DictReader(file):
            votes[row["id"]].append(row["winner"])
    ratings = [said + [None] * (5 - len(said)) for said in votes.values()]
    levels = ["left", "tie", "right"]
    nominal = agreement.alpha(ratings, resamples=200)
    assert nominal.value == pytest.approx(0.290595, abs=5e-7)
    assert nominal.low < nominal.value < nominal.high
    ordinal = agreement.alpha(ratings, "ordinal", levels=levels, resamples=0)
    assert ordinal.value == pytest.approx(0.287553, abs=5e-7)


def test_nothing_was_rated():
    for found in (
        agreement.cohen_kappa([], []),
        agreement.fleiss_kappa([]),
        agreement.gwet_ac1([]),
        agreement.alpha([]),
        agreement.pairwise_agreement([]),
        agreement.classification([], [])["macro_f1"],
        agreement.constant_agreement([]),
    ):
        assert math.isnan(found.value)
        assert found.n == 0


def test_what_is_missing_is_no_label_of_a_constant_judge():
    for labels in (["a", None, "a", "b"], [1.0, math.nan, 1.0, 0.0, math.nan, math.nan]):
        found = agreement.constant_agreement(labels)
        assert (found.value, found.n) == (pytest.approx(2 / 3), 3)
        assert found.unscored == len(labels) - 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_missing_in_arrays_of_any_floats(dtype):
    ratings = np.array([[1, 1], [2, np.nan], [2, 2], [1, 2]], dtype=dtype)
    for metric in ("nominal", "interval"):
        with_none = [[None if np.isnan(x) else float(x) for x in row] for row in ratings]
        assert agreement.alpha(ratings, metric).value == pytest.approx(
            agreement.alpha(with_none, metric).value
        )


def test_interval_alpha_is_the_same_far_from_0():
    ratings = np.array([[1, 1], [2, 3], [3, 3], [4, 4]])
    near, far = agreement.alpha(ratings, "interval"), agreement.alpha(ratings + 10**9, "interval")
    assert far.value == pytest.approx(near.value, abs=1e-9)


def test_ac1_knows_categories_that_nobody_used():
    ratings = [["yes", "yes"]] * 9 + [["yes", "no"]]
    assert agreement.gwet_ac1([["yes", "yes"]] * 9, levels=["yes", "no"]).value == 1
    chance = sum(p * (1 - p) for p in (0.95, 0.05)) / 2
    assert agreement.gwet_ac1(ratings, levels=["yes", "no", "unsure"]).value == pytest.approx(
        (0.9 - chance) / (1 - chance)
    )
