import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.search import run, weight
from assay.search.weighted_majority import WeightedMajority
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.search.toys import GONE


def group(*texts: str) -> Group:
    return Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, texts)))


def scores(*values: float | None) -> list[Score | Unscored]:
    return [GONE if value is None else Score(value=value) for value in values]


@pytest.mark.parametrize(
    ("texts", "values", "choice"),
    [
        (("5", "5", "6"), (0.4, 0.3, 0.6), 0),  # .7 against .6; the better of the two is shown
        (("5", "5", "6"), (0.2, 0.3, 0.6), 2),
        (("5", "5", "6"), (None, 0.3, 0.6), 2),  # unscored adds nothing
        (("5", "none", "6"), (0.4, 0.9, 0.6), 2),  # no answer, no vote
        (("5", "none"), (None, 0.9), None),
        (("5", "6"), (None, None), None),
        ((), (), None),
    ],
)
def test_choose(
    texts: tuple[str, ...], values: tuple[float | None, ...], choice: int | None
) -> None:
    assert WeightedMajority().choose(group(*texts), scores(*values)) == choice


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.sampled_from("123"), st.none() | st.integers(0, 8)), max_size=9))
def test_brute_force(votes: list[tuple[str, int | None]]) -> None:
    pool = group(*(answer for answer, _ in votes))
    row = scores(*(None if weight is None else weight / 8 for _, weight in votes))
    choice = WeightedMajority().choose(pool, row)
    sums = {
        a: sum(w for b, w in votes if a == b and w is not None) for a, w in votes if w is not None
    }
    assert (choice is None) == (not sums)
    if choice is not None:
        answer, weight = votes[choice]
        assert sums[answer] == max(sums.values())
        assert weight == max(w for a, w in votes if a == answer and w is not None)


def test_negative_scores_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="logits are not votes") as error:
        WeightedMajority().choose(group("5", "6"), scores(0.5, -0.1))
    assert 'transform="sigmoid"' in str(error.value)


def test_sigmoid_makes_votes_of_logits() -> None:
    strategy = WeightedMajority(transform="sigmoid")
    # 2 sigmoid(-1) = .54 against sigmoid(0) = .5, and against sigmoid(1) = .73
    assert strategy.choose(group("5", "5", "6"), scores(-1.0, -1.0, 0.0)) in (0, 1)
    assert strategy.choose(group("5", "5", "6"), scores(-1.0, -1.0, 1.0)) == 2
    assert strategy.choose(group("5", "6"), scores(-1000.0, 1000.0)) == 1
    assert weight(-2.0, "sigmoid") == pytest.approx(1 / (1 + math.exp(2.0)))
    assert weight(2.0, "sigmoid") == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert weight(-2.0, "sigmoid") + weight(2.0, "sigmoid") == pytest.approx(1.0)


def test_equal_weights_are_a_plain_majority() -> None:
    prompts = [Prompt.of("q")]
    flat = FakeScorer(rule=lambda *_: 0.5)
    (result,) = run(WeightedMajority(n=3), prompts, FakeGenerator(texts=("7", "8", "7")), flat)
    assert result.choice in (0, 2)


def test_negative_scores_are_refused_in_a_search_too() -> None:
    with pytest.raises(ConfigError, match="logits are not votes"):
        run(
            WeightedMajority(n=2),
            [Prompt.of("q")],
            FakeGenerator(),
            FakeScorer(rule=lambda *_: -0.5),
        )
