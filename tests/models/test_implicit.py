"""An implicit reward is what two stock models say, however it is batched, cut into steps, trained
or saved."""

import copy
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from assay.errors import BackendError, ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.losses.plackett_luce import PlackettLuce
from assay.losses.step_bce import StepBCE
from assay.models import checkpoint
from assay.models.implicit import ImplicitRewardModel, check_loss
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.lora import add_lora, merge_lora
from assay.models.parity import tolerance_of
from assay.models.readout import OUTCOME, PREFERENCE, Readout, in_words
from assay.models.reward_model import Shared, TrainScores, pad, share
from assay.packing.engine import Engine
from assay.packing.tree import grow
from assay.scorers.local import LocalScorer
from assay.training.collate import encode, micro_batches
from assay.training.loop import accumulate
from assay.types import Group, Preference, Prompt, Response, Score, StepLabels
from tests.models import tiny
from tests.packing.float64 import InFloat64

DIFFERENCES = OUTCOME.model_copy(update={"steps": "difference"})

PATHS = [
    (architecture, path)
    for architecture, path in tiny.crossed(("packed", "expand", "plain"))
    if (architecture, path) != ("gemma2", "packed")
]

ITEMS = [
    (Prompt.of("What is 2 + 2?"), Response(steps=("Two and ", "two", " make 4."))),
    (Prompt.of("What is 2 + 2?"), Response(steps=("Two and ", "two", " make 5."))),
    (Prompt.of("Hi"), Response.of("Hello, how are you?")),
    (Prompt.of("x"), Response.of("")),
]


def make(
    architecture: str = "llama",
    *,
    beta: float = 0.3,
    same: bool = False,
    readout: Readout = DIFFERENCES,
    layout: Layout | None = None,
    **changes: Any,
) -> ImplicitRewardModel:
    """A policy that is its reference, or one that learned something."""
    quiet = (
        {"attention_dropout": 0.0, "hidden_dropout": 0.0}
        if architecture in ("gpt_neox", "phi")
        else {}
    )
    network = tiny.causal(architecture, **quiet, **changes)
    # As built, distributions are nearly uniform, and a mistake would be small.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4 if parameter.ndim > 1 else 1)
    model = checkpoint.wrap_implicit(
        network, tiny.tokenizer(), layout=layout or Layout(), readout=readout, beta=beta
    ).eval()
    if not same:
        disturb(model)
    return model


