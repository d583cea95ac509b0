"""The loop learns what is planted, whatever the micro-batches, and goes on exactly after a kill."""

import json
import math
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from assay.errors import BackendError, ConfigError, DataError
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.losses.plackett_luce import PlackettLuce
from assay.losses.step_bce import StepBCE
from assay.models import checkpoint
from assay.models.reward_model import Batch, RewardModel
from assay.packing.engine import Engine
from assay.protocols import Loss
from assay.training import optimization as descent
from assay.training.collate import encode, micro_batches
from assay.training.loop import SAMPLE, Settings, accumulate, learning_rate, train
from assay.types import Prompt, Record, Response
from tests import forked
from tests.training import planted

FAST = Settings(epochs=4, batch_size=32, learning_rate=5e-3)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, without what a clock decides."""
    found = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "tokens_per_second"} for row in found]


def test_a_planted_preference_is_learnt(tmp_path: Path) -> None:
    held = planted.preferences(100, seed=1)
    done = train(
        planted.model(),
        planted.preferences(400),
        loss=BradleyTerry(),
        settings=FAST,
        out=tmp_path,
        held_out=held,
    )
    assert done.held_out_accuracy is not None
    assert done.held_out_accuracy > 0.97
    # A fresh head's scores are of order one or below, so one batch's loss is log 2 give or take a
    # few tenths.
    assert done.losses[0] == pytest.approx(math.log(2), abs=0.4)
    assert done.losses[-1] < 0.1
    assert len(done.losses) == done.steps == 52
    assert done.parity < 1e-4
    scores = done.model.scores
    assert scores is not None
    assert scores.n == min(800, SAMPLE)
    assert {p.name for p in tmp_path.iterdir()} >= {
        "reward_model.json",
        "model.safetensors",
        "metrics.jsonl",
    }
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize(
    ("loss", "records", "floor"),
    [
        (PlackettLuce(), planted.rankings, 0.95),
        (Outcome(), planted.steps, 0.9),
        # Early tokens cannot know the outcome, and most of the gradient is theirs; chance is 0.5.
        (Outcome(every_token=True), planted.steps, 0.7),
    ],
)
def test_every_kind_of_record_is_learnt(
    loss: Loss, records: Any, floor: float, tmp_path: Path
) -> None:
    """Step losses are in `tests/losses/test_step_losses_learn.py`."""
    done = train(
        planted.model(loss.trains),
        records(300),
        loss=loss,
        settings=Settings(epochs=10, batch_size=32, learning_rate=5e-3),
        out=tmp_path,
        held_out=records(100, seed=1),
    )
    assert done.held_out_accuracy is not None
    assert done.held_out_accuracy > floor


@pytest.mark.parametrize(
    ("loss", "records"),
    [
        (BradleyTerry(center=0.1), planted.preferences(20)),
        (PlackettLuce(), planted.rankings(20)),
        (StepBCE(), planted.steps(20)),
        (Outcome(every_token=True), planted.steps(20)),
    ],
)
def test_gradients_do_not_depend_on_micro_batches(loss: Loss, records: list[Record]) -> None:
    model = planted.model(loss.trains)
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
        value, accuracy = accumulate(model, parts, loss)
        found.append(
            (
                len(parts),
                value,
                accuracy,
                [p.grad.clone() for p in model.parameters() if p.grad is not None],
            )
        )
    (one, value, accuracy, gradients), *others = found
    assert one == 1
    for count, other, other_accuracy, other_gradients in others:
        assert count >= 3
        assert other == pytest.approx(value, rel=1e-5)
        assert other_accuracy == accuracy
        for a, b in zip(gradients, other_gradients, strict=True):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_out_of_memory_takes_less_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(batch_size=16, epochs=2, learning_rate=1e-2)
    whole = train(
        planted.model(),
        planted.preferences(32),
        loss=BradleyTerry(),
        settings=settings,
        out=tmp_path / "a",
    )
    forward = RewardModel.forward
    refused = []

    def small(self: RewardModel, batch: Batch, **rest: Any) -> torch.Tensor:
        if torch.is_grad_enabled() and batch.ids_B_T.numel() > 200:
            refused.append(batch.ids_B_T.numel())
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, batch, **rest)

    monkeypatch.setattr(RewardModel, "forward", small)
    cut = train(
        planted.model(),
        planted.preferences(32),
        loss=BradleyTerry(),
        settings=settings,
        out=tmp_path / "b",
    )
    assert cut.losses == pytest.approx(whole.losses, rel=1e-4)
    assert 0 < len(refused) < 5, "what did not fit is not tried again at every step"


def test_learning_rate_rises_then_falls_as_a_cosine() -> None:
    settings = Settings(learning_rate=2.0, warmup=0.1, final_learning_rate_share=0.5)
    rates = [learning_rate(step, 100, settings) for step in range(101)]
    assert rates[:2] == pytest.approx([0.2, 0.4])
    assert rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(1.5)
    assert rates[100] == pytest.approx(1.0)


def test_killed_at_any_step_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    planted.killed_then_resumed(whole)
    lines = len((whole / "metrics.jsonl").read_bytes().splitlines())
    code = (
        "import pathlib\nfrom tests.training import"
        f" planted\nplanted.killed_then_resumed(pathlib.Path({str(cut)!r}))"
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
    # A line that the kill cut short goes too.
    with (cut / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 1')
    planted.killed_then_resumed(cut)
    assert rows(cut) == rows(whole)
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (cut / "reward_model.json").read_bytes() == (whole / "reward_model.json").read_bytes()


def test_a_finished_run_is_loaded_and_another_one_refused(tmp_path: Path) -> None:
    data = planted.preferences(40)
    first = train(planted.model(), data, loss=BradleyTerry(), settings=FAST, out=tmp_path)
    stamp = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = train(planted.model(), data, loss=BradleyTerry(), settings=FAST, out=tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == stamp
    assert again.losses == first.losses
    assert again.model.scores == first.model.scores
    for a, b in zip(first.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for loss, settings, records, what in [
        (BradleyTerry(margin=1.0), FAST, data, "loss"),
        (BradleyTerry(), Settings(epochs=5), data, "settings"),
        (BradleyTerry(), FAST, data[:-1], "records"),
    ]:
        with pytest.raises(ConfigError, match=f"other {what};"):
            train(planted.model(), records, loss=loss, settings=settings, out=tmp_path)
    train(
        planted.model(),
        data,
        loss=BradleyTerry(margin=1.0),
        settings=FAST,
        out=tmp_path,
        resume=False,
    )
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns != stamp


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    # Held-out labels are the opposite: every step of training makes the held-out loss worse.
    held = [
        pair.model_copy(update={"prefer": 1 - pair.prefer})
        for pair in planted.preferences(50, seed=1)
    ]
    settings = Settings(epochs=20, batch_size=32, learning_rate=5e-3, eval_every=4, patience=3)
    done = train(
        planted.model(),
        planted.preferences(200),
        loss=BradleyTerry(),
        settings=settings,
        out=tmp_path,
        held_out=held,
    )
    found = [row for row in rows(tmp_path) if "eval_loss" in row]
    best = min(found, key=lambda row: row["eval_loss"])
    assert done.best_step == best["step"]
    assert done.held_out_loss == best["eval_loss"]
    assert done.steps == found[-1]["step"] == best["step"] + 3 * 4
    model = checkpoint.load(tmp_path)
    examples, _ = encode(held, model.encoder, BradleyTerry())
    with torch.inference_mode():
        value, _ = accumulate(
            model, micro_batches(examples, BradleyTerry(), model.pad_id, 8192), BradleyTerry()
        )
    assert value == pytest.approx(best["eval_loss"], abs=1e-6)


def test_dropped_records_are_counted_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = planted.preferences(60)
    # bos, prompt, newline, response, eos; a byte is a token
    length = max(len(p.prompt.text) + len(r.text) + 3 for p in short for r in p.responses)
    done = train(
        planted.model(max_length=length),
        [*short, _too_long()],
        loss=BradleyTerry(),
        settings=FAST,
        out=tmp_path,
    )
    assert done.records == 60
    assert done.dropped == 1
    assert done.dropped_why == {f"longer than {length} tokens": 1}
    assert "1 of 61 training records are dropped" in capsys.readouterr().err
    assert rows(tmp_path)[0]["dropped"] == done.dropped_why
    with pytest.raises(DataError, match="no record is left"):
        train(
            planted.model(max_length=3),
            short,
            loss=BradleyTerry(),
            settings=FAST,
            out=tmp_path / "none",
        )


def test_the_saved_folder_is_a_stock_classifier(tmp_path: Path) -> None:
    done = train(
        planted.model(), planted.preferences(40), loss=BradleyTerry(), settings=FAST, out=tmp_path
    )
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    (encoded,) = done.model.encoder.encode([(Prompt.of("q ab"), Response.of("ab yes"))])
    with torch.inference_mode():
        theirs = stock(torch.tensor([encoded.ids])).logits.item()
        ours = done.model(done.model.collate([encoded])).item()
    assert theirs == pytest.approx(ours, abs=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    model = planted.model()
    torch.nn.init.constant_(model.network.score.weight, float("nan"))
    with pytest.raises(BackendError, match="scores are no finite numbers before the first step"):
        train(model, planted.preferences(8), loss=BradleyTerry(), settings=FAST, out=tmp_path)
    far = replace(FAST, learning_rate=1e30)
    with pytest.raises(BackendError, match=r"step [2-9]: loss nan"):
        train(
            planted.model(),
            planted.preferences(64),
            loss=BradleyTerry(),
            settings=far,
            out=tmp_path / "far",
        )


def test_the_end_of_a_response_is_learnt_even_where_it_was_the_padding(tmp_path: Path) -> None:
    model = planted.model()
    eos = model.encoder.tokenizer.eos_token_id
    before = model.network.get_input_embeddings().weight.detach().clone()
    train(model, planted.preferences(32), loss=BradleyTerry(), settings=FAST, out=tmp_path)
    after = model.network.get_input_embeddings().weight
    assert not torch.equal(after[eos], before[eos])
    assert torch.equal(after[model.pad_id], before[model.pad_id])


def test_a_folder_with_somebody_elses_model_is_left_alone(tmp_path: Path) -> None:
    planted.model().network.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="no training run made"):
        train(
            planted.model(),
            planted.preferences(8),
            loss=BradleyTerry(),
            settings=FAST,
            out=tmp_path,
        )


def test_read_out_and_loss_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="link is 'sigmoid'"):
        train(planted.model(), planted.steps(8), loss=StepBCE(), settings=FAST, out=tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"lora": 4}, {"gradient_checkpointing": True}, {"autocast": True}, {"weight_decay": 0.1}],
)
def test_options_train_and_save_a_stock_model(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(epochs=3, batch_size=16, learning_rate=5e-3, **changes)
    before = planted.model().state_dict()
    done = train(
        planted.model(),
        planted.preferences(100),
        loss=BradleyTerry(),
        settings=settings,
        out=tmp_path,
    )
    assert done.losses[-1] < done.losses[0]
    assert done.model.state_dict().keys() == before.keys()
    assert checkpoint.load(tmp_path).state_dict().keys() == before.keys()


def test_gradient_checkpointing_changes_no_number(tmp_path: Path) -> None:
    found = []
    for on in (False, True):
        settings = Settings(epochs=1, batch_size=16, learning_rate=1e-3, gradient_checkpointing=on)
        found.append(
            train(
                planted.model(),
                planted.preferences(64),
                loss=BradleyTerry(),
                settings=settings,
                out=tmp_path / str(on),
            ).losses
        )
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_bf16_parameters_train_with_a_head_in_fp32(tmp_path: Path) -> None:
    model = planted.model().bfloat16()
    model.network.score.float()
    model.readout_weights = model.readout_weights.float()
    done = train(model, planted.preferences(200), loss=BradleyTerry(), settings=FAST, out=tmp_path)
    assert done.losses[-1] < 0.3
    assert done.model.network.score.weight.dtype == torch.float32
    assert next(done.model.backbone.parameters()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"warmup": 2.0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"epochs": math.inf},
        {"weight_decay": math.nan},
        {"seed": -1},
        {"patience": 0},
    ],
)
def test_settings_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Settings(**bad)


def _too_long() -> Any:
    return planted.preferences(1)[0].model_copy(update={"prompt": Prompt.of("long " * 20)})


def test_a_short_run_that_is_stopped_goes_on_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Far fewer steps than between two checkpoints: a tenth of them is lost at most."""

    def start() -> Any:
        data, settings = planted.preferences(40), Settings(epochs=4, batch_size=2)
        return train(planted.model(), data, loss=BradleyTerry(), settings=settings, out=tmp_path)

    takes = descent.take_step

    def stopped_at(step: int) -> None:
        def take(*arguments: Any) -> Any:
            if arguments[3] == step:
                raise KeyboardInterrupt
            return takes(*arguments)

        monkeypatch.setattr(descent, "take_step", take)
        with pytest.raises(KeyboardInterrupt):
            start()

    stopped_at(7)
    assert "begins anew" not in capsys.readouterr().err
    stopped_at(23)
    assert "a run that ended before its first checkpoint; it begins anew" in capsys.readouterr().err
    monkeypatch.setattr(descent, "take_step", takes)
    assert start().steps == 80
    said = capsys.readouterr().err
    assert "resumed at step 16 of 80" in said
    assert "begins anew" not in said
