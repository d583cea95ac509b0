import math
from collections.abc import Callable
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.aggregation import aggregate
from assay.errors import ConfigError
from assay.rl.rewards import PLACEMENTS, Array, Place, best_of_k, difference, place, softmin

P = np.array([0.9, 0.5, 1.0])
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(np.array)


@pytest.mark.parametrize(("how", "settings", "expected"), [
    ("terminal", {}, [0, 0, 1]),
    ("terminal", {"aggregate": "product"}, [0, 0, 0.45]),
    ("terminal", {"aggregate": "min"}, [0, 0, 0.5]),
    ("terminal", {"aggregate": "mean"}, [0, 0, 0.8]),
    ("every_step", {}, [0.9, 0.5, 1]),
    ("difference", {}, [0.9, -0.4, 0.5]),
    ("minus_one", {}, [-0.1, -0.5, 0]),
    ("below", {}, [0, -0.4, 0]),
    ("below", {"threshold": 0.95}, [-0.05, -0.45, 0]),
    ("forward_difference", {}, [0.4, -0.5, 1]),
    ("log", {}, [math.log(0.9), math.log(0.5), 0]),
    # r = .8, 0, 1: weights e^-8, 1, e^-10 over their sum.
    ("softmin", {}, [0.8 * math.exp(-8) / 1.00038086, 0, math.exp(-10) / 1.00038086]),
    # Weights e^-.8, 1, e^-1.
    ("softmin", {"temperature": 1.0}, [0.8 * 0.44932896 / 1.8172084, 0, 0.36787944 / 1.8172084]),
    ("difference", {"prover": 2.0}, [0.99, -0.24, 0.25]),
    ("every_step", {"prover": 2.0}, [0.99, 0.75, 1]),
])  # fmt: skip
def test_placements_by_hand(how: Place, settings: dict[str, Any], expected: list[float]) -> None:
    assert place(P, how, **settings) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert P.tolist() == [0.9, 0.5, 1.0]


def test_every_placement_has_a_name() -> None:
    assert {*PLACEMENTS} == {*get_args(Place)}
    for how in PLACEMENTS:
        assert place(P, how) == pytest.approx(PLACEMENTS[how](P))
        assert place(np.array([0.25]), how).shape == (1,)


@given(probabilities, st.floats(-2, 2))
def test_sums_telescope(p: Array, start: float) -> None:
    assert place(p, "difference").sum() == pytest.approx(p[-1], abs=1e-9)
    assert difference(p, start).sum() == pytest.approx(p[-1] - start, abs=1e-9)
    assert difference(p, start)[1:] == pytest.approx(place(p, "difference")[1:])
    assert place(p, "forward_difference").sum() == pytest.approx(p[0], abs=1e-9)
    for how in ("last", "product", "min", "mean"):
        assert place(p, "terminal", aggregate=how).tolist() == [0] * (len(p) - 1) + [
            aggregate(p.tolist(), how)
        ]  # type: ignore[arg-type]
    assert place(p, "log").sum() == pytest.approx(aggregate(p.tolist(), "log_sum"), abs=1e-9)
    assert max(place(p, "minus_one").sum(), place(p, "below").sum(), place(p, "log").sum()) <= 0


def test_a_probability_of_zero_stays_a_number() -> None:
    assert place(np.array([0.0, 1.0]), "log").tolist() == [pytest.approx(-744.44, abs=0.01), 0]


@given(probabilities, st.floats(0.01, 2))
def test_the_weights_of_softmin_sum_to_one(p: Array, temperature: float) -> None:
    paid, r = softmin(p, temperature), 2 * p - 1
    seen = abs(r) > 1e-6
    if seen.all():
        assert (paid / r).sum() == pytest.approx(1)
        assert (paid / r >= 0).all()
    assert r.min() - 1e-9 <= paid.sum() <= r.mean() + 1e-9
    assert softmin(p, 0.1).sum() == pytest.approx(2 * aggregate(p.tolist(), "softmin") - 1)


@given(st.permutations([0.05, 0.2, 0.35, 0.6, 0.9]))
def test_a_cold_softmin_is_the_minimum_up_to_the_weakest_step_and_nothing_after_it(
    p: list[float],
) -> None:
    to_come = np.cumsum(softmin(np.array(p), 1e-3)[::-1])[::-1]
    weakest = p.index(0.05)
    assert to_come == pytest.approx([-0.9] * (weakest + 1) + [0] * (4 - weakest), abs=1e-12)


def test_best_of_k_is_the_chance_that_one_of_k_is_right() -> None:
    value = 0.3
    assert best_of_k(np.array([0.0, 0.5, 1.0]), 2).tolist() == [0, 0.75, 1]
    assert best_of_k(np.array([value]), 1) == pytest.approx([value])
    chance = sum(
        math.prod(value if right else 1 - value for right in drawn)
        for drawn in product((0, 1), repeat=3)
        if any(drawn)
    )
    assert best_of_k(np.array([value]), 3) == pytest.approx([chance])


