"""Adapters come and go; what is saved is stock."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.lora import adapt, adapted, add_lora, merge, merge_lora
from assay.models.policy import save_policy
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from assay.training.loop import Settings, train
from tests.models import tiny
from tests.training import planted


def make(architecture: str = "llama") -> RewardModel:
    return checkpoint.wrap(
        tiny.network(architecture), tiny.tokenizer(), layout=Layout(), readout=PREFERENCE
    ).eval()


MIXTURES: dict[str, dict[str, Any]] = {
    "qwen3_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 8,
        "num_key_value_heads": 2,
    },
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 2},
    # A dense layer first, and an expert that every token goes through.
    "deepseek_v3": {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 8,
        "n_group": 2,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "q_lora_rank": 8,
        "kv_lora_rank": 8,
        "qk_nope_head_dim": 4,
        "qk_rope_head_dim": 4,
        "v_head_dim": 4,
    },
    # Its experts are transposed, and have biases.
    "gpt_oss": {
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "num_key_value_heads": 2,
        "head_dim": 4,
    },
    # Its experts have one parameter each module, and attention has experts, too.
    "jetmoe": {
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "kv_channels": 4,
        "num_key_value_heads": 2,
    },
}


def mixture(architecture: str, dtype: torch.dtype = torch.float32) -> RewardModel:
    network = tiny.network(architecture, initializer_range=0.2, **MIXTURES[architecture]).to(dtype)
    return checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE).eval()


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
    changed_logits = logits_of(model)
    assert (changed_logits - before).abs().max() > 1e-2
    merge_lora(model)
    torch.testing.assert_close(logits_of(model), changed_logits, rtol=0, atol=1e-5)
    names = {name for name, _ in model.network.named_parameters()}
    assert names == {name for name, _ in make(architecture).network.named_parameters()}
    assert checkpoint.save(model, tmp_path / "rm") <= 1e-5
    torch.testing.assert_close(
        logits_of(checkpoint.load(tmp_path / "rm")), changed_logits, rtol=0, atol=1e-5
    )
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
    found = {
        n.split(".lora_")[0].rpartition(".")[2] for n, _ in model.named_parameters() if "lora_" in n
    }
    assert found == {"q_proj", "v_proj"}


def test_adapters_of_a_bf16_backbone_are_fp32() -> None:
    network = tiny.network().to(torch.bfloat16)
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE).eval()
    add_lora(model, rank=2, alpha=4.0)
    assert {p.dtype for n, p in model.named_parameters() if "lora_" in n} == {torch.float32}
    disturb(model)
    changed_logits = logits_of(model)
    merge_lora(model)
    assert {p.dtype for p in model.backbone.parameters()} == {torch.bfloat16}
    torch.testing.assert_close(logits_of(model), changed_logits, rtol=0, atol=5e-2)


@pytest.mark.owed
@pytest.mark.parametrize("architecture", MIXTURES)
def test_experts_are_adapted_merged_and_saved(architecture: str, tmp_path: Path) -> None:
    model, plain = mixture(architecture), dict(mixture(architecture).named_parameters())
    before = logits_of(model)
    add_lora(model, rank=2, alpha=4.0)
    torch.testing.assert_close(logits_of(model), before)
    disturb(model)
    changed_logits = logits_of(model)
    assert (changed_logits - before).abs().max() > 1e-2
    model.train()
    model(model.collate(model.encoder.encode(list(checkpoint.PROBES)))).sum().backward()
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name, p in model.named_parameters() if p.grad is not None} == learning
    merge_lora(model)
    torch.testing.assert_close(logits_of(model), changed_logits, rtol=0, atol=1e-5)
    assert dict(model.named_parameters()).keys() == plain.keys()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, plain[name])}
    # Every matrix of every expert by a matrix of rank two of its own, and no router.
    experts = {name for name, p in plain.items() if p.ndim == 3}
    assert experts
    assert experts <= changed
    for name in experts:
        ranks = torch.linalg.matrix_rank(
            (dict(model.named_parameters())[name] - plain[name]).detach(), atol=1e-4
        )
        assert ranks.tolist() == [2] * len(ranks)
    assert not [name for name in changed if "router" in name or ".gate." in name]
    assert all(
        name in changed
        for name in plain
        if name.endswith(("mlp.gate_proj.weight", "shared_experts.up_proj"))
    )
    assert checkpoint.save(model, tmp_path / "rm") <= 1e-5
    torch.testing.assert_close(
        logits_of(checkpoint.load(tmp_path / "rm")), changed_logits, rtol=0, atol=1e-5
    )


def test_experts_can_be_named_and_have_no_dropout() -> None:
    with pytest.raises(ConfigError, match=r"experts .* have no dropout"):
        add_lora(mixture("mixtral"), rank=2, alpha=4.0, dropout=0.1)
    for targets, expected in (("down_proj",), {"down_proj"}), (("q_proj", "v_proj"), set()):
        model, plain = mixture("mixtral"), dict(mixture("mixtral").named_parameters())
        add_lora(model, rank=2, alpha=4.0, targets=targets)
        disturb(model)
        merge_lora(model)
        changed = {
            n.rpartition(".")[2]
            for n, p in model.named_parameters()
            if not torch.equal(p, plain[n])
        }
        assert changed - {"weight"} == expected


def test_a_policy_with_experts_is_saved_while_it_trains(tmp_path: Path) -> None:
    policy = tiny.causal("gpt_oss", initializer_range=0.2, **MIXTURES["gpt_oss"])
    ids = torch.arange(3, 12)[None]
    adapt(policy, 2, 4.0)
    for name, p in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = policy(input_ids=ids).logits
        save_policy(policy, tiny.tokenizer(), tmp_path / "policy")
        # The one that trains keeps its adapters.
        assert adapted(policy)
        torch.testing.assert_close(policy(input_ids=ids).logits, expected)
        saved = AutoModelForCausalLM.from_pretrained(tmp_path / "policy").eval()
        torch.testing.assert_close(saved(input_ids=ids).logits, expected, rtol=0, atol=1e-5)


@pytest.mark.owed
@pytest.mark.parametrize("architecture", ["qwen3_moe", "deepseek_v3"])
def test_a_mixture_trains_by_its_adapters(architecture: str, tmp_path: Path) -> None:
    settings = Settings(
        epochs=2, batch_size=8, learning_rate=1e-2, lora=2, gradient_checkpointing=True
    )
    more: dict[str, Any] = {"loss": BradleyTerry(), "settings": settings, "progress": False}
    done = train(mixture(architecture), planted.preferences(16), out=tmp_path / "rm", **more)
    assert done.parity < 1e-4
    assert not adapted(done.model.network)


def test_layers_that_are_read_around_and_heads_are_left_alone() -> None:
    jamba = tiny.causal(
        "jamba",
        num_experts=2,
        num_experts_per_tok=1,
        num_key_value_heads=2,
        use_mamba_kernels=False,
        mamba_d_state=4,
        mamba_dt_rank=4,
        attn_layer_period=2,
        attn_layer_offset=1,
        expert_layer_period=2,
        expert_layer_offset=1,
        initializer_range=0.2,
    )
    ids = torch.arange(3, 12)[None]
    adapt(jamba, 2, 4.0)
    for name, p in jamba.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = jamba(input_ids=ids).logits
        merge(jamba)
        torch.testing.assert_close(jamba(input_ids=ids).logits, expected, rtol=0, atol=1e-5)
    # Its backbone is itself, head and all.
    llama4 = tiny.causal(
        "llama4_text",
        num_local_experts=2,
        num_experts_per_tok=1,
        num_key_value_heads=2,
        head_dim=4,
        intermediate_size_mlp=16,
        layer_types=["full_attention", "full_attention"],
    )
    adapt(llama4, 2, 4.0)
    assert not isinstance(llama4.get_output_embeddings(), BaseTunerLayer)


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
