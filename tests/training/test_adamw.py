"""Weights in bf16 take the updates that weights in fp32 take, and a run of them resumes exactly."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.models.layout import Layout
from assay.models.reward_model import RewardModel
from assay.training import optimization as descent
from assay.training.adamw import AdamW, Bf16Update, memory_of, round_at_random
from assay.training.loop import Settings, train
from assay.training.sft import fine_tune
from tests.models import tiny
from tests.training import planted

HOW: tuple[Bf16Update, ...] = ("master", "stochastic")
# Small steps: rounded to the nearest, most would be lost.
SLOW = Settings(epochs=2, batch_size=8, learning_rate=5e-5, warmup=0.0, checkpoint_every=3, seed=4)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def half() -> RewardModel:
    """The planted model with its backbone in bf16."""
    model = planted.model()
    model.backbone.bfloat16()
    return model


def weights(model: Any) -> torch.Tensor:
    return torch.cat([p.detach().float().flatten() for p in model.parameters()])


def steps(optimiser: torch.optim.Optimizer, parameter: nn.Parameter, count: int) -> None:
    """So many steps on gradients that are the same for every optimiser, and exact in bf16."""
    generator = torch.Generator().manual_seed(7)
    for _ in range(count):
        gradient = (torch.randn(parameter.shape, generator=generator) + 0.5).bfloat16()
        parameter.grad = gradient.to(parameter.dtype)
        optimiser.step()


def test_a_master_copy_takes_the_steps_of_pytorchs_adamw() -> None:
    start = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.float())
    optimiser = AdamW([ours], lr=1e-3, weight_decay=0.1)
    steps(optimiser, ours, 50)
    steps(torch.optim.AdamW([theirs], lr=1e-3, weight_decay=0.1), theirs, 50)
    torch.testing.assert_close(
        optimiser.state[ours]["master"], theirs.detach(), rtol=1e-6, atol=1e-7
    )
    assert torch.equal(ours.detach(), optimiser.state[ours]["master"].bfloat16())


def test_fp32_is_pytorchs_adamw_bit_for_bit() -> None:
    start = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    steps(AdamW([ours], lr=1e-3, weight_decay=0.1), ours, 20)
    steps(torch.optim.AdamW([theirs], lr=1e-3, weight_decay=0.1, fused=True), theirs, 20)
    assert torch.equal(ours, theirs)


@pytest.mark.owed
def test_updates_below_the_last_bit_add_up() -> None:
    moved = {}
    for name in ("nearest", *HOW):
        parameter = nn.Parameter(torch.ones(4096).bfloat16())
        # 1/256 is the last bit at 1, and each step is a fortieth of it.
        settings: dict[str, Any] = {"lr": 1e-4, "weight_decay": 0.0}
        chosen = torch.optim.AdamW if name == "nearest" else AdamW
        optimiser = chosen(
            [parameter], **settings, **({} if name == "nearest" else {"bf16_update": name})
        )
        for _ in range(200):
            parameter.grad = torch.ones_like(parameter)
            optimiser.step()
        moved[name] = float(1 - parameter.detach().double().mean())
    assert moved["nearest"] == 0
    assert moved["master"] == pytest.approx(0.02, abs=1 / 512)
    assert moved["stochastic"] == pytest.approx(0.02, abs=5e-4)


def test_rounding_at_random_leaves_the_mean() -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.tensor([1.0, -3.0, 2.0**-100, 0.0])
    high = torch.tensor([1 + 2**-7, -3 - 2**-6, 2.0**-100 * (1 + 2**-7), 0.0])
    x = low + 0.3 * (high - low)
    found = torch.stack([round_at_random(x, generator) for _ in range(4000)]).float()
    assert ((found == low) | (found == high)).all()
    share = (found == high)[:, :3].float().mean(0)
    # Four standard errors.
    torch.testing.assert_close(share, torch.full((3,), 0.3), rtol=0, atol=4 * (0.21 / 4000) ** 0.5)
    exact = torch.randn(1000).bfloat16()
    assert torch.equal(round_at_random(exact.float(), generator), exact)


@pytest.mark.owed
@pytest.mark.parametrize("how", HOW)
def test_a_model_in_bf16_goes_the_way_of_one_in_fp32(how: Bf16Update, tmp_path: Path) -> None:
    start, records = weights(half()), planted.preferences(32)
    # From the same weights; what a forward pass in bf16 rounds is left.
    runs = {"fp32": (half().float(), SLOW), how: (half(), replace(SLOW, bf16_update=how))}
    full, low = (
        train(
            model,
            records,
            loss=BradleyTerry(),
            settings=settings,
            out=tmp_path / name,
            progress=False,
        )
        for name, (model, settings) in runs.items()
    )
    assert low.losses == pytest.approx(full.losses, abs=0.06)
    went, ours = weights(full.model) - start, weights(low.model) - start
    # As far in the same direction; what one rounding of each weight adds has none.
    assert float(ours @ went / (went @ went)) == pytest.approx(1, abs=0.1)
    summary = json.loads((tmp_path / how / "training.json").read_text())
    assert ("master" in summary["precision"]) == (how == "master")
    matrices = [n for n, p in full.model.named_parameters() if "layers" in n and p.ndim > 1]
    before, after = dict(half().named_parameters()), dict(low.model.named_parameters())
    moved = sum(float((before[n] != after[n]).float().mean()) for n in matrices) / len(matrices)
    assert moved > 0.2


@pytest.mark.parametrize("how", HOW)
def test_a_run_in_bf16_that_was_killed_resumes_exactly(
    how: Bf16Update, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SLOW, bf16_update=how, eval_every=2, checkpoint_every=2)
    records, held = planted.preferences(16), planted.preferences(4, seed=1)
    more: dict[str, Any] = {"loss": BradleyTerry(), "held_out": held, "progress": False}
    whole = train(half(), records, settings=settings, out=tmp_path / "whole", **more)
    take_step = descent.take_step

    def killed(*arguments: Any) -> Any:
        if arguments[3] == 3:
            raise KeyboardInterrupt
        return take_step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(descent, "take_step", killed)
        with pytest.raises(KeyboardInterrupt):
            train(half(), records, settings=settings, out=tmp_path / "cut", **more)
    other = replace(settings, bf16_update="stochastic" if how == "master" else "master")
    with pytest.raises(ConfigError, match="other settings"):
        train(half(), records, settings=other, out=tmp_path / "cut", **more)
    resumed = train(half(), records, settings=settings, out=tmp_path / "cut", **more)
    assert resumed.losses == whole.losses
    assert torch.equal(weights(resumed.model), weights(whole.model))


@pytest.mark.parametrize("how", HOW)
def test_a_policy_in_bf16_is_taught(how: Bf16Update, tmp_path: Path) -> None:
    losses = {}
    for dtype in (torch.float32, torch.bfloat16):
        settings = replace(
            SLOW, bf16_update=how if dtype == torch.bfloat16 else "master", learning_rate=1e-4
        )
        done = fine_tune(
            tiny.causal().to(dtype),
            tiny.tokenizer(),
            planted.preferences(32),
            layout=Layout(max_length=64),
            settings=settings,
            out=tmp_path / str(dtype),
            progress=False,
        )
        losses[dtype] = done.losses
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], abs=0.02)
    # The fall, of which nothing would be left if updates were lost.
    first, last = losses[torch.bfloat16][0], losses[torch.bfloat16][-1]
    assert first - last == pytest.approx(
        losses[torch.float32][0] - losses[torch.float32][-1], rel=0.2
    )


def test_what_cannot_be_trained_or_does_nothing_is_refused_before_the_first_step(
    tmp_path: Path,
) -> None:
    records = planted.preferences(8)
    more: dict[str, Any] = {"loss": BradleyTerry(), "progress": False}
    stochastic = replace(SLOW, bf16_update="stochastic")
    with pytest.raises(ConfigError, match="no parameter that is trained is in bfloat16"):
        train(planted.model(), records, settings=stochastic, out=tmp_path / "a", **more)
    with pytest.raises(ConfigError, match="LoRA adapters and heads are in float32"):
        train(half(), records, settings=replace(stochastic, lora=2), out=tmp_path / "b", **more)
    with pytest.raises(ConfigError, match="float16"):
        train(planted.model().half(), records, settings=SLOW, out=tmp_path / "c", **more)
    assert not list(tmp_path.glob("*/metrics.jsonl"))


def test_memory_is_counted_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer = nn.Linear(10, 10, bias=False)
    assert memory_of(layer.parameters(), "master").bytes_per_parameter == 16
    layer.bfloat16()
    assert memory_of(layer.parameters(), "master").bytes_per_parameter == 16
    assert memory_of(layer.parameters(), "stochastic").bytes_per_parameter == 12
    layer.requires_grad_(False)
    both = memory_of([*layer.parameters(), nn.Parameter(torch.zeros(5))], "master")
    assert (both.trained, both.gigabytes) == (5, (200 + 5 * 16) / 1e9)
    train(half(), planted.preferences(8), loss=BradleyTerry(), settings=SLOW, out=tmp_path)
    count = sum(p.numel() for p in half().parameters())
    said = f"training {count:,} parameters in bfloat16 with float32 master weights"
    assert said in capsys.readouterr().err
    summary = json.loads((tmp_path / "training.json").read_text())
    assert summary["trained_parameters"] == count
    assert (
        json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])["bytes_per_parameter"]
        == 16
    )
