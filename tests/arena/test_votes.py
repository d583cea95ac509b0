"""Votes as columns: what is left out is counted, and sources are joined by name."""

import numpy as np
import pytest

from assay.arena.aggregate import tabulate, win_matrix
from assay.arena.votes import Outcome, Votes, joined, summary, votes
from assay.errors import DataError


def test_what_cannot_be_used_is_left_out_and_counted() -> None:
    made = votes(
        ["a", "b", None, "a", "a", "a", "b"],
        ["b", "b", "b", "c", "b", "b", "a"],
        [0, 0, 0, 7, 0, 1, 2],
        weight=[1, 1, 1, 1, float("nan"), 2, 1],
        covariates={"x": [1.0, 1, 1, 1, 1, 1, float("inf")]},
    )
    assert len(made) == 2
    assert dict(made.left_out) == {
        "a player has no name": 1,
        "a player met itself": 1,
        "the outcome is not known": 1,
        "the weight is not a number above 0 (1e-100 to 1e100)": 1,
        "a covariate or measure is NaN, infinite or beyond 1e100": 1,
    }
    assert "1 left out: a player met itself" in summary(made)
    assert made.weights.tolist() == [1, 2]


def test_a_vote_that_stands_twice_is_counted() -> None:
    again = {"judge": ["x", "x", "y"], "cluster": ["p", "p", "p"]}
    made = votes(["a", "a", "a"], ["b", "b", "b"], [0, 0, 0], **again)
    assert made.repeats() == 1
    assert "1 repeat another vote" in summary(made)
    # Without judges, equal votes may be two people's.
    assert votes(["a", "a"], ["b", "b"], [0, 0]).repeats() == 0


def test_players_of_a_list_are_those_alone() -> None:
    assert votes(["b"], ["a"], [0], players=["a", "b"]).first.tolist() == [1]
    with pytest.raises(DataError, match="'c' is not among the players"):
        votes(["c"], ["a"], [0], players=["a", "b"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"outcome": np.array([0], dtype=np.int8)}, "outcome has 1 rows"),
        ({"second": np.array([0, 5], dtype=np.int32)}, "codes from 0 to 1"),
        ({"second": np.array([0, 1], dtype=np.int32)}, "met itself"),
        ({"players": ("a", "a")}, "one name"),
        ({"weight": np.array([1.0, 0.0])}, "above 0"),
        ({"covariates": np.ones((2, 1))}, "their names ask for"),
    ],
)
def test_columns_that_do_not_agree_are_refused(change: dict, why: str) -> None:
    columns = {
        "players": ("a", "b"),
        "first": np.array([0, 0], dtype=np.int32),
        "second": np.array([1, 1], dtype=np.int32),
        "outcome": np.array([0, 1], dtype=np.int8),
    }
    if "second" in change and change["second"][1] == 1:
        columns["first"] = np.array([1, 1], dtype=np.int32)
        change = {}
    with pytest.raises(DataError, match=why):
        Votes(**(columns | change))


def test_sources_are_joined_by_name_and_their_clusters_stay_apart() -> None:
    one = votes(["a", "b"], ["b", "a"], [0, 0], cluster=["p", "p"], judge=["x", "y"])
    other = votes(["c", "a", "a"], ["b", "c", "a"], [1, 2, 0], cluster=["p", "q", "q"])
    both = joined([one, other])
    assert both.players == ("a", "b", "c")
    assert [both.players[i] for i in both.first] == ["a", "b", "c", "a"]
    assert both.cluster is not None
    assert both.judge is not None
    assert both.cluster.tolist() == [0, 0, 1, 2]
    assert [both.judges[j] for j in both.judge] == ["x", "y", "unnamed", "unnamed"]
    assert dict(both.left_out) == {"a player met itself": 1}


def test_the_table_counts_either_order_of_a_pair() -> None:
    made = votes(
        ["a", "b", "a", "b", "c"],
        ["b", "a", "b", "a", "a"],
        [Outcome.FIRST, Outcome.FIRST, Outcome.TIE, Outcome.BOTH_BAD, Outcome.SECOND],
        weight=[1, 2, 4, 8, 16],
    )
    table = tabulate(made)
    assert (table.wins[0], table.losses[0], table.ties[0]) == (1, 2, 12)
    wins = win_matrix(table)
    assert wins[0, 1] == 7
    assert wins[1, 0] == 8
    assert wins[0, 2] == 16


def test_the_table_of_many_players_is_that_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 9, 400)
    b = (a + rng.integers(1, 9, 400)) % 9
    made = votes(
        [f"p{i}" for i in a], [f"p{i}" for i in b], rng.integers(0, 4, 400).tolist(),
        weight=rng.random(400) + 0.1,
    )  # fmt: skip
    dense = win_matrix(tabulate(made))
    monkeypatch.setattr("assay.arena.aggregate.DENSE", 3)
    np.testing.assert_allclose(win_matrix(tabulate(made)), dense, atol=1e-12)