Cut = Callable[[float, float], tuple[float, float]]

CUTS: dict[str, tuple[Cut, ...]] = {
    # A step's value, and any value halfway.
    "values": (lambda s, u: (u, s),),
    # Parts whose product is the whole.
    "probabilities": (lambda s, u: (s**u, s ** (1 - u)),),
    # One of the parts is sure.
    "sure": (lambda s, u: (s, 1.0), lambda s, u: (1.0, s)),
}

WAYS: dict[str, dict[str, Any]] = {how: {"how": how} for how in PLACEMENTS if how != "terminal"} | {
    f"terminal by {how}": {"how": "terminal", "aggregate": how}
    for how in ("last", "product", "min", "mean")
}

INVARIANT = {
    "values": {"difference", "terminal by last"},
    "probabilities": {"log", "terminal by product"},
    "sure": {"log", "terminal by product", "minus_one", "below", "terminal by min"},
}


def to_come(scores: Array, at: list[int], way: dict[str, Any]) -> list[float]:
    """In all, and after each of some steps."""
    paid = place(scores, **way)
    return [float(paid.sum()), *(float(paid[t + 1 :].sum()) for t in at)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", CUTS)
def test_invariance_to_segmentation_is_what_the_docstring_says(kind: str, way: str) -> None:
    rng, same = np.random.default_rng(0), True
    for _ in range(30):
        scores = rng.uniform(0.3, 0.95, size=int(rng.integers(1, 5)))
        steps = range(len(scores))
        for cut, i in product(CUTS[kind], steps):
            parts = cut(float(scores[i]), float(rng.uniform(0.2, 0.8)))
            finer = np.array([*scores[:i], *parts, *scores[i + 1 :]])
            before = to_come(scores, [*steps], WAYS[way])
            after = to_come(finer, [t + (t >= i) for t in steps], WAYS[way])
            same = same and after == pytest.approx(before, abs=1e-9)
    assert same == (way in INVARIANT[kind])


def gained(scores: list[float], more: list[float], way: str) -> float:
    return float(
        place(np.array([*scores, *more]), **WAYS[way]).sum()
        - place(np.array(scores), **WAYS[way]).sum()
    )


@pytest.mark.parametrize("way", WAYS)
def test_appending_right_steps_pays_where_the_docstring_says(way: str) -> None:
    scores = [0.9, 0.4, 0.7]
    of_values = way in ("difference", "terminal by last")
    gain = gained(scores, [scores[-1] if of_values else 1.0] * 3, way)
    if way in ("every_step", "terminal by mean"):
        assert gain > 0.1
    else:
        assert gain == pytest.approx(0, abs=1e-3 if way == "softmin" else 1e-12)


def test_only_the_sum_grows_without_end() -> None:
    for way in WAYS:
        gain = gained([0.9, 0.4, 0.7], [1.0] * 50, way)
        assert (gain > 1) == (way == "every_step"), way


def test_what_is_not_free_after_all() -> None:
    # By last of p.
    assert gained([0.9, 0.4], [1.0], "terminal by last") == pytest.approx(0.6)
    # The weakest step nearly right, and very many that are.
    assert gained([0.8], [1.0] * 500, "softmin") > 0.35
    assert gained([0.4], [1.0] * 50, "softmin") < 1e-3
    # In front.
    assert (
        place(np.array([1.0, 0.6]), "forward_difference").sum()
        == place(np.array([1.0]), "every_step").sum()
        == 1
    )
    assert place(np.array([0.6]), "forward_difference").sum() == 0.6


@pytest.mark.parametrize("how", ["minus_one", "below", "log", "softmin"])
@pytest.mark.parametrize("wrong", [-0.5, 1.5, math.nan])
def test_placements_of_probabilities_refuse_other_scores(how: Place, wrong: float) -> None:
    with pytest.raises(
        ConfigError, match=rf"scores {wrong:.3g}, and {how} needs probabilities; use difference"
    ):
        place(np.array([0.5, wrong]), how)


def test_other_scores_where_they_may_be() -> None:
    logits = np.array([-2.0, 3.0])
    for how in ("every_step", "difference", "forward_difference"):
        assert np.isfinite(place(logits, how)).all()  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"a prover needs probabilities.*without a prover"):
            place(logits, how, prover=4)  # type: ignore[arg-type]
    assert place(logits, "terminal", aggregate="min").tolist() == [0, -2]
    with pytest.raises(ConfigError, match="terminal needs probabilities"):
        place(logits, "terminal", aggregate="product")
    with pytest.raises(ConfigError, match="no placement is called 'sum'; there is terminal"):
        place(logits, "sum")  # type: ignore[arg-type]
