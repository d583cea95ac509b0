import itertools
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from assay.errors import ConfigError, DataError
from assay.worlds.gaming import ENVIRONMENTS, GamingEnv, TrueReturn, register, rollout
from assay.worlds.gaming.planning import exact_returns, random_policy, tabulate
from assay.worlds.gaming.rouge_game import STORM_SMALL, RougeGame

NAMES = list(ENVIRONMENTS)


def _small(name: str) -> GamingEnv[Any]:
    """The environment, with few enough states to enumerate."""
    return RougeGame(STORM_SMALL, max_words=4) if name == "RougeGame" else ENVIRONMENTS[name]()


@pytest.mark.parametrize("name", NAMES)
def test_gymnasium_finds_nothing_to_warn_of(name: str) -> None:
    register()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(gymnasium.make(f"Goodhart/{name}-v0").unwrapped)
        check_env(ENVIRONMENTS[name](), skip_render_check=True)
    assert [str(each.message) for each in caught] == []


def test_registering_again_changes_nothing() -> None:
    ids = register()
    specs = {id_: gymnasium.registry[id_] for id_ in ids}
    assert register() == ids
    assert all(gymnasium.registry[id_] is spec for id_, spec in specs.items())
    assert set(ids) == {f"Goodhart/{name}-v0" for name in NAMES}
    for id_, made in zip(ids, ENVIRONMENTS.values(), strict=True):
        assert type(gymnasium.make(id_).unwrapped) is made


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_a_distribution_and_every_state_can_be_seen_and_drawn(name: str) -> None:
    env = _small(name)
    assert sum(probability for probability, _ in env.model.start) == pytest.approx(1)
    for state in tabulate(env).states:
        assert env.observation_space.contains(np.array(env.observe(state)))
        frame = env.draw(state)
        if env.is_board:
            assert len({len(line) for line in frame.splitlines()}) == 1
            assert frame.count("A") + frame.count("H") == 1
        for action in range(len(env.model.actions)):
            outcomes = env.model.transition(state, action)
            assert sum(each.probability for each in outcomes) == pytest.approx(1)
            assert outcomes == env.model.transition(state, action)


@pytest.mark.parametrize("name", NAMES)
def test_play_agrees_with_the_model_and_with_its_seed(name: str) -> None:
    env = ENVIRONMENTS[name]()
    env.action_space.seed(3)
    for seed in range(5):
        played = []
        actions = [env.action_space.sample() for _ in range(env.model.horizon)]
        for _ in range(2):
            first, info = env.reset(seed=seed)
            assert (info["true_reward"], info["proxy_reward"]) == (0.0, 0.0)
            trace: list[Any] = [first.tolist()]
            for time, action in enumerate(actions, start=1):
                before = env.state
                observation, reward, terminated, truncated, info = env.step(action)
                outcomes = env.model.transition(before, int(action))
                assert (env.state, reward, info["true_reward"], terminated) in [
                    each[1:5] for each in outcomes
                ]
                assert info["proxy_reward"] == reward
                assert truncated == (time == env.model.horizon and not terminated)
                trace.append(
                    (observation.tolist(), reward, info["true_reward"], terminated, truncated)
                )
                if terminated or truncated:
                    break
            assert terminated or truncated
            played.append(trace)
        assert played[0] == played[1]


@pytest.mark.parametrize("name", ["Tomato", "Sycophancy"])
def test_chance_is_drawn_with_its_probability(name: str) -> None:
    env = ENVIRONMENTS[name]()
    policy = random_policy(env)
    expected = exact_returns(policy)
    played = [rollout(env, policy, seed) for seed in range(80)]
    runs = np.array([(run.proxy_return, run.true_return) for run in played])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert np.all(np.abs(runs.mean(axis=0) - expected[:2]) < 4 * error)
    assert np.all(error > 0)


def test_the_true_return_is_summed_and_begins_anew() -> None:
    env = TrueReturn(ENVIRONMENTS["BoatRace"](horizon=4))
    for _ in range(2):
        _, info = env.reset(seed=0)
        assert info["true_return"] == env.true_return == 0
        sums = []
        for action in [3, 3, 0, 1]:  # right, right, into the bank, down
            *_, truncated, info = env.step(action)
            sums.append(info["true_return"])
        assert sums == [1, 2, 1, 2]
        assert truncated
        assert env.true_return == 2


def test_steps_out_of_turn_are_refused() -> None:
    env = ENVIRONMENTS["Sycophancy"]()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(DataError, match="action 2 is none of 0 to 1"):
        env.step(2)
    assert env.step(0)[2]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_bad_settings_are_refused() -> None:
    for made, settings in itertools.product(
        ["BoatRace", "CameraGrasp"], [{"horizon": 0}, {"render_mode": "human"}]
    ):
        with pytest.raises(ConfigError):
            ENVIRONMENTS[made](**settings)


def test_no_torch_is_loaded_and_a_missing_gymnasium_is_named() -> None:
    code = (
        "import sys, assay.worlds.gaming, assay.worlds.gaming.rendering; assert 'torch' not in"
        " sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys; sys.modules['gymnasium'] = None; import assay.worlds.gaming"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingExtra" in run.stderr
    assert "pip install 'assay[worlds]'" in run.stderr
