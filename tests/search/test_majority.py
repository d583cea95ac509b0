import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.search import run
from assay.search.majority import Majority
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.verifiers import Math
from tests.search.toys import GONE, Drawn, prompts


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
    drawn = Counter(
        Majority(seed=seed).choose(group("5", "6", "x"), ones(3)) for seed in range(400)
    )
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


def test_the_scorer_is_asked_only_for_what_is_shown() -> None:
    policy = Drawn(texts=("7", "8", "is 7"))
    (result,) = run(Majority(n=3), prompts(1), policy)  # no scorer at all
    assert result.choice in (0, 2)
    assert result.scores == (None, None, None)
    (result,) = run(Majority(n=3, show_best=True), prompts(1), policy, FakeScorer())
    assert result.choice == 2  # the longer of the two that say 7
    assert result.scores == (Score(value=1), Score(value=1), Score(value=4))


def winners(votes: Sequence[str]) -> set[str]:
    """The answers with most votes; "-" is none."""
    counts = Counter(vote for vote in votes if vote != "-")
    return {vote for vote, count in counts.items() if count == max(counts.values())}


def is_decided(votes: Sequence[str], left: int) -> bool:
    """Whether one answer wins alone however the votes that are left are cast."""
    alphabet = sorted({*votes, "-", "new"})
    ends = itertools.combinations_with_replacement(alphabet, left)
    return len(winners(votes)) == 1 and all(
        winners([*votes, *end]) == winners(votes) for end in ends
    )


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_sampling_stops_exactly_when_nothing_can_change_the_vote(chunk: int) -> None:
    rng = random.Random(chunk)
    kinds = set()
    for _ in range(80):
        n = rng.randrange(1, 9)
        votes = rng.choices("112233-" if rng.random() < 0.5 else "11112-", k=n)
        policy = Drawn(texts=[vote if vote != "-" else "none" for vote in votes])
        (result,) = run(Majority(n=n, chunk=chunk), prompts(1), policy)
        looks = [k for k in range(chunk, n, chunk) if is_decided(votes[:k], n - k)]
        drawn = looks[0] if looks else n
        assert len(result.group.responses) == len(policy.asked) == drawn
        assert result.stopped == ("decided" if looks else "")
        assert result.spent.saved == n - drawn
        (whole,) = run(Majority(n=n), prompts(1), policy)
        answer = result.response.text if result.response else None
        assert answer == (whole.response.text if whole.response else None)
        assert (answer is None) == (not winners(votes))
        assert answer is None or answer in winners(votes)
        kinds.add((result.stopped, len(winners(votes)) > 1))
    assert kinds == {("decided", False), ("", False), ("", True)}


def test_confidence_is_the_posterior_of_the_leaders_share() -> None:
    """Four votes to none: P(share > 1/2) of Beta(5, 1) is 1 - 2**-5 = .969; three to none:
    .9375."""
    policy = Drawn(texts=["7"] * 20)
    for confidence, drawn in ((0.93, 3), (0.9375, 3), (0.94, 4), (0.9687, 4), (0.97, 5)):
        (result,) = run(Majority(n=20, chunk=1, confidence=confidence), prompts(1), policy)
        assert (len(result.group.responses), result.stopped, result.spent.saved) == (
            drawn,
            "confident",
            20 - drawn,
        )
        assert result.choice is not None
    # Four to one, Beta(5, 2): 1 - 7/64 = .89; five to one, Beta(6, 2): 1 - 8/128 = .9375. Silence
    # is no vote.
    policy = Drawn(texts=["7", "8", "none", "7", "7", "7", "7", "8"] + ["9"] * 12)
    (result,) = run(Majority(n=20, chunk=1, confidence=0.9), prompts(1), policy)
    assert (len(result.group.responses), result.stopped) == (7, "confident")
    (result,) = run(Majority(n=20, chunk=1, confidence=0.88), prompts(1), policy)
    assert len(result.group.responses) == 6


def test_what_is_decided_is_not_called_confident() -> None:
    (result,) = run(Majority(n=5, chunk=3, confidence=0.6), prompts(1), Drawn(texts=["7"] * 5))
    assert result.stopped == "decided"
    (result,) = run(Majority(n=7, chunk=3, confidence=0.6), prompts(1), Drawn(texts=["7"] * 7))
    assert result.stopped == "confident"


def test_confidence_is_right_about_as_often_as_it_says() -> None:
    """A policy of two answers, its preference drawn evenly: what was stopped early is the policy's
    own preference at least as often as the confidence that was asked for, but for four standard
    errors."""
    rng = random.Random(0)
    agreed = []
    for prompt in prompts(250):
        share = rng.random()
        policy = Drawn(texts=rng.choices("12", weights=(share, 1 - share), k=40))
        (result,) = run(Majority(n=40, chunk=4, confidence=0.9), [prompt], policy)
        if result.stopped == "confident" and result.response:
            agreed.append(result.response.text == ("1" if share > 0.5 else "2"))
    assert len(agreed) > 150
    assert sum(agreed) / len(agreed) > 0.9 - 4 * (0.9 * 0.1 / len(agreed)) ** 0.5


@pytest.mark.parametrize(
    "bad", [{"confidence": 0.9}, {"confidence": 0.5, "chunk": 1}, {"confidence": 1.0, "chunk": 1}]
)
def test_a_confidence_that_cannot_be_had_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="confidence"):
        Majority(**bad)  # type: ignore[arg-type]
