import math
from typing import Any

import pytest

from assay.rl.alarms import ALARMS, alarms


def steps(count: int = 40, **columns: list[float]) -> list[dict[str, Any]]:
    """A healthy run's rows, some columns replaced."""
    healthy = {
        "reward": [0.02 * t for t in range(count)],
        "kl": [0.05 * t for t in range(count)],
        "entropy": [2.0 - 0.02 * t for t in range(count)],
        "duplicates": [0.02 * t for t in range(count)],
        "same_elsewhere": [0.001 * t for t in range(count)],
        "gradient_norm": [1.0 + 0.3 * (t % 3) for t in range(count)],
    }
    rows = healthy | columns
    return [
        {"step": t + 1} | {name: values[t] for name, values in rows.items()} for t in range(count)
    ]


def look(step: int = 0, **changes: Any) -> dict[str, Any]:
    """Estimate, low, high, n, unscored."""
    watch = {
        "proxy": [0.5 + step / 100, 0.0, 1.0, 100, 0],
        "gold": {"gold": [0.5 + step / 200, 0.45 + step / 200, 0.55 + step / 200, 100, 0]},
        "length": [50.0, 48.0, 52.0, 100, 0],
        "finished": [0.95, 0.92, 0.98, 100, 0],
    }
    return {"step": step, "eval": watch | changes}


def gold(value: float, width: float = 0.05, name: str = "gold") -> dict[str, Any]:
    return {name: [value, value - width, value + width, 100, 0]}


FIRST = {"prompts": 10, "held_out_prompts": 10}
HEALTHY = [FIRST, look(0), *steps(), look(40)]


def test_a_healthy_run_raises_nothing() -> None:
    assert alarms(HEALTHY) == {}
    for count in range(len(HEALTHY)):
        assert alarms(HEALTHY[:count]) == {}
    assert alarms([]) == {}


def raised(rows: list[dict[str, Any]]) -> str:
    """The one alarm that is raised, which is raised once."""
    ((name, text),) = alarms(rows).items()
    assert alarms([*rows, {"step": 40, "alarm": name, "text": text}]) == {}
    assert alarms([*rows, {"step": 40, "alarm": "another", "text": text}]) == {name: text}
    assert name in ALARMS
    return f"{name}: {text}"


def test_gold_falls_while_the_proxy_climbs() -> None:
    rows = [look(0, gold=gold(0.5)), look(10, gold=gold(0.7)), *steps()]
    text = raised([*rows, look(40, gold=gold(0.55))])
    assert text.startswith(
        "gold falls while the proxy climbs: gold has fallen from 0.700 [0.650, 0.750] to 0.550"
    )
    assert "the proxy rose from 0.600" in text
    # Its interval still reaches the peak's; the proxy fell as well; it is the peak.
    assert alarms([*rows, look(40, gold=gold(0.61))]) == {}
    assert alarms([*rows, look(40, gold=gold(0.55), proxy=[0.55, 0.5, 0.6, 100, 0])]) == {}
    assert alarms([*rows, look(40, gold=gold(0.8))]) == {}


def test_any_gold_may_fall_and_without_one_nothing_is_said() -> None:
    both = [
        look(step, gold=gold(0.5 + step / 100) | gold(0.6 - step / 100, name="other"))
        for step in (0, 20)
    ]
    assert "other has fallen" in raised(both)
    assert alarms([look(0, gold={}), look(40, gold={})]) == {}


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_look_without_a_gold_score_is_no_peak(missing: int) -> None:
    nothing = {"gold": [math.nan, math.nan, math.nan, 0, 100]}
    rows = [look(0, gold=gold(0.7)), look(10, gold=gold(0.69)), look(40, gold=gold(0.5))]
    rows.insert(missing, look(missing, gold=nothing))
    assert "from 0.700" in raised(rows)
    assert alarms([*rows, look(50, gold=nothing)]) == {}


