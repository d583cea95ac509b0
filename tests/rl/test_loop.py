"""Runs: they learn what is paid, go on exactly, leave out what has no score, and stop where they
must."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from assay.errors import BackendError, ConfigError, DataError
from assay.models.checkpoint import wrap_implicit
from assay.models.readout import OUTCOME
from assay.rl.consistency import inconsistencies
from assay.rl.loop import Optimised, optimise
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES, Settings
from assay.rl.transforms import PAR, Standardise
from assay.runs.metrics import METRICS, read_rows
from assay.types import Group, Response, Score, Unscored
from tests.rl import small

SMALL = Settings(
    steps=4,
    groups=4,
    samples=4,
    max_tokens=7,
    learning_rate=3e-3,
    reduction="sum",
    watch_every=2,
    watch_prompts=4,
    watch_samples=2,
    checkpoint_every=100,
)
TIMED = {"seconds", "tokens_per_second", "memory_mb"}


def run(
    out: Path, policy: Policy, part: Part | None = None, settings: Settings = SMALL, **more: Any
) -> Optimised:
    part = part or Part(name="nines", scorer=small.By(small.nines))
    return optimise(
        policy,
        small.PROMPTS[:40],
        [part],
        settings=settings,
        out=out,
        held_out=small.PROMPTS[40:],
        progress=False,
        **more,
    )


def weights(policy: Policy) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in policy.parameters().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def untimed(rows: Sequence[Any]) -> list[Any]:
    return [{k: v for k, v in row.items() if k not in TIMED} for row in rows]


@pytest.mark.parametrize("recipe", ["rloo", "grpo", "ppo"])
def test_what_is_paid_is_learned(recipe: str, tmp_path: Path) -> None:
    steps = (
        18 if recipe == "ppo" else 12
    )  # the critic learns first, and on some processors takes more than twelve
    settings = replace(
        RECIPES[recipe],
        steps=steps,
        groups=8,
        samples=8,
        max_tokens=7,
        learning_rate=1e-2,
        watch_every=steps,
        kl=0.0,
    )
    done = run(tmp_path, small.policy(critic=recipe == "ppo"), settings=settings)
    first, last = (row["eval"]["proxy"] for row in done.rows if "eval" in row)
    assert last[1] > 0.4 > 0.3 > first[2]
    rewards = [row["reward"] for row in done.rows if "reward" in row]
    assert rewards[0] < 0.4  # once every group is all alike, DAPO has nothing to learn from
    kl = [row["eval"]["kl"][0] for row in done.rows if "eval" in row]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[1] > 0.5


@pytest.mark.parametrize("kind", ["rloo", "ppo", "dapo", "pure", "lora", "par", "prime"])
def test_a_run_that_was_killed_goes_on_exactly(kind: str, tmp_path: Path) -> None:
    settings = SMALL
    if kind in RECIPES:
        settings = replace(
            RECIPES[kind],
            **{k: getattr(SMALL, k) for k in ("steps", "groups", "samples", "max_tokens")},
        )
        settings = replace(
            settings,
            learning_rate=3e-3,
            watch_every=2,
            watch_prompts=4,
            watch_samples=2,
            kl_target=None,
        )
    if kind == "prime":
        settings = replace(SMALL, advantage="token_rloo")

    def begin(scorer: Any) -> tuple[Policy, Part, dict[str, Any]]:
        policy = small.policy(critic=kind == "ppo", adapters=2 if kind == "lora" else 0)
        place: Any = {"place": "softmin"} if kind == "pure" else {}
        transforms = (Standardise(),) if kind == "rloo" else (PAR(3),) if kind == "par" else ()
        more: dict[str, Any] = {"golds": {"gold": small.By(small.nines)}}
        if kind == "prime":
            network = wrap_implicit(
                small.model(),
                policy.tokenizer,
                layout=policy.generator.encoder.layout,
                readout=OUTCOME,
                beta=0.05,
            )
            more["prime"] = ImplicitProcess(network, learning_rate=1e-3)
        return policy, Part(name="nines", scorer=scorer, transforms=transforms, **place), more

    policy, part, more = begin(small.By(small.nines))
    whole = run(tmp_path / "whole", policy, part, settings, **more)

    class Killed(small.By):
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            if self.calls == 5:
                raise KeyboardInterrupt
            return super().score(groups)

    first, part, more = begin(Killed(small.nines))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", first, part, settings, **more)
    assert (tmp_path / "cut" / "checkpoint" / "state.pt").is_file()
    again, part, more = begin(small.By(small.nines))
    gone_on = run(tmp_path / "cut", again, part, settings, **more)
    assert untimed(gone_on.rows) == untimed(whole.rows)
    assert same(weights(policy), weights(again))
    for name in ("samples.jsonl",):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "cut" / "checkpoint").exists()


def test_a_finished_run_is_not_run_again_and_another_is_refused(tmp_path: Path) -> None:
    first = run(tmp_path, small.policy())
    scorer = small.By(small.nines)
    again = run(tmp_path, small.policy(), Part(name="nines", scorer=scorer))
    assert again == first
    assert scorer.calls == 0
    with pytest.raises(ConfigError, match="other settings"):
        run(tmp_path, small.policy(), settings=replace(SMALL, seed=1))
    with pytest.raises(ConfigError, match="other policy"):
        run(tmp_path, small.policy(seed=1))
    assert run(tmp_path, small.policy(), settings=replace(SMALL, seed=1), resume=False).steps == 4


def test_unscored_responses_are_left_out_and_counted(tmp_path: Path) -> None:
    """Those that fail are worth much, were they taken for 0 or for their value: they must not
    matter."""
    count = 0

    def sometimes(response: Response) -> Score | Unscored:
        nonlocal count
        count += 1
        return Unscored(reason="the machine was busy") if count % 20 == 7 else small.nines(response)

    done = run(tmp_path, small.policy(), Part(name="nines", scorer=small.By(sometimes)))
    rows = [row for row in done.rows if "reward" in row]
    assert len(rows) == 4
    assert 2 <= sum(row["unscored"] for row in rows) <= 4
    assert any(
        row.get("reasons") == {"nines: the machine was busy": row["unscored"]} for row in rows
    )


def test_a_response_without_a_score_has_no_gradient(tmp_path: Path) -> None:
    """A group of which only one response has a score teaches nothing."""

    class One:
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            return [
                [Score(value=5.0), *[Unscored(reason="no")] * (len(g.responses) - 1)]
                for g in groups
            ]

    policy = small.policy()
    before = weights(policy)
    run(tmp_path, policy, Part(name="one", scorer=One()))
    assert same(before, weights(policy))


def test_nothing_scored_at_all_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no response of 3 rounds could be scored: nines: off"):
        run(
            tmp_path,
            small.policy(),
            Part(name="nines", scorer=small.By(lambda r: Unscored(reason="off"))),
        )


@pytest.mark.parametrize("steps", [1, 2])
def test_a_short_run_of_which_nothing_is_scored_ends_with_the_reasons(
    steps: int, tmp_path: Path
) -> None:
    """It is not taken for a run whose rewards are all alike, and ends again where it is resumed."""

    def off(response: Response) -> Unscored:
        return Unscored(
            reason=f"no key in {len(response.steps)} steps" if response.steps else "empty"
        )

    part = Part(name="nines", scorer=small.By(off))
    settings = replace(SMALL, steps=steps)
    rounds = "the only round" if steps == 1 else "2 rounds"
    for _ in range(2):
        with pytest.raises(
            BackendError, match=f"no response of {rounds} could be scored: nines: no key in . steps"
        ):
            run(tmp_path, small.policy(), part, settings)
    rows = read_rows(tmp_path / METRICS)
    assert [row["alarm"] for row in rows if "alarm" in row] == ["nothing is scored: the reward"]
    assert [row["skipped"] for row in rows if "skipped" in row] == [
        "no response could be scored"
    ] * (steps - 1)
    assert not (tmp_path / "rl.json").exists()


def test_a_gold_that_scores_nothing_says_why_at_the_first_look(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    golds = {
        "g": small.By(lambda r: Unscored(reason="no reference")),
        "fine": small.By(small.nines),
    }
    with caplog.at_level(logging.WARNING):
        done = run(tmp_path, small.policy(), golds=golds)
    count = SMALL.watch_prompts * SMALL.watch_samples
    said = [
        (row["step"], row["alarm"], row["text"])
        for row in done.rows
        if "nothing is scored" in row.get("alarm", "")
    ]
    assert said == [
        (0, "nothing is scored: g", f"none of {count} responses could be scored: no reference")
    ]
    assert caplog.text.count(f"g: none of {count} responses could be scored: no reference") == 1
    for name in ("metrics.jsonl", "samples.jsonl", "rl.json"):
        for line in (
            (tmp_path / name).read_text().splitlines()
            if "jsonl" in name
            else [(tmp_path / name).read_text()]
        ):
            json.loads(line, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_a_gold_that_fails_loses_nothing(tmp_path: Path) -> None:
    class Failing(small.By):
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            if self.calls == 1:
                raise ValueError("gone")
            return super().score(groups)

    with pytest.raises(BackendError, match="scorer 'gold' failed: ValueError: gone"):
        run(tmp_path / "cut", small.policy(), golds={"gold": Failing(small.nines)})
    whole = run(tmp_path / "whole", small.policy(), golds={"gold": small.By(small.nines)})
    mended = run(tmp_path / "cut", small.policy(), golds={"gold": small.By(small.nines)})
    assert untimed(mended.rows) == untimed(whole.rows)


@pytest.mark.parametrize("fault", ["nan", "count", "hang", "error"])
def test_a_scorer_that_breaks_its_promise_is_named_and_nothing_is_lost(
    fault: str, tmp_path: Path
) -> None:
    import time

    class Broken(small.By):
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            rows = super().score(groups)
            if self.calls < 5:
                return rows
            if fault == "nan":
                return [
                    [Score.model_construct(value=float("nan"), steps=(), std=None) for _ in row]
                    for row in rows
                ]
            if fault == "count":
                return [row[:-1] for row in rows]
            if fault == "hang":
                time.sleep(8)
            raise ValueError("no such model")

    settings = replace(SMALL, score_timeout=3.0 if fault == "hang" else 60.0)
    with pytest.raises(BackendError, match="scorer 'broken'"):
        run(tmp_path, small.policy(), Part(name="broken", scorer=Broken(small.nines)), settings)
    whole = run(
        tmp_path / "whole",
        small.policy(),
        Part(name="broken", scorer=small.By(small.nines)),
        settings,
    )
    mended = run(
        tmp_path, small.policy(), Part(name="broken", scorer=small.By(small.nines)), settings
    )
    assert untimed(mended.rows) == untimed(whole.rows)


FREE = replace(SMALL, steps=5, watch_every=5)


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Policy]:
    """A run that nothing holds back, and its policy."""
    policy = small.policy()
    return run(tmp_path_factory.mktemp("free"), policy, settings=FREE), policy


@pytest.mark.parametrize(
    ("estimator", "place"),
    [("k1", "reward"), ("k2", "loss"), ("k3", "loss_with_ratio"), ("exact", "loss")],
)
def test_beta_changes_what_is_learned_and_holds_back(
    estimator: Any, place: Any, free: tuple[Any, Policy], tmp_path: Path
) -> None:
    """Every estimator and every place once; `test_kl` has the gradients of all pairs."""
    loose, policy = free
    held = small.policy()
    settings = replace(FREE, kl=1.0, kl_estimator=estimator, kl_place=place)
    tight = run(tmp_path / "held", held, settings=settings)
    assert not same(weights(policy), weights(held))
    ends = [
        next(row["eval"]["kl"][0] for row in reversed(r.rows) if "eval" in row)
        for r in (loose, tight)
    ]
    assert ends[1] < ends[0]


def test_chi_squared_changes_what_is_learned(tmp_path: Path) -> None:
    free, held = small.policy(), small.policy()
    loose = run(tmp_path / "free", free, settings=replace(SMALL, steps=6, watch_every=6))
    tight = run(tmp_path / "held", held, settings=replace(SMALL, steps=6, watch_every=6, chi2=1.0))
    chi2 = [[row["chi2"] for row in r.rows if "chi2" in row][-1] for r in (loose, tight)]
    assert chi2[1] < chi2[0]


def test_parts_of_a_batch_change_memory_and_not_the_result(tmp_path: Path) -> None:
    policies = []
    for micro in (30, 100_000):
        policy = small.policy(critic=True)
        settings = replace(
            RECIPES["ppo"], steps=1, groups=2, samples=4, max_tokens=7, minibatches=2, epochs=2
        )
        settings = replace(settings, learning_rate=1e-3, micro_tokens=micro, watch_every=2)
        run(tmp_path / str(micro), policy, settings=settings)
        policies.append(weights(policy))
    for name, value in policies[0].items():
        torch.testing.assert_close(value, policies[1][name], rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("adapters", [0, 4])
def test_recomputed_activations_change_memory_and_not_the_result(
    adapters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies, passes = [], []
    for on in (False, True):
        network = small.model(num_hidden_layers=2)
        layer = type(network.model.layers[0].mlp)
        forward, calls = layer.forward, list[bool]()

        def counted(
            self: Any, *args: Any, forward: Any = forward, calls: list[bool] = calls, **named: Any
        ) -> Any:
            # Whether it is called within a backward pass.
            calls.append(torch._C._current_graph_task_id() >= 0)
            return forward(self, *args, **named)

        monkeypatch.setattr(layer, "forward", counted)
        policy = small.policy(network=network, critic=True, adapters=adapters)
        settings = replace(
            RECIPES["ppo"], steps=2, groups=2, samples=4, max_tokens=7, minibatches=2, epochs=1
        )
        settings = replace(settings, learning_rate=1e-3, gradient_checkpointing=on)
        run(tmp_path / str(on), policy, settings=settings)
        monkeypatch.undo()
        policies.append(weights(policy))
        passes.append(sum(calls))
        assert not any(module.training for module in policy.model.modules())
    assert passes[1] > passes[0] == 0
    for name, value in policies[0].items():
        torch.testing.assert_close(value, policies[1][name], rtol=1e-4, atol=1e-6)


def test_layers_that_would_drop_states_are_not_recomputed(tmp_path: Path) -> None:
    network = small.model()
    network.model.layers[0].dropout = 0.1
    settings = replace(SMALL, gradient_checkpointing=True)
    with pytest.raises(ConfigError, match=r"drop states.*lower micro_tokens"):
        run(tmp_path, small.policy(network=network), settings=settings)


def test_adapters_leave_the_reference_where_it_was(tmp_path: Path) -> None:
    policy = small.policy(adapters=4)
    frozen = {n: p.detach().clone() for n, p in policy.model.named_parameters() if "lora_" not in n}
    assert policy.reference.model is policy.model
    done = run(
        tmp_path, policy, settings=replace(SMALL, learning_rate=2e-2, steps=10, watch_every=10)
    )
    assert all(torch.equal(p, frozen[n]) for n, p in policy.model.named_parameters() if n in frozen)
    kl = [row["eval"]["kl"][0] for row in done.rows if "eval" in row]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[-1] > 0.05
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "policy")
    assert not any("lora" in name for name, _ in stock.named_parameters())
    ids = torch.tensor([[24, 0, 4, 7, 1, 14]])
    torch.testing.assert_close(stock(ids).logits, policy.model(ids).logits, rtol=0, atol=1e-4)


def test_the_policy_is_kept_as_it_was_where_gold_was_highest(tmp_path: Path) -> None:
    """A gold that praises the second of three looks, and a run that saw the weights then."""
    policy = small.policy()
    seen: list[dict[str, Tensor]] = []

    class Gold:
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            seen.append(weights(policy))
            value = float(len(seen) == 2)
            return [[Score(value=value) for _ in group.responses] for group in groups]

    done = run(tmp_path, policy, golds={"gold": Gold(), "other": small.By(small.nines)})
    assert done.peak == 2
    looks = [row["eval"]["gold"] for row in done.rows if "eval" in row]
    assert [look["gold"][0] for look in looks] == [0, 1, 0]
    assert all("other" in look for look in looks)
    for folder, expected in (("peak", seen[1]), ("policy", seen[2])):
        stock = dict(AutoModelForCausalLM.from_pretrained(tmp_path / folder).named_parameters())
        assert all(torch.equal(stock[name], expected[name]) for name in stock)
    assert same(weights(policy), seen[2])


def test_a_budget_of_divergence_ends_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, small.policy(), settings=replace(SMALL, steps=60, kl_budget=0.3))
    assert done.steps < 60
    assert "passed the budget of 0.3" in done.stopped
    assert [row["kl"] > 0.3 for row in done.rows if "kl" in row] == [False] * (done.steps - 1) + [
        True
    ]
    assert done.rows[-1]["step"] == done.steps


def test_the_coefficient_follows_its_target(tmp_path: Path) -> None:
    settings = replace(SMALL, kl=0.1, kl_target=0.001, kl_horizon=160.0)
    done = run(tmp_path, small.policy(), settings=settings)
    betas = [row["beta"] for row in done.rows if "beta" in row]
    # Far above the target each of the 16 responses a round raises it by .2 / 160; below it, the
    # first round lowers it.
    assert betas[0] == 0.1
    assert betas[1] == pytest.approx(0.1 * (1 - 0.2 * 16 / 160))
    assert betas[3] > betas[2]


def test_groups_that_teach_nothing_are_replaced(tmp_path: Path) -> None:
    """Of prompts that begin with an odd digit all responses earn the same."""

    class Half:
        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            rows = []
            for group in groups:
                odd = int(group.prompt.id[0]) % 2
                rows.append(
                    [Score(value=1.0 if odd else float(i)) for i in range(len(group.responses))]
                )
            return rows

    done = run(
        tmp_path,
        small.policy(),
        Part(name="half", scorer=Half()),
        settings=replace(SMALL, drop_equal=True, refill=6),
    )
    rows = [row for row in done.rows if "reward" in row]
    assert all(row["reward"] == 1.5 for row in rows)
    assert 0.2 < sum(row["filtered"] for row in rows) / len(rows) < 0.8


def test_samples_from_another_distribution_are_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run(tmp_path / "healthy", small.policy())
    assert "distribution" not in caplog.text

    policy = small.policy()
    sample = policy.generator.sample

    def shifted(*args: Any) -> Any:
        return [
            [replace(s, logprobs=tuple(x - 0.3 for x in s.logprobs)) for s in row]
            for row in sample(*args)
        ]

    policy.generator.sample = shifted  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        run(tmp_path / "shifted", policy)
    assert caplog.text.count("drawn from another distribution") == 1


def test_what_a_row_says_against_itself() -> None:
    healthy = {
        "scorer_over_sampler": [1.0, 1e-6],
        "reference_over_policy": [0.9, 0.05],
        "kl_a_token": 0.01,
    }
    assert inconsistencies(healthy) == {}
    assert inconsistencies({}) == {}
    (text,) = inconsistencies(healthy | {"reference_over_policy": [0.9, 0.01]}).values()
    assert "0.900 ± 0.010" in text
    assert "top-p" in text
    # Far from the reference a mean of weights says nothing.
    assert (
        inconsistencies(healthy | {"reference_over_policy": [0.9, 0.01], "kl_a_token": 0.2}) == {}
    )
    assert [*inconsistencies(healthy | {"scorer_over_sampler": [1.02, 0.001]})] == [
        "scorer_over_sampler"
    ]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    part = Part(name="nines", scorer=small.By(small.nines))
    with pytest.raises(DataError, match="0 prompts"):
        optimise(small.policy(), [], [part], settings=SMALL, out=tmp_path)
    with pytest.raises(ConfigError, match="value head"):
        run(tmp_path, small.policy(), settings=replace(SMALL, advantage="gae"))
    with pytest.raises(ConfigError, match="compares step rewards"):
        run(tmp_path, small.policy(), settings=replace(SMALL, advantage="grpo_process"))
    with pytest.raises(ConfigError, match="zero on average"):
        replace(SMALL, kl=0.1, kl_estimator="k1", kl_place="loss")
    with pytest.raises(ConfigError, match="one name"):
        run(tmp_path, small.policy(), golds={"nines": small.By(small.nines)})
    with pytest.raises(ConfigError, match="held-out"):
        optimise(
            small.policy(),
            small.PROMPTS,
            [part],
            settings=SMALL,
            out=tmp_path,
            golds={"g": part.scorer},
        )
    silent = Part(name="silent", scorer=small.By(lambda r: Score(value=1.0)), place="every_step")
    with pytest.raises(ConfigError, match="needs step scores"):
        run(tmp_path, small.policy(), silent)


def test_the_summary_is_plain_json(tmp_path: Path) -> None:
    run(tmp_path, small.policy(), golds={"gold": small.By(small.nines)})
    summary = json.loads((tmp_path / "rl.json").read_text())
    assert summary["steps"] == 4
    assert {p.name for p in tmp_path.iterdir()} == {
        "metrics.jsonl",
        "samples.jsonl",
        "rl.json",
        "policy",
        "peak",
    }
    samples = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert {row["step"] for row in samples} == {0, 2, 4}
    assert all(len(row["step_scores"]) == len(row["response"]) for row in samples)


@dataclass(frozen=True)
class ByStep:
    """Pays the number of the step of training, and -1 where it is evaluated."""

    step: int | None = None

    fingerprint = "by step"

    def at(self, step: int) -> "ByStep":
        return ByStep(step)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        value = -1.0 if self.step is None else float(self.step)
        return [[Score(value=value) for _ in group.responses] for group in groups]


def test_a_scorer_is_told_the_step_of_training_and_not_when_it_is_evaluated(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, small.policy(), Part(name="by step", scorer=ByStep()))
    assert [row["reward"] for row in done.rows if "reward" in row] == [0, 1, 2, 3]
    assert {row["eval"]["proxy"][0] for row in done.rows if "eval" in row} == {-1}
