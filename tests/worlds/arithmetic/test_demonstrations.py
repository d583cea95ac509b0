import numpy as np
import pytest

from assay.worlds.arithmetic.checker import Checker, check_steps
from assay.worlds.arithmetic.demonstrations import Demonstrations, demonstrate
from assay.worlds.arithmetic.task import ANSWER, DIGITS, MAX_STEPS, all_problems, prompt_of

COUNT = 6000


@pytest.fixture(scope="module")
def made() -> Demonstrations:
    rng = np.random.default_rng(1)
    return demonstrate(all_problems()[rng.integers(0, 9**DIGITS, COUNT)], rng)


def test_every_step_is_right_but_the_planted_ones(made: Demonstrations) -> None:
    for digits, response, planted in zip(
        made.digits_N_K, made.responses(), made.planted_N_S, strict=True
    ):
        verdicts = check_steps(digits.tolist(), response.steps)
        assert list(verdicts) == (~planted[: len(verdicts)]).tolist()
        assert not planted[len(verdicts) :].any()


def test_chains_use_every_digit_and_end_in_an_answer(made: Demonstrations) -> None:
    for digits, ops in zip(made.digits_N_K.tolist(), made.ops_N_S.tolist(), strict=True):
        steps = [op for op in ops if op >= 0]
        assert [op for op in steps if 0 < op < ANSWER] == digits
        assert steps.index(ANSWER) == len(steps) - 1
        assert ops[len(steps) :] == [-1] * (MAX_STEPS - len(steps))


def test_fifteen_in_a_hundred_results_are_wrong(made: Demonstrations) -> None:
    may_be = (made.ops_N_S >= 0) & (made.ops_N_S < ANSWER)
    _near(made.planted_N_S[may_be], 0.15)


def test_twelve_in_a_hundred_choices_are_no_ops(made: Demonstrations) -> None:
    # Every written step was a choice between a no-op and going on, as long as there was room:
    # nearly always.
    there = made.ops_N_S[:, : MAX_STEPS - DIGITS - 1]
    _near(there[there >= 0] == 0, 0.12)


def test_wrong_results_are_uniform_over_the_nine_wrong_digits(made: Demonstrations) -> None:
    before = np.concatenate([np.zeros((COUNT, 1), dtype=int), made.results_N_S[:, :-1]], axis=1)
    off = ((made.results_N_S - before - made.ops_N_S) % 10)[made.planted_N_S]
    for digit in range(1, 10):
        _near(off == digit, 1 / 9)


def test_the_accuracy_is_near_one_half(made: Demonstrations) -> None:
    checker = Checker()
    right = [
        checker.extract(response.text) == prompt_of(digits).reference
        for digits, response in zip(made.digits_N_K, made.responses(), strict=True)
    ]
    # Each of D/(1 - 0.12) expected steps shifts the sum by a random nonzero digit with probability
    # 0.15.
    steps = ((made.ops_N_S >= 0) & (made.ops_N_S < ANSWER)).sum(axis=1)
    _near(np.array(right), float((0.1 + 0.9 * (1 - 0.15 * 10 / 9) ** steps).mean()))


def test_rates_are_settings() -> None:
    made = demonstrate(all_problems(2), np.random.default_rng(0), wrong=0.0, no_op=0.0)
    assert not made.planted_N_S.any()
    assert ((made.ops_N_S >= 0).sum(axis=1) == 3).all()
    full = demonstrate(all_problems(2), np.random.default_rng(0), no_op=1.0, steps=5)
    assert [r.steps[:2] for r in full.responses()[:1]] == [(" +0=0", " +0=0")] or full.planted_N_S[
        0, :2
    ].any()
    assert ((full.ops_N_S >= 0).sum(axis=1) == 5).all()


def _near(hits: np.ndarray, expected: float) -> None:
    """Within four standard errors."""
    assert abs(hits.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / hits.size)
