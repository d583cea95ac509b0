import math

import numpy as np
import pytest

from assay.evaluation.searches import (
    Point,
    at_tokens,
    gain_at_tokens,
    mean_of,
    nothing_had,
    point_of,
    shared_budgets,
)
from assay.search import SearchResult, Spent
from assay.types import Group, Prompt, Response, Score, Unscored


def point(n: int, tokens: float | None, *right: float) -> Point:
    return Point(n=n, right_P=np.array(right), tokens=tokens, scored_tokens=None, samples=float(n))


def result(tokens: int | None, samples: int = 1, scored: int | None = 5) -> SearchResult:
    group = Group(prompt=Prompt.of("q"), responses=(Response.of("a"),))
    spent = Spent(samples=samples, generated_tokens=tokens, scored_tokens=scored)
    return SearchResult(group=group, scores=(None,), choice=0, spent=spent)


def test_a_point_of_results() -> None:
    gold = [Score(value=1.0), None, Unscored(reason="so"), Score(value=0.0)]
    found = point_of(
        4, [result(10), result(20), result(30, scored=None), result(40, samples=5)], gold
    )
    assert (found.n, found.tokens, found.samples, found.scored_tokens) == (4, 25.0, 2.0, None)
    assert found.right_P[[0, 1, 3]].tolist() == [1.0, 0.0, 0.0]  # nothing chosen is not right
    assert math.isnan(found.right_P[2])
    assert (found.accuracy.value, found.accuracy.n, found.accuracy.unscored) == (
        pytest.approx(1 / 3),
        3,
        1,
    )
    assert point_of(1, [result(None), result(3)], [None, None]).tokens is None


def test_what_a_prompt_did_not_get_is_not_the_strategys_to_answer_for() -> None:
    prompt = Prompt.of("q", reference="1")

    def of(
        *texts: str,
        samples: int = 0,
        missing: int = 0,
        failed: tuple[str, ...] = (),
        done: bool = True,
    ) -> str:
        group = Group(
            prompt=prompt, responses=tuple(Response(steps=(text,), finished=done) for text in texts)
        )
        spent = Spent(samples=samples, missing=missing, generated_tokens=7 * samples)
        found = SearchResult(
            group=group, scores=(None,) * len(texts), choice=None, spent=spent, failed=failed
        )
        right = point_of(1, [found], [None]).right_P[0]
        # Wrong where there was something and nothing was chosen; not known where there was nothing.
        assert math.isnan(right) if nothing_had(found) else right == 0.0
        return nothing_had(found)

    assert of(missing=1, failed=("400",)) == "400"
    assert of(missing=4) == "no sample was to be had"
    assert of("a step", samples=1, missing=1, failed=("400",), done=False) == "400"
    assert of("no answer", samples=1) == ""
    assert of("cut off", samples=1, done=False) == ""
    assert of("no answer", samples=1, missing=1, failed=("400",)) == ""
    refused = SearchResult(
        group=Group(prompt=prompt, responses=()), scores=(), choice=None, spent=Spent(missing=1)
    )
    assert point_of(1, [result(10), refused], [Score(value=1.0), None]).tokens == 10


def test_between_two_points_on_the_scale_of_log_tokens() -> None:
    points = [point(4, 40.0, 1.0, 1.0), point(1, 10.0, 0.0, 1.0)]  # in any order
    assert at_tokens(points, 10).tolist() == [0.0, 1.0]  # type: ignore[union-attr]
    assert at_tokens(points, 20).tolist() == pytest.approx([0.5, 1.0])  # type: ignore[union-attr]
    assert at_tokens(points, 40).tolist() == [1.0, 1.0]  # type: ignore[union-attr]


def test_nothing_is_extrapolated() -> None:
    points = [point(1, 10.0, 0.0), point(4, 40.0, 1.0)]
    assert at_tokens(points, 9.9) is None
    assert at_tokens(points, 40.1) is None
    assert at_tokens([point(1, None, 1.0)], 10) is None
    assert gain_at_tokens(points, [point(1, 100.0, 1.0)], 20) is None


def test_a_gain_is_paired_by_prompt() -> None:
    rng = np.random.default_rng(0)
    hard = (rng.random(400) < 0.5).astype(float)
    better = np.maximum(hard, rng.random(400) < 0.1).astype(float)
    gain = gain_at_tokens([point(1, 8.0, *better)], [point(1, 8.0, *hard)], 8)
    assert gain is not None
    assert gain.value == pytest.approx(float((better - hard).mean()))
    assert gain.low > 0  # unpaired, a difference of .05 of 400 would not be told
    assert gain.high - gain.low < 0.06


def test_budgets_are_those_that_two_strategies_reach() -> None:
    one, other = (
        [point(1, 10.0, 1.0), point(8, 80.0, 1.0)],
        [point(1, 20.0, 1.0), point(8, 160.0, 1.0)],
    )
    assert shared_budgets([one, other]) == [20, 40, 80]
    assert shared_budgets([one]) == []
    assert shared_budgets([[point(1, 10.0, 1.0)], [point(1, 20.0, 1.0)]]) == []
    assert shared_budgets([[point(1, None, 1.0)], one]) == []
    assert shared_budgets([[point(1, 30.0, 1.0)], one]) == [30]


def test_a_mean_counts_what_is_unknown() -> None:
    found = mean_of(np.array([1.0, math.nan, 0.0]))
    assert (found.value, found.n, found.unscored) == (0.5, 2, 1)
