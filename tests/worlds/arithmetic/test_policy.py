import numpy as np
import torch

from assay.models.layout import Encoder, Layout
from assay.models.readout import PREFERENCE
from assay.worlds.arithmetic.demonstrations import demonstrate
from assay.worlds.arithmetic.policy import sequences, train_policy
from assay.worlds.arithmetic.task import all_problems, prompt_of
from assay.worlds.arithmetic.tokenizer import PAD, make_tokenizer
from assay.worlds.threads import threads


def test_it_learns_from_the_tokens_that_a_reward_model_reads() -> None:
    rng = np.random.default_rng(0)
    made = demonstrate(all_problems()[rng.integers(0, 6561, 50)], rng)
    encoder = Encoder(make_tokenizer(), Layout(join=""), PREFERENCE)
    items = [
        (prompt_of(d), r) for d, r in zip(made.digits_N_K.tolist(), made.responses(), strict=True)
    ]
    for row, encoded in zip(sequences(made).tolist(), encoder.encode(items), strict=True):
        assert row[: len(encoded.ids)] == list(encoded.ids)
        assert set(row[len(encoded.ids) :]) <= {PAD}


def test_training_is_reproducible_and_lowers_the_loss() -> None:
    losses: list[list[float]] = [[], []]
    weights = []
    with threads(1):
        for run in losses:
            model = train_policy(
                all_problems(2), seed=3, demonstrations=200, steps=15, batch=16, learning_rate=5e-3,
                show=lambda _, note, run=run: run.append(float(note.split()[1])),
            )  # fmt: skip
            weights.append(model.lm_head.weight.detach())
    assert losses[0] == losses[1]
    assert torch.equal(*weights)
    assert losses[0][-1] < 0.8 * losses[0][0]
    assert 90_000 < sum(p.numel() for p in model.parameters()) < 120_000


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with threads(None):
        assert torch.get_num_threads() == before
