"""Scores, step scores and gradients are those of one sequence at a time, on every architecture and
path."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.lora import add_lora
from assay.models.readout import PROCESS
from assay.models.reward_model import RewardModel, pad, share
from assay.packing.engine import Engine, engine_of
from assay.packing.tree import grow
from tests.models import tiny
from tests.packing.float64 import InFloat64

WINDOWED = {"mistral", "gemma2", "gemma3_text"}
QUIET = {
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}

PATHS = [
    *((architecture, "packed") for architecture in tiny.ARCHITECTURES if architecture != "gemma2"),
    *((architecture, "expand") for architecture in ("llama", "gemma2", "gemma3_text", "gpt2")),
    ("llama", "plain"),
]


def model(architecture: str, path: Any, dtype: torch.dtype = torch.float64) -> RewardModel:
    changes: dict[str, Any] = {"sliding_window": 8} if architecture in WINDOWED else {}
    if architecture in ("phi", "gpt_neox"):
        changes |= {k: v for k, v in QUIET.items() if k.startswith(("att", "hid", "resid", "embd"))}
    network = tiny.network(architecture, **changes).to(dtype)
    found = wrap(network, tiny.tokenizer(), layout=Layout(max_length=256), readout=PROCESS)
    found.network.score.to(dtype)
    found.forced = Engine(path, "asked for", 0.0)
    return found


def sequences(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Responses to one or two prompts, some of them empty, alike, or the beginning of another; and
    where to read."""
    rows = []
    for _ in range(rng.integers(1, 3)):
        prompt = rng.integers(3, 300, rng.integers(1, 30))
        stem = np.concatenate([prompt, rng.integers(3, 300, rng.integers(0, 12))])
        rows += [prompt, stem, stem]
        rows += [
            np.concatenate([stem, rng.integers(3, 300, rng.integers(0, 20))])
            for _ in range(rng.integers(0, 4))
        ]
    rng.shuffle(rows)
    reads = [
        np.sort(rng.choice(len(row), min(len(row), rng.integers(1, 5)), replace=False))
        for row in rows
    ]
    return rows, reads


def alone(
    model: RewardModel, rows: list[np.ndarray], reads: list[np.ndarray]
) -> list[torch.Tensor]:
    """Logits of every sequence by itself."""
    return [model(pad([row], [read], 0))[0] for row, read in zip(rows, reads, strict=True)]


@pytest.mark.parametrize(("architecture", "path"), PATHS)
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), least=st.sampled_from([1, 4, 8]))
def test_values_and_gradients(architecture: str, path: str, seed: int, least: int) -> None:
    rng = np.random.default_rng(seed)
    rows, reads = sequences(rng)
    reward_model = model(architecture, path)
    weights = [torch.from_numpy(rng.normal(size=len(read))) for read in reads]
    found = []
    with InFloat64():
        for shared in (True, False):
            reward_model.zero_grad()
            if shared:
                batch = share(grow(rows, least=least), reads)
                logits = [
                    some[: len(read)] for some, read in zip(reward_model(batch), reads, strict=True)
                ]
            else:
                logits = alone(reward_model, rows, reads)
            sum((x * w).sum() for x, w in zip(logits, weights, strict=True)).backward()
            gradients = {
                name: p.grad.clone()
                for name, p in reward_model.named_parameters()
                if p.grad is not None
            }
            found.append(([x.detach() for x in logits], gradients))
    (values, gradients), (expected, expected_gradients) = found
    for a, b in zip(values, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-10)
    assert gradients.keys() == expected_gradients.keys()
    for name, b in expected_gradients.items():
        assert (gradients[name] - b).norm() <= 1e-9 * b.norm() + 1e-12, name


@pytest.mark.parametrize(("architecture", "micro_tokens"), tiny.crossed((1, 17, 40)))
def test_a_tree_in_parts_is_the_whole_tree(architecture: str, micro_tokens: int) -> None:
    rows, reads = sequences(np.random.default_rng(5))
    reward_model = model(architecture, "expand" if architecture == "gemma2" else "packed")
    with torch.no_grad(), InFloat64():
        found = reward_model(share(grow(rows, least=1), reads), micro_tokens=micro_tokens)
        for some, expected in zip(found, alone(reward_model, rows, reads), strict=True):
            assert torch.allclose(some[: len(expected)], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("path", ["packed", "expand"])
def test_sharing_is_no_noisier_than_padding(path: str, dtype: torch.dtype) -> None:
    rows, reads = sequences(np.random.default_rng(1))
    exact, rounded = model("llama", path), model("llama", path, dtype)
    rounded.network.score.float()
    with torch.no_grad():
        with InFloat64():
            expected = torch.cat(alone(exact, rows, reads))
        padded, shared = (
            torch.cat(
                [some[: len(read)] for some, read in zip(logits, reads, strict=True)]
            ).double()
            for logits in (rounded(pad(rows, reads, 0)), rounded(share(grow(rows, least=1), reads)))
        )
    assert (shared - expected).norm() <= 2 * (padded - expected).norm()


def gradients_of(
    reward_model: RewardModel, batch: Any, autocast: bool = False
) -> list[torch.Tensor]:
    reward_model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = reward_model(batch)
    logits.masked_select(batch.valid_B_S).square().sum().backward()
    return [p.grad.clone() for p in reward_model.parameters() if p.grad is not None]


def test_gradient_checkpointing_and_lora() -> None:
    rows, reads = sequences(np.random.default_rng(2))
    for change in ("checkpointing", "lora"):
        reward_model = model("llama", "packed", torch.float32).train()
        if change == "lora":
            add_lora(reward_model, 2, 4)
            for name, p in reward_model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(p, std=0.1)
        reward_model.forced = None
        assert engine_of(reward_model.backbone).path == "packed"
        expected = gradients_of(reward_model, pad(rows, reads, 0))
        if change == "checkpointing":
            with warnings.catch_warnings(action="ignore", category=FutureWarning):
                reward_model.network.gradient_checkpointing_enable()
            assert engine_of(reward_model.backbone).path == "packed"
        found = gradients_of(reward_model, share(grow(rows, least=1), reads))
        for a, b in zip(found, expected, strict=True):
            assert (a - b).norm() <= 1e-4 * b.norm() + 1e-6


def test_autocast_trains_as_it_does_without_sharing() -> None:
    rows, reads = sequences(np.random.default_rng(3))
    reward_model = model("llama", "packed", torch.float32).train()
    exact = gradients_of(reward_model, pad(rows, reads, 0))
    padded = gradients_of(reward_model, pad(rows, reads, 0), autocast=True)
    shared = gradients_of(reward_model, share(grow(rows, least=1), reads), autocast=True)
    for a, b, c in zip(shared, padded, exact, strict=True):
        assert (a - c).norm() <= 2 * (b - c).norm() + 1e-3 * c.norm()
