"""Weights in fewer bits: what they take, what names them, what they do to scores, what is refused.

Where no library of quantisation is installed, what needs one is skipped.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from assay.errors import ConfigError, MissingExtra
from assay.fingerprint import fingerprint
from assay.models import checkpoint, closeness, lowbit, opening, room
from assay.models.layout import Layout
from assay.models.loading import load_network
from assay.models.lowbit import Weights
from assay.models.policy import open_policy
from assay.models.readout import PREFERENCE
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score
from tests import tiny_models
from tests.models import tiny

WIDE: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
}
"""NF4 has blocks of 64 numbers, and on some CPUs multiplies 32 outputs at a time."""

GROUPS = [
    Group(
        prompt=Prompt.of("What is 2 + 2?"),
        responses=tuple(Response(steps=(text,)) for text in ("4", "Four, I think.", "5")),
    )
]


def installed(weights: str) -> Any:
    """A parameter of a test, skipped where what makes such weights is not installed."""
    missing = [name for name in lowbit.NEEDS[weights] if importlib.util.find_spec(name) is None]
    why = f"{', '.join(missing)} not installed (the lowbit extra)"
    return pytest.param(weights, marks=pytest.mark.skipif(bool(missing), reason=why))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved reward model."""
    folder = tmp_path_factory.mktemp("lowbit") / "rm"
    network = tiny.network(**WIDE)
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE)
    checkpoint.save(model, folder)
    return folder


def values(model: Any) -> list[float]:
    """The scores of `GROUPS`."""
    row = LocalScorer(model).score(GROUPS)[0]
    assert all(isinstance(score, Score) for score in row)
    return [score.value for score in row if isinstance(score, Score)]


def test_closeness_by_hand() -> None:
    found = closeness.closeness([1.0, 2.0, 4.0, 4.0], [1.5, 1.5, 3.0, 5.0])
    # Of six pairs one is equal as saved; of the other five, one became equal.
    assert (found.n, found.pairs, found.agreeing, found.largest) == (4, 5, 4, 1.0)
    assert found.spread == pytest.approx(1.299, abs=1e-3)
    assert "4 of 5 pairs" in str(found)
    same = closeness.closeness([1.0, 2.0], [1.0, 2.0])
    assert (same.largest, same.agreeing, same.pairs) == (0.0, 1, 1)


def test_bytes_are_those_of_the_matrices(tmp_path: Path) -> None:
    save_file(
        {
            "model.layers.0.mlp.up_proj.weight": torch.zeros(256, 128),
            "model.embed_tokens.weight": torch.zeros(10, 128),
            "model.norm.weight": torch.zeros(128),
            "score.weight": torch.zeros(1, 128),
        },
        tmp_path / "model.safetensors",
    )
    others = (10 * 128 + 128 + 128) * 4
    assert room.size_of(tmp_path) == 256 * 128 * 4 + others
    assert room.size_of(tmp_path, "auto", "int8") == 256 * 128 + others
    assert room.size_of(tmp_path, "auto", "nf4") == 256 * 128 * (8 + 1) // 16 + others
    assert room.size_of(tmp_path, torch.bfloat16, "int4") == 256 * 128 * 17 // 32 + others // 2


def test_int4_needs_a_device_and_a_precision_that_multiply_it() -> None:
    with pytest.raises(ConfigError, match="on CUDA only"):
        lowbit.settings_of("int4", torch.bfloat16, "cpu")
    with pytest.raises(ConfigError, match="bfloat16 only"):
        lowbit.settings_of("int4", torch.float32, "cuda")
    with pytest.raises(ConfigError, match="there is saved, int8, int4, nf4"):
        lowbit.settings_of("int3", torch.float32, "cpu")


def test_a_library_that_is_not_installed_is_named(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    hidden = ("bitsandbytes", "torchao")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in hidden else find(name, *a)
    )
    for weights in ("int8", "nf4"):
        with pytest.raises(MissingExtra, match=re.escape("assay[lowbit]")):
            load_network(AutoModelForSequenceClassification, saved, weights=weights)


def test_what_is_quantised_is_named_by_what_it_is_made_of(saved: Path, tmp_path: Path) -> None:
    network = load_network(AutoModelForSequenceClassification, saved)
    plain = fingerprint(network)
    names = set()
    for settings in ("int8 of 1.0", "int8 of 1.1", "nf4"):
        network.made_from = lowbit.made_from(saved, settings)
        names.add(fingerprint(network))
    other = tmp_path / "other"
    tiny.network(seed=1, **WIDE).save_pretrained(other)
    network.made_from = lowbit.made_from(other, "nf4")
    names.add(fingerprint(network))
    # Its head is not quantised, and may be another one than the file's.
    network.score.weight.data += 1
    names.add(fingerprint(network))
    assert len(names | {plain}) == 6


