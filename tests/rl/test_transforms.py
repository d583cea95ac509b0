import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.rl.transforms import (
    PAR,
    Centre,
    Clip,
    Context,
    Gate,
    LengthPenalty,
    Overlong,
    Standardise,
    Statistics,
    apply,
    order_fault,
    spread_warning,
    squash_warning,
)

SCORES = np.array([1.0, -2.0, 0.5])


def context(**changes: Any) -> Context:
    """Of three responses, one score each."""
    settings: dict[str, Any] = {
        "owner_N": np.arange(3),
        "tokens_R": np.array([10, 20, 30]),
        "finished_R": np.array([True, True, False]),
        "texts_R": ["so \\boxed{4}", "four", "\\boxed{"],
        "given": Statistics(0.5, 2.0),
    }
    return Context(**(settings | changes))


@pytest.mark.parametrize(("transform", "expected"), [
    (Centre(), [0.5, -2.5, 0]),
    (Standardise(), [0.25, -1.25, 0]),
    (Clip(), [1, -1, 0.5]),
    (Clip(-3, 0.75), [0.75, -2, 0.5]),
    (LengthPenalty(0.1), [0, -4, -2.5]),
    (Gate(), [1, -2, 0]),
    (Gate(finished=False), SCORES.tolist()),
    (Gate(pattern=r"\\boxed\{", otherwise=-3), [1, -3, -3]),
    (Gate(pattern=r"\\boxed\{", finished=False), [1, 0, 0.5]),
    # From 15 tokens on, a tenth of the factor a token.
    (Overlong(limit=25, buffer=10, factor=2), [1, -3, 0.5 - 3]),
    (Overlong(limit=30, buffer=30, factor=1), [1 - 1 / 3, -2 - 2 / 3, 0.5 - 1]),
])  # fmt: skip
def test_transforms_by_hand(transform: Any, expected: list[float]) -> None:
    assert transform(SCORES, context()) == pytest.approx(expected)
    assert SCORES.tolist() == [1.0, -2.0, 0.5]


def test_overlong_is_the_formula_of_dapo() -> None:
    tokens = np.array([0, 383, 384, 385, 448, 512, 576])
    found = Overlong()(np.zeros(7), context(owner_N=np.arange(7), tokens_R=tokens))
    assert found.tolist() == [0, 0, 0, -1 / 128, -0.5, -1, -1.5]


def test_a_score_goes_with_its_own_response() -> None:
    # The first response has no score, the second three, the third one.
    steps = context(owner_N=np.array([1, 1, 1, 2]))
    scores = np.array([0.0, 1.0, 2.0, 3.0])
    assert LengthPenalty(0.1)(scores, steps).tolist() == [-2, -1, 0, 0]
    assert Gate(otherwise=-1)(scores, steps).tolist() == [0, 1, 2, -1]
    assert Gate(pattern="boxed", finished=False)(scores, steps).tolist() == [0, 0, 0, 3]
    assert Overlong(limit=30, buffer=10)(scores, steps).tolist() == [0, 1, 2, 2]
    references = np.array([[9.0], [1.0], [3.0]])
    assert PAR(1)(scores, context(owner_N=steps.owner_N, references_R_M=references))[
        [1, 3]
    ].tolist() == [0.5, 0.5]


@pytest.mark.owed
@pytest.mark.parametrize("std", [0.0, 1e-12, 1e-5, 0.009])
def test_scores_without_spread_are_centred_and_keep_their_scale(std: float) -> None:
    given = Statistics(0.5, std)
    assert Standardise()(SCORES, context(given=given)).tolist() == [0.5, -2.5, 0]
    warning = spread_warning((Clip(-9, 9), Standardise()), Statistics(3.0, 1.0, (given,)))
    assert warning is not None
    assert "all alike" in warning
    assert spread_warning((Standardise(), Clip(-9, 9)), Statistics(3.0, 1.0, (given,))) is None


@pytest.mark.owed
def test_rounding_of_large_scores_is_no_spread() -> None:
    assert Statistics(1e6, 0.5).alike
    assert not Statistics(1e6, 2.0).alike
    assert not Statistics(0.0, 0.011).alike


def test_par_by_hand() -> None:
    log3 = math.log(3)
    references = np.array(
        [[1.0 - log3, 1.0, np.nan], [np.nan, np.nan, -2.0 + log3], [0.5, 0.5, 0.5]]
    )
    # σ(ln 3) = 3 / 4; an unscored reference is left out.
    assert PAR(3)(SCORES, context(references_R_M=references)) == pytest.approx(
        [(0.75 + 0.5) / 2, 0.25, 0.5]
    )


@given(st.floats(-1e6, 1e6), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_par_is_a_chance(score: float, others: list[float]) -> None:
    one = context(owner_N=np.zeros(1, dtype=int), references_R_M=np.array([others]))
    (found,) = PAR(len(others))(np.array([score]), one)
    assert 0 <= found <= 1
    if max(abs(score - other) for other in others) < 30:
        assert 0 < found < 1
    (half,) = PAR(1)(
        np.array([score]),
        context(owner_N=np.zeros(1, dtype=int), references_R_M=np.array([[score]])),
    )
    assert half == 0.5


def test_par_keeps_the_order_and_flattens() -> None:
    others = context(owner_N=np.zeros(4, dtype=int), references_R_M=np.array([[0.0, 1.0]]))
    a, b, c, d = PAR(2)(np.array([-1.0, 0.0, 5.0, 6.0]), others)
    assert a < b < c < d
    assert d - c < 0.1 * (b - a)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="low must be below high"):
        Clip(1, 1)
    with pytest.raises(ConfigError, match="at least 1"):
        PAR(0)
    with pytest.raises(ConfigError, match="needs scores of reference responses"):
        PAR(1)(SCORES, context())
    for buffer in (0, 513):
        with pytest.raises(ConfigError, match=r"in \(0, limit\]"):
            Overlong(limit=512, buffer=buffer)
    Overlong(limit=512, buffer=512)
    for idle in (0.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="other than 0"):
            LengthPenalty(idle)
        with pytest.raises(ConfigError, match="other than 0"):
            Overlong(512, 128, idle)
    with pytest.raises(ConfigError, match="otherwise is nan"):
        Gate(otherwise=math.nan)
    with pytest.raises(ConfigError, match=r"'\(' is no regular expression"):
        Gate(pattern="(")


