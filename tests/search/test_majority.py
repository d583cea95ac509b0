from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.search.majority import Majority
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.verifiers import Math

GONE = Unscored(reason="test")


def group(*texts: str) -> Group:
    return Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, texts)))


def ones(n: int) -> list[Score | Unscored]:
    return [Score(value=1.0)] * n


@pytest.mark.parametrize(
    ("texts", "winners"),
    [
        (("5", "6", "5"), {0, 2}),
        (("0.5", "6", "1/2"), {0, 2}),  # equal numbers vote together
        (("5", "none", "none", "none"), {0}),  # no answer, no vote
        (("none", "nothing"), {None}),
        ((), {None}),
        (("#### 3", "the answer is 3.", r"\boxed{4}"), {0, 1}),
    ],
)
def test_choose(texts: tuple[str, ...], winners: set[int | None]) -> None:
    assert Majority().choose(group(*texts), ones(len(texts))) in winners


def test_scores_do_not_sway_the_vote_only_which_of_its_texts_is_shown() -> None:
    pool = group("5", "6", "5", "5")
    assert Majority().choose(pool, [Score(value=v) for v in (1.0, 99.0, 3.0, 2.0)]) == 2
    assert Majority().choose(pool, [GONE, Score(value=99.0), GONE, Score(value=-9.0)]) == 3
    assert Majority().choose(pool, [GONE] * 4) in (0, 2, 3)


def test_ties_between_answers_are_drawn() -> None:
    drawn = Counter(Majority(seed=seed).choose(group("5", "6", "x"), ones(3)) for seed in range(400))
    assert set(drawn) == {0, 1}
    assert abs(drawn[0] - 200) < 4 * 10


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from("1234"), min_size=1, max_size=9), st.integers(0, 5))
def test_the_winner_has_most_votes(answers: list[str], seed: int) -> None:
    choice = Majority(seed=seed).choose(group(*answers), ones(len(answers)))
    assert choice is not None
    assert answers.count(answers[choice]) == max(Counter(answers).values())


def test_answers_may_be_mathematics() -> None:
    pool = group(r"\boxed{x+1}", r"$\boxed{x + 1}$", r"\boxed{x-1}", r"\boxed{x-2}")
    assert Majority(answers=Math()).choose(pool, ones(4)) in (0, 1)


def test_it_samples_scores_and_chooses() -> None:
    (result,) = Majority(n=3)([Prompt.of("q")], FakeGenerator(texts=("7", "8", "is 7")), FakeScorer())
    assert result.choice == 2  # the longer of the two that say 7
    assert len(result.scores) == 3
