"""Tournaments, adapters and panels: numbers of calls, balance, strengths, and who is left out."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.judges.adapters import as_judge, as_scorer
from assay.judges.pairwise import Pairwise
from assay.judges.panel import JudgePanel, ScorerPanel
from assay.judges.tournament import all_pairs, ring, strengths, tournament
from assay.protocols import Judge, Scorer
from assay.questions import Comparison, Game, Question
from assay.types import Group, Score, Unscored
from tests.judges.planted import Planted, Said, group


@dataclass
class Taste:
    """Compares by a function of the two texts."""

    prefer: Callable[[str, str], float | None]
    seen: list[tuple[str, str]] = field(default_factory=list)
    rounds: int = 0

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        self.rounds += 1
        found: list[Comparison | Unscored] = []
        for pair in pairs:
            a, b = (response.text for response in pair.responses)
            self.seen.append((a, b))
            p = self.prefer(a, b)
            found.append(Unscored(reason="no verdict") if p is None else Comparison(prefer=p))
        return found


def by_number(a: str, b: str) -> float:
    return 1 / (1 + math.exp(int(b) - int(a)))


def values(row: Sequence[Score | Unscored]) -> list[float]:
    return [one.value if isinstance(one, Score) else math.nan for one in row]


@pytest.mark.parametrize("n", range(2, 12))
def test_plans_are_complete_and_balanced(n: int) -> None:
    pairs = all_pairs(n)
    assert sorted(tuple(sorted(p)) for p in pairs) == [
        (i, j) for i in range(n) for j in range(i + 1, n)
    ]
    for plan in (pairs, ring(n)):
        ahead = Counter(a for a, _ in plan)
        ahead.subtract(b for _, b in plan)
        assert max(map(abs, ahead.values())) <= (n % 2 == 0)
    assert len(ring(n)) == (n if n > 2 else 1)


@pytest.mark.parametrize(("n", "calls"), [(8, 8), (8, 14), (8, 20), (8, 28), (16, 40), (16, 60)])
def test_calls_are_never_more_than_stated(n: int, calls: int) -> None:
    judge = Taste(by_number)
    [row] = tournament(judge, [group(*map(str, range(n)))], calls=calls)
    assert len(judge.seen) <= calls
    assert len({frozenset(pair) for pair in judge.seen}) == len(judge.seen)
    # A ring alone tells neighbours apart; pivots find the best.
    assert calls == n or int(np.argmax(values(row))) == n - 1
    # The most pivots: one more, with at most n - 1 new pairs, would not have fitted.
    assert calls - len(judge.seen) < n - 1
    most = max(k for k in range(n + 1) if n + k * (n - k) + k * (k - 1) // 2 <= calls)
    assert (
        len(judge.seen)
        >= min(n * (n - 1) // 2, n + most * (n - most) + most * (most - 1) // 2) - 2 * most
    )
    ahead = Counter(a for a, _ in judge.seen)
    ahead.subtract(b for _, b in judge.seen)
    assert max(map(abs, ahead.values())) <= 3


def test_all_groups_are_compared_at_once() -> None:
    judge = Taste(by_number)
    rows = tournament(judge, [group("1", "2", "3"), group("5", "4"), group("7")], calls=3)
    assert judge.rounds == 1
    assert len(judge.seen) == 4
    assert [np.argsort(values(row)).tolist() for row in rows[:2]] == [[0, 1, 2], [1, 0]]
    assert rows[2] == [Unscored(reason="there is nothing to compare it with")]
    with pytest.raises(ConfigError, match="a ring takes 8, and all pairs 28"):
        tournament(judge, [group(*map(str, range(8)))], calls=7)


@pytest.mark.parametrize("how", ["bradley-terry", "wins"])
@pytest.mark.parametrize("calls", [8, 15, 28])
def test_the_order_of_the_responses_changes_nothing(how, calls) -> None:  # type: ignore[no-untyped-def]
    names = [str(i) for i in range(8)]
    rng = np.random.default_rng(0)
    [plain] = tournament(Taste(by_number), [group(*names)], calls=calls, how=how)
    for _ in range(5):
        order = rng.permutation(8)
        [turned] = tournament(
            Taste(by_number), [group(*(names[i] for i in order))], calls=calls, how=how
        )
        assert values(turned) == pytest.approx([values(plain)[i] for i in order], abs=1e-9)


def test_strengths_of_wikipedia() -> None:
    wins = {
        (0, 1): 2, (0, 3): 1, (1, 0): 3, (1, 2): 5, (2, 1): 3, (2, 3): 1, (3, 0): 4, (3, 2): 3,
    }  # fmt: skip
    games = [(a, b, 1.0) for (a, b), count in wins.items() for _ in range(count)]
    found = np.exp(strengths(4, games, prior=0.0))
    assert found / np.exp(np.log(found).mean()) == pytest.approx(
        [0.640, 1.043, 0.660, 2.270], abs=5e-4
    )


def test_strengths_solve_their_equations() -> None:
    rng = np.random.default_rng(1)
    games = [(a, b, float(rng.random())) for a, b in all_pairs(7)]
    s = strengths(7, games)
    expected, won = 1 / (1 + np.exp(-s)), np.full(7, 0.5)
    for a, b, p in games:
        won[a] += p
        won[b] += 1 - p
        expected[a] += 1 / (1 + np.exp(s[b] - s[a]))
        expected[b] += 1 / (1 + np.exp(s[a] - s[b]))
    assert expected == pytest.approx(won, abs=1e-8)
    # Whoever wins every game is finite, and the higher the more games were won.
    perfect = strengths(4, [(a, b, float(a > b)) for a, b in all_pairs(4)])
    assert np.isfinite(perfect).all()
    assert np.argsort(perfect).tolist() == [0, 1, 2, 3]
    assert perfect.sum() == pytest.approx(0.0, abs=1e-9)


def test_shares_of_wins_by_hand() -> None:
    judge = Taste(lambda a, b: {"xy": 1.0, "yx": 0.0, "xz": 0.75, "zx": 0.25}.get(a + b, 0.5))
    [row] = tournament(judge, [group("x", "y", "z")], calls=3, how="wins")
    assert values(row) == [0.875, 0.25, 0.375]


def test_who_has_no_scored_comparison_is_unscored() -> None:
    judge = Taste(lambda a, b: None if "0" in (a, b) else by_number(a, b))
    scorer = as_scorer(judge, calls=6)
    assert isinstance(scorer, Scorer)
    [row] = scorer.score([group("0", "1", "2", "3")])
    assert row[0] == Unscored(reason="no verdict")
    assert np.argsort(values(row[1:])).tolist() == [0, 1, 2]
    [none] = as_scorer(Taste(lambda *_: None), calls=3).score([group("1", "2", "3")])
    assert none == [Unscored(reason="no verdict")] * 3
    with pytest.raises(ConfigError, match="calls is 0"):
        as_scorer(judge, calls=0)


class Length:
    """Scores by length; an empty text has no score."""

    fingerprint = "length"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [
            [Score(value=len(r.text)) if r.text else Unscored(reason="empty") for r in g.responses]
            for g in groups
        ]


def test_a_scorer_is_a_judge() -> None:
    pairs = [group("abc", "a"), group("a", "abc"), group("ab", "cd"), group("", "a")]
    judge = as_judge(Length(), scale=0.5)
    assert isinstance(judge, Judge)
    first, second, even, none = judge.compare(pairs)
    assert isinstance(first, Comparison)
    assert isinstance(second, Comparison)
    assert first.prefer == pytest.approx(1 / (1 + math.exp(-1.0)))
    assert first.prefer + second.prefer == pytest.approx(1.0)
    assert even == Comparison(prefer=0.5)
    assert none == Unscored(reason="empty")
    strict = as_judge(Length(), how="strict", margin=1.0)
    assert strict.compare([*pairs[:3], group("abc", "ab")]) == [
        Comparison(prefer=1.0),
        Comparison(prefer=0.0),
        Comparison(prefer=0.5, tie=1.0),
        Comparison(prefer=0.5, tie=1.0),
    ]
    # Scores that are far apart are no error of overflow.
    [far] = as_judge(Length(), scale=1e6).compare([group("abc", "a")])
    assert far == Comparison(prefer=1.0)
    with pytest.raises(DataError, match="compares 2"):
        judge.compare([group("a")])
    with pytest.raises(ConfigError, match="margin"):
        as_judge(Length(), margin=-1.0)
    assert fingerprint(judge) != fingerprint(strict)


def test_a_panel_of_judges() -> None:
    members = {
        "a": Taste(lambda *_: 0.9),
        "b": Taste(lambda *_: 0.6),
        "c": Taste(lambda *_: 0.1),
    }
    [mean] = JudgePanel(members=members).compare([group("x", "y")])
    assert isinstance(mean, Comparison)
    assert mean.prefer == pytest.approx(1.6 / 3)
    assert [(g.judge, g.first) for g in mean.games] == [("a", 0.9), ("b", 0.6), ("c", 0.1)]
    [most] = JudgePanel(members=members, how="majority").compare([group("x", "y")])
    assert isinstance(most, Comparison)
    assert (most.prefer, most.tie) == (1.0, 0.0)
    even = {"a": members["a"], "c": members["c"]}
    [torn] = JudgePanel(members=even, how="majority").compare([group("x", "y")])
    assert isinstance(torn, Comparison)
    assert (torn.prefer, torn.tie) == (0.5, 1.0)


def test_a_member_without_a_verdict_is_counted() -> None:
    members = {"a": Taste(lambda *_: 0.9), "b": Taste(lambda *_: None), "c": Taste(lambda *_: 0.1)}
    [found] = JudgePanel(members=members).compare([group("x", "y")])
    assert isinstance(found, Comparison)
    assert found.prefer == 0.5
    assert found.games[1] == Game(judge="b", unscored="no verdict")
    [strict] = JudgePanel(members=members, least=3).compare([group("x", "y")])
    assert strict == Unscored(reason="1 of 3 members have no verdict: b: no verdict")
    [few] = JudgePanel(members={"a": members["a"], "b": members["b"]}).compare([group("x", "y")])
    assert isinstance(few, Unscored)


def test_a_panel_of_scorers() -> None:
    @dataclass
    class Fixed:
        value: float | None

        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            one = Unscored(reason="no") if self.value is None else Score(value=self.value)
            return [[one for _ in g.responses] for g in groups]

    members = {"a": Fixed(1.0), "b": Fixed(5.0), "c": Fixed(None), "d": Fixed(9.0), "e": Fixed(9.0)}
    [[mean]] = ScorerPanel(members=members).score([group("x")])
    assert isinstance(mean, Score)
    assert mean.value == 6.0
    assert mean.std == pytest.approx(np.std([1, 5, 9, 9]))
    assert mean.parts == {"a": 1.0, "b": 5.0, "c": None, "d": 9.0, "e": 9.0}
    [[middle]] = ScorerPanel(members=members, how="median").score([group("x")])
    assert isinstance(middle, Score)
    assert middle.value == 7.0
    [[few]] = ScorerPanel(members=members, least=5).score([group("x")])
    assert few == Unscored(reason="1 of 5 members have no verdict: c: no")
    with pytest.raises(ConfigError, match="cannot disagree"):
        ScorerPanel(members={"a": Fixed(1.0)})
    with pytest.raises(ConfigError, match="least is 6"):
        ScorerPanel(members=members, least=6)


def test_a_judge_of_both_orders_answers_each_comparison_twice() -> None:
    def say(text: str, question: Question) -> Said:
        a, b = (int(text.split(f"The {place} response:\n`````\n")[1][0]) for place in PLACES)
        # A taste for numbers, and a bias for the first place that both orders take out.
        ahead = 1 / (1 + math.exp(b - a - 0.4))
        return [ahead, 1 - ahead, 0.0]

    answerer = Planted(say)
    [row] = as_scorer(Pairwise(answerer), calls=15).score([group(*"73519264")])
    assert len(answerer.states) <= 30
    assert len(answerer.states) % 2 == 0
    best = int(np.argmax(values(row)))
    assert "73519264"[best] == "9"
    [given] = as_scorer(Pairwise(Planted(say)), calls=3).score([group("1", "5", "3")])
    [turned] = as_scorer(Pairwise(Planted(say)), calls=3).score([group("3", "1", "5")])
    assert values(turned) == pytest.approx([values(given)[i] for i in (2, 0, 1)])


PLACES = ("first", "second")
