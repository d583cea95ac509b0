"""Several rewards in a run: gates, parts of a score, what is missing, and what a row says of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import BackendError, ConfigError
from assay.rl.combining import gdpo
from assay.rl.loop import Optimised, optimise
from assay.rl.mixture import combined, earning_differently, gate_warning, part_figures
from assay.rl.parts import Part
from assay.rl.scoring import Rewards, reward
from assay.rl.settings import RECIPES, Settings
from assay.runs.metrics import METRICS, read_rows
from assay.specs.rewards import reward as opened
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.rl import small
from tests.rl.test_scoring import Table

TEXTS = ("a", "b", "c", "d")
GROUPS = [Group(prompt=Prompt.of("one"), responses=tuple(map(Response.of, TEXTS)))]
TWO = [*GROUPS, GROUPS[0].model_copy(update={"prompt": Prompt.of("two")})]
LOST = Unscored(reason="lost")
SUM = Settings(advantage="grpo")
GROUP_B = np.zeros(4, dtype=int)


def table(*values: float | Mapping[str, float | None] | None) -> Table:
    """A scorer of the four texts; a mapping is the parts of a score."""
    scores = {}
    for text, value in zip(TEXTS, values, strict=True):
        if isinstance(value, Mapping):
            scores[text] = Score(value=0.0, parts=value)
        else:
            scores[text] = LOST if value is None else Score(value=value)
    return Table(scores)


def part(name: str, *values: Any, **settings: Any) -> Part:
    return Part(name=name, scorer=table(*values), **settings)


def rewards(*parts: Part, groups: list[Group] = GROUPS, **settings: Any) -> Rewards:
    n = 4 * len(groups)
    return reward(parts, groups, [(0,)] * n, [1] * n, statistics={}, **settings)


HELP = part("help", 1.0, 2.0, 3.0, 4.0)


def test_a_gate_multiplies_what_is_paid() -> None:
    found = rewards(HELP, part("right", 1, 0, 1, 0, must_pass=0.5))
    assert found.total_B.tolist() == [1, 0, 3, 0]
    assert found.parts["help"].tolist() == [1, 0, 3, 0]
    assert found.gates["right"].tolist() == [1, 0, 1, 0]
    assert list(found.parts) == ["help"]
    found = rewards(HELP, part("safe", 0.5, 0.25, 0, 1, factor=True))
    assert found.total_B.tolist() == [0.5, 0.5, 0, 4]
    both = rewards(
        HELP, part("right", 1, 0, 1, 0, must_pass=1), part("safe", 0.5, 1, 0, 1, factor=True)
    )
    assert both.total_B.tolist() == [0.5, 0, 0, 0]
    stepwise = part("steps", 1, 1, 1, 1, place="every_step")
    steps = {text: Score(value=1, steps=(2.0,)) for text in TEXTS}
    found = rewards(
        replace(stepwise, scorer=Table(steps)), part("right", 1, 0, 1, 0, must_pass=0.5)
    )
    assert found.process_B_T[:, 0].tolist() == [2, 0, 2, 0]


@pytest.mark.parametrize("missing", ["drop", "partial"])
def test_a_gate_without_a_score_is_never_open(missing: Any) -> None:
    found = rewards(HELP, part("right", 1, None, 0, 1, must_pass=0.5), missing=missing)
    assert found.scored_B.tolist() == [True, False, True, True]
    assert found.total_B == pytest.approx([1, np.nan, 0, 4], nan_ok=True)
    assert dict(found.reasons) == {"right: lost": 1}


def test_a_factor_outside_of_0_and_1_ends_the_run() -> None:
    with pytest.raises(BackendError, match=r"'safe' is a factor and is worth 1.5.*clip=0:1"):
        rewards(HELP, part("safe", 0.5, 1.5, 0, 1, factor=True))


@pytest.mark.parametrize(
    "settings",
    [
        {"must_pass": 0.5, "factor": True},
        {"must_pass": 0.5, "weight": 2.0},
        {"factor": True, "place": "difference"},
        {"factor": True, "each_part": True},
        {"each_part": True, "aggregate": "min"},
        {"must_pass": np.nan},
    ],
)
def test_a_part_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="part 'x'"):
        part("x", 1, 1, 1, 1, **settings)


def test_a_response_is_left_out_or_compared_by_what_it_has() -> None:
    parts = HELP, part("judge", 10.0, None, 20.0, 30.0, weight=0.1)
    dropped = rewards(*parts)
    assert dropped.scored_B.tolist() == [True, False, True, True]
    kept = rewards(*parts, missing="partial")
    assert kept.scored_B.all()
    # What it is compared by has the judge's mean of the others, .1 (10 + 20 + 30) / 3 = 2.
    assert kept.learned_B.tolist() == [2, 4, 5, 7]
    # What it earned is not known.
    assert kept.total_B == pytest.approx([2, np.nan, 5, 7], nan_ok=True)
    assert np.isnan(kept.parts["judge"][1])
    nobody = rewards(HELP, part("judge", *[None] * 4), missing="partial")
    assert nobody.learned_B.tolist() == [1, 2, 3, 4]
    nothing = rewards(part("help", None, 1, 2, 3), part("judge", None, 1, 2, 3), missing="partial")
    assert nothing.scored_B.tolist() == [False, True, True, True]


def test_combined_advantages_are_those_of_the_parts() -> None:
    parts = replace(HELP, weight=2.0), part("judge", 10.0, None, 20.0, 30.0, weight=-0.1)
    settings = replace(RECIPES["gdpo"], missing="partial")
    found = combined(settings, rewards(*parts, missing="partial"), GROUP_B).values_B
    values_B_K = np.array([[1, 2, 3, 4], [10, np.nan, 20, 30]]).T
    assert found == pytest.approx(gdpo(values_B_K, [2, -0.1], GROUP_B).values_B)
    left = combined(RECIPES["gdpo"], rewards(*parts), GROUP_B).values_B
    assert left[1] == 0
    assert left == pytest.approx(
        gdpo(np.where([[1], [np.nan], [1], [1]], values_B_K, np.nan) * [[1], [np.nan], [1], [1]],
             [2, -0.1], GROUP_B).values_B
    )  # fmt: skip


def test_equal_sums_may_teach_apart_and_missing_scores_teach_nothing() -> None:
    third = part("z", 0.0, 0.0, 0.0, 1.0)
    parts = part("x", 1, 0, 0, 0), part("y", 0, 1, 1, 0), third
    found = rewards(*parts)
    assert found.total_B.tolist() == [1] * 4
    assert earning_differently(SUM, found, GROUP_B) == []
    assert earning_differently(RECIPES["gdpo"], found, GROUP_B) == [0]
    alike = rewards(part("x", 1, 1, 1, 1), part("y", 2, None, 2, None), missing="partial")
    assert earning_differently(SUM, alike, GROUP_B) == []
    assert earning_differently(RECIPES["gdpo"], alike, GROUP_B) == []


def test_parts_of_a_score_are_paid_apart() -> None:
    criteria = part(
        "rubric",
        {"kind": 1.0, "short": 0.0},
        {"kind": 0.0, "short": None},
        {"kind": 0.5},
        {"kind": 0.0, "short": 1.0},
        each_part=True,
        weight=2.0,
    )
    found = rewards(criteria)
    assert found.parts["rubric/kind"].tolist() == [2, 0, 1, 0]
    assert found.parts["rubric/short"] == pytest.approx([0, np.nan, np.nan, 2], nan_ok=True)
    # None is a failure; a criterion that a prompt does not have is not.
    assert found.scored_B.tolist() == [True, False, True, True]
    assert found.total_B == pytest.approx([2, np.nan, 1, 2], nan_ok=True)
    assert list(found.reasons) == ["rubric/short: this part of the score is missing"]
    assert list(found.shared) == ["rubric/kind"]
    figures = part_figures(SUM, found, GROUP_B)
    assert figures["coverage"] == {"rubric/kind": 1.0, "rubric": pytest.approx(2 / 3)}
    with pytest.raises(ConfigError, match="its scorer gives none"):
        rewards(part("x", 1, 2, 3, 4, each_part=True))
    lost = rewards(HELP, part("rubric", *[None] * 4, each_part=True))
    assert not lost.scored_B.any()
    assert dict(lost.reasons) == {"rubric: lost": 4}


def test_parts_of_a_score_have_its_own_weights() -> None:
    """Two prompts with criteria of their own, one of them a fault, and a gate that has fired."""

    def score(kind: float, fault: float, *, fired: bool = False) -> Score:
        weights = {"kind": 0.0, "fault": 0.0} if fired else {"kind": 0.75, "fault": -0.25}
        parts = {"kind": kind, "fault": fault, "gate": 0.0 if fired else 1.0}
        return Score(value=0.0, parts=parts, weights=weights)

    each = score(1, 1), score(1, 0), score(0, 0), score(1, 1, fired=True)
    given = dict(zip(TEXTS, each, strict=True))
    rubric = Part(name="rubric", scorer=Table(given), each_part=True, weight=2.0)
    found = rewards(rubric)
    assert found.total_B.tolist() == [1.0, 1.5, 0.0, 0.0]
    assert found.parts["rubric/fault"].tolist() == [-0.5, 0, 0, 0]
    advantages = combined(RECIPES["gdpo"], found, GROUP_B).values_B
    kind_fault = np.array([[1, 1, 0, 0], [-1, 0, 0, 0]]).T
    assert advantages == pytest.approx(gdpo(kind_fault, [1.5, 0.5], GROUP_B).values_B)


def test_figures_of_the_parts() -> None:
    right = part("right", 0, 0, 0, 0, must_pass=0.5)
    found = rewards(HELP, right, part("judge", 1, None, 3, 4))
    figures = part_figures(SUM, found, GROUP_B)
    assert figures["coverage"] == {"help": 1, "right": 1, "judge": 0.75}
    assert figures["gates"] == {"right": 0}
    assert figures["shut_groups"] == 1
    other = {**dict.fromkeys("abc", Score(value=0.0)), "d": Score(value=1.0)}
    ajar = rewards(HELP, replace(right, scorer=Table(other)), groups=TWO)
    two_B = np.repeat([0, 1], 4)
    assert part_figures(SUM, ajar, two_B)["shut_groups"] == 0
    assert part_figures(SUM, rewards(HELP), GROUP_B) == {}
    figures = part_figures(RECIPES["gdpo"], rewards(HELP, part("y", 0, 0, 1, 1)), GROUP_B)
    assert figures["spread"] == pytest.approx({"help": 1.2910, "y": 0.5774}, abs=1e-4)
    assert figures["influence"] == {"help": 1, "y": 1}
    whiten = replace(RECIPES["gdpo"], combine="whitened")
    influence = part_figures(whiten, rewards(HELP, part("y", 0, 0, 1, 1)), GROUP_B)["influence"]
    assert influence["y"] != 1


def test_a_gate_that_pays_is_warned_of() -> None:
    gate = part("right", 1, 0, 1, 0, must_pass=0.5)
    assert gate_warning(rewards(HELP, gate)) == {}
    warned = gate_warning(rewards(part("cost", -1.0, -2, -3, -4), gate))
    assert "earn -2 on average" in warned["a gate pays"]


def test_words() -> None:
    gate = opened("math,must_pass=0.5")
    assert (gate.must_pass, gate.gates, gate.factor) == (0.5, True, False)
    assert opened("length,factor,clip=0:1").factor
    assert opened("length,each_part,weight=2").each_part
    with pytest.raises(ConfigError, match="factor stands alone"):
        opened("length,factor=1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"advantage": "rloo", "kl": 0.0}, "needs advantage grpo"),
        ({"kl_place": "reward", "kl_estimator": "k1"}, "divergence in the loss"),
        ({"chi2": 0.1}, "no chi2"),
        ({"shrinkage": 0.5}, "shrinkage 0.5 does nothing for grpo where combine is gdpo"),
        ({"combine": "sum", "spread_floor": 0.5}, "spread_floor 0.5 does nothing"),
        ({"combine": "whitened", "shrinkage": 1.5}, r"shrinkage are in \[0, 1\]"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(RECIPES["gdpo"], **changes)


def test_steps_cannot_be_compared_by_what_is_there() -> None:
    with pytest.raises(ConfigError, match="missing partial compares whole responses"):
        replace(RECIPES["pure"], missing="partial")


RUN = replace(
    RECIPES["gdpo"], steps=3, groups=4, samples=4, max_tokens=7, learning_rate=3e-3, watch_every=3,
    watch_prompts=4, watch_samples=2,
)  # fmt: skip


def finished(response: Response) -> Score:
    return Score(value=float(response.finished))


def patchy(response: Response) -> Score | Unscored:
    """A preference for long responses that fails on some."""
    if sum(map(ord, response.text)) % 3 == 0:
        return Unscored(reason="no verdict")
    return Score(value=0.1 * len(response.text))


PARTS = [
    Part(name="nines", scorer=small.By(small.nines)),
    Part(name="long", scorer=small.By(patchy), weight=0.5),
    Part(name="finished", scorer=small.By(finished), must_pass=0.5),
]


def run(out: Path, settings: Settings, parts: list[Part] = PARTS) -> Optimised:
    return optimise(
        small.policy(),
        small.PROMPTS[:40],
        parts,
        settings=settings,
        out=out,
        held_out=small.PROMPTS[40:],
        progress=False,
    )


@pytest.mark.parametrize("combine", ["sum", "gdpo", "whitened"])
@pytest.mark.parametrize("missing", ["drop", "partial"])
def test_runs_of_several_parts(combine: Any, missing: Any, tmp_path: Path) -> None:
    settings = replace(RUN, combine=combine, missing=missing)
    rows = [row for row in run(tmp_path, settings).rows if "reward" in row]
    assert len(rows) == 3
    for row in rows:
        assert set(row["coverage"]) == {"nines", "long", "finished"}
        assert row["coverage"]["nines"] == 1 > row["coverage"]["long"] > 0
        assert 0 <= row["gates"]["finished"] <= 1
        assert 0 <= row["shut_groups"] <= 1
        assert ("influence" in row) == (combine != "sum")
        json.dumps(row, allow_nan=False)
        lost = round(16 * (1 - row["coverage"]["long"]))
        assert row["unscored"] == (lost if missing == "drop" else 0)
        assert row["reasons"] == {"long: no verdict": lost}
    looks = [row["eval"]["parts"] for row in read_rows(tmp_path / METRICS) if "eval" in row]
    assert set(looks[0]) == {"nines", "long", "finished"}


def test_a_part_is_learned_beside_one_of_a_thousand_times_its_scale(tmp_path: Path) -> None:
    """Noise of standard deviation 1000 drowns a sum; GDPO learns the other part beside it."""

    def noise(response: Response) -> Score:
        rng = np.random.default_rng(list(response.text.encode()))
        return Score(value=1000 * float(rng.normal()))

    def learned(combine: Any) -> float:
        settings = replace(
            RUN, combine=combine, kl=0.0, kl_estimator="k1", kl_place="reward", steps=15,
            groups=8, samples=8, watch_every=15, watch_prompts=16, watch_samples=4,
        )  # fmt: skip
        parts = [PARTS[0], Part(name="noise", scorer=small.By(noise), weight=0.2)]
        rows = run(tmp_path / combine, settings, parts).rows
        first, *_, last = [row["eval"]["parts"]["nines"][0] for row in rows if "eval" in row]
        return float(last - first)

    assert learned("gdpo") > 0.1 + learned("sum")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (PARTS[2:], "every part of the reward is a gate"),
        (PARTS[:1], "combine gdpo does nothing for one part"),
        ([PARTS[0], PARTS[2]], "combine gdpo does nothing for one part"),
    ],
)
def test_rewards_that_cannot_be(parts: list[Part], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        run(tmp_path, RUN, parts)
