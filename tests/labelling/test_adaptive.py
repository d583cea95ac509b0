import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import betabinom

from assay.errors import ConfigError
from assay.labelling.adaptive import Adaptive
from assay.labelling.chain import START, Beliefs, Counts, fit, information, posterior
from assay.labelling.montecarlo import MonteCarlo
from assay.types import Prompt, Response
from tests.labelling.planted import Coin, Stream, first_error, rollouts, solution

BELIEFS = Beliefs.of(START)
SOUND, LOST, RECOVERED = range(3)


def counts(right: list[list[int]], judged: list[list[int]], answer: list[float]) -> Counts:
    rows = np.array(right, dtype=float), np.array(judged, dtype=float)
    return Counts(*rows, np.array([len(row) for row in right], dtype=np.intp), np.array(answer))


def chance(state: int, right: int, judged: int, answer: float | None) -> float:
    """P(rollouts, answer | state of one step), orders counted; the count cancels."""
    a, b = BELIEFS.lost if state == LOST else BELIEFS.sound
    found = float(betabinom.pmf(right, judged, a, b))
    if answer is not None and not math.isnan(answer):
        p = BELIEFS.answer_lost if state == LOST else BELIEFS.answer_sound
        found *= p if answer else 1 - p
    return found


def every_path(right: list[int], judged: list[int], answer: float) -> NDArray[np.float64]:
    """(T, 3) P(state | rollouts), summed over all 3^T paths."""
    w, r = BELIEFS.goes_wrong, BELIEFS.recovers
    moves = {
        (SOUND, SOUND): 1 - w, (SOUND, LOST): w, (LOST, LOST): 1 - r, (LOST, RECOVERED): r,
        (RECOVERED, LOST): w, (RECOVERED, RECOVERED): 1 - w,
    }  # fmt: skip
    size = len(right)
    found = np.zeros((size, 3))
    for path in itertools.product(range(3), repeat=size):
        p = math.prod(moves.get(move, 0.0) for move in itertools.pairwise((SOUND, *path)))
        for t, state in enumerate(path):
            p *= chance(state, right[t], judged[t], answer if t == size - 1 else None)
        for t, state in enumerate(path):
            found[t, state] += p
    return found / found.sum(axis=1, keepdims=True)


ROWS = [
    ([3, 1, 0, 0], [4, 2, 0, 0], 0.0),
    ([0, 0, 3, 0], [4, 4, 4, 0], 1.0),
    ([0, 0, 0, 0], [0, 0, 0, 0], math.nan),
    ([1, 0, 0, 2], [8, 8, 8, 2], math.nan),
]


def test_the_posterior_is_the_sum_over_all_paths() -> None:
    found = posterior(
        counts([r for r, _, _ in ROWS], [n for _, n, _ in ROWS], [z for _, _, z in ROWS]), BELIEFS
    )
    for row, states in zip(ROWS, found, strict=True):
        np.testing.assert_allclose(states, every_path(*row), rtol=1e-9)


def test_shorter_solutions_are_not_disturbed_by_padding() -> None:
    right, judged = [[2, 0], [2, 0, 0, 0]], [[3, 1], [3, 1, 0, 0]]
    padded = Counts(
        np.array([[*row, 0, 0][:4] for row in right], dtype=float),
        np.array([[*row, 0, 0][:4] for row in judged], dtype=float),
        np.array([2, 4]),
        np.array([0.0, 0.0]),
    )
    np.testing.assert_allclose(
        posterior(padded, BELIEFS)[0, :2], every_path([2, 0], [3, 1], 0.0), rtol=1e-9
    )
    rows = (np.pad(x, ((0, 0), (0, 3))) for x in (padded.right_N_T, padded.judged_N_T))
    wider = Counts(*rows, padded.steps_N, padded.answer_N)
    np.testing.assert_allclose(fit(wider, START), fit(padded, START), rtol=1e-6)


def test_a_step_alone_is_two_kinds_by_bayes() -> None:
    row = counts([[1, 0, 0]], [[3, 4, 0]], [1.0])
    found = posterior(row, BELIEFS, structure=False)[0]
    before = posterior(counts([[0, 0, 0]], [[0, 0, 0]], [math.nan]), BELIEFS)[0]
    for t, (right, judged, answer) in enumerate([(1, 3, None), (0, 4, None), (0, 0, 1.0)]):
        alive = (1 - before[t, LOST]) * chance(SOUND, right, judged, answer)
        lost = before[t, LOST] * chance(LOST, right, judged, answer)
        assert found[t, SOUND] == pytest.approx(alive / (alive + lost))


