"""From records to tensors, by hand."""

import math

import numpy as np
import pytest
import torch

from assay.errors import DataError
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.losses.plackett_luce import PlackettLuce
from assay.losses.step_bce import StepBCE
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.models.reward_model import Shared
from assay.packing.engine import Engine
from assay.packing.tree import LEAST
from assay.training.collate import (
    IDENTICAL,
    SAME_TOKENS,
    collate,
    encode,
    epoch_order,
    micro_batches,
)
from assay.types import Preference, Prompt, Ranking, Response, StepLabels
from tests.models import tiny
from tests.training import planted

P = Prompt.of("q")


def test_preferences() -> None:
    model = planted.model()
    pairs = [
        Preference(
            prompt=P, responses=(Response.of("a"), Response.of("bcd")), prefer=0.7, margin=2.0
        ),
        Preference(prompt=P, responses=(Response.of("a"), Response.of("b")), prefer=0.0),
    ]
    examples, dropped = encode(pairs, model.encoder, BradleyTerry())
    part = collate(examples, BradleyTerry(), model.pad_id)
    assert dropped.counts == {}
    assert part.targets.tolist() == [[pytest.approx(0.7), 2.0], [0.0, 0.0]]
    assert part.mask_G_R_S.shape == (2, 2, 1)
    assert part.mask_G_R_S.all()
    assert part.terms == 2
    # bos, "q", "\n", the response, eos
    assert part.batch.mask_B_T.sum(-1).tolist() == [5, 7, 5, 5]
    assert part.values(torch.arange(4.0)[:, None]).tolist() == [[[0.0], [1.0]], [[2.0], [3.0]]]


def test_rankings_of_unlike_sizes_leave_absent_responses_out() -> None:
    model = planted.model()
    two = Ranking(prompt=P, responses=(Response.of("a"), Response.of("b")), grades=(1.0, 2.0))
    three = Ranking(prompt=P, responses=tuple(map(Response.of, "abc")), grades=(3.0, 1.0, 2.0))
    part = collate(
        encode([two, three], model.encoder, PlackettLuce())[0], PlackettLuce(), model.pad_id
    )
    assert len(part.batch.ids_B_T) == 5
    assert part.mask_G_R_S[..., 0].tolist() == [[True, True, False], [True, True, True]]
    assert part.targets[0, :2].tolist() == [1.0, 2.0]
    assert part.targets[0, 2].isnan()
    assert part.values(torch.arange(5.0)[:, None])[..., 0].tolist() == [
        [0.0, 1.0, 0.0],
        [2.0, 3.0, 4.0],
    ]


def test_step_labels_and_the_tokens_of_each_step() -> None:
    model = planted.model("process")
    record = StepLabels(prompt=P, response=Response(steps=("ab", "c")), labels=(None, 0.25))
    part = collate(encode([record], model.encoder, StepBCE())[0], StepBCE(), model.pad_id)
    assert part.targets[0, 0, 0].isnan()
    assert part.targets[0, 0, 1] == 0.25
    assert part.terms == 1
    every = Outcome(every_token=True)
    part = collate(
        encode([record], planted.model("outcome").encoder, every)[0], every, model.pad_id
    )
    # "a", "b", "c" and the end
    assert part.batch.reads_B_S.tolist() == [[3, 4, 5, 6]]
    labels = part.targets[0, 0].tolist()
    assert math.isnan(labels[0])
    assert math.isnan(labels[1])
    assert labels[2:] == [0.25, 0.25]


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    model = planted.model("process", max_length=8)
    responses = [
        Response.of("ok"),
        Response.of("much too long"),
        Response(steps=()),
        Response.of(""),
        Response.of("b"),
    ]
    labels = [(1.0,), (1.0,), (), (1.0,), (None,)]
    records = [
        StepLabels(prompt=P, response=r, labels=y) for r, y in zip(responses, labels, strict=True)
    ]
    examples, dropped = encode(records, model.encoder, StepBCE())
    assert len(examples) == 1
    assert dropped.counts == {"longer than 8 tokens": 1, "empty response": 2, "no label": 1}


def test_records_of_another_kind_are_refused() -> None:
    with pytest.raises(
        DataError, match="record 2 is a StepLabels, and BradleyTerry learns from Preference"
    ):
        encode(
            [*planted.preferences(2), *planted.steps(1)], planted.model().encoder, BradleyTerry()
        )


def test_micro_batches_keep_to_their_budget_and_hold_everything_once() -> None:
    model = planted.model()
    examples, _ = encode(planted.preferences(50), model.encoder, BradleyTerry())
    for budget in (1, 100, 300, 10_000):
        parts = micro_batches(examples, BradleyTerry(), model.pad_id, budget)
        assert sum(len(p.targets) for p in parts) == 50
        assert all(p.batch.ids_B_T.numel() <= budget or len(p.targets) == 1 for p in parts)
    assert len(parts) == 1


