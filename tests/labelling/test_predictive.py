"""The prior of adaptive labels against planted policies: right, much weaker, and right whatever
went before."""

from collections.abc import Callable

import numpy as np
import pytest

from assay.labelling.adaptive import Adaptive
from assay.labelling.chain import LOST, START, WIDTH, Beliefs
from assay.labelling.predictive import PriorCheck, prior_check
from assay.protocols import Prefix
from assay.types import Prompt, Response
from tests.labelling.planted import Coin, rollouts

Values = dict[tuple[str, ...], float]
STEPS = 5


def planted(beliefs: Beliefs, size: int, seed: int) -> tuple[list[tuple[Prompt, Response]], Values]:
    """Solutions whose states were drawn from the beliefs, and each prefix's chance to end right."""
    rng = np.random.default_rng(seed)
    given, values = [], {}
    for i in range(size):
        state, states = 0, []
        for _ in range(STEPS):
            state = int(rng.choice(3, p=beliefs.moves[state]))
            states.append(state)
        right = rng.random() < (beliefs.answer_lost if state == LOST else beliefs.answer_sound)
        before = [f"{i}.{t}.{state} " for t, state in enumerate(states[:-1])]
        steps = (*before, f"so {'11' if right else '1'}")
        for t, state in enumerate(states):
            values[steps[: t + 1]] = float(
                rng.beta(*(beliefs.lost if state == LOST else beliefs.sound))
            )
        given.append((Prompt.of(f"How many {i}?", reference="11"), Response(steps=steps)))
    return given, values


def checked(
    beliefs: Beliefs, size: int, seed: int, value: Callable[[tuple[str, ...]], float] | None = None
) -> PriorCheck | None:
    """The check after the first round of rollouts, which is all that it looks at."""
    given, values = planted(beliefs, size, seed)
    made = rollouts(Coin(value or values.__getitem__))
    labeller = Adaptive()
    counts = labeller.nothing_yet(given, made)
    places = labeller.places(
        given, counts, Beliefs.of(START), np.zeros(counts.right_N_T.shape, dtype=np.int64)
    )
    made.want(
        [(Prefix(given[i][0], given[i][1].steps[: t + 1]), labeller.batch) for i, t in places]
    )
    return prior_check(labeller, given, made, draws=100)


def test_a_prior_that_is_right_fits() -> None:
    """Policies drawn from the prior itself fail in about one of twenty; the prior's own centre
    hardly ever."""
    rng = np.random.default_rng(3)
    drawn = START + WIDTH * rng.standard_normal((40, len(START)))
    drawn[:, 4] = np.minimum(drawn[:, 4], drawn[:, 2])
    found = [check for seed, x in enumerate(drawn) if (check := checked(Beliefs.of(x), 20, seed))]
    # Of 40, more than 6 come with probability .003 where each fails with .05.
    assert sum(check.fails for check in found) <= 6
    assert 0.3 < float(np.median([check.p for check in found])) < 0.8
    centre = [checked(Beliefs.of(START), 30, seed) for seed in range(4)]
    assert not any(check.fails for check in centre if check is not None)


@pytest.mark.owed
@pytest.mark.parametrize(
    ("value", "word"), [(0.0, "weaker"), (0.01, "weaker"), (1.0, "more often right")]
)
def test_a_policy_that_the_prior_does_not_know_fails_and_is_told(value: float, word: str) -> None:
    check = checked(Beliefs.of(START), 60, 1, lambda steps: value)
    assert check is not None
    assert check.fails
    assert check.right <= check.low or check.right >= check.high
    assert check.sentence().startswith(
        f"the prior does not fit: of the first {check.rollouts} rollouts {check.right}"
    )
    assert word in check.sentence()
    assert "montecarlo" in check.sentence()


def test_there_is_nothing_to_check_where_nothing_was_asked() -> None:
    assert prior_check(Adaptive(), [], rollouts(Coin(lambda steps: 1.0))) is None
    given = [(Prompt.of("?", reference="11"), Response.of("so 11"))]
    made = rollouts(Coin(lambda steps: 1.0))
    Adaptive()(given, made)
    assert prior_check(Adaptive(), given, made) is None


def test_the_expectation_by_hand() -> None:
    """One solution of one open step: right by the prior's own mean, over its draws."""
    given = [(Prompt.of("?", reference="11"), Response(steps=("a ",), finished=False))]
    made = rollouts(Coin(lambda steps: 1.0))
    Adaptive()(given, made)
    check = prior_check(Adaptive(), given, made)
    assert check is not None
    assert (check.rollouts, check.right, check.low, check.high) == (2, 2, 0, 2)
    assert check.p > 0.5
    assert not check.can_fail
    assert check.sentence().startswith(
        "the prior cannot be checked by so few rollouts: of the first 2 rollouts 2 were"
    )


def test_a_solution_counts_once() -> None:
    """However often it is given, and however many of its steps were tried: equal rollouts are one
    observation."""
    given = [(Prompt.of("?", reference="11"), Response(steps=("a ", "b ", "c "), finished=False))]
    for labeller in (Adaptive(), Adaptive(structure=False)):
        made = rollouts(Coin(lambda steps: 1.0))
        labeller(given * 30, made)
        check = prior_check(labeller, given * 30, made, draws=50)
        assert check is not None
        assert check.rollouts == labeller.batch
