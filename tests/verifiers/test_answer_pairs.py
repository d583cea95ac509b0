"""Final answers whose truth is known by construction, and what is said of them: a small slice of
the bench."""

from collections import Counter
from fractions import Fraction

import pytest
from experiments.answer_expressions import multiplied, written
from experiments.answer_numbers import decimal, fraction, in_words, repeating_value, swapped_digits
from experiments.answer_pairs import FAMILIES, pairs
from experiments.answers import Judged, judge

pytest.importorskip("math_verify")

PAIRS = 200
SEED = 1
MOST_REJECTED = 0.01
"""Of the true pairs, those that may be judged wrong."""
MOST_UNDECIDED = 0.05
"""Of all pairs."""


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return judge(pairs(PAIRS, SEED))


def shown(failures: list[Judged]) -> str:
    return "\n".join(
        f"{f.verifier}: {f.pair.reference!r} <- {f.pair.text!r} ({f.stage}: {f.reason})"
        for f in failures
    )


def test_no_false_pair_is_judged_right(judged: list[Judged]) -> None:
    accepted = [one for one in judged if one.failure == "false accept"]
    assert not accepted, shown(accepted)


def test_few_true_pairs_are_judged_wrong(judged: list[Judged]) -> None:
    rejected = [one for one in judged if one.failure == "false reject"]
    assert len(rejected) <= MOST_REJECTED * sum(one.pair.true for one in judged), shown(rejected)


def test_few_pairs_are_undecided(judged: list[Judged]) -> None:
    undecided = [one for one in judged if one.failure == "undecided"]
    assert len(undecided) <= MOST_UNDECIDED * len(judged), shown(undecided)


def test_pairs_are_the_same_by_seed_and_no_pair_is_twice() -> None:
    drawn = pairs(540, seed=3)
    assert drawn == pairs(540, seed=3)
    assert drawn != pairs(540, seed=4)
    assert len({(pair.reference, pair.text) for pair in drawn}) == 540
    assert set(Counter((pair.family, pair.true) for pair in drawn).values()) == {10}
    assert len(FAMILIES) == 27


def test_values_are_written_exactly() -> None:
    assert decimal(Fraction(-5, 4)) == "-1.25"
    assert decimal(Fraction(3, 1000)) == "0.003"
    assert decimal(Fraction(120)) == "120"
    assert fraction(Fraction(-6, 4)) == r"-\frac{3}{2}"
    assert repeating_value("1", "6") == Fraction(1, 6)  # 0.1666...
    assert repeating_value("", "36") == Fraction(4, 11)
    assert in_words(4312) == "four thousand three hundred twelve"
    assert in_words(90) == "ninety"
    assert swapped_digits(-1223) == -2123
    assert swapped_digits(555) == 555


def test_polynomials_are_multiplied_out() -> None:
    product = multiplied(
        {(1, 0): 2, (0, 1): -3}, {(1, 0): 1, (0, 1): 3, (0, 0): 1}
    )  # (2x - 3y)(x + 3y + 1)
    assert written(product, "xy") == "2x^2+3xy+2x-9y^2-3y"
    assert written({(2, 0): -1, (1, 0): 1, (0, 0): -4}, "t", power="") == "-t²+t-4"
    assert written({(1, 0): 1, (0, 0): 5}, "x", [(0, 0), (1, 0)]) == "5+x"