def test_order_of_an_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=1001)
    order = epoch_order(lengths, 32, seed=3, epoch=1, bucket=32)
    assert sorted(np.concatenate(order).tolist()) == list(range(1001))
    assert {len(batch) for batch in order} <= {31, 32}
    again = epoch_order(lengths, 32, seed=3, epoch=1, bucket=32)
    assert all((a == b).all() for a, b in zip(order, again, strict=True))
    other = epoch_order(lengths, 32, seed=3, epoch=2, bucket=32)
    assert not all((a == b).all() for a, b in zip(order, other, strict=True))
    spread = np.mean([np.ptp(lengths[batch]) for batch in order])
    assert spread < 0.2 * np.ptp(lengths), "batches hold records of like length"


def test_records_of_one_prompt_stand_side_by_side() -> None:
    prompts = np.repeat(np.arange(50), 10)
    lengths = np.ones(500)
    for together in (1, 2, 4):
        order = epoch_order(lengths, 20, seed=0, epoch=0, prompts=prompts, together=together)
        assert sorted(np.concatenate(order).tolist()) == list(range(500))
        # Of ten records four, four and two stand together, so about 20 / (10 / 3) runs make a
        # batch.
        distinct = np.mean([len(set(prompts[batch].tolist())) for batch in order])
        assert distinct == pytest.approx({1: 16.7, 2: 9.5, 4: 6.0}[together], abs=1.2)
    other = epoch_order(lengths, 20, seed=0, epoch=1, prompts=prompts, together=4)
    assert not all((a == b).all() for a, b in zip(order, other, strict=True))


def test_shared_micro_batches_hold_what_their_unique_tokens_allow() -> None:
    model = planted.model()
    records = planted.preferences(30)
    examples, _ = encode(records, model.encoder, BradleyTerry())
    first, second = examples[0].ids
    common = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    assert examples[0].unique == len(first) + len(second) - (common if common >= LEAST else 0)
    engine = Engine("packed", "", token_cost=1e12, piece_cost=1.0)
    for budget in (1, 100, 10_000):
        parts = micro_batches(examples, BradleyTerry(), model.pad_id, budget, engine)
        assert sum(len(p.targets) for p in parts) == 30
        for part in parts:
            if len(part.targets) > 1:
                assert isinstance(part.batch, Shared)
                assert len(part.batch.tree.ids_T) <= budget
    plain = micro_batches(examples, BradleyTerry(), model.pad_id, 10_000)
    assert parts[0].batch.tokens == plain[0].batch.tokens


def test_without_buckets_a_batch_is_a_random_draw() -> None:
    lengths = np.arange(1024)
    means = [lengths[batch].mean() for batch in epoch_order(lengths, 32, seed=0, epoch=0)]
    # The mean of 32 of 0..1023, drawn without replacement, has a standard deviation of about 51.
    assert 25 < np.std(means) < 90


@pytest.mark.owed
def test_identical_responses_are_told_after_the_layout() -> None:
    """A template that trims makes one text of two; a tie of one text is true, a preference within
    it is not."""
    tokenizer = tiny.tokenizer(
        chat_template=tiny.HEADERS, extra=("<|head|>", "<|/head|>", "<|eot|>")
    )
    model = wrap(tiny.network(), tokenizer, layout=Layout(template="chat"), readout=PREFERENCE)
    texts = (
        ("so", "so ", 1.0),
        ("so\n", "so", 0.0),
        ("so", " so", 0.5),
        ("so", "no", 1.0),
        ("so", "so", 0.6),
    )
    pairs = [
        Preference(prompt=P, responses=(Response.of(a), Response.of(b)), prefer=p)
        for a, b, p in texts
    ]
    places = {id(pair): f"a.jsonl:{line}" for line, pair in enumerate(pairs, 1)}
    examples, dropped = encode(pairs, model.encoder, BradleyTerry(), places)
    assert len(examples) == 2
    assert (dropped.counts, dropped.first, dropped.ties) == (
        {SAME_TOKENS: 2, IDENTICAL: 1},
        {SAME_TOKENS: "a.jsonl:1", IDENTICAL: "a.jsonl:5"},
        1,
    )

    graded = (("aab", (1, 0, 2)), ("aa", (1, 1)), ("aa", (1, 0)), ("a", (1,)), ("ab", (1, 1)))
    rankings = [
        Ranking(prompt=P, responses=tuple(map(Response.of, a)), grades=g) for a, g in graded
    ]
    examples, dropped = encode(rankings, model.encoder, PlackettLuce())
    assert len(examples) == 3
    assert dropped.counts == {IDENTICAL: 1, "with a single response": 1}
    assert (dropped.contradicting, dropped.ties) == (1, 1)


@pytest.mark.owed
def test_identical_responses_give_no_gradient() -> None:
    """Why they are dropped: the gradients of the two cancel, whatever the label says."""
    model = planted.model()
    for prefer in (1.0, 0.5, 0.2):
        pair = Preference(prompt=P, responses=(Response.of("so"), Response.of("so")), prefer=0.5)
        examples, _ = encode([pair], model.encoder, BradleyTerry())
        part = collate(examples, BradleyTerry(), model.pad_id)
        model.zero_grad()
        target = torch.tensor([[prefer, 0.0]])
        BradleyTerry()(part.values(model(part.batch)), target, part.mask_G_R_S).backward()
        assert all(p.grad is None or float(p.grad.abs().max()) < 1e-6 for p in model.parameters())
