"""Outcomes alone teach an implicit model which step went wrong; its runs resume and options work as
any model's."""

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.losses.plackett_luce import PlackettLuce
from assay.losses.step_bce import StepBCE
from assay.models import checkpoint
from assay.models.implicit import ImplicitRewardModel
from assay.packing.engine import Engine
from assay.protocols import Loss
from assay.scorers.local import LocalScorer
from assay.training.collate import encode, micro_batches
from assay.training.loop import Settings, accumulate, train
from assay.types import Group, Record, Score, StepLabels
from tests import forked
from tests.training import planted
from tests.training.test_loop import rows

FAST = Settings(epochs=4, batch_size=32, learning_rate=5e-3)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def blamed(model: ImplicitRewardModel, records: list[StepLabels]) -> list[tuple[bool, float]]:
    """For each wrong response: whether the step with the "z" has the lowest score, and the chance
    of that."""
    wrong = [record for record in records if record.labels[-1] == 0]
    found = LocalScorer(model).score(
        [Group(prompt=r.prompt, responses=(r.response,)) for r in wrong]
    )
    hits = []
    for record, (score,) in zip(wrong, found, strict=True):
        assert isinstance(score, Score)
        (at,) = [i for i, step in enumerate(record.response.steps) if "z" in step]
        hits.append((int(np.argmin(score.steps)) == at, 1 / len(score.steps)))
    return hits


def test_outcomes_alone_teach_which_step_is_wrong(tmp_path: Path) -> None:
    records, held = planted.outcomes(400), planted.outcomes(200, seed=1)
    model = planted.implicit("outcome", beta=2.0, network=planted.writer(records))
    start = weights(model.reference)
    done = train(
        model,
        records,
        loss=Outcome(),
        settings=replace(FAST, epochs=5),
        out=tmp_path,
        held_out=held,
    )
    assert done.losses[0] == pytest.approx(np.log(2), abs=1e-5), (
        "where nothing is learned every reward is 0"
    )
    assert done.held_out_accuracy is not None
    assert done.held_out_accuracy > 0.95
    hits, chances = zip(*blamed(model, held), strict=True)
    assert len(hits) == 100
    assert np.mean(chances) < 0.3
    assert np.mean(hits) > 0.9
    assert all(torch.equal(value, start[name]) for name, value in weights(model.reference).items())
    assert isinstance(checkpoint.load(tmp_path), ImplicitRewardModel)
    assert blamed(checkpoint.load(tmp_path), held) == blamed(model, held)  # type: ignore[arg-type]


def test_a_planted_preference_is_learnt(tmp_path: Path) -> None:
    held = planted.preferences(100, seed=1)
    done = train(
        planted.implicit(),
        planted.preferences(300),
        loss=BradleyTerry(),
        settings=FAST,
        out=tmp_path,
        held_out=held,
    )
    assert done.held_out_accuracy is not None
    assert done.held_out_accuracy > 0.97
    assert done.losses[0] == pytest.approx(np.log(2), abs=1e-5)


