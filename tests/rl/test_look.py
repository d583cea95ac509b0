"""The bound by hand, and the look's figures of responses that are known."""

import math

import numpy as np
import pytest

from assay.protocols import Sampling
from assay.rl.look import gold_bound, look
from assay.rl.rollout import sample
from assay.rl.scoring import Part, reward
from assay.rl.settings import Settings
from assay.types import Score, Unscored
from tests.rl import small


def test_the_bound_by_hand() -> None:
    first = {
        "proxy": [1.0],
        "gold": {"a": [0.5], "b": [2.0]},
        "spread": {"a": {"proxy_sd": 2.0, "gold_sd": 0.5, "correlation": 0.6}, "b": None},
    }
    now = {"proxy": [4.0], "chi2": 0.25}
    expected = 0.5 + 0.5 / 0.6 * (1.5 - math.sqrt(0.64 * 0.25))
    assert gold_bound(first, now) == {"a": pytest.approx(expected)}
    first["spread"]["a"]["correlation"] = -0.1  # type: ignore[index]
    assert gold_bound(first, now) == {}


def test_a_look_counts_what_is_unscored_and_never_mixes_up_responses() -> None:
    policy = small.policy()
    rollout = sample(policy, small.PROMPTS[:6], Sampling(n=4, max_tokens=7, seed=3))
    proxy = small.By(small.nines)
    texts = [r.text for group in rollout.groups for r in group.responses]

    def gold(response: object) -> Score | Unscored:
        text = response.text  # type: ignore[attr-defined]
        return Unscored(reason="no answer") if "ans" not in text else Score(value=float(len(text)))

    rewards = reward(
        [Part(name="nines", scorer=proxy)], rollout.groups, rollout.ends, rollout.lengths_B.tolist(), statistics={}
    )
    seen = look(policy, rollout, rewards, {"gold": small.By(gold)}, Settings())
    answered = [len(text) for text in texts if "ans" in text]
    value, low, high, n, unscored = seen.watch["gold"]["gold"]
    assert value == pytest.approx(np.mean(answered))
    assert low <= value <= high
    assert unscored == len(texts) - len(answered) > 0
    assert n <= 6
    assert seen.gold == value
    assert seen.watch["kl"][0] == pytest.approx(0, abs=1e-6)
    assert seen.watch["length"][0] == pytest.approx(rollout.lengths_B.mean())
    assert [row["prompt"] for row in seen.samples] == [group.prompt.text for group in rollout.groups]
    for row, group in zip(seen.samples, rollout.groups, strict=True):
        assert tuple(row["response"]) == group.responses[0].steps
        assert row["proxy"] == pytest.approx(small.nines(group.responses[0]).value)
        assert tuple(row["step_scores"]) == small.nines(group.responses[0]).steps
