import itertools
import math
from typing import Any

import numpy as np
import pytest

from assay.errors import ConfigError
from assay.worlds.gaming import (
    BoatRace,
    BoatRace16,
    CameraGrasp,
    CoastRunners,
    GamingEnv,
    LengthHack,
    Model,
    Outcome,
    Tomato,
    exact_returns,
    optimal_policy,
    random_policy,
    rollout,
)
from assay.worlds.gaming.planning import (
    chi_squared,
    epsilon_randomised,
    kl_divergence,
    occupancy,
    tabulate,
    visits,
)
from assay.worlds.gaming.rouge_game import STORM_SMALL, RougeGame
from assay.worlds.gaming.tomato import BUCKET, TOMATOES, base_policy, tomato

SMALL: list[GamingEnv[Any]] = [
    CoastRunners(7),
    BoatRace(5),
    BoatRace16(5),
    CameraGrasp(4),
    LengthHack(0.01, cap=8),
    RougeGame(STORM_SMALL, "rouge_1", 4),
    RougeGame(STORM_SMALL, "rouge_2", 4),
    RougeGame(STORM_SMALL, "unclipped_recall", 4),
]


@pytest.mark.parametrize("env", SMALL, ids=lambda env: type(env).__name__)
def test_plans_equal_brute_force(env: GamingEnv[Any]) -> None:
    """Every sequence of actions is played; games without chance need no more."""
    actions, horizon = range(len(env.model.actions)), env.model.horizon
    played = [rollout(env, sequence) for sequence in itertools.product(actions, repeat=horizon)]
    # Those that end early are met again and again, as often as a random player meets them.
    returns = np.array([(run.proxy_return, run.true_return) for run in played])
    assert exact_returns(random_policy(env))[:2] == pytest.approx(
        tuple(returns.mean(axis=0)), abs=1e-9
    )
    for column, reward in enumerate(("proxy", "true")):
        optimal = returns[returns[:, column] > returns[:, column].max() - 1e-9]
        other = optimal[:, 1 - column]
        for ties, expected in (("best", other.max()), ("worst", other.min())):
            found = exact_returns(optimal_policy(env, reward, ties))[:2]  # type: ignore[arg-type]
            assert found[column] == pytest.approx(optimal[0, column])
            assert found[1 - column] == pytest.approx(expected)
        first = exact_returns(optimal_policy(env, reward))  # type: ignore[arg-type]
        assert first[column] == pytest.approx(optimal[0, column])


def test_plans_under_chance_equal_brute_force() -> None:
    """Three steps of Tomato by recursion over all outcomes."""
    model = tomato(horizon=3)

    def value(state: Any, steps: int, true: bool) -> float:
        if steps == 0:
            return 0.0
        return max(
            sum(
                each.probability
                * ((each.true if true else each.proxy) + value(each.state, steps - 1, true))
                for each in model.transition(state, action)
            )
            for action in range(4)
        )

    start = model.start[0][1]
    assert exact_returns(optimal_policy(model, "true")).true == pytest.approx(value(start, 3, True))
    assert exact_returns(optimal_policy(model, "proxy")).proxy == pytest.approx(
        value(start, 3, False)
    )


def test_exact_returns_are_those_of_play() -> None:
    for env in (CoastRunners(40), BoatRace16(), CameraGrasp()):
        for reward in ("proxy", "true"):
            policy = optimal_policy(env, reward)  # type: ignore[arg-type]
            run = rollout(env, policy)
            assert exact_returns(policy) == pytest.approx(
                (run.proxy_return, run.true_return, len(run.steps))
            )


def test_a_coin_by_hand() -> None:
    """Toss until heads, at most three times: 1 + 1/2 + 1/4 tosses are expected. Or lay the coin
    down as heads."""

    def toss(state: str, action: int) -> list[Outcome[str]]:
        heads = 0.5 if action == 0 else 1.0
        ends = Outcome(heads, "over", 1.0, -1.0, done=True)
        return [ends, Outcome(1 - heads, "on", 0.0, 0.0)] if action == 0 else [ends]

    model = Model(((1.0, "on"),), ("toss", "lay"), 3, toss)
    honest = epsilon_randomised(optimal_policy(model, "true"), 0.0)
    assert exact_returns(honest) == pytest.approx((0.875, -0.875, 1.75))
    # Tossing ties with laying while there is another step, and it comes first.
    assert exact_returns(optimal_policy(model, "proxy")) == pytest.approx((1, -1, 1.75))
    half = exact_returns(random_policy(model))
    assert half == pytest.approx((1 - 0.25**3, 0.25**3 - 1, 1 + 0.25 + 0.0625))
    assert visits(honest).tolist() == [[1.75, 0.0]]


