"""A rubric within OpenEnv's own."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

rubrics = pytest.importorskip(
    "openenv.core.rubrics", reason="the package openenv-core is not installed"
)

from assay.adapters.openenv import ScorerRubric  # noqa: E402
from assay.errors import DataError  # noqa: E402
from assay.specs.rewards import reward  # noqa: E402
from tests.adapters.scored import Planted, worth  # noqa: E402


def test_a_rubric_rewards_an_action_and_composes() -> None:
    stepwise = replace(reward(Planted()), place="every_step")
    one = ScorerRubric(stepwise, lambda action, seen: (seen.prompt, action.message, None))
    action, seen = SimpleNamespace(message="xx\nx"), SimpleNamespace(prompt="2 + 2?")
    total = worth("xx\n") + worth("x")
    assert asyncio.run(one(action, seen)) == pytest.approx(total)
    assert one.last_score == pytest.approx(total)
    both = rubrics.WeightedSum([one, one], [0.25, 0.75])
    assert asyncio.run(both(action, seen)) == pytest.approx(total)
    with pytest.raises(DataError, match="it asks"):
        asyncio.run(one(SimpleNamespace(message="?"), seen))
