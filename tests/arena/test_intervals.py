"""Intervals: values worked out before, brute force, and how often they hold."""

import numpy as np
import pytest

from assay.arena import intervals
from assay.arena.aggregate import Table
from assay.arena.bradley_terry import fit, fit_table
from assay.arena.design import decide
from assay.arena.intervals import bootstrap, covariance, difference, estimates, rank_intervals
from assay.arena.orders import compared, verdict
from assay.arena.ratings import rate
from assay.arena.standing import standing, trust
from assay.arena.ties import scores
from assay.arena.votes import Votes, votes
from assay.errors import DataError
from assay.workflows.arena import arena_next


def twelve_prompts() -> Votes:
    rows = [
        (a, b, int(q % n == 0), q)
        for q in range(12)
        for a, b, n in (("A", "B", 4), ("A", "C", 6), ("B", "C", 3))
    ]
    a, b, said, prompt = map(list, zip(*rows, strict=True))
    return votes(a, b, said, cluster=prompt)


@pytest.mark.parametrize(
    ("kind", "small", "errors"),
    [
        ("model", False, (0.33949, 0.29794, 0.32553)),
        ("sandwich", False, (0.34130, 0.29489, 0.32816)),
        ("cluster", False, (0.39312, 0.29156, 0.42319)),
        ("cluster", True, (0.41060, 0.30452, 0.44201)),
    ],
)
def test_errors_of_three_kinds(kind, small, errors) -> None:
    made = twelve_prompts()
    ratings = fit(made)
    np.testing.assert_allclose(ratings.strength, (0.91026, -0.13233, -0.77792), atol=1e-5)
    found = covariance(ratings, made, kind, small=small)
    np.testing.assert_allclose(np.sqrt(np.diag(found.matrix)), errors, atol=1e-5)


def some_votes(model: str, seed: int = 0, n: int = 600, k: int = 7) -> Votes:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, k, n)
    b = (a + rng.integers(1, k, n)) % k
    return votes(
        [f"p{i}" for i in a],
        [f"p{i}" for i in b],
        rng.choice(3, size=n, p=[0.45, 0.35, 0.2]).tolist(),
        cluster=rng.integers(0, 60, n).tolist(),
        weight=rng.random(n) + 0.5,
        covariates={"x": rng.normal(size=n)} if model != "bradley_terry" else None,
    )


@pytest.mark.parametrize("share", [0.0, 0.06, 100.0])
@pytest.mark.parametrize("model", ["bradley_terry", "davidson", "rao_kupper"])
@pytest.mark.parametrize("clustered", [False, True])
def test_the_sandwich_is_that_of_a_sum_vote_by_vote(model, share, clustered, monkeypatch) -> None:
    """However clusters are summed: by pairs of votes, by a matrix, or some by each."""
    monkeypatch.setattr(intervals, "LAG_SHARE", share)
    monkeypatch.setattr(intervals, "BLOCK", 50)
    monkeypatch.setattr(intervals, "CELLS", 100)
    made = some_votes(model)
    ratings = fit(made, model=model)
    k, p = len(made.players), len(ratings.parameters)
    tie = ratings.parameters[-1] if model != "bradley_terry" else 0.0
    sums: dict[int, np.ndarray] = {}
    for i in range(len(made)):
        design = np.zeros(p)
        design[made.first[i]], design[made.second[i]] = 1.0, -1.0
        if made.covariates is not None:
            design[k] = made.covariates[i, 0]
        each = scores(model, np.array([design @ ratings.parameters]), tie)
        slope = each.dz[made.outcome[i], 0] * design
        if model != "bradley_terry":
            # The tie parameter is no part of z.
            z = design[:-1] @ ratings.parameters[:-1]
            each = scores(model, np.array([z]), tie)
            slope = each.dz[made.outcome[i], 0] * design
            slope[-1] = each.dt[made.outcome[i], 0]
        key = int(made.cluster[i]) if clustered else i
        sums[key] = sums.get(key, np.zeros(p)) + made.weights[i] * slope
    meat = sum(np.outer(s, s) for s in sums.values())
    bread = np.linalg.pinv(ratings.hessian, hermitian=True, rcond=1e-10)
    expected = bread @ meat @ bread
    centre = np.eye(p)
    centre[:k, :k] -= 1 / k
    kind = "cluster" if clustered else "sandwich"
    found = covariance(ratings, made, kind, small=False).matrix
    np.testing.assert_allclose(found, centre @ expected @ centre.T, atol=1e-9)


def test_one_cluster_says_nothing_and_equal_votes_have_no_error() -> None:
    one = votes(["A", "B"], ["B", "A"], [0, 0], cluster=["p", "p"])
    with pytest.raises(DataError, match="one cluster"):
        covariance(fit(one), one)
    same = votes(["A", "B"] * 3, ["B", "A"] * 3, [0, 0] * 3, cluster=["p", "p", "q", "q", "r", "r"])
    assert all(np.isnan(each.low) for each in estimates(fit(same), covariance(fit(same), same)))


def test_the_bootstrap_by_cluster_agrees() -> None:
    made = some_votes("bradley_terry", n=3000, k=4)
    ratings = fit(made)
    spread = covariance(ratings, made)
    drawn = bootstrap(ratings, made, resamples=300)
    assert drawn.disconnected == 0
    np.testing.assert_allclose(
        drawn.draws[:, :4].std(axis=0), np.sqrt(np.diag(spread.matrix)[:4]), rtol=0.15
    )
    for a, b in zip(drawn.estimates(ratings), estimates(ratings, spread), strict=True):
        assert a.low == pytest.approx(b.low, abs=0.05)
        assert a.high == pytest.approx(b.high, abs=0.05)