def test_information_is_the_mutual_information_of_outcome_and_label() -> None:
    row = ([3, 0, 0, 0], [4, 1, 0, 0], 1.0)
    known = counts([row[0]], [row[1]], [row[2]])
    states = posterior(known, BELIEFS)
    found = information(known, BELIEFS, states)[0]
    for t in range(3):
        # Joint of (outcome of one more rollout at t, label of step t), by adding the rollout to the
        # counts.
        joint = np.zeros((2, 2))
        for outcome in (0, 1):
            for state in range(3):
                a, b = BELIEFS.lost if state == LOST else BELIEFS.sound
                p = (a + row[0][t]) / (a + b + row[1][t])
                joint[outcome, int(state == SOUND)] += states[0, t, state] * (
                    p if outcome else 1 - p
                )
        told = sum(
            joint[x, y] * math.log(joint[x, y] / (joint[x].sum() * joint[:, y].sum()))
            for x in (0, 1)
            for y in (0, 1)
        )
        assert found[t] == pytest.approx(told, abs=1e-12)


def plant(size: int, steps: int, seed: int) -> tuple[Counts, list[list[int]]]:
    """Rollouts of solutions whose states were drawn from known beliefs."""
    rng = np.random.default_rng(seed)
    right, judged = np.zeros((2, size, steps))
    answers, paths = np.zeros(size), []
    for i in range(size):
        state, path = SOUND, []
        for t in range(steps):
            goes = rng.random() < (0.1 if state == LOST else 0.25)
            state = {SOUND: LOST, LOST: RECOVERED, RECOVERED: LOST}[state] if goes else state
            path.append(state)
            judged[i, t] = 8
            right[i, t] = rng.binomial(8, rng.beta(1, 19) if state == LOST else rng.beta(8, 2))
        answers[i] = rng.random() < (0.02 if state == LOST else 0.98)
        paths.append(path)
    return Counts(right, judged, np.full(size, steps), answers), paths


def test_the_fit_finds_what_was_planted() -> None:
    planted, paths = plant(400, 6, 0)
    x = fit(planted, START)
    found = Beliefs.of(x)
    assert found.goes_wrong == pytest.approx(0.25, abs=0.04)
    assert found.recovers == pytest.approx(0.1, abs=0.03)
    assert found.sound[0] / sum(found.sound) == pytest.approx(0.8, abs=0.03)
    assert found.lost[0] / sum(found.lost) == pytest.approx(0.05, abs=0.02)
    assert x[2] == pytest.approx(np.log(0.8 / 0.2), abs=0.2)
    # What the posterior is sure of is so, as often as it says.
    sound = posterior(planted, found)[..., SOUND].ravel()
    truth = np.array(paths).ravel() == SOUND
    for low, high in [(0, 0.2), (0.2, 0.8), (0.8, 1.01)]:
        within = (sound >= low) & (sound < high)
        error = math.sqrt(0.25 / within.sum())
        assert abs(truth[within].mean() - sound[within].mean()) < 4 * error


def value(steps: tuple[str, ...]) -> float:
    return 0.06 if first_error(steps) else 0.75


def responses(count: int, steps: int = 6) -> list[tuple[Prompt, Response]]:
    """Solutions whose first error, if any, is anywhere; the answer is right where there is none."""
    found = []
    for i in range(count):
        first = i % (steps + 1)
        marks = "+" * first + "-" * (steps - first)
        prompt = Prompt.of(f"How many {i}?", reference="11")
        found.append(solution(marks, answer="11" if first == steps else "1", prompt=prompt))
    return found


def agreement(records: list, given: list[tuple[Prompt, Response]]) -> float:  # type: ignore[type-arg]
    truth = [[not first_error(r.steps[: t + 1]) for t in range(len(r.steps))] for _, r in given]
    same = [
        (y > 0.5) == z
        for record, row in zip(records, truth, strict=True)
        for y, z in zip(record.labels, row, strict=True)
    ]
    return float(np.mean(same))


def test_it_agrees_with_the_truth_as_uniform_rollouts_do_for_a_third_of_them() -> None:
    given = responses(140)
    adaptive, uniform = rollouts(Coin(value)), rollouts(Coin(value))
    found = agreement(Adaptive(confidence=0.98)(given, adaptive), given)
    # The threshold that suits this policy best; at 0 lucky rollouts would make wrong steps right.
    baseline = agreement(MonteCarlo(rollouts=16, threshold=0.3)(given, uniform), given)
    assert found >= baseline - 0.005 > 0.98
    assert adaptive.cost.rollouts * 3 <= uniform.cost.rollouts


