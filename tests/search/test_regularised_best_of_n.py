import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.search import run
from assay.search.best_of_n import BestOfN
from assay.search.regularised_best_of_n import RegularisedBestOfN
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.search.toys import GONE, Drawn, prompts


def group(*texts: str) -> Group:
    return Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, texts)))


def scores(*values: float | None) -> list[Score | Unscored]:
    return [GONE if value is None else Score(value=value) for value in values]


def test_likeness_of_words_by_hand() -> None:
    """F1 of bags: "a b" and "a b b" share 2 of 5 words, so 4/5; "a b" and "c" none; "a b b" and "b
    c c" one: 2/6."""
    found = RegularisedBestOfN().likeness(group("a b", "a b  b", "c"))
    assert found == pytest.approx([(1 + 0.8 + 0) / 3, (0.8 + 1 + 0) / 3, (0 + 0 + 1) / 3])
    found = RegularisedBestOfN().likeness(group("a b b", "b c c"))
    assert found == pytest.approx([(1 + 1 / 3) / 2] * 2)
    assert RegularisedBestOfN().likeness(group("", "", "x")) == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert RegularisedBestOfN().likeness(group()) == []


def test_likeness_of_answers_is_the_share_of_votes() -> None:
    pool = group("is 5", "1/2", "0.5", "none", "5.0", "nothing", "surely 5")
    found = RegularisedBestOfN(similarity="answer").likeness(pool)
    assert found == pytest.approx([3 / 7, 2 / 7, 2 / 7, 1 / 7, 3 / 7, 1 / 7, 3 / 7])


def test_the_choice_weighs_both() -> None:
    """The scorer likes "x" by 1 more, and it is 1/2 less like the others than they are: beta 2 is
    where it turns."""
    pool = group("a b", "a b", "a b", "x")
    likeness = [3 / 4, 3 / 4, 3 / 4, 1 / 4]
    assert RegularisedBestOfN().likeness(pool) == pytest.approx(likeness)
    row = scores(0.0, 0.1, 0.0, 1.1)
    assert RegularisedBestOfN(beta=1.9).choose(pool, row) == 3
    assert RegularisedBestOfN(beta=2.1).choose(pool, row) == 1
    assert RegularisedBestOfN(beta=-2.1).choose(pool, row) == 3
    # The unscored are not chosen, but they are what the policy writes.
    assert RegularisedBestOfN(beta=2.1).choose(pool, scores(None, 0.1, None, 1.1)) == 1
    assert RegularisedBestOfN(beta=2.1).choose(pool, scores(None, None, None, 1.1)) == 3
    assert RegularisedBestOfN(beta=2.1).choose(pool, scores(None, None, None, None)) is None


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "a b", "5", ""]), st.none() | st.integers(-3, 3)),
        max_size=7,
    ),
    st.integers(0, 3),
)
def test_without_a_weight_it_is_best_of_n(rows: list[tuple[str, int | None]], seed: int) -> None:
    pool, row = group(*(t for t, _ in rows)), scores(*(v for _, v in rows))
    for similarity in ("words", "answer"):
        strategy = RegularisedBestOfN(beta=0.0, seed=seed, similarity=similarity)  # type: ignore[arg-type]
        assert strategy.choose(pool, row) == BestOfN(seed=seed).choose(pool, row)


def test_a_large_weight_on_answers_is_a_vote() -> None:
    rng = np.random.default_rng(0)
    for prompt in prompts(40):
        texts = [*rng.choice(list("123"), size=7)]
        row = scores(*rng.random(7))
        pool = Group(prompt=prompt, responses=tuple(map(Response.of, texts)))
        choice = RegularisedBestOfN(beta=100.0, similarity="answer").choose(pool, row)
        assert choice is not None
        most = max(map(texts.count, texts))
        assert texts.count(texts[choice]) == most
        assert row[choice] == max(
            (score for text, score in zip(texts, row, strict=True) if texts.count(text) == most),
            key=lambda score: score.value,  # type: ignore[union-attr]
        )


def test_it_holds_an_outlier_back() -> None:
    policy = Drawn(texts=("it is 4", "it is 4", "it is 4, so", "GREAT QUESTION"))
    likes = FakeScorer(rule=lambda _, response: 0.9 if "GREAT" in response.text else 0.6)
    (result,) = run(RegularisedBestOfN(n=4, beta=1.0), prompts(1), policy, likes)
    assert result.choice in (0, 1)
    (result,) = run(BestOfN(n=4), prompts(1), policy, likes)
    assert result.choice == 3
