"""A policy in bf16 takes the updates of RL, which are small, and its run resumes exactly."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from assay.models.checkpoint import wrap_implicit
from assay.models.readout import OUTCOME
from assay.rl.loop import Optimised, optimise
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES, Settings
from assay.types import Group, Score, Unscored
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.rl import small

TIMED = {"seconds", "tokens_per_second", "memory_mb"}
SIZES: dict[str, Any] = {
    "steps": 3,
    "groups": 4,
    "samples": 4,
    "max_tokens": 7,
    "learning_rate": 2e-5,
}


def half(**more: Any) -> Policy:
    model, like = small.model().bfloat16(), small.policy().generator
    return Policy(
        model,
        make_tokenizer(),
        layout=like.encoder.layout,
        split=like.split,
        grammar=like.grammar,
        **more,
    )


def run(out: Path, policy: Policy, scorer: Any, settings: Settings, **more: Any) -> Optimised:
    part = Part(name="nines", scorer=scorer)
    return optimise(
        policy, small.PROMPTS[:40], [part], settings=settings, out=out, progress=False, **more
    )


def weights(policy: Policy) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in policy.parameters().items()}


@pytest.mark.owed
@pytest.mark.parametrize("kind", ["master", "stochastic", "ppo", "prime"])
def test_small_updates_move_a_policy_in_bf16_and_a_killed_run_resumes_exactly(
    kind: str, tmp_path: Path
) -> None:
    settings = replace(
        RECIPES["rloo"], **SIZES, bf16_update="stochastic" if kind == "stochastic" else "master"
    )
    if kind == "ppo":
        settings = replace(RECIPES["ppo"], **SIZES, minibatches=2, epochs=1, kl_target=None)
    if kind == "prime":
        settings = replace(settings, advantage="token_rloo", kl=0.0)

    def begin() -> tuple[Policy, dict[str, Any]]:
        policy = half(critic=kind == "ppo")
        if kind != "prime":
            return policy, {}
        layout = policy.generator.encoder.layout
        network = wrap_implicit(
            small.model().bfloat16(), policy.tokenizer, layout=layout, readout=OUTCOME, beta=0.05
        )
        return policy, {"prime": ImplicitProcess(network, learning_rate=2e-5)}

    policy, more = begin()
    before = weights(policy)
    whole = run(tmp_path / "whole", policy, small.By(small.nines), settings, **more)
    matrices = [name for name, p in before.items() if p.ndim > 1 and "layers" in name]
    moved = sum(float((weights(policy)[n] != before[n]).float().mean()) for n in matrices) / len(
        matrices
    )
    # Three steps of 2e-5 beside last bits of 1e-4 and more.
    assert moved > 0.05
    if kind == "prime":
        moments = more["prime"].optimiser.state.values()
        assert {state["master"].dtype for state in moments} == {torch.float32}

    class Killed(small.By):
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().score(groups)

    first, more = begin()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", first, Killed(small.nines), settings, **more)
    again, more = begin()
    resumed = run(tmp_path / "cut", again, small.By(small.nines), settings, **more)
    timeless = [
        [{k: v for k, v in row.items() if k not in TIMED} for row in d.rows]
        for d in (whole, resumed)
    ]
    assert timeless[0] == timeless[1]
    assert all(torch.equal(p, weights(again)[name]) for name, p in weights(policy).items())
