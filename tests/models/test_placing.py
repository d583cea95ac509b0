"""A model over several devices scores as on one; here a CPU's memory and a disk."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.models import checkpoint, placing, room
from assay.models.device import device_of
from assay.models.layout import Layout
from assay.models.loading import load_network
from assay.models.policy import open_policy
from assay.models.readout import PREFERENCE
from assay.scorers.local import LocalScorer
from assay.specs.scorers import scorer
from assay.types import Group, Prompt, Response, Score
from tests import tiny_models
from tests.models import tiny

pytest.importorskip("accelerate", reason="accelerate is not installed (the lowbit extra)")

GROUPS = [
    Group(
        prompt=Prompt.of(f"What is {n} + 2? " * 20),
        responses=tuple(Response(steps=(text,)) for text in ("4", "Four, I think.", "5")),
    )
    for n in range(3)
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("placing") / "rm"
    network = tiny.network(num_hidden_layers=6)
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE)
    checkpoint.save(model, folder)
    return folder


def values(by: Any) -> list[float]:
    rows = by.score(GROUPS)
    return [score.value for row in rows for score in row if isinstance(score, Score)]


def free(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(room, "room", lambda: (1 << 40, int(size / placing.SHARE)))


@pytest.mark.parametrize(("share", "moved"), [(3.0, False), (0.75, True)])
def test_scores_are_those_of_one_device(
    saved: Path,
    share: float,
    moved: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = room.size_of(saved)
    assert size is not None
    free(monkeypatch, share * size)
    whole, spread = LocalScorer(checkpoint.load(saved)), scorer(str(saved), "map")
    assert isinstance(spread, LocalScorer)
    far = [name for name, p in spread.model.named_parameters() if p.is_meta]
    assert bool(far) == moved
    assert ("on a disk" in capsys.readouterr().err) == moved
    assert spread.model.engine.path == "plain"
    assert spread.model.network.score.weight.dtype == torch.float32
    assert values(spread) == pytest.approx(values(whole), abs=1e-5)
    # What lies on a disk is named by its files.
    assert (spread.fingerprint != whole.fingerprint) == moved
    assert scorer(str(saved), "map").fingerprint == spread.fingerprint


def test_a_policy_over_several_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.save_causal(tmp_path / "policy", "qwen3", num_hidden_layers=6)
    size = room.size_of(folder)
    assert size is not None
    free(monkeypatch, 0.8 * size)
    model, _, _ = open_policy(folder, device="map")
    stock, _, _ = open_policy(folder, device="cpu")
    ids = torch.arange(3, 20)[None]
    with torch.inference_mode():
        assert torch.allclose(model(input_ids=ids).logits, stock(input_ids=ids).logits, atol=1e-5)


def test_what_cannot_be_spread_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="what is trained or calibrated lies on one"):
        device_of("map")
    with pytest.raises(ConfigError, match="leave out --device map, or --weights"):
        scorer(str(saved), "map", weights="nf4")
    free(monkeypatch, 100)
    with pytest.raises(ConfigError, match=r"not even the table of tokens .* has room"):
        scorer(str(saved), "map")
    monkeypatch.setattr(room, "room", lambda: None)
    with pytest.raises(ConfigError, match="does not say how much memory is free"):
        scorer(str(saved), "map")


def test_adapters_and_damaged_parts_are_refused_by_name(saved: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": str(saved)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="is an adapter, which is merged into weights that lie"):
        load_network(AutoModelForSequenceClassification, adapter, device="map")
    damaged = shutil.copytree(saved, tmp_path / "damaged")
    whole = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(whole[:-50])
    with pytest.raises(ConfigError, match=r"model\.safetensors is cut off or damaged"):
        scorer(str(damaged))
