"""PRIME's process rewards: nothing before anything is learned, then what tells right from wrong,
token by token."""

import numpy as np
import pytest
import torch

from assay.models.checkpoint import wrap_implicit
from assay.models.readout import OUTCOME
from assay.protocols import Sampling
from assay.rl.prime import ImplicitProcess
from assay.rl.rollout import Rollout, sample
from tests.rl import small


def made(weight: float = 1.0) -> tuple[ImplicitProcess, Rollout]:
    policy = small.policy()
    layout = policy.generator.encoder.layout
    network = wrap_implicit(
        small.model(), policy.tokenizer, layout=layout, readout=OUTCOME, beta=0.5
    )
    prime = ImplicitProcess(network, weight=weight, learning_rate=1e-2)
    return prime, sample(policy, small.PROMPTS[:8], Sampling(n=8, max_tokens=7, seed=1))


def test_rewards_are_the_log_ratio_of_each_token() -> None:
    prime, rollout = made(weight=3.0)
    width = rollout.mask_B_T.shape[1]
    assert np.abs(prime.rewards(rollout.samples, width, 10_000)).max() < 1e-5
    with torch.no_grad():
        for parameter in prime.model.network.parameters():
            parameter.add_(
                0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            )
    found = prime.rewards(rollout.samples, width + 2, 10_000)
    assert found.shape == (64, width + 2)
    assert (found[:, :width][~rollout.mask_B_T] == 0).all()
    one = rollout.samples[5]
    ids = torch.tensor([[*one.prefix_ids, *one.ids]])
    logs = [
        m(ids).logits.log_softmax(-1)[0].detach()
        for m in (prime.model.network, prime.model.reference)
    ]
    at = len(one.prefix_ids) + np.arange(len(one.ids))
    by_hand = [3.0 * 0.5 * float(logs[0][t - 1, ids[0, t]] - logs[1][t - 1, ids[0, t]]) for t in at]
    assert found[5, : len(by_hand)] == pytest.approx(by_hand, abs=1e-4)
    # However they are cut into parts.
    assert prime.rewards(rollout.samples, width + 2, 20) == pytest.approx(found, abs=1e-5)


def test_it_learns_what_is_right_and_leaves_the_unscored_out() -> None:
    prime, rollout = made()
    right_B = np.array([small.nines(s.response).value > 0 for s in rollout.samples], dtype=float)
    scored_B = np.ones(64, dtype=bool)
    scored_B[::4] = False
    # What is said of an unscored response must not matter.
    wrong_B = np.where(scored_B, right_B, 1 - right_B)
    losses = [
        prime.learn(rollout.samples, wrong_B, scored_B, 10_000)["prime/loss"] for _ in range(25)
    ]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-4)
    assert losses[-1] < 0.4
    total_B = prime.rewards(rollout.samples, rollout.mask_B_T.shape[1], 10_000).sum(1)
    assert total_B[right_B == 1].mean() > total_B[right_B == 0].mean() + 1
    assert prime.learn(rollout.samples, right_B, np.zeros(64, dtype=bool), 10_000) == {}


def test_parts_add_up_to_the_same_step() -> None:
    after = []
    for micro in (20, 10_000):
        prime, rollout = made()
        right_B = np.array(
            [small.nines(s.response).value > 0 for s in rollout.samples], dtype=float
        )
        prime.learn(rollout.samples, right_B, np.ones(64, dtype=bool), micro)
        after.append(prime.rewards(rollout.samples, rollout.mask_B_T.shape[1], 10_000))
    assert after[0] == pytest.approx(after[1], abs=2e-3)
