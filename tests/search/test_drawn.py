"""Strategies that draw: by the weights that their papers state, and as often as those say."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from assay.errors import ConfigError
from assay.search import run
from assay.search.best_of_n import BestOfN
from assay.search.best_of_poisson import BestOfPoisson
from assay.search.pessimism import Pessimism
from assay.search.soft_best_of_n import SoftBestOfN
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.search.toys import GONE, Drawn, prompts

VALUES = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


def group(n: int, prompt: Prompt) -> Group:
    return Group(prompt=prompt, responses=tuple(Response.of(str(i)) for i in range(n)))


def scores(*values: float | None) -> list[Score | Unscored]:
    return [GONE if value is None else Score(value=value) for value in values]


def test_soft_best_of_n_by_hand() -> None:
    """Odds of e^(10 (.3 - .1)) = e^2 between .3 and .1."""
    assert SoftBestOfN(strength=10.0).weights([0.1, 0.3]) == pytest.approx(
        [1 / (1 + math.e**2), 1 / (1 + math.e**-2)]
    )
    found = SoftBestOfN(strength=math.log(2)).weights([-1.0, 0.0, 1.0, 1.0])
    assert found == pytest.approx([1 / 11, 2 / 11, 4 / 11, 4 / 11])
    assert SoftBestOfN(strength=0.0).weights([5.0, -5.0]) == [0.5, 0.5]
    assert SoftBestOfN(strength=1e9).weights([-1e6, 3.0, 2.9]) == [
        0.0,
        1.0,
        0.0,
    ]  # nothing overflows


@settings(deadline=None)
@given(VALUES, st.floats(0, 50))
def test_soft_best_of_n_is_the_softmax(values: list[float], strength: float) -> None:
    raw = np.array(values) * strength
    expected = np.exp(raw - raw.max()) / np.exp(raw - raw.max()).sum()
    assert SoftBestOfN(strength=strength).weights(values) == pytest.approx(expected, abs=1e-12)
    moved = SoftBestOfN(strength=strength).weights([value + 7.5 for value in values])
    assert moved == pytest.approx(expected, abs=1e-9)  # only differences matter


def test_pessimism_by_hand() -> None:
    # All above the level: level = mean - beta; (r - level) / beta = 1 + (r - mean) / beta.
    assert Pessimism(beta=1.0).weights([0.0, 0.5, 1.0]) == pytest.approx([0.5 / 3, 1 / 3, 1.5 / 3])
    # beta .25: the lowest is below. Two above: (1.5 - 3 * .25) / 2 = .375; weights .125 and .625
    # over .75.
    assert Pessimism(beta=0.25).weights([0.0, 0.5, 1.0]) == pytest.approx([0, 1 / 6, 5 / 6])
    # beta .1: one above: level 1 - .3 = .7 > .5.
    assert Pessimism(beta=0.1).weights([0.0, 0.5, 1.0]) == pytest.approx([0, 0, 1])
    assert Pessimism(beta=0.1).weights([3.0]) == pytest.approx([1.0])
    assert Pessimism(beta=0.1).weights([2.0, 2.0, 2.0, 2.0]) == pytest.approx([0.25] * 4)


def objective(values: Sequence[float], beta: float, weights: Any) -> float:
    """E_w[r] - beta/2 * (chi2 + 1) under weights of mean 1."""
    return float(np.mean(np.array(values) * weights) - beta / 2 * np.mean(np.square(weights)))


@pytest.mark.parametrize("seed", range(8))
def test_pessimism_is_the_best_under_its_penalty(seed: int) -> None:
    """Found numerically, from even weights, without knowing the form of the answer."""
    rng = np.random.default_rng(seed)
    values, beta = rng.normal(size=6), float(rng.choice([0.05, 0.3, 1.0, 4.0]))
    found = minimize(
        lambda w: -objective(values, beta, w),
        np.ones(6),
        jac=lambda w: -(values - beta * w) / 6,
        bounds=[(0, None)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.mean() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    ours = np.array(Pessimism(beta=beta).weights([*values])) * 6
    assert ours == pytest.approx(found.x, abs=1e-4)
    assert objective(values, beta, ours) >= objective(values, beta, found.x) - 1e-9


@settings(deadline=None)
@given(VALUES, st.sampled_from([1e-12, 1e-3, 0.1, 1.0, 30.0]))
def test_pessimism_gives_probabilities_that_follow_the_scores(
    values: list[float], beta: float
) -> None:
    found = Pessimism(beta=beta).weights(values)
    assert math.fsum(found) == pytest.approx(1.0)
    assert all(w >= 0 for w in found)
    order = np.argsort(values, kind="stable")
    assert all(found[a] <= found[b] for a, b in itertools.pairwise(order))
    assert max(found) == found[int(np.argmax(values))]
    shuffled = Pessimism(beta=beta).weights(values[::-1])[::-1]
    assert shuffled == pytest.approx(found)


@pytest.mark.parametrize(
    "limit", [Pessimism(beta=1e-9), Pessimism(beta=1e-300), SoftBestOfN(strength=1e9)]
)
def test_in_the_limit_the_best_remains(limit: Any) -> None:
    rng = np.random.default_rng(0)
    for prompt in prompts(50):
        row = scores(*rng.normal(loc=1e3, size=7))
        assert limit.choose(group(7, prompt), row) == BestOfN().choose(group(7, prompt), row)


@pytest.mark.parametrize("flat", [Pessimism(beta=1e9), SoftBestOfN(strength=0.0)])
def test_in_the_other_limit_any_of_them(flat: Any) -> None:
    drawn = Counter(
        flat.choose(group(4, prompt), scores(0.0, 1.0, 2.0, 3.0)) for prompt in prompts(1000)
    )
    assert all(abs(drawn[i] - 250) < 4 * (1000 * 3 / 16) ** 0.5 for i in range(4))


@pytest.mark.parametrize(
    "strategy", [Pessimism(beta=0.5), Pessimism(beta=2.0), SoftBestOfN(strength=1.5)]
)
def test_drawn_as_often_as_the_weights_say(strategy: Any) -> None:
    """Over prompts, and over seeds of one prompt. The unscored have no weight."""
    values = [0.2, None, 1.0, 0.7, -0.4]
    weights = iter(strategy.weights([value for value in values if value is not None]))
    expected = [0.0 if value is None else next(weights) for value in values]
    n = 1500
    by_prompt = Counter(strategy.choose(group(5, prompt), scores(*values)) for prompt in prompts(n))
    kwargs = {k: v for k, v in vars(strategy).items() if k != "seed"}
    by_seed = Counter(
        type(strategy)(**kwargs, seed=seed).choose(group(5, Prompt.of("q")), scores(*values))
        for seed in range(n)
    )
    for drawn in (by_prompt, by_seed):
        for i, p in enumerate(expected):
            assert abs(drawn[i] - n * p) <= 4 * (n * p * (1 - p)) ** 0.5


@pytest.mark.parametrize("strategy", [Pessimism(), SoftBestOfN(), BestOfPoisson()])
def test_the_unscored_are_never_drawn(strategy: Any) -> None:
    assert strategy.choose(group(3, Prompt.of("q")), scores(None, None, None)) is None
    assert strategy.choose(group(0, Prompt.of("q")), []) is None
    assert {
        strategy.choose(group(3, prompt), scores(None, -50.0, None)) for prompt in prompts(50)
    } == {1}


def test_one_more_than_a_poisson_number() -> None:
    """Mean and variance mu, P(1) = exp(-mu), P(2) = mu exp(-mu)."""
    for mu in (0.5, 3.0):
        sizes = np.array([BestOfPoisson(mu=mu).size(prompt) for prompt in prompts(4000)])
        assert abs(sizes.mean() - 1 - mu) < 4 * (mu / 4000) ** 0.5
        # The variance of a sample variance: (fourth moment - variance squared) / n = (mu + 2 mu^2)
        # / n.
        assert abs(sizes.var() - mu) < 4 * ((mu + 2 * mu**2) / 4000) ** 0.5
        for n, p in ((1, math.exp(-mu)), (2, mu * math.exp(-mu))):
            assert abs((sizes == n).mean() - p) < 4 * (p * (1 - p) / 4000) ** 0.5
        assert sizes.min() == 1
    assert {BestOfPoisson(mu=0.0).size(prompt) for prompt in prompts(50)} == {1}


def test_best_of_poisson_takes_the_best_of_its_number() -> None:
    policy = Drawn(texts=[str(7 * k % 30) for k in range(30)])
    for strategy in (BestOfPoisson(mu=4.0), BestOfPoisson(mu=4.0, seed=1)):
        results = run(
            strategy, prompts(20), policy, FakeScorer(rule=lambda _, response: float(response.text))
        )
        sizes = [strategy.size(r.group.prompt) for r in results]
        assert [len(r.group.responses) for r in results] == sizes
        assert [r.response.text for r in results if r.response] == [
            str(max(7 * k % 30 for k in range(size))) for size in sizes
        ]
        assert len(set(sizes)) > 3
    ours, theirs = (
        [BestOfPoisson(seed=seed).size(prompt) for prompt in prompts(9)] for seed in (0, 1)
    )
    assert ours != theirs


def test_the_number_says_nothing_of_who_wins_a_tie() -> None:
    """Of those prompts that get two responses, each is chosen as often."""
    strategy = BestOfPoisson(mu=1.0)
    pairs = [prompt for prompt in prompts(2000) if strategy.size(prompt) == 2]
    first = [strategy.choose(group(2, prompt), scores(0.5, 0.5)) == 0 for prompt in pairs]
    assert abs(np.mean(first) - 0.5) < 4 * (0.25 / len(pairs)) ** 0.5


@pytest.mark.parametrize(
    ("cls", "bad"),
    [
        (Pessimism, {"beta": 0.0}),
        (Pessimism, {"beta": -1.0}),
        (Pessimism, {"beta": math.nan}),
        (SoftBestOfN, {"strength": -1.0}),
        (SoftBestOfN, {"strength": math.inf}),
        (SoftBestOfN, {"strength": math.nan}),
        (BestOfPoisson, {"mu": -0.1}),
        (BestOfPoisson, {"mu": math.inf}),
        (BestOfPoisson, {"mu": math.nan}),
    ],
)
def test_strengths_that_cannot_be_are_refused(cls: Any, bad: dict[str, float]) -> None:
    (name,) = bad
    with pytest.raises(ConfigError, match=f"^{name} is "):
        cls(**bad)