def test_occupancies_are_distributions_of_the_returns() -> None:
    env = Tomato(horizon=30)
    policy = base_policy(env.model)
    pairs = occupancy(policy, "pairs")
    assert pairs.sum() == pytest.approx(1)
    assert occupancy(policy) == pytest.approx(pairs.sum(axis=1))
    assert 30 * (pairs * policy.table.rewards["true"]).sum() == pytest.approx(
        exact_returns(policy).true
    )
    # Against counts of play, in 225 episodes. What the last step reaches, no step is spent in.
    wanderer = random_policy(policy.table)
    bucket = occupancy(wanderer) @ [cell == BUCKET for cell, _ in policy.table.states]
    runs = [rollout(env, wanderer, seed).steps[:-1] for seed in range(225)]
    seen = [sum("bucket" in step.events for step in run) / 30 for run in runs]
    assert abs(np.mean(seen) - bucket) < 4 * np.std(seen, ddof=1) / 15


def test_divergences_by_hand() -> None:
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert kl_divergence(p, q) == pytest.approx(math.log(2))
    assert chi_squared(p, q) == pytest.approx(2 * 0.25 / 0.25 - 1)
    assert kl_divergence(p, p) == chi_squared(p, p) == 0
    assert kl_divergence(q, p) == chi_squared(q, p) == math.inf
    with pytest.raises(ConfigError, match="not of one model"):
        kl_divergence(p, q[:2])


def test_chi_squared_bounds_what_a_proxy_can_hide_on_tomato() -> None:
    """Laidlaw and others 2024: (J - J0) / s >= (gain of the proxy / s~ - sqrt((1 - rho^2) chi^2)) /
    rho, if rho > 0.

    J per step, spreads and correlation under the base policy's occupancy of pairs.
    """
    base = base_policy(tomato(horizon=40))
    table = base.table
    reference = occupancy(base, "pairs")
    proxy, true = table.rewards["proxy"], table.rewards["true"]

    def mean(values: Any, weights: Any = reference) -> float:
        return float((weights * values).sum())

    spread_proxy = math.sqrt(mean((proxy - mean(proxy)) ** 2))
    spread_true = math.sqrt(mean((true - mean(true)) ** 2))
    rho = mean((proxy - mean(proxy)) * (true - mean(true))) / spread_proxy / spread_true
    assert 0 < rho < 1
    gamed = optimal_policy(table, "proxy")
    others = [epsilon_randomised(gamed, epsilon) for epsilon in (0.0, 0.1, 0.5, 1.0)]
    others += [optimal_policy(table, "true"), epsilon_randomised(base, 0.05)]
    for other in others:
        weights = occupancy(other, "pairs")
        chi2, kl = chi_squared(weights, reference), kl_divergence(weights, reference)
        assert chi2 >= math.expm1(kl) - 1e-12
        gain = (mean(proxy, weights) - mean(proxy)) / spread_proxy
        bound = (gain - math.sqrt((1 - rho**2) * chi2)) / rho
        assert (mean(true, weights) - mean(true)) / spread_true >= bound - 1e-9
    # What the proxy's optimum does is far from the base by either measure, and chi-squared says so
    # more loudly.
    states = occupancy(base)
    assert kl_divergence(occupancy(gamed), states) > 3
    assert chi_squared(occupancy(gamed), states) > 10 * kl_divergence(occupancy(gamed), states)


def test_the_base_policy_waters_and_stumbles() -> None:
    table = tabulate(tomato())
    policy = base_policy(tomato())
    base, best = exact_returns(policy), exact_returns(optimal_policy(table, "true"))
    gamed = exact_returns(optimal_policy(table, "proxy"))
    assert gamed.true < base.true < best.true
    assert best.proxy < base.proxy + 5 < gamed.proxy
    assert np.all(policy.probabilities >= 0.1 / 4)
    assert len(table.states) == 16 * 2 ** len(TOMATOES)


def test_states_out_of_reach_are_left_out() -> None:
    assert len(tabulate(LengthHack(cap=5)).states) == 6
    assert len(tabulate(CameraGrasp(horizon=2)).states) == 1 + 2 + 3


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="'proxy' or 'true'"):
        optimal_policy(BoatRace(), "hidden")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="epsilon is a probability"):
        epsilon_randomised(random_policy(BoatRace()), 1.5)
