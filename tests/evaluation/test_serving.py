"""Planted transformations of numbers are found, the simplest that gives them."""

import numpy as np
import pytest

from assay.evaluation.serving import Explanation, cut_off, explain, rank_flips
from assay.stats.intervals import Array

X = np.random.default_rng(0).normal(size=14)
OTHER = np.random.default_rng(1).normal(size=14)


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def found(served: Array, *, pair: bool = False, **variants: Array) -> Explanation:
    return explain({"": X, **variants}, served, tolerance=1e-4, pair=pair)


@pytest.mark.parametrize(
    ("served", "variant", "activation", "line"),
    [
        (X, "", "none", (1, 0)),
        (X + 5e-5, "", "none", (1, 0)),
        (OTHER, "other", "none", (1, 0)),
        (sigmoid(X), "", "sigmoid", (1, 0)),
        (sigmoid(OTHER), "other", "sigmoid", (1, 0)),
        (np.ones(14), "", "softmax", (1, 0)),
        (-3 * X + 2, "", "none", (-3, 2)),
        (sigmoid(0.5 * X - 1), "", "sigmoid", (0.5, -1)),
        (2 * OTHER + 1, "other", "none", (2, 1)),
    ],
)
def test_what_was_done_to_the_numbers_is_found(
    served: Array, variant: str, activation: str, line: tuple[float, float]
) -> None:
    best = found(served, other=OTHER)
    assert (best.variant, best.activation) == (variant, activation)
    assert (best.slope, best.shift) == pytest.approx(line, abs=1e-6)
    assert best.exact
    assert best.plain == (variant == "" and activation == "none" and line == (1, 0))


def test_a_softmax_of_two_outputs_and_a_sigmoid_left_out() -> None:
    exp = np.exp(np.stack([-X / 2, X / 2]))
    bad, good = exp / exp.sum(0)
    assert found(good - bad, pair=True).activation == "softmax of two"
    shares = sigmoid(X)
    assert explain({"": shares}, X, tolerance=1e-4).activation == "logit"


def test_noise_has_a_size_and_other_numbers_have_no_explanation() -> None:
    noise = 0.01 * np.random.default_rng(2).normal(size=14)
    best = found(X + noise, other=OTHER)
    assert best.plain
    assert not best.exact
    assert best.holds
    assert best.noise == pytest.approx(float(np.sqrt(np.mean(noise**2)) / np.std(X + noise)))
    assert not found(np.sin(1e4 * X), other=OTHER).holds


def test_a_line_through_few_numbers_is_no_explanation() -> None:
    best = explain({"": X[:3]}, 2 * X[:3] + 1, tolerance=1e-4)
    assert not best.affine


def test_only_the_longest_differ_where_texts_are_cut_off() -> None:
    lengths = np.arange(10, 150, 10)
    left = np.where(lengths > 100, 0.3, 1e-7)
    assert cut_off(left, lengths, 1e-4) == (100, 110)
    assert cut_off(left[::-1], lengths, 1e-4) is None
    assert cut_off(np.full(14, 0.3), lengths, 1e-4) is None
    assert cut_off(np.zeros(14), lengths, 1e-4) is None
    # Noise that grows with the length has no gap.
    assert cut_off(lengths * 1e-6, lengths, 1e-4) is None


def test_pairs_in_another_order_are_counted_by_brute_force() -> None:
    flips, tied, pairs = rank_flips(np.array([1.0, 2, 3, 3]), np.array([2.0, 1, 1, 5]), 1e-6)
    # (1, 2) is flipped; (2, 3a) is tied; (3a, 3b) does not count; 1 < 3a is flipped, 1 < 3b not.
    assert (flips, tied, pairs) == (2, 1, 5)
