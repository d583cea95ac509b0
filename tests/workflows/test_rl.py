"""RL from Python: a policy and rewards as objects, a recipe by name with changes."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import ConfigError, DataError
from assay.rl.settings import RECIPES
from assay.types import Prompt
from assay.workflows.rl import _sides, rl, settings_of
from tests.rl import small

SMALL: dict[str, Any] = {
    "recipe": "rloo",
    "steps": 2,
    "groups": 2,
    "samples": 2,
    "max_tokens": 4,
    "watch_every": 1,
    "watch_prompts": 4,
    "watch_samples": 2,
    "learning_rate": 1e-3,
    "device": "cpu",
    "threads": 1,
}


def length(completions: list[str], **columns: Any) -> list[float]:
    return [float(len(text)) for text in completions]


def test_a_function_is_a_reward_and_a_gold(tmp_path: Path) -> None:
    given = {"reward": length, "gold": "short=shortest", "held_out": 0.5, **SMALL}
    done = rl(small.PROMPTS[:12], policy=small.policy(), out=tmp_path / "run", **given)
    assert (done.steps, done.stopped) == (2, "")
    assert [point.step for point in done.evaluations] == [0, 1, 2]
    for point in done.evaluations:
        # The gold is the negative of the reward: the shorter, the better.
        assert point.gold["short"].value == pytest.approx(-point.proxy.value)
        assert point.proxy.n == 4
    golds = {point.step: point.gold["short"].value for point in done.evaluations}
    assert done.peak == max(golds, key=lambda step: golds[step])
    assert done.policy == tmp_path / "run" / "peak"
    assert (done.policy / "model.safetensors").is_file()
    assert (tmp_path / "run" / "report.html").is_file()
    assert f"round {done.evaluations[-1].step}: proxy" in str(done)
    body = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]
    assert (body["job"], body["recipe"], body["changes"]["steps"]) == ("rl", "rloo", 2)
    assert json.loads(json.dumps(done.to_json()))["evaluations"][0]["step"] == 0


def test_texts_and_records_are_prompts_each_once_and_as_many_as_asked() -> None:
    how: dict[str, Any] = {"seed": 0, "format": None, "aside": None}
    texts = ["one", "two", "one", "three", "four"]
    records = [Prompt.of(text) for text in texts]
    for given in (texts, records, ["one", *records]):
        found = _sides(given, ["five"], limit=3, **how)
        assert [prompt.text for prompt in found.train] == ["one", "two", "three"]
        assert [prompt.text for prompt in found.held] == ["five"]
    found = _sides(iter(texts), 0, limit=None, **how)
    assert [found.places[id(prompt)] for prompt in found.train] == [
        *("record 1", "record 2", "record 4", "record 5")
    ]
    with pytest.raises(DataError, match="record 2 is a int"):
        _sides(["one", 2], 0, limit=None, **how)


def test_a_recipe_is_changed_by_the_names_of_its_settings() -> None:
    assert settings_of("grpo", {}) == RECIPES["grpo"]
    assert settings_of(RECIPES["ppo"], {"kl": 0.2}).kl == 0.2
    with pytest.raises(ConfigError, match="no recipe is called 'gpro'; there is rloo, grpo"):
        settings_of("gpro", {})
    with pytest.raises(ConfigError, match="stepps: no setting of the training has that name"):
        settings_of("grpo", {"stepps": 3})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reward": []}, "there is no reward"),
        ({"gold": "longest", "held_out": 0.0, "watch_every": 10}, "watch_prompts"),
        ({"limit": 0}, "limit is 0"),
        ({"template": "chat", "join": "x"}, "join stands between"),
        ({"prime": float("nan")}, "prime is nan"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(
    given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        rl(
            small.PROMPTS[:4],
            policy="nowhere",
            out=tmp_path,
            **{"reward": length, **SMALL, **given},
        )


def test_prompts_that_the_policy_cannot_read_are_refused(tmp_path: Path) -> None:
    given: dict[str, Any] = {"policy": small.policy(), "reward": length, "held_out": 0}
    with pytest.raises(ConfigError, match=r"100% of the tokens are '<unk>'.*give a --policy whose"):
        rl(["how much is it", "and that"], out=tmp_path / "run", **given)
