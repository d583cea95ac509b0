"""What a setting does nothing to is refused with its name, and what recipes bring along is not."""

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.rl.settings import RECIPES, Settings


@pytest.mark.owed
@pytest.mark.parametrize(
    ("recipe", "changes", "said"),
    [
        ("dapo", {"kl_target": 0.5}, r"kl_target 0.5 does nothing for grpo where kl is 0"),
        ("dr-grpo", {"kl_target": 6.0}, "kl_target 6.0 does nothing for dr_grpo where kl is 0"),
        ("dapo", {"kl_estimator": "k3"}, "kl_estimator k3 does nothing for grpo where kl is 0"),
        ("dr-grpo", {"kl_place": "loss"}, "kl_place loss does nothing"),
        ("ppo", {"kl": 0.0, "kl_target": 3.0}, "kl_target 3.0 does nothing for gae"),
        (
            "grpo",
            {"kl_horizon": 3.0},
            "kl_horizon 3.0 does nothing for grpo where no kl_target is held",
        ),
        ("grpo", {"discount": 0.5}, "discount 0.5 does nothing for grpo"),
        ("rloo", {"discount": 0.5}, "discount 0.5 does nothing for rloo"),
        ("dr-grpo", {"discount": 0.5}, "discount 0.5 does nothing for dr_grpo"),
        ("pav", {"discount": 0.5}, "discount 0.5 does nothing for progress"),
        ("grpo-process", {"discount": 0.5}, "discount 0.5 does nothing for grpo_process"),
        (
            "grpo",
            {"gae_decay": 0.3},
            r"gae_decay 0.3 does nothing for grpo \(only gae has a value head\)",
        ),
        (
            "reinforce++",
            {"value_clip": 0.01},
            "value_clip 0.01 does nothing for reinforce_plus_plus",
        ),
        (
            "pure",
            {"critic_learning_rate": 0.1},
            "critic_learning_rate 0.1 does nothing for token_rloo",
        ),
        ("grpo", {"refill": 5}, "refill 5 does nothing for grpo without drop_equal"),
        ("dapo", {"drop_equal": False}, "refill 2 does nothing"),
        ("grpo", {"dual_clip": 2.0}, "dual_clip 2.0 does nothing for grpo with one update a round"),
        ("rloo", {"clip_low": 0.1}, "clip_low 0.1 does nothing for rloo with one update a round"),
        ("grpo", {"clip_high": 0.28}, "clip_high 0.28 does nothing"),
        (
            "ppo",
            {"epochs": 1, "minibatches": 1, "value_clip": 0.2},
            "value_clip 0.2 does nothing for gae with one update",
        ),
        ("reinforce++", {"whiten": "full"}, "whiten full does nothing for reinforce_plus_plus"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    recipe: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(RECIPES[recipe], **changes)


@pytest.mark.owed
def test_all_that_do_nothing_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        replace(
            RECIPES["grpo"], gae_decay=0.3, value_clip=0.01, refill=5, kl_horizon=3, dual_clip=2
        )
    assert all(
        name in str(refused.value)
        for name in ("gae_decay", "value_clip", "refill", "kl_horizon", "dual_clip")
    )


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("grpo", {"kl": 0.0}),
        ("ppo", {"kl": 0.0}),
        ("pure", {"kl": 0.0}),
        ("dapo", {"minibatches": 1}),
        ("dapo", {"kl": 0.1, "kl_target": 2.0, "kl_horizon": 50.0}),
        (
            "ppo",
            {"discount": 0.9, "gae_decay": 0.9, "value_clip": 0.2, "critic_learning_rate": 0.1},
        ),
        ("reinforce++", {"discount": 0.9, "samples": 1}),
        ("pure", {"discount": 0.9}),
        ("grpo", {"minibatches": 2, "dual_clip": 3.0, "clip_high": 0.28}),
        ("grpo", {"importance": "sequence"}),
    ],
)
def test_what_a_recipe_brings_along_may_stay(recipe: str, changes: dict[str, Any]) -> None:
    assert replace(RECIPES[recipe], **changes).steps == 100


@pytest.mark.owed
@pytest.mark.parametrize("name", [f.name for f in fields(Settings) if "float" in str(f.type)])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_setting_is_without_a_number(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is"):
        replace(RECIPES["ppo"], **{name: value})


@pytest.mark.owed
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
        ({"critic_learning_rate": 1.0}, "above 0 and below 1"),
        ({"dual_clip": 1.0, "epochs": 2}, "dual_clip is 1.0; it must be above 1"),
        (
            {"advantage": "reinforce_plus_plus", "drop_equal": True, "samples": 1},
            "drop_equal compares the responses",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Settings(**changes)
