"""The bound by hand, and the figures of an evaluation of responses that are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from assay.protocols import Sampling
from assay.rl.evaluation import correlation_low, evaluate, gold_bound, spread_of
from assay.rl.rollout import sample
from assay.rl.scoring import Part, reward
from assay.rl.settings import Settings
from assay.runs.evaluations import EvalPoint, Spread, eval_points
from assay.stats import Estimate
from assay.types import Score, Unscored
from tests.rl import small


def at(value: float, half: float) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=100)


def first_point(correlation_low: float | None = 0.6, prompts: int = 100) -> EvalPoint:
    spread = Spread(
        proxy_sd=2.0,
        gold_sd=0.5,
        correlation=0.8,
        correlation_low=correlation_low,
        prompts=prompts,
    )
    gold = {"a": at(0.5, 0.1), "b": at(2.0, 1.0)}
    return EvalPoint(step=0, proxy=at(1.0, 0.1), gold=gold, spread={"a": spread, "b": None})


NOW = EvalPoint(step=9, proxy=at(4.0, 0.1), gold={"a": at(3.0, 0.5), "b": at(2.0, 1.0)}, chi2=0.25)


def test_the_bound_by_hand() -> None:
    """Every quantity at the end of its interval that promises least."""
    expected = 0.4 + 0.5 / 0.6 * ((3.9 - 1.1) / 2 - math.sqrt(0.64 * 0.25))
    assert gold_bound(first_point(), NOW) == {"a": pytest.approx(expected)}


@pytest.mark.owed
def test_nothing_is_promised_that_samples_cannot_tell() -> None:
    assert gold_bound(first_point(-0.1), NOW) == {}
    assert gold_bound(first_point(None), NOW) == {}
    # The policy writes what was not among the samples that the correlation is known from.
    assert gold_bound(first_point(0.99), replace(NOW, chi2=10.1)) == {}
    assert gold_bound(first_point(0.99), replace(NOW, chi2=9.9)) != {}
    assert gold_bound(first_point(0.99), replace(NOW, chi2=math.nan)) == {}
    # What was measured lies below.
    low = replace(NOW, gold={"a": at(0.57, 0.0), "b": at(2.0, 1.0)})
    assert gold_bound(first_point(), low) == {}


def test_a_share_is_at_least_0_without_a_promise() -> None:
    first, little = first_point(0.6), replace(NOW, proxy=at(1.0, 0.1))
    assert gold_bound(first, little)["a"] < 0
    spread = spread_of(np.arange(4.0), np.array([0.0, 1, 1, 1]), np.arange(4))
    assert spread is not None
    assert Spread(**spread.row()).gold_share
    share = replace(first, spread={"a": replace(first.spread["a"], gold_share=True)})
    assert gold_bound(share, little) == {}
    assert gold_bound(share, NOW) == gold_bound(first, NOW) != {}


@pytest.mark.owed
def test_a_hack_that_was_not_sampled_makes_no_promise() -> None:
    """Proxy and gold agree on all samples of the untrained policy; the proxy's optimum is a text
    that is not there."""
    rng = np.random.default_rng(1)
    gold_B = rng.integers(0, 5, 96) / 5
    spread = spread_of(gold_B, gold_B, np.repeat(np.arange(24), 4))
    assert spread is not None
    assert spread.correlation == pytest.approx(1)
    assert spread.correlation_low < 0.8
    mean = at(float(gold_B.mean()), 0.0)
    first = EvalPoint(step=0, proxy=mean, gold={"truth": mean}, spread={"truth": spread})
    for chi2 in (3.0, 1e2, 1e6):
        now = EvalPoint(step=1, proxy=at(3.0, 0.0), gold={"truth": at(0.4, 0.0)}, chi2=chi2)
        assert gold_bound(first, now) == {}


@pytest.mark.owed
def test_the_lower_end_of_a_correlation_covers() -> None:
    """Of 400 sets of 20 prompts with 4 responses each, that share what their prompt adds, fewer
    than one in 25."""
    rng = np.random.default_rng(0)
    truth, wrong = 0.6, 0
    for _ in range(400):
        shared, own = rng.normal(size=(2, 20, 1)), rng.normal(size=(2, 20, 4))
        x, y = (0.6 * shared + 0.8 * own).reshape(2, -1)
        wrong += (
            correlation_low(
                float(np.corrcoef(x, truth * x + math.sqrt(1 - truth**2) * y)[0, 1]), 20
            )
            > truth
        )
    assert wrong < 16
    assert correlation_low(0.99, 4) == -1
    assert correlation_low(1.0, 100) < 0.97
    assert correlation_low(-1.0, 100) < -0.9


def test_an_evaluation_counts_what_is_unscored_and_never_mixes_up_responses() -> None:
    policy = small.policy()
    rollout = sample(policy, small.PROMPTS[:6], Sampling(n=4, max_tokens=7, seed=3))
    proxy = small.By(small.nines)
    texts = [r.text for group in rollout.groups for r in group.responses]

    def gold(response: object) -> Score | Unscored:
        text = response.text  # type: ignore[attr-defined]
        return Unscored(reason="no answer") if "ans" not in text else Score(value=float(len(text)))

    rewards = reward(
        [Part(name="nines", scorer=proxy)],
        rollout.groups,
        rollout.ends,
        rollout.lengths_B.tolist(),
        statistics={},
    )
    seen = evaluate(policy, rollout, rewards, {"gold": small.By(gold)}, Settings())
    answered = [len(text) for text in texts if "ans" in text]
    value, low, high, n, unscored = seen.point.row()["eval"]["gold"]["gold"]
    assert value == pytest.approx(np.mean(answered))
    assert low <= value <= high
    assert unscored == len(texts) - len(answered) > 0
    assert n <= 6
    assert seen.point.first_gold is not None
    assert seen.point.first_gold.value == value
    assert seen.point.kl is not None
    assert seen.point.kl.value == pytest.approx(0, abs=1e-6)
    assert seen.point.length is not None
    assert seen.point.length.value == pytest.approx(rollout.lengths_B.mean())
    assert [row["prompt"] for row in seen.samples] == [
        group.prompt.text for group in rollout.groups
    ]
    for row, group in zip(seen.samples, rollout.groups, strict=True):
        assert tuple(row["response"]) == group.responses[0].steps
        assert row["proxy"] == pytest.approx(small.nines(group.responses[0]).value)
        assert tuple(row["step_scores"]) == small.nines(group.responses[0]).steps


def test_a_point_is_read_back_from_its_row_and_from_rows_of_before() -> None:
    point = replace(NOW, spread=first_point().spread, gold_bound={"a": 0.1}, length=at(5.0, 1.0))
    row = point.row()
    assert eval_points([row]) == [point]
    assert eval_points([{"step": 9, "watch": row["eval"]}]) == [point]