def test_resamples_in_which_somebody_only_wins_are_counted() -> None:
    made = votes(["A", "B", "A"], ["B", "A", "B"], [0, 0, 0])
    drawn = bootstrap(fit(made), made, resamples=200)
    # Both kinds of votes are in a resample with 1 - (2/3)^3 - (1/3)^3.
    assert drawn.disconnected == pytest.approx(200 / 3, abs=25)


@pytest.mark.parametrize(("prompts", "few"), [(3, True), (4, False)])
def test_few_clusters_are_called_rough_wherever_an_interval_is(prompts: int, few: bool) -> None:
    """Three players: slopes of three clusters span no more than the strengths do."""
    rows = [
        (a, b, int((q + i) % 3 == 0), q)
        for q in range(prompts)
        for i, (a, b) in enumerate(("AB", "BC", "AC", "BA", "CB", "CA"))
    ]
    a, b, said, prompt = map(list, zip(*rows, strict=True))
    made = votes(a, b, said, cluster=prompt)
    found = standing("j", made)
    table = found.ratings
    words = "rough, for 3 clusters are few for 3 players" if few else ""
    assert table.rough == words
    assert any("95 % intervals, which are rough" in x for x in trust(found)) is few
    assert ("These intervals are rough" in verdict(compared(table, table), "j", "k")) is few
    assert decide(table.fit, table.spread, made).rough == words
    assert ("intervals are rough" in str(arena_next(made))) is few
    # By vote there are as many as votes.
    assert not rate(made, kind="sandwich").rough


def test_ranks_of_clear_and_of_equal_players() -> None:
    clear = [("A", "B"), ("B", "C"), ("A", "C")]
    rows = [(a, b, said) for a, b in clear for said in [0] * 95 + [1] * 5]
    made = votes(*map(list, zip(*rows, strict=True)))
    ratings = fit(made)
    assert rank_intervals(ratings, covariance(ratings, made)).tolist() == [[1, 1], [2, 2], [3, 3]]
    rows = [(a, b, said) for a, b in clear for said in [0, 1] * 20]
    made = votes(*map(list, zip(*rows, strict=True)))
    ratings = fit(made)
    assert rank_intervals(ratings, covariance(ratings, made)).tolist() == [[1, 3]] * 3


def test_a_difference_that_no_cluster_changes_is_not_certain() -> None:
    # Every prompt has the same votes: their errors by cluster are 0, which is no interval.
    rows = [(a, b, said, q) for q in range(9) for a, b in ("AB", "BC", "AC") for said in (0, 0, 1)]
    a, b, said, prompt = map(list, zip(*rows, strict=True))
    table = rate(votes(a, b, said, cluster=prompt))
    assert np.isnan([line.rating.low for line in table.lines]).all()
    assert [line.ranks for line in table.lines] == [(1, 3)] * 3
    orders = compared(table, table)
    assert (orders.alike, orders.open, orders.tau.low) == (0, 3, -1)


def population(strength: np.ndarray, spread: float) -> np.ndarray:
    """Strengths that Bradley-Terry has for votes on all prompts, players' strengths varying by
    prompt with this standard deviation."""
    x, w = np.polynomial.hermite_e.hermegauss(60)
    k = len(strength)
    first, second = np.triu_indices(k, 1)
    z = strength[first] - strength[second] + np.sqrt(2) * spread * x[:, None]
    p = (w[:, None] / (1 + np.exp(-z))).sum(axis=0) / w.sum()
    table = Table(
        players=k, first=first.astype(np.int32), second=second.astype(np.int32),
        wins=p, losses=1 - p, ties=np.zeros(len(p)),
    )  # fmt: skip
    return fit_table(table).strength


def test_intervals_hold_by_cluster_and_not_by_vote() -> None:
    """500 sets of votes on 30 prompts, each pair of six players four times on each."""
    rng = np.random.default_rng(7)
    k, prompts, again, runs = 6, 30, 4, 500
    strength, spread = np.linspace(-1, 1, k), 0.8
    truth = population(strength, spread)
    first, second = (np.tile(x, (prompts, again)).ravel() for x in np.triu_indices(k, 1))
    prompt = np.repeat(np.arange(prompts), len(first) // prompts).astype(np.int32)
    held = {"cluster": [], "sandwich": []}
    gaps = []
    for _ in range(runs):
        own = strength + spread * rng.normal(size=(prompts, k))
        z = own[prompt, first] - own[prompt, second]
        won = rng.random(len(z)) < 1 / (1 + np.exp(-z))
        made = Votes(
            players=tuple("ABCDEF"), first=first.astype(np.int32), second=second.astype(np.int32),
            outcome=np.where(won, 0, 1).astype(np.int8), cluster=prompt,
        )  # fmt: skip
        ratings = fit(made)
        for kind, found in held.items():
            spread_ = covariance(ratings, made, kind)
            found.append([e.low < t < e.high for e, t in
                          zip(estimates(ratings, spread_), truth, strict=True)])  # fmt: skip
            if kind == "cluster":
                gap = difference(ratings, spread_, 0, 5)
                gaps.append(gap.low < truth[0] - truth[5] < gap.high)
    assert np.mean(held["cluster"]) == pytest.approx(0.95, abs=0.02)
    assert np.mean(gaps) == pytest.approx(0.95, abs=0.02)
    assert np.mean(held["sandwich"]) < 0.8