def test_kl_accelerates() -> None:
    calm, fast = [0.02 * t for t in range(30)], [0.6 + 0.5 * t for t in range(10)]
    assert "KL went from 0.49 to 2.85 nats in ten steps, from 0.29 to 0.49" in raised(
        steps(kl=[*calm, *fast])
    )
    # Fast from the start; fast, but less than a nat; too short.
    assert alarms(steps(kl=[0.5 * t for t in range(40)])) == {}
    assert alarms(steps(kl=[*calm, *(0.6 + 0.1 * t for t in range(10))])) == {}
    assert alarms(steps(29, kl=[*calm[:19], *fast])) == {}


def test_a_round_that_was_skipped_says_nothing_of_kl() -> None:
    rows = steps(kl=[3.0] * 20 + [0.0] * 10 + [3.0] * 10)
    assert "KL accelerates" in alarms(rows)
    assert alarms([row | ({"skipped": True} if row["kl"] == 0 else {}) for row in rows]) == {}


def test_length_moves() -> None:
    assert "responses have 90.0 tokens, 50.0 at the start" in raised(
        [look(0), look(40, length=[90, 76, 99, 100, 0])]
    )
    assert "length moves" in raised([look(0), look(40, length=[30, 25, 33, 100, 0])])
    # The intervals must say so.
    assert alarms([look(0), look(40, length=[90, 74, 99, 100, 0])]) == {}
    assert alarms([look(0), look(40, length=[30, 25, 34, 100, 0])]) == {}
    assert alarms([look(0, length=[90, 85, 99, 100, 0])]) == {}


def test_entropy_collapses() -> None:
    falling = [2.0] * 5 + [1.0] * 30 + [0.039] * 5
    assert "entropy is 0.039 nats a token, 2.000 at the start" in raised(steps(entropy=falling))
    assert alarms(steps(entropy=[2.0] * 5 + [1.0] * 30 + [0.041] * 5)) == {}
    assert alarms(steps(10, entropy=[2.0] * 5 + [0.01] * 5)) == {}


def test_responses_do_not_end() -> None:
    assert "70% of the responses end, 95% at the start" in raised(
        [look(0), look(40, finished=[0.7, 0.6, 0.74, 9, 0])]
    )
    assert alarms([look(0), look(40, finished=[0.7, 0.6, 0.76, 9, 0])]) == {}


def test_responses_are_all_alike() -> None:
    same = [0.1] * 35 + [0.6] * 5
    assert "60% of the responses equal one to another prompt, 10% at the start" in raised(
        steps(same_elsewhere=same)
    )
    assert alarms(steps(same_elsewhere=[0.1] * 35 + [0.49] * 5)) == {}
    # Where answers are few, they were alike from the start.
    assert alarms(steps(same_elsewhere=[0.3] * 35 + [0.9] * 5)) == {}
    # To know the answer is no sign.
    assert alarms(steps(duplicates=[0.1] * 35 + [1.0] * 5)) == {}


def test_the_gradient_jumps() -> None:
    assert "norm is 21, where 2 was usual" in raised(steps(gradient_norm=[2.0] * 39 + [21.0]))
    assert alarms(steps(gradient_norm=[2.0] * 39 + [19.0])) == {}
    # A jump that is over was told when it came; a few large ones do not move the median.
    assert alarms(steps(gradient_norm=[2.0] * 38 + [21.0, 2.0])) == {}
    assert "usual" in raised(steps(gradient_norm=[2.0] * 30 + [50.0] * 9 + [21.0]))
    assert alarms(steps(24, gradient_norm=[2.0] * 23 + [21.0])) == {}
    # Where it was nothing, it is measured against .001.
    assert alarms(steps(gradient_norm=[0.0] * 39 + [0.009])) == {}


def test_rows_without_a_column_are_left_out() -> None:
    rows = [FIRST, *steps()]
    bare = [{k: v for k, v in row.items() if k in ("step", "reward", "prompts")} for row in rows]
    assert alarms(bare) == {}
    assert alarms([*bare, *steps(entropy=[2.0] * 5 + [0.01] * 35)]).keys() == {"entropy collapses"}