def test_transforms_are_applied_in_order_and_their_statistics_told() -> None:
    found, figures, statistics = apply(
        (Centre(), Clip(-1, 0.25)), SCORES, context(), Statistics(0.5, 2.0)
    )
    assert found.tolist() == [0.25, -1, 0]
    assert figures == pytest.approx({
        "centre_mean": -2 / 3,
        "centre_std": math.sqrt((0.25 + 6.25) / 3 - 4 / 9),
        "centre_changed": 1,
        "clip_mean": -0.25,
        "clip_std": math.sqrt((0.0625 + 1) / 3 - 0.0625),
        "clip_changed": 2 / 3,
    })  # fmt: skip
    assert statistics is not None
    assert (statistics.mean, statistics.std, len(statistics.after)) == (0.5, 2.0, 1)
    empty = context(owner_N=np.zeros(0, dtype=int))
    assert apply((Centre(),), np.zeros(0), empty)[1:] == ({}, None)
    same, figures, statistics = apply((), SCORES, context())
    assert (same.tolist(), figures) == (SCORES.tolist(), {})
    assert statistics == Statistics(float(SCORES.mean()), float(SCORES.std()))


PIPELINES = [
    (Clip(-1, 0.25), Centre()),
    (Clip(0, 0.75), Standardise()),
    (PAR(2), Standardise()),
    (LengthPenalty(0.1), Centre()),
    (Centre(), Clip(-1, 1), Standardise()),
    (Gate(finished=True, otherwise=-4.0), Overlong(25, 20), Standardise()),
    (Standardise(), Clip(-0.5, 0.5), Centre(), Standardise()),
]


@pytest.mark.owed
@pytest.mark.parametrize("transforms", PIPELINES)
def test_statistics_are_of_what_a_transform_is_given(transforms: Any) -> None:
    """On the batch that they are taken from, what is centred has mean 0, and what is standardised
    spread 1."""
    on = context(references_R_M=np.array([[0.5, 0.0]] * 3))
    found, _, first = apply(transforms, SCORES, on)
    assert found.mean() == pytest.approx(0, abs=1e-12)
    if isinstance(transforms[-1], Standardise):
        assert found.std() == pytest.approx(1)
    # A later batch is measured by the first one's statistics: the same scores come out the same,
    # beside any others.
    assert first is not None
    later = np.array([*SCORES, 9.0])
    more = {"owner_N": np.array([0, 1, 2, 0]), "references_R_M": on.references_R_M}
    again, _, kept = apply(transforms, later, context(**more), first)
    assert again[:3] == pytest.approx(found)
    assert kept == first


@pytest.mark.owed
@pytest.mark.parametrize(
    "before", [(Centre(),), (Standardise(),), (Clip(-1, 0.75),), (Standardise(), Clip(-1, 1))]
)
def test_what_scores_are_compared_with_goes_the_same_way(before: Any) -> None:
    """A response equal to its only reference beats it half of the time, whatever came before; and
    order is kept."""
    same = context(references_R_M=SCORES[:, None].copy())
    assert apply((*before, PAR(1)), SCORES, same)[0].tolist() == [0.5, 0.5, 0.5]
    one = context(references_R_M=np.array([[0.5, np.nan]] * 3))
    scaled, _, _ = apply(before, SCORES, one)
    reference, _, _ = apply(before, np.array([0.5] * 3), one, apply(before, SCORES, one)[2])
    found, _, _ = apply((*before, PAR(2)), SCORES, one)
    assert found == pytest.approx(1 / (1 + np.exp(reference - scaled)))


@pytest.mark.owed
@pytest.mark.parametrize("before", [LengthPenalty(), Overlong(), Gate(), PAR()])
def test_an_order_that_compares_unlike_things_is_refused(before: Any) -> None:
    name = type(before).__name__
    with pytest.raises(ConfigError, match=f"put PAR before {name}"):
        apply((Centre(), before, Clip(), PAR(2)), SCORES, context(references_R_M=np.zeros((3, 2))))
    assert order_fault((Centre(), PAR(2), before)) is None or isinstance(before, PAR)


def test_a_squash_before_a_division_is_warned_of() -> None:
    warning = squash_warning((Centre(), Clip(), PAR()), normalised=True)
    assert warning is not None
    assert warning.startswith("Clip, PAR bounds the reward")
    assert "rloo, dr_grpo" in warning
    assert squash_warning((Centre(), Clip(), PAR()), normalised=False) is None
    unsquashed = (Centre(), Standardise(), LengthPenalty(), Overlong(), Gate())
    assert squash_warning(unsquashed, normalised=True) is None


def test_only_par_asks_for_references() -> None:
    transforms = (Centre(), Standardise(), Clip(), LengthPenalty(), Overlong(), Gate(), PAR(7))
    assert [t.references for t in transforms] == [0] * 6 + [7]
