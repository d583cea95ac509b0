"""A second head takes up the length: the reward that is kept goes with quality alone, and is a
stock model."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.losses import last
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.odin import ODIN
from assay.models import checkpoint
from assay.models.reward_model import RewardModel
from assay.protocols import Loss
from assay.scorers.local import LocalScorer
from assay.training.collate import MicroBatch, encode, micro_batches
from assay.training.disentangle import TwoHeads, accumulate
from assay.training.loop import Settings, Trained, train
from assay.types import Preference, Prompt, Response, Score
from tests.training import planted

FAST = Settings(epochs=6, batch_size=50, learning_rate=5e-3)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def preferences(count: int, seed: int = 0, price: float = 0.25) -> list[Preference]:
    """A response is good with a "y"; who labels it also likes every letter more, at a price, and
    knows no better."""
    rng = random.Random(seed)
    found = []
    for i in range(count):
        good, lengths = (
            [rng.random() < 0.5 for _ in range(2)],
            [rng.randint(1, 12) for _ in range(2)],
        )
        worth = [g + price * n for g, n in zip(good, lengths, strict=True)]
        texts = [("y" if g else "n") + "a" * n for g, n in zip(good, lengths, strict=True)]
        prefer = 0.5 if worth[0] == worth[1] else float(worth[0] > worth[1])
        found.append(
            Preference(
                prompt=Prompt.of(f"q{i}"),
                responses=(Response.of(texts[0]), Response.of(texts[1])),
                prefer=prefer,
            )
        )
    return found


def measured(model: RewardModel, records: list[Preference]) -> tuple[float, float]:
    """Correlation of the reward with the length, and how often the good response of two wins."""
    rows = LocalScorer(model).score(records)
    values = [[s.value for s in row if isinstance(s, Score)] for row in rows]
    lengths = [[len(r.text) for r in record.responses] for record in records]
    rho = float(np.corrcoef(np.ravel(values), np.ravel(lengths))[0, 1])
    good = np.array([[r.text.startswith("y") for r in record.responses] for record in records])
    decided = good[:, 0] != good[:, 1]
    wins = (np.array(values)[:, 0] > np.array(values)[:, 1]) == good[:, 0]
    return rho, float(wins[decided].mean())


def run(loss: Loss, out: Path) -> Trained:
    return train(
        planted.model(),
        preferences(500),
        loss=loss,
        settings=FAST,
        out=out,
        held_out=preferences(100, 1),
        progress=False,
    )


def test_the_reward_loses_the_length_and_keeps_the_quality(tmp_path: Path) -> None:
    held = preferences(300, seed=2)
    plain, plain_accuracy = measured(run(BradleyTerry(), tmp_path / "plain").model, held)
    done = run(ODIN(), tmp_path / "odin")
    kept, accuracy = measured(done.model, held)
    assert plain > 0.6
    assert abs(kept) < 0.3
    assert accuracy > max(0.9, plain_accuracy)
    rows = [
        json.loads(line) for line in (tmp_path / "odin" / "metrics.jsonl").read_text().splitlines()
    ]
    assert abs(rows[-1]["eval_feature_correlation"]) < 0.3
    assert rows[-1]["eval_nuisance_correlation"] > 0.6
    # Nothing of the second head is saved.
    assert (
        checkpoint.load(tmp_path / "odin").state_dict().keys()
        == planted.model().state_dict().keys()
    )
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "odin").eval()
    assert stock.score.weight.shape == (1, 32)
    (encoded,) = done.model.encoder.encode([(Prompt.of("q"), Response.of("yaa"))])
    with torch.inference_mode():
        theirs = stock(torch.tensor([encoded.ids])).logits.item()
        assert theirs == pytest.approx(done.model(done.model.collate([encoded])).item(), abs=1e-5)


def test_a_step_is_the_same_however_it_is_cut() -> None:
    loss = ODIN(correlation=0.7, orthogonality=0.3)
    model = planted.model(hidden_act="silu").double()
    examples, _ = encode(preferences(40), model.encoder, loss)
    heads, found = TwoHeads(model, 0), []
    for budget in (100_000, 300, 1):
        parts = micro_batches(examples, loss, model.pad_id, budget)
        heads.zero_grad()
        figures = accumulate(heads, parts, loss)
        found.append(
            (
                len(parts),
                figures,
                [p.grad.clone() for p in heads.parameters() if p.grad is not None],
            )
        )
    # All at once, straight from the formula.
    (part,) = micro_batches(examples, loss, model.pad_id, 100_000)
    heads.zero_grad()
    values = heads(part)
    whole = loss(values.sum(0), part.targets, part.mask_G_R_S)
    rewards = torch.stack([last(v, part.mask_G_R_S) for v in values])
    whole = whole + loss.regularizer(
        rewards, part.targets[:, 2:], torch.cat([model.network.score.weight, heads.nuisance.weight])
    )
    whole.backward()
    expected = [p.grad for p in heads.parameters() if p.grad is not None]
    one, some, each = (count for count, *_ in found)
    assert 1 == one < some < each == 40
    for _, figures, gradients in found:
        assert figures == pytest.approx(found[0][1], rel=1e-6)
        assert figures["loss"] == pytest.approx(whole.item(), rel=1e-6)
        for ours, theirs in zip(gradients, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_dropout_is_the_same_in_both_passes() -> None:
    model = planted.model(attention_dropout=0.5)
    loss = ODIN()
    examples, _ = encode(preferences(40), model.encoder, loss)
    heads = TwoHeads(model, 0).train()
    parts = micro_batches(examples, loss, model.pad_id, 300)
    seen: list[torch.Tensor] = []
    heads.register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
    accumulate(heads, parts, loss)
    assert len(seen) == 2 * len(parts) > 2
    assert all(
        torch.equal(a, b) for a, b in zip(seen[: len(parts)], seen[len(parts) :], strict=True)
    )


def test_too_little_to_correlate_is_refused_before_anything_is_learnt(tmp_path: Path) -> None:
    for records, held, settings in [
        (preferences(20), [], FAST),
        (preferences(100), [], Settings(batch_size=16)),
        (preferences(100), preferences(31, 1), FAST),
    ]:
        with pytest.raises(ConfigError, match="ODIN needs 32 records per step"):
            train(
                planted.model(),
                records,
                loss=ODIN(),
                settings=settings,
                out=tmp_path,
                held_out=held,
            )
    with pytest.raises(ConfigError, match="every response has the same feature"):
        train(
            planted.model(),
            preferences(64),
            loss=ODIN(feature="words"),
            settings=FAST,
            out=tmp_path,
        )
    with pytest.raises(ConfigError, match="second head, and an implicit model has none"):
        train(planted.implicit(), preferences(64), loss=ODIN(), settings=FAST, out=tmp_path)


def test_it_trains_adapters_too(tmp_path: Path) -> None:
    settings = Settings(epochs=1, batch_size=40, learning_rate=5e-3, lora=2, micro_tokens=500)
    done = train(
        planted.model(),
        preferences(80),
        loss=ODIN(),
        settings=settings,
        out=tmp_path,
        progress=False,
    )
    assert done.model.state_dict().keys() == planted.model().state_dict().keys()


def test_a_run_broken_off_goes_on_with_both_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(epochs=2, batch_size=32, learning_rate=5e-3, checkpoint_every=2)

    def learn(out: Path) -> Trained:
        return train(
            planted.model(),
            preferences(96),
            loss=ODIN(),
            settings=settings,
            out=out,
            progress=False,
        )

    whole, forward, calls = learn(tmp_path / "whole"), TwoHeads.forward, []

    def breaks(self: TwoHeads, part: MicroBatch) -> torch.Tensor:
        calls.append(part)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return forward(self, part)

    monkeypatch.setattr(TwoHeads, "forward", breaks)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "cut")
    again = learn(tmp_path / "cut")
    # Six steps, kept after every second: the third and the fourth are done again.
    assert len(calls) == 4 + 4
    assert again.losses == whole.losses
    assert torch.equal(again.model.network.score.weight, whole.model.network.score.weight)
