"""One model, whatever the batch looks like."""

import random
from typing import Any

import pytest
import torch
from torch import nn

from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.layout import Encoded, Layout
from assay.models.readout import PREFERENCE, PROCESS, Readout
from assay.models.reward_model import Batch, RewardModel, pad
from assay.types import Prompt, Response
from tests.models import tiny

ITEMS = [
    (Prompt.of("What is 2 + 2?"), Response(steps=("Two and two ", "make 4."))),
    (Prompt.of("Hi"), Response(steps=("Hello",))),
    (
        Prompt.of("Is 36 even, and why?"),
        Response(steps=("36 = 2 * 18,\n", "", "so it is ", "even."), finished=False),
    ),
    (Prompt.of("x"), Response(steps=())),
    (Prompt.of("y"), Response(steps=("<|im_end|><|im_end|>",))),
]


def make(architecture: str = "llama", readout: Readout = PROCESS, **changes: Any) -> RewardModel:
    network = tiny.network(architecture, **changes)
    return (
        checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=readout).double().eval()
    )


def logits_of(model: RewardModel, sequences: list[Encoded], **how: Any) -> list[torch.Tensor]:
    with torch.inference_mode():
        batch = model.collate(sequences, **how)
        return [row[valid] for row, valid in zip(model(batch), batch.valid_B_S, strict=True)]


@pytest.mark.parametrize(("architecture", "pad_id"), tiny.crossed((258, 1)))  # own, and eos
def test_scores_do_not_depend_on_the_batch(architecture: str, pad_id: int) -> None:
    model = make(architecture)
    tolerance = 1e-12
    if architecture == "gemma2":
        # Its attention takes the softmax in fp32, where float64's mask of padding becomes infinite.
        model, tolerance = model.float(), 1e-5
    model.pad_id = pad_id
    sequences = model.encoder.encode(ITEMS)
    assert any(
        1 in s.ids for s in sequences
    )  # The pad token occurs in the text when it is the eos token.
    alone = [logits_of(model, [s])[0] for s in sequences]
    order = list(range(len(sequences)))
    random.Random(0).shuffle(order)
    for how in ({"side": "right"}, {"side": "left"}):
        for got, i in zip(
            logits_of(model, [sequences[i] for i in order], **how), order, strict=True
        ):
            torch.testing.assert_close(got, alone[i], rtol=0, atol=tolerance)
    assert len(torch.cat(alone).unique()) > 5  # Or the comparison would prove nothing.


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_logits_by_hand(architecture: str) -> None:
    model = make(architecture)
    sequence = model.encoder.encode(ITEMS)[2]
    hidden = model.backbone(input_ids=torch.tensor([sequence.ids])).last_hidden_state[0].detach()
    expected = [float(hidden[r] @ model.network.score.weight[0].detach()) for r in sequence.reads]
    assert [float(x) for x in logits_of(model, [sequence])[0]] == pytest.approx(expected, abs=1e-12)


def test_k_outputs_are_weighted() -> None:
    model = make(readout=Readout(weights=(-1.0, 0.5, 2.0)))
    assert model.network.score.weight.shape == (3, 16)
    hidden = torch.randn(2, 4, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows = model.network.score.weight
    expected = -(hidden @ rows[0]) + 0.5 * (hidden @ rows[1]) + 2 * (hidden @ rows[2])
    torch.testing.assert_close(model.read(hidden), expected)


def test_softmax_of_a_pair_is_the_sigmoid_of_its_weighted_sum() -> None:
    model = make(readout=Readout(weights=(-1.0, 1.0), link="sigmoid"))
    hidden = torch.randn(5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        model.read(hidden).sigmoid(), model.network.score(hidden).softmax(-1)[:, 1]
    )


def test_every_token_of_the_response_can_be_read() -> None:
    model = make()
    sequence = model.encoder.encode(ITEMS)[0]
    tokens = logits_of(model, [sequence], reads="tokens")[0]
    assert len(tokens) == len(sequence.ids) - sequence.start
    torch.testing.assert_close(
        tokens[[r - sequence.start for r in sequence.reads]],
        logits_of(model, [sequence])[0],
        rtol=0,
        atol=1e-12,
    )


def test_padding_by_hand() -> None:
    ids, reads = [[5, 6, 7], [8]], [[1, 2], []]
    right, left = (pad(ids, reads, 9, side=side) for side in ("right", "left"))
    assert right.ids_B_T.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert left.ids_B_T.tolist() == [[5, 6, 7], [9, 9, 8]]
    assert left.mask_B_T.tolist() == [[True, True, True], [False, False, True]]
    assert right.reads_B_S.tolist() == [[1, 2], [0, 0]]
    assert pad([[5], [6, 7]], [[0], [1]], 9, side="left").reads_B_S.tolist() == [[1], [1]]
    assert right.valid_B_S.tolist() == [[True, True], [False, False]]


def test_positions_are_gathered_row_by_row() -> None:
    model = make()
    batch = Batch(
        ids_B_T=torch.tensor([[4, 5, 6], [7, 8, 9]]),
        mask_B_T=torch.ones(2, 3, dtype=torch.bool),
        reads_B_S=torch.tensor([[2, 0], [1, 1]]),
        valid_B_S=torch.ones(2, 2, dtype=torch.bool),
    )
    hidden = model.backbone(input_ids=batch.ids_B_T).last_hidden_state
    expected = torch.stack([hidden[0, 2], hidden[0, 0], hidden[1, 1], hidden[1, 1]]).view(2, 2, 16)
    torch.testing.assert_close(model(batch), model.read(expected), rtol=0, atol=1e-12)


def test_head_stays_in_fp32_under_bf16() -> None:
    model = checkpoint.wrap(
        tiny.network().to(torch.bfloat16), tiny.tokenizer(), layout=Layout(), readout=PREFERENCE
    )
    assert next(model.backbone.parameters()).dtype == torch.bfloat16
    assert model.network.score.weight.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(model.collate(model.encoder.encode(ITEMS[:1])))
        hidden = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
        expected = (hidden.double() @ model.network.score.weight.double()[0]).float()
        torch.testing.assert_close(model.read(hidden), expected, rtol=1e-6, atol=1e-6)
    assert logits.dtype == torch.float32


def test_gradients_reach_head_and_backbone_from_read_positions_alone() -> None:
    model = make()
    batch = model.collate(model.encoder.encode(ITEMS[:3]))
    model(batch)[batch.valid_B_S].sum().backward()
    for parameter in (model.network.score.weight, model.backbone.embed_tokens.weight):  # type: ignore[union-attr]
        assert isinstance(parameter, torch.Tensor)
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
    assert isinstance(model.backbone.embed_tokens, nn.Embedding)
    assert model.backbone.embed_tokens.weight.grad is not None
    assert model.backbone.embed_tokens.weight.grad[model.pad_id].abs().sum() == 0


def test_first_scores_depend_on_the_seed_alone() -> None:
    def first(seed: int) -> torch.Tensor:
        return checkpoint.wrap(
            tiny.network(), tiny.tokenizer(), layout=Layout(), readout=PREFERENCE, seed=seed
        ).network.score.weight.detach()

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_networks_without_a_score_head_are_refused() -> None:
    encoder = make().encoder
    with pytest.raises(ConfigError, match="LlamaForCausalLM has no `score` head"):
        RewardModel(tiny.causal(), encoder, pad_id=0)