def test_adaptive_labels_with_structure_need_fewer_rollouts_for_the_same_agreement() -> None:
    given = responses(140)
    with_, without = rollouts(Coin(value)), rollouts(Coin(value))
    together = agreement(Adaptive()(given, with_), given)
    alone = agreement(Adaptive(structure=False)(given, without), given)
    assert together >= alone - 0.01
    assert with_.cost.rollouts < 0.8 * without.cost.rollouts


def test_no_step_gets_more_than_the_most() -> None:
    made = rollouts(Coin(lambda steps: 0.3 if first_error(steps) else 0.8))
    records = Adaptive(most=5, batch=2, confidence=0.999)(responses(12), made)
    assert max(n for record in records for n in record.rollouts) == 5
    dropped = Adaptive(most=5, batch=2, confidence=0.999, undecided="drop")(responses(12), made)
    soft = Adaptive(most=5, batch=2, confidence=0.999, label="soft")(responses(12), made)
    for all_, some, p in zip(records, dropped, soft, strict=True):
        for y, z, q in zip(all_.labels, some.labels, p.labels, strict=True):
            assert q is not None
            assert y == float(q > 0.5)
            assert z == (y if max(q, 1 - q) >= 0.999 else None)
    assert any(y is None for record in dropped for y in record.labels)


def test_rollouts_that_tell_nothing_are_not_made() -> None:
    """A policy that finishes alike from right and wrong prefixes is left alone soon, whatever
    confidence is asked."""
    made = rollouts(Coin(lambda steps: 0.35))
    Adaptive(most=64, confidence=0.999)(responses(42), made)
    assert made.cost.rollouts < 42 * 16


def test_it_is_the_same_again_and_ends_where_rollouts_fail() -> None:
    first, again = (Adaptive()(responses(21), rollouts(Coin(value))) for _ in range(2))
    assert first == again
    tired = rollouts(Stream(value, fails=lambda steps: len(steps) in (2, 3)))
    records = Adaptive()(responses(21), tired)
    assert all(record.rollouts[1:3] == (0, 0) for record in records)
    for record in records:
        # From the others the failed steps are inferred, but where something is right before them
        # and nothing after.
        assert all(y is not None for y in (record.labels[0], *record.labels[3:]))
    assert any(record.labels[1] is not None for record in records)


def test_its_labels_are_of_correctness() -> None:
    assert {record.meaning for record in Adaptive()(responses(3), rollouts(Coin(value)))} == {
        "correctness"
    }


def test_nothing_to_do() -> None:
    made = rollouts(Coin(value))
    assert Adaptive()([], made) == []
    (record,) = Adaptive()([(Prompt.of("?", reference="1"), Response(steps=()))], made)
    assert record.labels == ()


def test_settings_are_checked() -> None:
    for settings in ({"confidence": 1.0}, {"confidence": 0.5}, {"most": 0}, {"batch": 0}):
        with pytest.raises(ConfigError):
            Adaptive(**settings)  # type: ignore[arg-type]


def test_start_is_what_its_words_say() -> None:
    assert BELIEFS.goes_wrong == pytest.approx(1 / 7, abs=0.01)
    assert BELIEFS.sound[0] / sum(BELIEFS.sound) == pytest.approx(0.7)
    assert float(expit(START[4])) == pytest.approx(1 / 12, abs=0.01)


def test_a_prefix_that_solutions_share_has_one_evidence_and_no_two_labels() -> None:
    given = []
    for k in range(30):
        prompt = Prompt.of(f"q{k}?", reference="11")
        given += [
            solution("++", "11", prompt),
            solution("+-", "1", prompt),
            solution("+--", "1", prompt),
        ]
    made = rollouts(Coin(lambda steps: 0.1 if first_error(steps) else 0.3))
    records = Adaptive()(given, made)
    for right, *wrong in zip(*[iter(records)] * 3, strict=True):
        for other in wrong:
            assert (other.right[0], other.rollouts[0]) == (right.right[0], right.rollouts[0])
            assert len({right.labels[0], other.labels[0]} - {None}) < 2
        assert (wrong[0].right[1], wrong[0].rollouts[1]) == (
            wrong[1].right[1],
            wrong[1].rollouts[1],
        )
        assert len({wrong[0].labels[1], wrong[1].labels[1]} - {None}) < 2
    assert sum(label is not None for record in records for label in record.labels) > 200