def test_a_tensor_that_its_bytes_do_not_name_is_refused() -> None:
    tensor = torch.zeros(3)
    tensor.quant_state = object()  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="is quantised, and its bytes alone"):
        fingerprint(tensor)


def test_an_adapter_is_not_merged_into_fewer_bits(saved: Path, tmp_path: Path) -> None:
    body = {"peft_type": "LORA", "base_model_name_or_path": str(saved)}
    (tmp_path / "adapter_config.json").write_text(json.dumps(body))
    with pytest.raises(ConfigError, match="save the merged model"):
        load_network(AutoModelForSequenceClassification, tmp_path, weights="nf4")


QUANTISED: Mapping[str, Mapping[str, Any]] = {
    "gptq": {"bits": 4, "group_size": 64},
    "awq": {"bits": 4},
    "bitsandbytes": {"load_in_4bit": True},
}


@pytest.mark.parametrize("method", QUANTISED)
def test_a_checkpoint_that_comes_quantised(saved: Path, tmp_path: Path, method: str) -> None:
    folder, auto = tmp_path / method, AutoModelForSequenceClassification
    tiny.network(**WIDE).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, **QUANTISED[method]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=rf"is quantised \({method}\) already"):
        load_network(auto, folder, weights="int8")
    with pytest.raises(ConfigError, match=rf"is quantised \({method}\), and such weights can be"):
        load_network(auto, folder, trains=True)
    needs = {"gptq": "optimum", "awq": "gptqmodel", "bitsandbytes": "bitsandbytes"}[method]
    if importlib.util.find_spec(needs) is None:
        with pytest.raises(ConfigError, match=rf"\({method}\) and cannot be loaded: .*{needs}"):
            load_network(auto, folder)


@pytest.mark.parametrize("weights", [installed("nf4")])
def test_a_checkpoint_that_was_saved_quantised_scores_as_it_did(
    saved: Path, tmp_path: Path, weights: Weights
) -> None:
    auto, ids = AutoModelForSequenceClassification, torch.arange(3, 20)[None]
    low = load_network(auto, saved, weights=weights)
    low.save_pretrained(tmp_path)
    again = load_network(auto, tmp_path)
    with torch.inference_mode():
        logits = [float(model(input_ids=ids).logits) for model in (low, again)]
    # On some CPUs the first pass packs the numbers anew, with scales in bf16.
    assert logits[0] == pytest.approx(logits[1], abs=1e-3)
    assert "bitsandbytes" in str(again.config.quantization_config)
    assert len({fingerprint(again), fingerprint(low)}) == 2


@pytest.mark.parametrize("weights", [installed("int8"), installed("nf4")])
def test_a_reward_model_in_fewer_bits(
    saved: Path, weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    full = opening.open_model(str(saved))
    assert not capsys.readouterr().err
    low = opening.open_model(str(saved), weights=weights)
    said = capsys.readouterr().err
    assert "largest difference" in said
    assert f"{len(closeness.TRIALS)} texts" in said
    assert low.network.score.weight.dtype == torch.float32
    assert torch.equal(low.network.score.weight, full.network.score.weight)
    table = low.network.get_input_embeddings().weight
    assert torch.equal(table, full.network.get_input_embeddings().weight)
    assert values(low) != values(full)
    spread = closeness.closeness(closeness.scores(full), closeness.scores(low))
    assert 0 < spread.largest < spread.spread
    again = checkpoint.load(saved, weights=weights)
    assert values(again) == values(low)
    assert again.fingerprint == low.fingerprint != full.fingerprint


@pytest.mark.parametrize("weights", [installed("nf4")])
def test_the_name_holds_in_another_process(saved: Path, weights: Weights) -> None:
    code = (
        "import sys; from assay.models.checkpoint import load;"
        "print(load(sys.argv[1], weights=sys.argv[2]).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(saved), weights]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == checkpoint.load(saved, weights=weights).fingerprint


@pytest.mark.parametrize("weights", [installed("int8"), installed("nf4")])
def test_a_policy_in_fewer_bits(
    tmp_path: Path, weights: Weights, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "policy"
    tiny_models.save_causal(folder, "qwen3", **WIDE)
    model, _, _ = open_policy(folder, device="cpu", weights=weights)
    assert "pairs in the same order" in capsys.readouterr().err
    stock = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.arange(3, 20)[None]
    with torch.inference_mode():
        low, full = model(input_ids=ids).logits, stock(input_ids=ids).logits
    assert 0 < float((low - full).abs().max()) < float(full.std())
    assert fingerprint(model) != fingerprint(stock)


@pytest.mark.parametrize("weights", [installed("nf4")])
def test_where_the_model_as_saved_has_no_room_nothing_is_measured(
    saved: Path,
    weights: Weights,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = room.size_of(saved)
    assert size is not None
    monkeypatch.setattr(closeness, "room", lambda: (2 * size, size))
    opening.open_model(str(saved), weights=weights)
    assert "was not measured" in capsys.readouterr().err
