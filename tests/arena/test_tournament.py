"""Meetings by count, sides and gain; what is said of them as votes, by hand."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from assay.arena.bradley_terry import fit
from assay.arena.design import next_pairs
from assay.arena.intervals import covariance
from assay.arena.tournament import Meeting, Pools, plan, pools, votes_of
from assay.errors import ConfigError, DataError
from assay.questions import Comparison, Game
from assay.types import Group, Prompt, Response, Unscored


def made(names: str = "abcd", prompts: int = 6, without: frozenset = frozenset()) -> Pools:
    return pools(
        {
            name: [
                Group(prompt=Prompt.of(f"{p}?"), responses=(Response.of(name * (p + 1)),))
                for p in range(prompts)
                if (name, p) not in without
            ]
            for name in names
        }
    )


def pairs_of(met: list[Meeting]) -> Counter:
    return Counter(tuple(sorted((x.one, x.other))) for x in met)


def test_an_even_schedule_plays_every_pair_equally_and_everything_once() -> None:
    there = made()
    met: list[Meeting] = []
    while new := plan(there, met, None, 7, how="even"):
        met += new
        counts = pairs_of(met)
        assert max(counts.values()) - min(counts[pair] for pair in combinations(range(4), 2)) <= 1
    assert len(met) == len(there) == 36
    assert len({(frozenset((x.one, x.other)), x.prompt) for x in met}) == 36
    first = Counter(x.one for x in met)
    assert all(abs(2 * first[player] - 18) <= 2 for player in range(4))


def test_what_has_no_response_is_not_played() -> None:
    there = made(without=frozenset({("a", 0), ("b", 1), ("c", 1), ("d", 1)}))
    assert len(there.prompts) == 5
    assert there.notes == ("1 prompts have responses of fewer than two players",)
    met = plan(there, [], None, 100)
    assert len(met) == len(there) == 3 + 4 * 6
    assert all(there.pair(x) for x in met)


def said_by(rng: np.random.Generator, strength: list[float], met: list[Meeting]) -> list:
    p = [1 / (1 + np.exp(strength[x.other] - strength[x.one])) for x in met]
    return [Comparison(prefer=float(rng.random() < each)) for each in p]


def test_the_next_meetings_are_those_of_most_gain() -> None:
    there, rng = made(prompts=60), np.random.default_rng(0)
    met = plan(there, [], None, 60, how="even")
    votes = votes_of(there, met, said_by(rng, [2.5, 0.1, 0.0, -2.5], met))
    rated = fit(votes, regularised=1.0)
    wanted = next_pairs(rated, covariance(rated, votes, "model"), 12)
    new = plan(there, met, votes, 12)
    assert pairs_of(new) == Counter(
        tuple(sorted((there.players.index(x.first), there.players.index(x.second)))) for x in wanted
    )
    assert not {*new} & {*met}
    assert new == plan(there, met, votes, 12)


def test_who_has_not_met_anybody_is_asked_about() -> None:
    there = made(prompts=3)
    met = [Meeting(0, 1, p) for p in range(3)]
    votes = votes_of(there, met, [Comparison(prefer=1.0)] * 3)
    assert {x for met in plan(there, met, votes, 6) for x in met[:2]} == {0, 1, 2, 3}


def test_games_are_votes_as_they_were_shown() -> None:
    there = made("ab", 3)
    said = [
        Comparison.of([Game(first=0.75, tie=0.25), Game(swapped=True, first=1.0)]),
        Unscored(reason="no verdict"),
        Comparison(prefer=0.5, tie=1.0),
    ]
    votes = votes_of(there, [Meeting(0, 1, p) for p in range(3)], said, "j")
    rows = [
        (votes.players[a], votes.players[b], int(o), w)
        for a, b, o, w in zip(votes.first, votes.second, votes.outcome, votes.weights, strict=True)
    ]
    assert rows == [
        ("a", "b", 0, 0.75),
        ("a", "b", 2, 0.25),
        ("b", "a", 1, 1.0),
        ("a", "b", 2, 1.0),
    ]
    assert votes.left_out == {"the outcome is not known": 1}
    assert votes.judges == ("j",)
    assert votes.cluster[0] == votes.cluster[2] != votes.cluster[3]
    assert votes.measures[0, 0].tolist() == [1.0, 1.0]
    assert votes.measures[3, 0].tolist() == [3.0, 3.0]


def test_what_cannot_be_played_is_refused() -> None:
    with pytest.raises(ConfigError, match="two players or more"):
        made("a")
    one, other = (
        [Group(prompt=Prompt.of(text), responses=(Response.of("x"),))] for text in ("p", "q")
    )
    with pytest.raises(DataError, match="no prompt has responses of two players"):
        pools({"a": one, "b": other})
    with pytest.raises(DataError, match="no prompt has responses of two players"):
        pools({"a": one, "b": one}, [Prompt.of("r")])
