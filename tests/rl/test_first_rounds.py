"""What is refused before a run begins, or said in its first rounds; and what a round must not do
twice."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.errors import BackendError, ConfigError, DataError
from assay.models import lora
from assay.models.layout import Layout
from assay.protocols import Sampling
from assay.rl.loop import optimise
from assay.rl.policy import Policy
from assay.rl.rollout import sample
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES
from assay.rl.transforms import LengthPenalty, Overlong, Standardise
from assay.rl.update import read_tokens
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.task import split_steps
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.rl import small
from tests.rl.test_loop import SMALL, run, same, weights


def zero(response: Response) -> Score:
    return Score(value=0.0)


@pytest.mark.owed
@pytest.mark.parametrize("transforms", [(), (Overlong(7, 6),), (LengthPenalty(0.1), Standardise())])
def test_a_verifier_that_is_never_satisfied_changes_nothing_and_it_is_said(
    transforms: Any, tmp_path: Path
) -> None:
    """However lengths are priced on top: of wrong answers DAPO learns nothing, not even to be
    short."""
    policy = small.policy()
    before = weights(policy)
    scorer = small.By(zero)
    settings = replace(
        RECIPES["dapo"],
        steps=2,
        groups=4,
        samples=4,
        max_tokens=7,
        learning_rate=1e-2,
        weight_decay=0.1,
    )
    done = optimise(
        policy,
        small.PROMPTS[:20],
        [Part(name="right", scorer=scorer, transforms=transforms)],
        settings=settings,
        out=tmp_path,
        progress=False,
    )
    assert same(before, weights(policy))
    rounds = [row for row in done.rows if "seconds" in row]
    assert all(row["filtered"] == 1 and "skipped" in row for row in rounds)
    assert scorer.calls == 2 * 3  # each of the batches once
    assert [row["step"] for row in done.rows if row.get("alarm") == "the reward never differs"] == [
        1
    ]


@pytest.mark.owed
@pytest.mark.parametrize("recipe", ["rloo", "grpo", "dr-grpo", "reinforce++"])
def test_equal_scores_are_warned_of_in_the_first_round(
    recipe: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(
        RECIPES[recipe],
        steps=2,
        groups=2,
        samples=2,
        max_tokens=7,
        learning_rate=1e-3,
        watch_every=2,
        watch_prompts=2,
        watch_samples=1,
    )
    part = Part(
        name="one", scorer=small.By(lambda r: Score(value=1.0)), transforms=(Standardise(),)
    )
    with caplog.at_level(logging.WARNING):
        done = run(tmp_path, small.policy(), part, settings)
    raised = [(row["step"], row["alarm"]) for row in done.rows if "alarm" in row]
    assert raised == [(0, "no spread to divide by: one"), (1, "the reward never differs")]
    assert "standardise is given scores that are all alike" in caplog.text
    assert "no two responses to one prompt earned differently" in caplog.text
    assert all(abs(row["rewards"]["one"]) < 1 for row in done.rows if "rewards" in row)


@pytest.mark.owed
def test_a_first_right_answer_does_not_drown_the_rest(tmp_path: Path) -> None:
    calls = 0

    def rare(response: Response) -> Score:
        nonlocal calls
        calls += 1
        return Score(value=float(calls > 8))

    part = Part(name="rare", scorer=small.By(rare), transforms=(Standardise(),))
    done = run(tmp_path, small.policy(), part, replace(SMALL, steps=1))
    assert max(row["reward"] for row in done.rows if "reward" in row) <= 1


@pytest.mark.owed
def test_a_group_that_is_kept_is_scored_once(tmp_path: Path) -> None:
    asked: list[str] = []

    class Once(small.By):
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            asked.extend(
                f"{group.prompt.text} {response.text}"
                for group in groups
                for response in group.responses
            )
            return super().score(groups)

    settings = replace(RECIPES["dapo"], steps=1, groups=4, samples=4, max_tokens=7, refill=2)
    done = optimise(
        small.policy(),
        small.PROMPTS[:20],
        [Part(name="nines", scorer=Once(small.nines))],
        settings=settings,
        out=tmp_path,
        progress=False,
    )
    (row,) = [row for row in done.rows if "filtered" in row]
    kept = 4 if row["filtered"] < 1 else 0
    assert len(asked) <= 4 * 12
    assert len(asked) == pytest.approx(4 * kept / (1 - row["filtered"])) or row["filtered"] > 0


@pytest.mark.owed
def test_a_dead_scorer_ends_a_run_that_drops_groups(tmp_path: Path) -> None:
    settings = replace(RECIPES["dapo"], steps=9, groups=2, samples=2, max_tokens=7)
    part = Part(name="off", scorer=small.By(lambda r: Unscored(reason="no route")))
    with pytest.raises(
        BackendError, match="no response of 3 rounds could be scored: off: no route"
    ):
        optimise(
            small.policy(),
            small.PROMPTS[:9],
            [part],
            settings=settings,
            out=tmp_path,
            progress=False,
        )


@pytest.mark.owed
@pytest.mark.parametrize("value", [-3.0, 10.0])
def test_values_learn_a_constant_return(value: float, tmp_path: Path) -> None:
    """With the recipe's own rates; the first round pays something else, so that it has to be
    learned."""
    policy = small.policy(critic=True)
    calls = 0

    class Moving(small.By):
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            nonlocal calls
            calls += 1
            return [
                [Score(value=0.5 if calls == 1 else value) for _ in group.responses]
                for group in groups
            ]

    settings = replace(RECIPES["ppo"], steps=5, groups=8, max_tokens=7, kl=0.0)
    assert settings.steps * settings.updates <= 400
    part = Part(name="one", scorer=Moving(small.nines))
    optimise(policy, small.PROMPTS[:40], [part], settings=settings, out=tmp_path, progress=False)
    rollout = sample(policy, small.PROMPTS[40:50], Sampling(n=2, max_tokens=7, seed=5))
    values_B_T = read_tokens(policy, rollout, settings).values_B_T
    assert values_B_T is not None
    assert values_B_T[rollout.mask_B_T].mean() == pytest.approx(
        value, abs=0.05 * max(1, abs(value))
    )


@pytest.mark.owed
def test_prompts_without_room_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    scorer = small.By(small.nines)
    part = Part(name="nines", scorer=scorer)
    policy = Policy(
        small.model(max_position_embeddings=9),
        make_tokenizer(),
        layout=Layout(join="", max_length=64),
        split=split_steps,
        grammar=Grammar(3),
    )
    assert policy.positions == 9
    with pytest.raises(
        DataError,
        match=r"40 of 40 prompts and max_tokens 7 exceed 9 tokens.*Leave such prompts out",
    ):
        optimise(policy, small.PROMPTS[:40], [part], settings=SMALL, out=tmp_path, progress=False)
    long = [*small.PROMPTS[:9], Prompt.of("1 + 1 + 1" * 30)]
    with pytest.raises(DataError, match="1 of 10 prompts"):
        optimise(small.policy(), long, [part], settings=SMALL, out=tmp_path, progress=False)
    assert scorer.calls == 0
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.owed
def test_what_cannot_be_saved_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = small.By(small.nines)
    policy = small.policy()

    def broken(folder: Path, **_: Any) -> None:
        raise UnboundLocalError("state_dict")

    monkeypatch.setattr(policy.model, "save_pretrained", broken)
    with pytest.raises(
        ConfigError, match="cannot be saved, so it is not trained: UnboundLocalError: state_dict"
    ):
        run(tmp_path, policy, Part(name="nines", scorer=scorer))
    assert scorer.calls == 0
    adapted = small.model()
    lora.adapt(adapted, 2, 4.0)
    with pytest.raises(ConfigError, match="carries adapters of its own"):
        Policy(adapted, make_tokenizer(), layout=Layout(join="", max_length=64))


@pytest.mark.owed
def test_a_price_that_no_response_reaches_is_refused(tmp_path: Path) -> None:
    part = Part(name="nines", scorer=small.By(small.nines), transforms=(Overlong(512, 128),))
    with pytest.raises(
        ConfigError, match="overlong prices tokens from 384 on, and no response is longer than"
    ):
        run(tmp_path, small.policy(), part)


@pytest.mark.owed
def test_how_bfloat16_is_updated_does_nothing_in_float32(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bf16_update stochastic does nothing"):
        run(tmp_path, small.policy(), settings=replace(SMALL, bf16_update="stochastic"))
