from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.protocols import Prefix, Sampling
from assay.search.best_of_n import BestOfN
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored

GONE = Unscored(reason="test")


def group(n: int, prompt: str = "q") -> Group:
    return Group(prompt=Prompt.of(prompt), responses=tuple(Response.of(str(i)) for i in range(n)))


def scores(*values: float | None) -> list[Score | Unscored]:
    return [GONE if value is None else Score(value=value) for value in values]


@pytest.mark.parametrize(
    ("values", "choice"),
    [((1.0, 3.0, 2.0), 1), ((-1.0, None, -2.0), 0), ((None, None), None), ((), None), ((None, -9.0), 1)],
)
def test_choose(values: tuple[float | None, ...], choice: int | None) -> None:
    assert BestOfN().choose(group(len(values)), scores(*values)) == choice


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.sampled_from([-1.0, 0.0, 1.0]), max_size=6), st.integers(0, 9))
def test_no_scored_candidate_is_better_than_the_chosen(values: list[float | None], seed: int) -> None:
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

    class Recorder(FakeGenerator):
        def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
            asked.append(sampling)
            return super().generate(prefixes, sampling)

    strategy = BestOfN(n=3, temperature=0.5, max_tokens=7, seed=4)
    prompts = [Prompt.of("a"), Prompt.of("b")]
    results = strategy(prompts, Recorder(texts=("x", "xxx", "xx")), FakeScorer())
    assert asked == [Sampling(n=3, temperature=0.5, max_tokens=7, seed=4)]
    assert [r.group.prompt for r in results] == prompts
    assert [r.choice for r in results] == [1, 1]
    assert results[0].scores == (Score(value=1), Score(value=3), Score(value=2))


def test_the_choice_does_not_depend_on_the_batch() -> None:
    flat = FakeScorer(rule=lambda *_: 0.0)
    prompts = [Prompt.of(str(i)) for i in range(20)]
    together = BestOfN(n=5)(prompts, FakeGenerator(), flat)
    alone = [BestOfN(n=5)([prompt], FakeGenerator(), flat)[0] for prompt in prompts]
    assert [r.choice for r in together] == [r.choice for r in alone]


def test_none_to_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="n is 0"):
        BestOfN(n=0)([Prompt.of("q")], FakeGenerator(), FakeScorer())
