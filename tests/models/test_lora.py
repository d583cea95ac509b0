"""Adapters come and go; what is saved is stock."""

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.lora import add_lora, merge_lora
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from tests.models import tiny


def make(architecture: str = "llama") -> RewardModel:
    return checkpoint.wrap(tiny.network(architecture), tiny.tokenizer(), layout=Layout(), readout=PREFERENCE).eval()


def logits_of(model: RewardModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(model.collate(model.encoder.encode(list(checkpoint.PROBES))))


def disturb(model: RewardModel) -> None:
    """As if trained: adapters are no longer zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_merged_equals_unmerged(architecture: str, tmp_path: Path) -> None:
    model = make(architecture)
    before = logits_of(model)
    add_lora(model, rank=4, alpha=8.0)
    torch.testing.assert_close(logits_of(model), before)
    disturb(model)
    adapted = logits_of(model)
    assert (adapted - before).abs().max() > 1e-2
    merge_lora(model)
    torch.testing.assert_close(logits_of(model), adapted, rtol=0, atol=1e-5)
    names = {name for name, _ in model.network.named_parameters()}
    assert names == {name for name, _ in make(architecture).network.named_parameters()}
    assert checkpoint.save(model, tmp_path / "rm") <= 1e-5
    torch.testing.assert_close(logits_of(checkpoint.load(tmp_path / "rm")), adapted, rtol=0, atol=1e-5)
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm")


def test_merge_adds_alpha_over_rank_times_the_product() -> None:
    model = make()
    add_lora(model, rank=2, alpha=6.0, targets=["q_proj"])
    disturb(model)
    layer = model.network.model.layers[0].self_attn.q_proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = layer.get_base_layer().weight + 3.0 * b @ a
    merge_lora(model)
    torch.testing.assert_close(model.network.model.layers[0].self_attn.q_proj.weight, expected)


def test_only_adapters_and_the_head_learn() -> None:
    model = make()
    add_lora(model, rank=2, alpha=4.0, dropout=0.1)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name == "network.score.weight" for name in learning)
    linears = sum(isinstance(m, nn.Linear) for m in make().backbone.modules())
    assert len(learning) == 2 * linears + 1
    model(model.collate(model.encoder.encode(list(checkpoint.PROBES)))).sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == learning
    merge_lora(model)
    assert all(p.requires_grad for p in model.parameters())


def test_targets_choose_the_layers() -> None:
    model = make()
    add_lora(model, rank=2, alpha=4.0, targets=("q_proj", "v_proj"))
    adapted = {n.split(".lora_")[0].rpartition(".")[2] for n, _ in model.named_parameters() if "lora_" in n}
    assert adapted == {"q_proj", "v_proj"}


def test_adapters_of_a_bf16_backbone_are_fp32() -> None:
    network = tiny.network().to(torch.bfloat16)
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE).eval()
    add_lora(model, rank=2, alpha=4.0)
    assert {p.dtype for n, p in model.named_parameters() if "lora_" in n} == {torch.float32}
    disturb(model)
    adapted = logits_of(model)
    merge_lora(model)
    assert {p.dtype for p in model.backbone.parameters()} == {torch.bfloat16}
    torch.testing.assert_close(logits_of(model), adapted, rtol=0, atol=5e-2)


def test_clear_errors(tmp_path: Path) -> None:
    model = make()
    with pytest.raises(ConfigError, match="no LoRA adapters to merge"):
        merge_lora(model)
    with pytest.raises(ConfigError, match="fit no layer; this backbone has down_proj, gate_proj"):
        add_lora(model, rank=2, alpha=4.0, targets=["c_attn"])
    add_lora(model, rank=2, alpha=4.0)
    with pytest.raises(ConfigError, match="adapters already"):
        add_lora(model, rank=2, alpha=4.0)
    with pytest.raises(ConfigError, match="merge them first"):
        checkpoint.save(model, tmp_path / "rm")
