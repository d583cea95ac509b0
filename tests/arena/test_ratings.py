"""Ratings against published numbers, numbers by hand, and what has no rating."""

import csv
from pathlib import Path

import numpy as np
import pytest

from assay.arena import others
from assay.arena.aggregate import tabulate
from assay.arena.bradley_terry import ELO, fit
from assay.arena.connected import connected
from assay.arena.layouts import read
from assay.arena.ratings import rate
from assay.arena.ties import LIKELIHOODS, scores
from assay.arena.votes import Votes, votes
from assay.errors import ConfigError, DataError
from assay.types import Unscored


def played(*games: tuple[str, str, int, int, int]) -> Votes:
    """Votes of (first, second, wins, losses, ties)."""
    rows = [
        (a, b, said)
        for a, b, *counts in games
        for said, count in enumerate(counts)
        for _ in range(count)
    ]
    return votes(*map(list, zip(*rows, strict=True)))


THREE = played(("A", "B", 6, 3, 1), ("A", "C", 5, 2, 3), ("B", "C", 4, 4, 2))


@pytest.mark.parametrize(
    ("model", "strength", "tie", "loss"),
    [
        ("davidson", (0.52273, -0.26136, -0.26136), 0.52542, 30.49768),
        ("rao_kupper", (0.43017, -0.23281, -0.19736), 1.54228, 30.50027),
        ("bradley_terry", (0.41269, -0.20635, -0.20635), None, 19.88040),
    ],
)
def test_three_players_with_ties(model, strength, tie, loss) -> None:
    made = fit(THREE, model=model)
    np.testing.assert_allclose(made.strength, strength, atol=1e-5)
    assert -made.log_likelihood == pytest.approx(loss, abs=1e-5)
    assert np.isnan(made.tie) if tie is None else made.tie == pytest.approx(tie, abs=1e-5)


def test_two_players_with_ties_by_hand() -> None:
    two = played(("A", "B", 6, 3, 1))
    davidson, other = fit(two, model="davidson"), fit(two, model="rao_kupper")
    assert np.exp(davidson.strength[0] - davidson.strength[1]) == pytest.approx(2)
    assert davidson.tie == pytest.approx(1 / np.sqrt(18))
    assert np.exp(other.strength[0] - other.strength[1]) == pytest.approx(np.sqrt(3.5))
    assert other.tie == pytest.approx(1.247219, abs=1e-6)


def test_four_teams_of_wikipedia() -> None:
    made = fit(
        played(("A", "B", 2, 3, 0), ("A", "D", 1, 4, 0), ("B", "C", 5, 3, 0), ("C", "D", 1, 3, 0),
               ("A", "C", 0, 0, 0), ("B", "D", 0, 0, 0))
    )  # fmt: skip
    order = [made.players.index(name) for name in "ABCD"]
    np.testing.assert_allclose(
        np.exp(made.strength)[order], (0.640, 1.043, 0.660, 2.270), atol=1e-3
    )


@pytest.mark.parametrize("model", ["bradley_terry", "davidson", "rao_kupper"])
def test_slopes_and_curvatures_are_those_of_the_likelihood(model) -> None:
    z, tie, step = np.linspace(-3, 3, 13), 0.4, 1e-5
    counts = [np.linspace(1, 2, 13), np.linspace(3, 1, 13), np.full(13, 0.7)]
    at = LIKELIHOODS[model]

    def value(dz: float, dt: float) -> np.ndarray:
        return at(z + dz, tie + dt, *counts).value

    terms = at(z, tie, *counts)
    np.testing.assert_allclose((value(step, 0) - value(-step, 0)) / 2 / step, terms.dz, atol=1e-7)
    np.testing.assert_allclose((value(0, step) - value(0, -step)) / 2 / step, terms.dt, atol=1e-7)
    for curve, (dz, dt) in (("zz", (1, 0)), ("tt", (0, 1))):
        h = 1e-4
        second = -(value(h * dz, h * dt) - 2 * value(0, 0) + value(-h * dz, -h * dt)) / h**2
        np.testing.assert_allclose(second, getattr(terms, curve), atol=1e-5)
    each = scores(model, z, tie)
    np.testing.assert_allclose(sum(c * s for c, s in zip(counts, each.dz, strict=True)), terms.dz)
    summed = sum(c * s for c, s in zip(counts, each.dt, strict=True))
    np.testing.assert_allclose(np.broadcast_to(summed, z.shape), terms.dt, atol=1e-12)


