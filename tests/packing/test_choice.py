"""Which path is taken, that none is taken on trust, and that the trial leaves no trace."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForSequenceClassification

from assay.errors import BackendError
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.packing import attention, expand, packed, trial
from assay.packing.engine import PACKED, Engine, engine_of, hidden
from assay.packing.tree import grow
from tests.models import tiny


def backbone(architecture: str = "llama", **changes: Any) -> Any:
    return tiny.network(architecture, **changes).base_model


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_every_architecture_is_served(architecture: str) -> None:
    found = engine_of(backbone(architecture))
    assert found.path == ("expand" if architecture == "gemma2" else "packed")
    assert bool(found.reason) == (architecture == "gemma2")


@pytest.mark.parametrize("architecture", sorted(PACKED))
def test_what_is_on_the_list_passes_the_trial(architecture: str) -> None:
    assert engine_of(backbone(architecture)).path == "packed"


def test_rotary_embeddings_that_change_with_the_length_are_run_plainly() -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    found = engine_of(backbone("llama", rope_parameters=rope))
    assert found.path == "plain"
    assert "rotary" in found.reason


@pytest.mark.parametrize("architecture", ["bloom", "falcon", "gemma"])
def test_what_is_not_on_the_list_is_expanded(architecture: str) -> None:
    changes = {"head_dim": 4, "num_key_value_heads": 2} if architecture == "gemma" else {}
    assert engine_of(backbone(architecture, **changes)).path == "expand"


def test_linear_attention_and_encoder_decoders_are_run_plainly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hybrid = backbone(
        "qwen3_next",
        num_experts=2,
        num_experts_per_tok=1,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=8,
        linear_num_key_heads=2,
        linear_num_value_heads=2,
        linear_key_head_dim=4,
        linear_value_head_dim=4,
        head_dim=4,
        num_key_value_heads=2,
        layer_types=["linear_attention", "full_attention"],
    )
    # Its recurrent state is written in place, through which no gradient flows.
    assert engine_of(hybrid.train()).path == "plain"
    assert "not expand" in caplog.text
    model = backbone()
    model.config.is_encoder_decoder = True
    assert engine_of(model).reason.count("encoder-decoder") == 2


def test_another_attention_is_kept() -> None:
    model = backbone()
    assert engine_of(model).path == "packed"
    model.config._attn_implementation = "eager"
    found = engine_of(model)
    assert found.path == "expand"
    assert "eager" in found.reason
    assert model.config._attn_implementation == "eager"


def ignores_ancestors(*arguments: Any, **settings: Any) -> Any:
    *before, seen = arguments
    return CASCADE(*before, [x for x in seen if x[0].causal], **settings)


def wrong_gradient(*arguments: Any, **settings: Any) -> Any:
    query, key, value, seen = arguments
    return CASCADE(query, key.detach(), value, seen, **settings)


CASCADE = attention.attend


def test_a_wrong_path_is_refused_once_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(packed, "attend", ignores_ancestors)
    model = backbone()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            found = engine_of(model)
    assert found.path == "expand"
    assert "hidden states differ from plain ones" in found.reason
    assert len(caplog.records) == 1
    assert model.config._attn_implementation == "sdpa"
    monkeypatch.setattr(expand, "_expanded", lambda cache, *_: cache)
    assert engine_of(backbone()).path == "plain"


def test_a_wrong_gradient_is_found_where_the_model_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "attend", wrong_gradient)
    assert engine_of(backbone().eval()).path == "packed"
    found = engine_of(backbone().train())
    assert found.path == "expand"
    assert "gradients differ" in found.reason


def test_gradient_checkpointing_and_dropout() -> None:
    model = tiny.network("llama").train()
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    assert engine_of(model.base_model).path == "packed"
    model = tiny.network("gemma2").train()
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    assert "checkpointing" in engine_of(model.base_model).reason
    noisy = backbone("llama", attention_dropout=0.1)
    assert engine_of(noisy.eval()).path == "packed"
    assert engine_of(noisy.train()).path == "plain"
    assert "attention_dropout" in engine_of(noisy).reason


def test_the_trial_leaves_no_trace() -> None:
    for model in (backbone().train(), backbone().eval()):
        training, state = model.training, torch.random.get_rng_state()
        engine_of(model)
        assert torch.equal(state, torch.random.get_rng_state())
        assert model.training == training
        assert all(p.grad is None for p in model.parameters())


def test_a_model_that_shared_is_saved_as_a_stock_one(tmp_path: Path) -> None:
    model = wrap(tiny.network(), tiny.tokenizer(), layout=Layout(), readout=PREFERENCE)
    assert model.engine.path == "packed"
    model.network.save_pretrained(tmp_path)
    assert packed.NAME not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert stock.config._attn_implementation == "sdpa"
    assert AutoConfig.from_pretrained(tmp_path).model_type == "llama"


def test_what_is_worth_sharing() -> None:
    prompt = list(range(100))
    pair = [[*prompt, 1, 2, 3], [*prompt, 4, 5]]
    apart = [list(range(100)), list(range(200, 300))]
    large, small = Engine("packed", "", 7e6, 4e6), Engine("packed", "", 5e3, 4e6)
    assert large.tree(pair) is not None
    assert small.tree(pair) is None, "a tiny model is faster in padded batches"
    assert large.tree(apart) is None, "nothing is shared, and nothing padded"
    assert large.tree([list(range(100)), list(range(200, 210))]) is not None, (
        "padding is saved, too"
    )
    expanding = Engine("expand", "", 7e6, 4e6)
    assert expanding.tree(pair) is not None
    assert expanding.tree([list(range(100)), list(range(200, 210))]) is None
    assert Engine("plain", "", 7e6, 4e6).tree(pair) is None
    assert large.tree([]) is None


def test_plain_and_attached_models_agree_on_padded_batches() -> None:
    """The attention of ours stands aside when no row is given."""
    model = backbone("mistral", sliding_window=4)
    ids, mask = torch.arange(3, 15).view(2, 6), torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).last_hidden_state
        packed.attach(model)
        after = model(input_ids=ids, attention_mask=mask).last_hidden_state
        cached = model(input_ids=ids[:, :3], use_cache=True)
        step = model(input_ids=ids[:, 3:], past_key_values=cached.past_key_values).last_hidden_state
    assert torch.equal(before, after)
    assert torch.allclose(step[0], before[0, 3:], atol=1e-6)
    assert len(packed.forward(model, grow([np.arange(5)]))) == 5


def test_a_row_that_stock_attention_takes_for_plain_tokens_is_noticed() -> None:
    model = backbone("llama").eval()
    tree = grow([np.arange(3, 30), np.arange(3, 40)])
    packed.attach(model)
    packed.detach(model)
    with pytest.raises(BackendError, match="took a packed row"):
        packed.forward(model, tree)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_the_trial_of_fresh_adapters_looks_at_gradients_that_are_not_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B of a fresh adapter is 0, and with it A's gradient: a path that loses gradients must be
    refused all the same."""
    adapters = LoraConfig(r=2, target_modules=["q_proj", "k_proj"])
    model = get_peft_model(backbone("llama"), adapters).get_base_model().train()
    assert engine_of(model).path == "packed"
    attend = packed.attend
    monkeypatch.setattr(
        packed, "attend", lambda q, k, *rest, **more: attend(q, k.detach(), *rest, **more)
    )
    assert "gradients" in str(trial.fault(partial(hidden, engine=Engine("packed", "", 1.0)), model))


def test_dropout_of_a_module_is_noise_too() -> None:
    model = backbone("gpt2", attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0).train()
    assert engine_of(model).path == "packed"
    dropout = next(m for m in model.modules() if isinstance(m, torch.nn.Dropout))
    dropout.p = 0.5
    found = engine_of(model)
    assert found.path == "plain"
    assert "share its noise" in found.reason
    assert engine_of(model.eval()).path == "packed"


def test_a_trial_leaves_the_callers_random_numbers_and_memory_errors_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = backbone("llama").eval()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert engine_of(model).path == "packed"
    assert torch.equal(torch.rand(3), expected)

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        trial.fault(full, model)