def disturb(model: ImplicitRewardModel) -> None:
    """As if trained."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter))


def plain(model: ImplicitRewardModel, ids: Any, start: int) -> Tensor:
    """q after every token of a response, from all logits of the two networks."""
    row = torch.as_tensor(np.array(ids))
    policy, reference = (m(input_ids=row[None]).logits[0] for m in (model.network, model.reference))
    ratios = [
        policy[t - 1].log_softmax(-1)[row[t]] - reference[t - 1].log_softmax(-1)[row[t]]
        for t in range(start, len(row))
    ]
    return model.beta * torch.stack(ratios).cumsum(0)


def sequences(seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """Two prompts, responses that begin alike, repeat and end early; read within, at the end, and
    before the first."""
    rng = np.random.default_rng(seed)
    rows, reads, starts = [], [], []
    for prompt in (rng.integers(3, 300, 17), rng.integers(3, 300, 6)):
        stem = np.concatenate([prompt, rng.integers(3, 300, 9)])
        ends = [rng.integers(3, 300, n) for n in (0, 1, 5, 12)]
        some = [np.concatenate([stem, end]) for end in ends] + [stem, np.append(prompt, 7)]
        for row in some:
            within = rng.choice(
                np.arange(len(prompt) - 1, len(row)), min(3, len(row) - len(prompt)), replace=False
            )
            rows.append(row)
            reads.append(np.unique([*within, len(row) - 1]))
            starts.append(len(prompt))
    return rows, reads, starts


# --- the values
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("architecture", "path"), PATHS)
def test_values_are_the_plain_sums(architecture: str, path: Any) -> None:
    windowed = {"sliding_window": 8} if architecture in ("mistral", "gemma2", "gemma3_text") else {}
    model, (rows, reads, starts) = make(architecture, **windowed).double(), sequences()
    model.forced = Engine(path, "asked for", 0.0)
    with InFloat64(), torch.no_grad():
        expected = [
            torch.cat([torch.zeros(1), plain(model, row, start)])[read - start + 1]
            for row, read, start in zip(rows, reads, starts, strict=True)
        ]
        assert any(bool((x == 0).any()) for x in expected)
        assert max(float(x.abs().max()) for x in expected) > 0.3
        batches = [
            pad(rows, reads, 0, starts=starts),
            pad(rows, reads, 5, starts=starts, side="left"),
            share(grow(rows, least=1), reads, starts=starts),
        ]
        for micro_tokens in (1 << 30, 20):
            for batch in batches:
                found = model(batch, micro_tokens=micro_tokens)
                assert found.shape == batch.valid_B_S.shape
                for row, values in zip(found, expected, strict=True):
                    torch.testing.assert_close(row[: len(values)], values, rtol=1e-9, atol=1e-9)


def test_a_shared_batch_goes_through_each_network_once() -> None:
    model, (rows, reads, starts) = make(), sequences()
    model.forced = Engine("packed", "asked for", 0.0)
    tree = grow(rows, least=1)
    shared, padded = share(tree, reads, starts=starts), pad(rows, reads, 0, starts=starts)
    counts: list[int] = []
    with torch.no_grad():
        model(padded)
        for network in (model.network, model.reference):
            network.base_model.embed_tokens.register_forward_hook(
                lambda _, x, __: counts.append(x[0].numel())
            )
        model(shared)
        # Nobody asks what follows a sequence's last token.
        assert counts == [len(grow([row[:-1] for row in rows]).ids_T)] * 2
        assert counts[0] < 0.5 * sum(map(len, rows))
        counts.clear()
        model(padded)
        assert counts == [len(rows) * (max(map(len, rows)) - 1)] * 2


@pytest.mark.parametrize("path", ["packed", "expand", "plain"])
def test_where_nothing_was_learned_every_value_is_exactly_zero(path: Any) -> None:
    model, (rows, reads, starts) = make(same=True), sequences()
    model.forced = Engine(path, "asked for", 0.0)
    with torch.no_grad():
        for batch in (
            pad(rows, reads, 0, starts=starts),
            share(grow(rows, least=1), reads, starts=starts),
        ):
            assert torch.equal(model(batch), torch.zeros_like(model(batch)))
        rewards, mask = model.token_rewards(model.encoder.encode(ITEMS))
    assert torch.equal(rewards, torch.zeros_like(rewards))
    assert mask.any()
    ((score,),) = LocalScorer(model).score([Group(prompt=ITEMS[0][0], responses=(ITEMS[0][1],))])
    assert score == Score(value=0.5, steps=(0.5, 0.5, 0.5))


def test_token_rewards_add_up_to_the_steps_and_the_steps_to_the_response() -> None:
    model = make(readout=PREFERENCE.model_copy(update={"steps": "difference"})).double()
    encoded = model.encoder.encode(ITEMS)
    with torch.no_grad():
        rewards, mask = model.token_rewards(encoded)
        values = model(model.collate(encoded))
    assert mask.sum(-1).tolist() == [len(s.ids) - s.start for s in encoded]
    assert not rewards[~mask].any()
    groups = [Group(prompt=prompt, responses=(response,)) for prompt, response in ITEMS]
    for s, row, value, (score,) in zip(
        encoded, rewards, values, LocalScorer(model).score(groups), strict=True
    ):
        cuts = [0, *(read - s.start + 1 for read in s.reads)]
        steps = [float(row[a:b].sum()) for a, b in pairwise(cuts)]
        assert isinstance(score, Score)
        assert score.steps == pytest.approx(steps, abs=1e-9)
        assert score.value == pytest.approx(sum(steps), abs=1e-9)
        assert score.value == pytest.approx(float(value[len(s.reads) - 1]), abs=1e-12)
        assert score.value == pytest.approx(plain(model, s.ids, s.start)[-1].item(), abs=1e-6)


def test_where_steps_are_cut_does_not_matter() -> None:
    model, prompt = make(), Prompt.of("Why?")
    cuts = [
        ("Because of that.",),
        ("Because", " of", " that."),
        tuple("Because of that."),
        ("", "Because of that."),
    ]
    group = Group(prompt=prompt, responses=tuple(Response(steps=cut) for cut in cuts))
    (scores,) = LocalScorer(model).score([group])
    for score, cut in zip(scores, cuts, strict=True):
        assert isinstance(score, Score)
        assert len(score.steps) == len(cut)
        assert score.value == pytest.approx(scores[0].value, abs=1e-6)  # type: ignore[union-attr]
        added = [math.log(p / (1 - p)) for p in score.steps]
        assert math.log(score.value / (1 - score.value)) == pytest.approx(sum(added), abs=1e-5)
    assert scores[3].steps[0] == 0.5  # type: ignore[union-attr]


def test_a_response_without_a_token_is_worth_nothing() -> None:
    model = make()
    encoded = [Encoded((3, 4, 5), 3, (2,)), Encoded((3, 4, 5), 2, (2,))]
    with torch.no_grad():
        none, some = model(model.collate(encoded))
        assert none.tolist() == [0.0]
        assert some.tolist() != [0.0]
        assert model(model.collate(encoded[:1])).tolist() == [[0.0]]
        rewards, mask = model.token_rewards(encoded)
    assert mask.tolist() == [[False], [True]]
    assert rewards[0].tolist() == [0.0]


# --- learning
# --------------------------------------------------------------------------------------------------


def gradients(model: ImplicitRewardModel) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("architecture", "path"), [("llama", "packed"), ("gpt2", "plain"), ("gemma3_text", "packed")]
)
def test_cross_entropy_and_its_gradient_are_the_formulas(architecture: str, path: Any) -> None:
    model = make(architecture).double()
    model.forced = Engine(path, "asked for", 1e12)
    labels = [1.0, 0.0, 0.25, 1.0]
    records = [StepLabels.outcome(p, r, y) for (p, r), y in zip(ITEMS, labels, strict=True)]
    examples, _ = encode(records, model.encoder, Outcome())
    with InFloat64():
        parts = micro_batches(examples, Outcome(), model.pad_id, 10_000, model.engine)
        assert [isinstance(part.batch, Shared) for part in parts] == [path == "packed"]
        loss, _ = accumulate(model, parts, Outcome())
        found = gradients(model)
        model.zero_grad()
        ours = model.encoder.encode(ITEMS)
        rewards = torch.stack([plain(model, s.ids, s.start)[-1] for s in ours])
        y = torch.tensor(labels, dtype=torch.float64)
        expected = -(y * rewards.sigmoid().log() + (1 - y) * (1 - rewards.sigmoid()).log()).mean()
        expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-6)
    theirs = gradients(model)
    assert found.keys() == theirs.keys()
    assert all(name.startswith("network.") for name in found)
    for name, gradient in theirs.items():
        assert float((found[name] - gradient).norm()) <= 1e-9 * float(gradient.norm()) + 1e-12, name


def test_bradley_terry_is_dpo() -> None:
    model = make(readout=PREFERENCE).double()
    (prompt, better), (_, worse) = ITEMS[:2]
    pair = Preference(prompt=prompt, responses=(worse, better), prefer=0.0)
    examples, _ = encode([pair], model.encoder, BradleyTerry())
    with InFloat64(), torch.no_grad():
        loss, accuracy = accumulate(
            model, micro_batches(examples, BradleyTerry(), model.pad_id, 10_000), BradleyTerry()
        )
        chosen, rejected = model.encoder.encode([(prompt, better), (prompt, worse)])
        logs = [
            [sum_of_logs(network, s) for s in (chosen, rejected)]
            for network in (model.network, model.reference)
        ]
    (policy_w, policy_l), (reference_w, reference_l) = logs
    margin = 0.3 * ((policy_w - reference_w) - (policy_l - reference_l))
    assert loss == pytest.approx(-math.log(1 / (1 + math.exp(-margin))), abs=1e-6)
    assert accuracy == float(margin > 0)


def sum_of_logs(network: Any, s: Encoded) -> float:
    logits = network(input_ids=torch.tensor([s.ids])).logits[0]
    return sum(float(logits[t - 1].log_softmax(-1)[s.ids[t]]) for t in range(s.start, len(s.ids)))


def test_the_reference_stands_still() -> None:
    model = make(same=True, attention_dropout=0.3)
    assert model.train() is model
    assert model.network.training
    assert not any(module.training for module in model.reference.modules())
    batch = model.collate(model.encoder.encode(ITEMS))
    before = copy.deepcopy(model.reference.state_dict())
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    model(batch)[batch.valid_B_S].square().sum().backward()
    optimiser.step()
    assert all(
        torch.equal(value, before[name]) for name, value in model.reference.state_dict().items()
    )
    assert any(
        not torch.equal(value, before[name]) for name, value in model.network.state_dict().items()
    )


def test_the_token_that_pads_is_learnt_where_it_is_read() -> None:
    model = make()
    assert model.pad_id == model.encoder.tokenizer.eos_token_id
    batch = model.collate([Encoded((5, 1, 6, 7), 2, (3,))])
    model(batch).sum().backward()
    assert bool(model.network.get_input_embeddings().weight.grad[1].any())


def test_losses_that_read_more_than_the_end_are_refused() -> None:
    for loss in (Outcome(), BradleyTerry(), PlackettLuce()):
        check_loss(loss)
    for refused in (StepBCE(), Outcome(every_token=True)):
        with pytest.raises(
            ConfigError, match=rf"{type(refused).__name__} trains values along the response"
        ):
            check_loss(refused)


# --- adapters
# --------------------------------------------------------------------------------------------------


def pointers(network: Any) -> set[int]:
    return {p.data_ptr() for p in network.parameters()}


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_with_adapters_the_reference_is_the_base_and_costs_nothing(
    architecture: str, tmp_path: Path
) -> None:
    model = make(architecture, same=True)
    original = copy.deepcopy(model.reference.state_dict())
    assert not pointers(model.network) & pointers(model.reference)
    add_lora(model, rank=2, alpha=4.0)
    assert pointers(model.reference) <= pointers(model.network)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    batch = model.collate(model.encoder.encode(ITEMS))
    with torch.no_grad():
        assert not model(batch).any()
        generator = torch.Generator().manual_seed(0)
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
        adapted = model(batch)
        assert float(adapted.abs().max()) > 0.1
        merge_lora(model)
        torch.testing.assert_close(model(batch), adapted, rtol=0, atol=1e-4)
    assert not pointers(model.network) & pointers(model.reference)
    assert all(
        torch.equal(value, original[name]) for name, value in model.reference.state_dict().items()
    )
    assert not any(p.requires_grad for p in model.reference.parameters())
    assert all(p.requires_grad for p in model.network.parameters())
    assert checkpoint.save(model, tmp_path / "rm") <= 1e-4


def test_a_policy_that_has_learned_shares_only_what_it_did_not_change() -> None:
    model = make(same=True)
    with torch.no_grad():
        model.network.lm_head.weight.add_(0.1)
    before = model.reference.lm_head.weight.clone()
    add_lora(model, rank=2, alpha=4.0)
    assert model.reference.lm_head.weight.data_ptr() not in pointers(model.network)
    assert torch.equal(model.reference.lm_head.weight, before)


def test_adapters_that_fit_nowhere_leave_the_networks_apart() -> None:
    model = make(same=True)
    with pytest.raises(ConfigError, match="fit no layer"):
        add_lora(model, rank=2, alpha=4.0, targets=["c_attn"])
    assert not pointers(model.network) & pointers(model.reference)


# --- saved and loaded
# --------------------------------------------------------------------------------------------


def values_of(model: ImplicitRewardModel) -> list[Tensor]:
    with torch.inference_mode():
        return [model(model.collate([s]))[0] for s in model.encoder.encode(ITEMS)]


@pytest.mark.parametrize(("architecture", "template"), tiny.crossed(("plain", "chat")))
def test_what_is_saved_are_two_stock_models(
    architecture: str, template: Any, tmp_path: Path
) -> None:
    model = make(architecture, layout=Layout(template=template))
    model.scores = TrainScores(mean=0.25, std=1.5, n=100)
    expected, folder = values_of(model), tmp_path / "rm"
    assert checkpoint.save(model, folder) <= 1e-4
    again = checkpoint.load(folder)
    assert isinstance(again, ImplicitRewardModel)
    assert (again.beta, again.readout, again.layout, again.scores) == (
        0.3,
        DIFFERENCES,
        model.layout,
        model.scores,
    )
    assert not again.training
    for a, b in zip(values_of(again), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    # As somebody would who has never heard of this library.
    policy, reference = (
        AutoModelForCausalLM.from_pretrained(f).eval() for f in (folder, folder / "reference")
    )
    for s, values in zip(model.encoder.encode(ITEMS), expected, strict=True):
        with torch.no_grad():
            stock = 0.3 * (sum_of_logs(policy, s) - sum_of_logs(reference, s))
        assert stock == pytest.approx(float(values[len(s.reads) - 1]), abs=1e-4)
    groups = [Group(prompt=prompt, responses=(response,)) for prompt, response in ITEMS]
    for (a,), (b,) in zip(
        LocalScorer(folder).score(groups), LocalScorer(model).score(groups), strict=True
    ):
        assert isinstance(a, Score)
        assert isinstance(b, Score)
        assert a.value == pytest.approx(b.value, abs=1e-5)
        assert a.steps == pytest.approx(b.steps, abs=1e-5)


def test_the_vocabulary_and_the_padding_stay_as_they_were(tmp_path: Path) -> None:
    network, tokenizer = tiny.causal(vocab=258), tiny.tokenizer()
    model = checkpoint.wrap_implicit(network, tokenizer, layout=Layout(), readout=OUTCOME, beta=1.0)
    checkpoint.save(model, tmp_path / "rm")
    again = checkpoint.load(tmp_path / "rm")
    assert again.network.get_input_embeddings().num_embeddings == 258
    assert again.encoder.tokenizer.pad_token == tokenizer.eos_token


def test_bf16_round_trip(tmp_path: Path) -> None:
    tiny.causal().save_pretrained(tmp_path / "lm")
    tiny.tokenizer().save_pretrained(tmp_path / "lm")
    model = checkpoint.create_implicit(
        tmp_path / "lm", layout=Layout(), readout=OUTCOME, beta=0.5, dtype="bfloat16"
    ).eval()
    disturb(model)
    assert checkpoint.save(model, tmp_path / "rm") <= tolerance_of(model) == 0.2
    again = checkpoint.load(tmp_path / "rm")
    assert isinstance(again, ImplicitRewardModel)
    assert {p.dtype for p in again.parameters()} == {torch.bfloat16}
    assert all(values.dtype == torch.float32 for values in values_of(again))
    for a, b in zip(values_of(again), values_of(model), strict=True):
        assert torch.equal(a, b)


def test_failed_parity_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "rm"
    checkpoint.save(make(), folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.rglob("*"))
    assert (folder / "reference").stat().st_mode & 0o111 == 0o111
    with pytest.raises(BackendError, match=r"scores change by .* not saved"):
        checkpoint.save(make("qwen2"), folder, tolerance=-1.0)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["rm"]


def test_parity_sees_another_reference_and_another_beta(tmp_path: Path) -> None:
    model, folder = make(), tmp_path / "rm"
    checkpoint.save(model, folder)
    assert checkpoint.parity(model, folder) <= 1e-5
    model.beta = 0.31
    assert checkpoint.parity(model, folder) > 1e-3
    model.beta = 0.3
    with torch.no_grad():
        model.reference.lm_head.weight.mul_(1.1)
    assert checkpoint.parity(model, folder) > 1e-3


def test_clear_errors(tmp_path: Path) -> None:
    for beta in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="needs one above 0"):
            make(beta=beta)
    for readout in (Readout(weights=(-1.0, 1.0)), Readout(at="step_tag", tag="x")):
        with pytest.raises(ConfigError, match="read at each step's last token"):
            make(readout=readout)
    encoder = Encoder(tiny.tokenizer(), Layout(), OUTCOME)
    with pytest.raises(ConfigError, match="is no language model"):
        ImplicitRewardModel(tiny.network(), tiny.causal(), encoder, beta=1.0, pad_id=1)
    tiny.network().save_pretrained(tmp_path / "classifier")
    tiny.tokenizer().save_pretrained(tmp_path / "classifier")
    with pytest.raises(ConfigError, match=r"lacks lm_head\.weight"):
        checkpoint.create_implicit(
            tmp_path / "classifier", layout=Layout(), readout=OUTCOME, beta=1.0
        )
    model = make()
    with pytest.raises(ConfigError, match="does not say where its responses start"):
        model(pad([[3, 4]], [[1]], 0))
    checkpoint.save(model, tmp_path / "rm")
    for path in (tmp_path / "rm" / "reference").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match=r"reference has no config\.json"):
        checkpoint.load(tmp_path / "rm")


def test_in_words() -> None:
    assert "less the one before" in in_words(DIFFERENCES)
    assert "less the one before" not in in_words(OUTCOME)