@pytest.mark.parametrize(
    ("loss", "records"),
    [
        (BradleyTerry(center=0.1), planted.preferences(20)),
        (PlackettLuce(), planted.rankings(20)),
        (Outcome(), planted.outcomes(20)),
    ],
)
def test_gradients_do_not_depend_on_micro_batches(loss: Loss, records: list[Record]) -> None:
    model = planted.learned(planted.implicit(loss.trains))  # type: ignore[arg-type]
    examples, _ = encode(records, model.encoder, loss)
    found = []
    shared = Engine("packed", "", token_cost=1e12, piece_cost=1.0)
    expanded = replace(shared, path="expand")
    for budget, engine in (
        (10_000, None),
        (100, None),
        (1, None),
        (50, shared),
        (1, shared),
        (50, expanded),
    ):
        model.forced = engine
        parts = micro_batches(examples, loss, model.pad_id, budget, engine)
        model.zero_grad()
        value, _ = accumulate(model, parts, loss)
        found.append(
            (len(parts), value, [p.grad.clone() for p in model.parameters() if p.grad is not None])
        )
    (one, value, gradients), *others = found
    assert one == 1
    for count, other, other_gradients in others:
        assert count >= 3
        assert other == pytest.approx(value, rel=1e-5)
        for a, b in zip(gradients, other_gradients, strict=True):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_killed_at_any_step_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    planted.killed_then_resumed(whole, without_head=True)
    lines = len((whole / "metrics.jsonl").read_bytes().splitlines())
    code = (
        "import pathlib\nfrom tests.training import planted\n"
        f"planted.killed_then_resumed(pathlib.Path({str(cut)!r}), without_head=True)"
    )
    at = random.randint(9, lines // 2)
    process = forked.start(["-c", code], tmp_path / "said")
    try:
        deadline = time.monotonic() + 60
        while (
            not (cut / "metrics.jsonl").exists()
            or (cut / "metrics.jsonl").read_bytes().count(b"\n") < at
        ):
            assert process.is_alive(), (tmp_path / "said" / "err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.kill()
        process.join()
    assert (cut / "checkpoint" / "state.pt").is_file()
    assert not (cut / "reward_model.json").exists()
    planted.killed_then_resumed(cut, without_head=True)
    assert rows(cut) == rows(whole)
    for name in ("model.safetensors", "reference/model.safetensors", "reward_model.json"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    "changes",
    [{"lora": 4}, {"gradient_checkpointing": True}, {"autocast": True}, {"weight_decay": 0.1}],
)
def test_options_train_and_save_stock_models(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(epochs=3, batch_size=16, learning_rate=5e-3, **changes)
    before = planted.implicit()
    done = train(
        planted.implicit(),
        planted.preferences(100),
        loss=BradleyTerry(),
        settings=settings,
        out=tmp_path,
    )
    assert done.losses[-1] < done.losses[0]
    assert done.model.state_dict().keys() == before.state_dict().keys()
    policy, reference = (
        AutoModelForCausalLM.from_pretrained(f) for f in (tmp_path, tmp_path / "reference")
    )
    assert all(
        torch.equal(p, weights(before.network)[name]) for name, p in weights(reference).items()
    )
    assert any(
        not torch.equal(p, weights(before.network)[name]) for name, p in weights(policy).items()
    )


def test_a_finished_run_is_loaded_and_another_one_refused(tmp_path: Path) -> None:
    data, settings = planted.preferences(40), replace(FAST, epochs=1)
    first = train(planted.implicit(), data, loss=BradleyTerry(), settings=settings, out=tmp_path)
    again = train(planted.implicit(), data, loss=BradleyTerry(), settings=settings, out=tmp_path)
    assert again.losses == first.losses
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for other in (planted.implicit(beta=0.2), planted.model()):
        with pytest.raises(ConfigError, match="other model;"):
            train(other, data, loss=BradleyTerry(), settings=settings, out=tmp_path)
    # A folder is used again, with one kind of model and then with the other.
    train(
        planted.implicit(beta=0.2),
        data,
        loss=BradleyTerry(),
        settings=settings,
        out=tmp_path,
        resume=False,
    )
    assert checkpoint.read_manifest(tmp_path).implicit_beta == 0.2
    train(planted.model(), data, loss=BradleyTerry(), settings=settings, out=tmp_path, resume=False)
    assert not isinstance(checkpoint.load(tmp_path), ImplicitRewardModel)
    assert not (tmp_path / "reference").exists()


@pytest.mark.parametrize("loss", [StepBCE(), Outcome(every_token=True)])
def test_losses_along_the_response_are_refused(loss: Loss, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an implicit model learns from its end alone"):
        train(
            planted.implicit("outcome"), planted.outcomes(8), loss=loss, settings=FAST, out=tmp_path
        )
    assert not any(tmp_path.iterdir())
