from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.protocols import Sampling
from assay.search import run
from assay.search.best_of_n import BestOfN
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.search.toys import GONE, Drawn, Policy, prompts, way


def group(n: int, prompt: str = "q") -> Group:
    return Group(prompt=Prompt.of(prompt), responses=tuple(Response.of(str(i)) for i in range(n)))


def scores(*values: float | None) -> list[Score | Unscored]:
    return [GONE if value is None else Score(value=value) for value in values]


@pytest.mark.parametrize(
    ("values", "choice"),
    [
        ((1.0, 3.0, 2.0), 1),
        ((-1.0, None, -2.0), 0),
        ((None, None), None),
        ((), None),
        ((None, -9.0), 1),
    ],
)
def test_choose(values: tuple[float | None, ...], choice: int | None) -> None:
    assert BestOfN().choose(group(len(values)), scores(*values)) == choice


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.sampled_from([-1.0, 0.0, 1.0]), max_size=6), st.integers(0, 9))
def test_no_scored_candidate_is_better_than_the_chosen(
    values: list[float | None], seed: int
) -> None:
    choice = BestOfN(seed=seed).choose(group(len(values)), scores(*values))
    scored = [value for value in values if value is not None]
    assert (choice is None) == (not scored)
    assert choice is None or values[choice] == max(scored)


def test_ties_are_drawn_evenly_and_repeatably() -> None:
    tied = scores(1.0, 0.0, 1.0, 1.0)
    drawn = Counter(BestOfN(seed=seed).choose(group(4), tied) for seed in range(900))
    assert set(drawn) == {0, 2, 3}
    assert all(abs(count - 300) < 4 * (900 * 2 / 9) ** 0.5 for count in drawn.values())
    assert BestOfN(seed=1).choose(group(4), tied) == BestOfN(seed=1).choose(group(4), tied)
    by_prompt = {BestOfN().choose(group(4, prompt=f"q{i}"), tied) for i in range(50)}
    assert by_prompt == {0, 2, 3}  # not the same place for every prompt


def test_it_samples_scores_and_chooses() -> None:
    asked: list[Sampling] = []

    class Recorder(Drawn):
        def samples(self, prefix: object, sampling: Sampling) -> list[Response]:
            asked.append(sampling)
            return super().samples(prefix, sampling)  # type: ignore[arg-type]

    some = prompts(2)
    how = Sampling(n=99, temperature=0.5, max_tokens=7, seed=4)  # what n says there is not heeded
    results = run(
        BestOfN(n=3, seed=9), some, Recorder(texts=("x", "xxx", "xx")), FakeScorer(), sampling=how
    )
    assert asked == [Sampling(n=3, temperature=0.5, max_tokens=7, seed=4)] * 2
    assert [r.group.prompt for r in results] == some
    assert [r.choice for r in results] == [1, 1]
    assert results[0].scores == (Score(value=1), Score(value=3), Score(value=2))


def test_the_choice_does_not_depend_on_the_batch() -> None:
    flat = FakeScorer(rule=lambda *_: 0.0)
    some = prompts(20)
    together = run(BestOfN(n=5), some, FakeGenerator(), flat)
    alone = [run(BestOfN(n=5), [prompt], FakeGenerator(), flat)[0] for prompt in some]
    assert [r.choice for r in together] == [r.choice for r in alone]


@pytest.mark.parametrize(
    ("first", "drawn", "stopped"),
    [(0, 4, "confident"), (3, 4, "confident"), (4, 8, "confident"), (9, 10, "")],
)
def test_one_that_is_good_enough_ends_it(first: int, drawn: int, stopped: str) -> None:
    """Looked at after four and eight: sample `first`, and every one after it, scores exactly what
    is enough."""
    policy = Drawn(texts=[str(k) for k in range(10)])
    scorer = FakeScorer(rule=lambda _, response: 0.75 if int(response.text) >= first else 0.74)
    (result,) = run(BestOfN(n=10, enough=0.75), prompts(1), policy, scorer)
    assert (len(result.group.responses), result.stopped, result.spent.saved) == (
        drawn,
        stopped,
        10 - drawn if stopped else 0,
    )
    assert result.scores[result.choice or 0] == Score(value=0.75)
    assert len(policy.asked) == drawn


def test_stopping_early_changes_no_sample() -> None:
    """The samples of a run in parts are the first ones of the run at once."""
    some = prompts(30)
    right = FakeScorer(rule=lambda _, response: float("so 11" in response.text))
    whole = run(BestOfN(n=9), some, Policy(right=0.6), right)
    parts = run(BestOfN(n=9, enough=1.0, chunk=2), some, policy := Policy(right=0.6), right)
    for one, other in zip(whole, parts, strict=True):
        drawn = len(other.group.responses)
        assert other.group.responses == one.group.responses[:drawn]
        assert other.scores == one.scores[:drawn]
        assert (one.scores[one.choice or 0]) == (other.scores[other.choice or 0])
        stops = [k for k in (2, 4, 6, 8) if Score(value=1.0) in one.scores[:k]]
        assert drawn == (stops[0] if stops else 9)
        assert other.spent.saved == 9 - drawn
    assert {way(Sampling())} == {how for *_, how in policy.asked} == {"whole"}
