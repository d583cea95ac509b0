import numpy as np
import pytest
from scipy.stats import beta

from assay.errors import ConfigError
from assay.labelling.montecarlo import MonteCarlo, interval
from assay.labelling.rollouts import Tally
from assay.types import Prompt, Response
from tests.labelling.planted import PROMPT, Coin, Stream, first_error, rollouts, solution


def test_soft_labels_are_unbiased() -> None:
    values = {1: 0.7, 2: 0.4, 3: 0.05}
    n, solutions = 4, 400
    prompts = [Prompt.of(f"How many {i}?", reference="11") for i in range(solutions)]
    responses = [solution("++-", prompt=prompt) for prompt in prompts]
    records = MonteCarlo(rollouts=n, label="soft")(
        responses, rollouts(Coin(lambda steps: values[len(steps)]))
    )
    labels = np.array([record.labels for record in records], dtype=float)
    for t, p in values.items():
        error = np.sqrt(p * (1 - p) / (n * solutions))
        assert abs(labels[:, t - 1].mean() - p) < 4 * error
    assert (labels[:, 3] == 0).all(), (
        "a finished response is its own rollout from after its last step"
    )
    assert {record.rollouts for record in records} == {(4, 4, 4, 1)}


def test_labels_by_hand() -> None:
    found = [Tally(3, 4), Tally(1, 4), Tally(0, 4), Tally(2, 4), Tally(0, 0)]
    assert MonteCarlo(label="soft").labels(found) == (0.75, 0.25, 0.0, 0.5, None)
    assert MonteCarlo(label="hard").labels(found) == (1, 1, 0, 1, None)
    assert MonteCarlo(label="hard", threshold=0.25).labels(found) == (1, 0, 0, 1, None)
    # .75/.9 holds up, .25/.75 does not, 0/.25 neither, and after 0 nothing does.
    start = Tally(9, 10)
    assert MonteCarlo(label="progress").labels(found, start) == (1, 0, 0, 0, 0)
    assert MonteCarlo(label="progress", epsilon=0.3).labels(found, start) == (1, 1, 0, 0, 0)
    assert MonteCarlo(label="progress").labels([Tally(1, 2), Tally(0, 0), Tally(2, 2)], start) == (
        0,
        None,
        None,
    )
    assert MonteCarlo(label="progress").labels([Tally(1, 2)], Tally(0, 4)) == (0,)


def test_progress_asks_the_prompt_too() -> None:
    coin = Coin(lambda steps: 1.0)
    MonteCarlo(rollouts=2, label="progress")([solution("+")], rollouts(coin))
    assert coin.asked == [((), 0, 2), (("+ ",), 0, 2)]


def test_an_unfinished_response_has_rollouts_from_its_end() -> None:
    coin = Coin(lambda steps: 1.0)
    open_ = Response(steps=("+ ", "+ "), finished=False)
    (record,) = MonteCarlo(rollouts=2)([(PROMPT, open_)], rollouts(coin))
    assert record.rollouts == (2, 2)
    assert record.labels == (1, 1)


def test_no_rollout_no_label() -> None:
    stream = Stream(
        lambda steps: 0.0 if first_error(steps) else 1.0, fails=lambda steps: len(steps) == 2
    )
    (record,) = MonteCarlo()([solution("++-")], rollouts(stream))
    assert record.labels == (1, None, 0, 0)
    assert record.intervals[1] == (0, 1)
    assert record.meaning == "monte_carlo"


def test_intervals_are_jeffreys() -> None:
    assert interval(Tally(0, 0)) == (0, 1)
    low, high = interval(Tally(3, 8))
    assert beta.cdf(low, 3.5, 5.5) == pytest.approx(0.025)
    assert beta.cdf(high, 3.5, 5.5) == pytest.approx(0.975)
    assert interval(Tally(0, 8))[0] == 0
    assert interval(Tally(8, 8))[1] == 1


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="rollouts is 0"):
        MonteCarlo(rollouts=0)
    with pytest.raises(ConfigError, match="threshold"):
        MonteCarlo(threshold=1.0)


def test_the_empty_list() -> None:
    assert MonteCarlo()([], rollouts(Coin(lambda steps: 1.0))) == []
    (record,) = MonteCarlo()([(PROMPT, Response(steps=()))], rollouts(Coin(lambda steps: 1.0)))
    assert record.labels == ()