@pytest.fixture(scope="module")
def llmfao(assay_data: Path) -> Votes:
    return read(assay_data / "arena/llmfao/crowd-comparisons.csv")


def golden(folder: Path, method: str) -> dict[str, float]:
    with (folder / "arena/llmfao/evalica-golden.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["algorithm"] == method]
    return {row["item"]: float(row["score"]) for row in rows}


def test_llmfao_has_its_golden_ratings(llmfao: Votes, assay_data: Path) -> None:
    assert (len(llmfao), len(llmfao.players), len(llmfao.judges)) == (8931, 59, 124)
    made, truth = fit(llmfao), golden(assay_data, "bradley_terry")
    logs = np.log([truth[name] for name in made.players])
    np.testing.assert_allclose(made.strength, logs - logs.mean(), atol=1e-6)


@pytest.mark.parametrize("method", others.METHODS)
def test_llmfao_has_its_golden_other_scores(method, llmfao: Votes, assay_data: Path) -> None:
    pytest.importorskip("evalica")
    truth, found = golden(assay_data, method), others.score(llmfao, method)
    assert found.keys() == truth.keys()
    assert max(abs(found[name] - truth[name]) for name in truth) < 1e-6


def test_ratings_are_a_table_on_the_scale_of_elo() -> None:
    table = rate(THREE)
    assert [line.rank for line in table.lines] == [1, 2, 3]
    assert table.lines[0].player == "A"
    assert table.lines[0].rating.value == pytest.approx(1000 + 0.412694 * ELO, abs=0.01)
    assert table.lines[0].share == pytest.approx(13 / 20)
    anchored = rate(THREE, anchor=("B", 500.0))
    lines = {line.player: line.rating for line in anchored.lines}
    assert lines["B"].value == 500
    assert np.isnan(lines["B"].low)
    gap = anchored.difference("A", "B")
    assert lines["A"].value == pytest.approx(500 + ELO * gap.value)
    assert lines["A"].high == pytest.approx(500 + ELO * gap.high)
    assert table.to_json()["players"][0]["player"] == "A"
    with pytest.raises(ConfigError, match="'Z' has no rating"):
        table.difference("A", "Z")
    with pytest.raises(ConfigError, match="the anchor 'Z'"):
        rate(THREE, anchor=("Z", 0))


def test_who_only_wins_or_loses_has_no_rating_and_the_others_do() -> None:
    games = played(("A", "B", 6, 3, 1), ("top", "A", 3, 0, 0), ("B", "low", 2, 0, 0))
    table = rate(games)
    said = {line.player: line for line in table.lines}
    assert isinstance(said["top"].rating, Unscored)
    assert "only wins" in said["top"].rating.reason
    assert "only losses" in said["low"].rating.reason
    assert said["top"].rank is None
    assert table.fit.players == ("A", "B")
    np.testing.assert_allclose(
        table.fit.strength, fit(played(("A", "B", 6, 3, 1))).strength, atol=1e-9
    )
    with pytest.raises(DataError, match=r"2 players have no finite rating: top \(only wins"):
        fit(games)


def test_groups_that_never_met_have_no_joint_table() -> None:
    apart = played(("A", "B", 2, 1, 0), ("C", "D", 1, 1, 0))
    with pytest.raises(DataError, match=r"2 groups that cannot be compared.*\[A, B\]; \[C, D\]"):
        rate(apart)
    # Prior wins are on pairs that met, so they join nothing.
    with pytest.raises(DataError, match="2 groups") as refusal:
        rate(apart, regularised=1.0)
    assert "regularised" not in str(refusal.value)
    # One group above the other in every game: rateable apart, not together.
    above = played(("A", "B", 2, 1, 0), ("C", "D", 1, 1, 0), ("A", "C", 5, 0, 0))
    assert [len(each) for each in connected(tabulate(above)).components] == [2, 2]
    with pytest.raises(DataError, match="no votes go round"):
        rate(played(("A", "B", 3, 0, 0)))


def test_a_regularised_rating_says_so_and_moves_no_other_pair() -> None:
    games = played(("A", "B", 6, 3, 0), ("top", "A", 3, 0, 0))
    table = rate(games, regularised=0.5)
    assert "regularised, lambda 0.5" in table.scale
    assert all(np.isnan(line.rating.low) and line.ranks is None for line in table.lines)
    gap = table.difference("A", "B").value
    # A tree of pairs: each pair's gap is that of its own votes and prior.
    assert gap == pytest.approx(np.log(6.25 / 3.25))


def test_a_tie_model_needs_ties_and_more() -> None:
    with pytest.raises(DataError, match="davidson needs votes that are ties"):
        fit(played(("A", "B", 2, 1, 0)), model="davidson")
    with pytest.raises(DataError, match="rao_kupper needs"):
        fit(played(("A", "B", 0, 0, 4)), model="rao_kupper")


def test_covariates_take_what_is_theirs() -> None:
    rng = np.random.default_rng(0)
    n, truth = 6000, np.array([0.8, 0.0, -0.8])
    a = rng.integers(0, 3, n)
    b = (a + rng.integers(1, 3, n)) % 3
    x = rng.normal(size=n) + truth[a] - truth[b]
    won = rng.random(n) < 1 / (1 + np.exp(-(truth[a] - truth[b] + 0.5 * x)))
    made = fit(
        votes([f"p{i}" for i in a], [f"p{i}" for i in b], np.where(won, 0, 1).tolist(),
              covariates={"x": x}, players=["p0", "p1", "p2"])
    )  # fmt: skip
    np.testing.assert_allclose(made.strength, truth, atol=0.1)
    assert made.coefficients[0] == pytest.approx(0.5, abs=0.06)


def test_a_covariate_that_decides_everything_is_refused() -> None:
    rows = (["A", "B"] * 4, ["B", "A"] * 4, [0, 0, 1, 1, 0, 0, 1, 1])
    separates = {"x": [1.0 if said == 0 else -1.0 for said in rows[2]]}
    with pytest.raises(DataError, match="no finite maximum"):
        fit(votes(*rows, covariates=separates))
    assert fit(votes(*rows, covariates=separates), ridge=1.0).coefficients[0] > 0
    with pytest.raises(DataError, match="undetermined"):
        fit(votes(*rows, covariates={"x": [1.0, -1.0] * 4}))


def test_weights_are_repeated_votes() -> None:
    once = votes(["A", "B", "A"], ["B", "A", "B"], [0, 0, 2], weight=[3, 2, 4])
    np.testing.assert_allclose(
        fit(once).strength, fit(played(("A", "B", 3, 2, 4))).strength, atol=1e-9
    )


def test_few_clusters_are_said(llmfao: Votes) -> None:
    assert "13 clusters are few for 59 players" in rate(llmfao).summary
    assert "clusters are few" not in rate(THREE).summary


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1e12])
def test_ratings_do_not_depend_on_the_unit_of_a_covariate(size: float) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 300)
    b, x = (a + rng.integers(1, 4, 300)) % 4, rng.standard_normal(300)
    said = (rng.random(300) > 1 / (1 + np.exp(-0.5 * x))).astype(int).tolist()
    one, other = (
        fit(votes([*map(str, a)], [*map(str, b)], said, covariates={"x": x * unit}))
        for unit in (1.0, size)
    )
    assert other.strength == pytest.approx(one.strength, rel=1e-6)
    assert other.coefficients * size == pytest.approx(one.coefficients, rel=1e-6)


def test_numbers_that_overflow_are_left_out_and_nothing_left_is_said() -> None:
    cast = votes(["a", "b"], ["b", "a"], [0, 0], weight=[1e300, 1e-300])
    assert not len(cast)
    with pytest.raises(DataError, match="no vote to rate by"):
        fit(cast)
    assert not len(votes(["a"], ["b"], [0], covariates={"x": [1e200]}))
