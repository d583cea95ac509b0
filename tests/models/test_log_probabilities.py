"""The prompt computed once or again for every response, all at once or in chunks: the same
log-probabilities."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from assay.errors import ConfigError
from assay.models import log_probabilities as module
from assay.models.log_probabilities import LogProbabilities, Reference, log_probabilities
from assay.models.logits import Formula, formula_of
from assay.packing.engine import Engine, engine_of
from tests.models import tiny

PATHS = ("packed", "expand", "plain")


def batch(seed: int = 0) -> tuple[list[list[int]], list[int]]:
    """Two prompts: five responses with a duplicate and two that begin alike, one of one token; then
    two responses."""
    rng = np.random.default_rng(seed)

    def ids(count: int) -> list[int]:
        return [int(x) for x in rng.integers(2, 360, count)]

    first, second, stem = ids(14), ids(9), ids(10)
    responses = [ids(12), ids(1), stem + ids(3), stem + ids(5)]
    rows = [first + response for response in [*responses, responses[0]]]
    rows += [second + ids(4), second + ids(11)]
    return rows, [len(first)] * 5 + [len(second)] * 2


def make(architecture: str = "llama", **changes: Any) -> Any:
    model = tiny.causal(architecture, **changes).double()
    # As built, distributions are nearly uniform, and a mistake would be small.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.ndim > 1 else 1)
    # Stock norms round to fp32 on the way, and what is a rounding apart before comes out 1e-8
    # apart.
    for norm in model.modules():
        if type(norm).__name__.endswith("RMSNorm"):
            norm.forward = partial(in_float64, norm)
    return model


def in_float64(norm: Any, x: Tensor) -> Tensor:
    """An RMS norm as Llama's, or as Gemma's, whose weights count from 1."""
    gemma = hasattr(norm, "eps")
    scale = (
        x.square().mean(-1, keepdim=True) + (norm.eps if gemma else norm.variance_epsilon)
    ).rsqrt()
    return x * scale * (1 + norm.weight if gemma else norm.weight)


def shared(model: Any, path: str) -> Engine:
    """An engine that shares whatever there is to share, however small the model."""
    return replace(engine_of(model.base_model), path=path, piece_cost=0.0)  # type: ignore[arg-type]


def naive(
    model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int], temperature: float = 1.0
) -> tuple[list[Tensor], list[Tensor]]:
    """Values and entropies of each sequence from all of its logits."""
    values, entropies = [], []
    for row, start in zip(rows, starts, strict=True):
        logits = model(input_ids=torch.tensor([row])).logits[0] / temperature
        probabilities = logits.exp() / logits.exp().sum(-1, keepdim=True)
        values.append(
            torch.stack([probabilities[t - 1, row[t]].log() for t in range(start, len(row))])
        )
        entropies.append(-(probabilities * probabilities.log()).sum(-1)[start - 1 : -1])
    return values, entropies


def flat(found: LogProbabilities) -> Tensor:
    return found.values_B_R[found.mask_B_R]


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: g for name, g in zip(parameters, found, strict=True) if g is not None}


def tolerance(architecture: str) -> float:
    # Gemma 2 takes the softmax of its attention in fp32, and what is rounded depends on the path.
    return 1e-6 if architecture == "gemma2" else 1e-9


@pytest.mark.parametrize(("architecture", "path"), tiny.crossed(PATHS))
def test_values_entropies_and_gradients_are_the_naive_ones(architecture: str, path: str) -> None:
    model, (rows, starts) = make(architecture), batch()
    values, entropies = naive(model, rows, starts, 0.7)
    found = log_probabilities(
        model, rows, starts, temperature=0.7, entropy=True, engine=shared(model, path)
    )
    assert found.entropy_B_R is not None
    close = {"rtol": tolerance(architecture), "atol": tolerance(architecture)}
    torch.testing.assert_close(flat(found), torch.cat(values), **close)
    torch.testing.assert_close(found.entropy_B_R[found.mask_B_R], torch.cat(entropies), **close)
    weights = torch.randn(
        len(flat(found)), dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    ours = gradients(model, (flat(found) * weights).sum() + 0.3 * found.entropy_B_R.sum())
    theirs = gradients(
        model, (torch.cat(values) * weights).sum() + 0.3 * torch.cat(entropies).sum()
    )
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        off = float((ours[name] - gradient).norm() / gradient.norm().clamp(min=1e-9))
        assert off < 100 * tolerance(architecture), name


@pytest.mark.parametrize("prompts", [1, 2])
@pytest.mark.parametrize("path", PATHS)
def test_groups_larger_than_the_budget_go_in_parts(path: str, prompts: int) -> None:
    model, (rows, starts) = make(), batch()
    rows, starts = (rows, starts) if prompts == 2 else (rows[:5], starts[:5])
    sizes: list[int] = []
    model.model.layers[0].mlp.register_forward_hook(
        lambda _, x, __: sizes.append(x[0].shape[:-1].numel())
    )
    engine = shared(model, path)
    with torch.inference_mode():
        sizes.clear()
        found = log_probabilities(model, rows, starts, engine=engine, micro_tokens=30)
        torch.testing.assert_close(
            flat(found), torch.cat(naive(model, rows, starts)[0]), rtol=1e-9, atol=1e-9
        )
    assert len(sizes) > len(rows) + 1  # Those of the naive pass are the last.
    assert max(sizes) <= 30


def test_sharing_is_exercised_and_the_head_sees_every_place_once() -> None:
    model, (rows, starts) = make(), batch()
    seen: list[tuple[str, int]] = []
    model.get_output_embeddings().register_forward_hook(
        lambda _, x, __: seen.append(("head", x[0].shape[-2]))
    )
    model.base_model.embed_tokens.register_forward_hook(
        lambda _, x, __: seen.append(("tokens", x[0].numel()))
    )
    engine = shared(model, "packed")
    assert formula_of(model) is not None
    seen.clear()
    with torch.no_grad():
        log_probabilities(model, rows, starts, engine=engine)
    # Prompts of 14 and 9, the stem of 10 and the duplicate once; no sequence's last token.
    tokens = 14 + 11 + 0 + 10 + 2 + 4 + 9 + 3 + 10
    assert seen == [("tokens", tokens), ("head", tokens - 13 - 8)]


@pytest.mark.parametrize("tie", [True, False])
def test_heads_tied_to_the_embeddings_and_not(tie: bool) -> None:
    model, (rows, starts) = make(tie_word_embeddings=tie), batch()
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tie
    found = log_probabilities(model, rows, starts, engine=shared(model, "packed"))
    ours, theirs = (
        gradients(model, x.sum())
        for x in (found.values_B_R, torch.cat(naive(model, rows, starts)[0]))
    )
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("elements", [1, 3 * 360, 7 * 360 + 5])
def test_chunks_of_places_change_nothing(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, (rows, starts) = make(), batch()
    whole, parts = [], []
    for found in (whole, parts):
        every = log_probabilities(model, rows, starts, entropy=True, engine=shared(model, "packed"))
        assert every.entropy_B_R is not None
        found += [flat(every), every.entropy_B_R]
        found += gradients(
            model, every.values_B_R.sum() + every.entropy_B_R.square().sum()
        ).values()
        monkeypatch.setattr(module, "ELEMENTS", elements)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_no_chunk_is_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (rows, starts) = make(), batch()
    formula_of(model)
    sizes: list[int] = []
    model.lm_head.register_forward_hook(lambda _, __, out: sizes.append(out.numel()))
    monkeypatch.setattr(module, "ELEMENTS", 5 * 360)
    log_probabilities(model, rows, starts).values_B_R.sum().backward()
    assert max(sizes) == 5 * 360
    places = sum(len(row) - start for row, start in zip(rows, starts, strict=True))
    # Once on the way forward, and again on the way back, so that nothing is kept.
    assert sum(sizes) == 2 * places * 360


def test_by_hand() -> None:
    model = make()
    # All logits are 0 but those of two tokens: 2 and 1.
    model.lm_head = nn.Linear(16, 360).double()
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.zero_()
        model.lm_head.bias[7], model.lm_head.bias[8] = 2.0, 1.0
    found = log_probabilities(model, [[4, 5, 7, 8], [4, 9]], [2, 1], temperature=0.5, entropy=True)
    total = 358 + np.exp(4) + np.exp(2)
    surprise = np.log(total)
    expected = np.array([[4 - surprise, 2 - surprise], [-surprise, 0]])
    np.testing.assert_allclose(found.values_B_R.detach().numpy(), expected, rtol=1e-12)
    assert found.mask_B_R.tolist() == [[True, True], [True, False]]
    spread = surprise - (4 * np.exp(4) + 2 * np.exp(2)) / total
    assert found.entropy_B_R is not None
    np.testing.assert_allclose(
        found.entropy_B_R.detach().numpy(), [[spread, spread], [spread, 0]], rtol=1e-12
    )


def test_entropy_has_a_gradient_where_probabilities_underflow() -> None:
    model = tiny.causal()
    with torch.no_grad():
        model.lm_head.weight.mul_(1e5)
    found = log_probabilities(model, [[4, 5, 6]], [1], entropy=True)
    assert found.entropy_B_R is not None
    assert all(bool(g.isfinite().all()) for g in gradients(model, found.entropy_B_R.sum()).values())


@pytest.mark.parametrize(
    ("architecture", "settings", "formula"),
    [
        ("llama", {}, Formula()),
        ("gemma2", {"final_logit_softcapping": 30.0}, Formula(cap=30.0)),
        ("gemma3_text", {"final_logit_softcapping": 20.0}, Formula(cap=20.0)),
        ("cohere", {"logit_scale": 0.0625}, Formula(scale=0.0625)),
        ("granite", {"logits_scaling": 8.0}, Formula(scale=0.125)),
    ],
)
def test_scaled_and_capped_logits(
    architecture: str, settings: dict[str, Any], formula: Formula
) -> None:
    model, (rows, starts) = make(architecture, **settings), batch()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    assert formula_of(model) == formula
    assert formula_of(tiny.causal(architecture, **settings).bfloat16()) == formula
    found = log_probabilities(model, rows, starts)
    close = {"rtol": 100 * tolerance(architecture), "atol": 100 * tolerance(architecture)}
    torch.testing.assert_close(flat(found), torch.cat(naive(model, rows, starts)[0]), **close)


def test_the_trial_of_a_formula_leaves_the_random_numbers_alone() -> None:
    model = tiny.causal(attention_dropout=0.5).train()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert formula_of(model) == Formula()
    assert torch.equal(torch.rand(4), expected)


def test_a_model_that_makes_logits_in_another_way_makes_them_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, (rows, starts) = make(), batch()
    forward = model.forward

    def shifted(*args: Any, **kwargs: Any) -> Any:
        out = forward(*args, **kwargs)
        out.logits = out.logits + torch.linspace(0, 3, 360, dtype=torch.float64)
        return out

    monkeypatch.setattr(model, "forward", shifted)
    with caplog.at_level(logging.WARNING):
        found = [
            log_probabilities(model, rows, starts, entropy=True, temperature=2.0) for _ in range(2)
        ]
    assert len(caplog.records) == 1
    assert "scaled and capped" in caplog.text
    values, entropies = naive(model, rows, starts, 2.0)
    torch.testing.assert_close(flat(found[0]), torch.cat(values), rtol=1e-9, atol=1e-9)
    assert found[0].entropy_B_R is not None
    torch.testing.assert_close(
        found[0].entropy_B_R[found[0].mask_B_R], torch.cat(entropies), rtol=1e-9, atol=1e-9
    )


def test_arrays_and_lists_are_the_same_and_order_is_kept() -> None:
    model, (rows, starts) = make(), batch()
    whole = log_probabilities(model, rows, starts)
    turned = log_probabilities(model, [np.array(row) for row in rows[::-1]], starts[::-1])
    torch.testing.assert_close(turned.values_B_R.flip(0), whole.values_B_R, rtol=1e-11, atol=1e-12)
    assert torch.equal(turned.mask_B_R.flip(0), whole.mask_B_R)
    assert not whole.values_B_R[~whole.mask_B_R].any()
    assert whole.entropy_B_R is None


def test_low_precision_models_answer_in_fp32() -> None:
    model, (rows, starts) = make().bfloat16(), batch()
    found = log_probabilities(model, rows, starts)
    assert found.values_B_R.dtype == torch.float32
    exact = torch.cat(naive(model.double(), rows, starts)[0]).float()
    assert float((flat(found) - exact).detach().abs().mean()) < 0.1


@pytest.mark.parametrize(
    ("rows", "starts", "settings", "message"),
    [
        ([[1, 2, 3]], [0], {}, "at least 1"),
        ([[1, 2, 3], [1, 2]], [1, 2], {}, "sequence 1 has 2 tokens and its response starts at 2"),
        ([[1, 2, 3]], [-1], {}, "at least 1"),
        ([[1, 2, 3]], [1, 1], {}, "1 sequences and 2 starts"),
        ([], [], {}, "at least one"),
        ([[1, 2, 3]], [1], {"temperature": 0.0}, "temperature is 0.0"),
        ([[1, 2, 3]], [1], {"temperature": float("nan")}, "temperature is nan"),
        ([[1, 2, 3]], [1], {"micro_tokens": 0}, "micro_tokens 0"),
    ],
)
def test_what_cannot_be_asked(
    rows: list[list[int]], starts: list[int], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        log_probabilities(make(), rows, starts, **settings)


@pytest.mark.parametrize("path", PATHS)
def test_against_a_reference_every_token_has_its_divergence(path: str) -> None:
    model, other = make(), make(num_hidden_layers=3)
    rows, starts = batch()
    found = log_probabilities(
        model,
        rows,
        starts,
        temperature=0.7,
        reference=Reference(other),
        engine=shared(model, path),
        states=True,
    )
    ours, _ = naive(model, rows, starts, 0.7)
    theirs, _ = naive(other, rows, starts, 0.7)
    assert found.reference_B_R is not None
    assert found.kl_B_R is not None
    assert found.hidden_B_R_D is not None
    assert not found.reference_B_R.requires_grad
    torch.testing.assert_close(flat(found), torch.cat(ours), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        found.reference_B_R[found.mask_B_R], torch.cat(theirs).detach(), rtol=0, atol=1e-9
    )
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        mine, yours = (
            (m(input_ids=torch.tensor([row])).logits[0] / 0.7).softmax(-1) for m in (model, other)
        )
        expected = (mine * (mine / yours).log()).sum(-1)[start - 1 : -1]
        torch.testing.assert_close(found.kl_B_R[i, : len(expected)], expected, rtol=0, atol=1e-9)
        assert not found.kl_B_R[i, len(expected) :].any()
        states = model.base_model(input_ids=torch.tensor([row])).last_hidden_state[
            0, start - 1 : -1
        ]
        torch.testing.assert_close(
            found.hidden_B_R_D[i, : len(expected)], states, rtol=0, atol=1e-9
        )


def test_the_divergence_is_differentiable_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = make(), make(num_hidden_layers=3)
    rows, starts = batch()

    def run() -> dict[str, Tensor]:
        found = log_probabilities(
            model, rows, starts, reference=Reference(other), engine=shared(model, "packed")
        )
        assert found.kl_B_R is not None
        return gradients(model, found.kl_B_R.sum())

    whole = run()
    monkeypatch.setattr(module, "ELEMENTS", 360 * 3)
    parts = run()
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-9, atol=1e-12)
    assert any(value.abs().max() > 1e-3 for value in whole.values())


@pytest.mark.parametrize("path", [*PATHS, "alone"])
def test_masked_tokens_take_no_part(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution among allowed tokens alone, for model and reference; the entropy's gradient
    stays finite."""
    model, other = make(), make(num_hidden_layers=3)
    rows, starts = batch()
    targets = torch.tensor(
        [t for row, start in zip(rows, starts, strict=True) for t in row[start:]]
    )
    # What may come is a function of what came before: here of the token before alone.
    before = torch.tensor(
        [t for row, start in zip(rows, starts, strict=True) for t in row[start - 1 : -1]]
    )
    size = model.config.vocab_size
    allowed = (torch.arange(size)[None] + before[:, None]) % 3 == 0
    allowed[torch.arange(len(targets)), targets] = True
    # Responses that begin alike share a place, and so what may come there.
    begun = [
        tuple(row[:t])
        for row, start in zip(rows, starts, strict=True)
        for t in range(start, len(row))
    ]
    for p, beginning in enumerate(begun):
        allowed[
            p,
            [
                t
                for other_beginning, t in zip(begun, targets, strict=True)
                if other_beginning == beginning
            ],
        ] = True
    if path == "alone":
        monkeypatch.setattr(module, "formula_of", lambda model: None)
    engine = None if path == "alone" else shared(model, path)
    found = log_probabilities(
        model,
        rows,
        starts,
        entropy=True,
        reference=Reference(other),
        allowed_P_V=allowed,
        engine=engine,
    )
    assert found.entropy_B_R is not None
    assert found.kl_B_R is not None
    assert found.reference_B_R is not None
    done = 0
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        mask = allowed[done : done + len(row) - start]
        logs = []
        for m in (model, other):
            p = m(input_ids=torch.tensor([row])).logits[0, start - 1 : -1].softmax(-1) * mask
            logs.append(p / p.sum(-1, keepdim=True))
        n = len(mask)
        picked = torch.tensor(row[start:])[:, None]
        torch.testing.assert_close(
            found.values_B_R[i, :n], logs[0].gather(1, picked)[:, 0].log(), rtol=0, atol=1e-8
        )
        torch.testing.assert_close(
            found.reference_B_R[i, :n], logs[1].gather(1, picked)[:, 0].log(), rtol=0, atol=1e-8
        )
        terms = torch.where(mask, logs[0] * (logs[0] / logs[1]).log(), 0.0)
        torch.testing.assert_close(
            found.kl_B_R[i, :n], terms.nan_to_num().sum(-1), rtol=0, atol=1e-8
        )
        done += n
    every = gradients(model, found.entropy_B_R.sum() + found.kl_B_R.sum())
    assert all(value.isfinite().all() for value in every.values())
