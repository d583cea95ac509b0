"""A model that is larger than the machine is refused before it is read."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.models import room
from assay.models.loading import load_network
from tests import tiny_models


def test_bytes_are_read_from_headers(tmp_path: Path) -> None:
    save_file(
        {"a": torch.zeros(3, 5), "n": torch.zeros(7, dtype=torch.int64)}, tmp_path / "1.safetensors"
    )
    save_file({"b": torch.zeros(4, dtype=torch.bfloat16)}, tmp_path / "2.safetensors")
    assert room.size_of(tmp_path) == 60 + 56 + 8
    assert room.size_of(tmp_path, torch.bfloat16) == 30 + 56 + 8
    assert room.size_of(tmp_path / "none") is None


def test_a_model_larger_than_the_machine_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_models.save_classifier(tmp_path / "stock", "qwen3")
    size = room.size_of(tmp_path / "stock", torch.float32)
    assert size is not None
    auto, home = AutoModelForSequenceClassification, tmp_path / "stock"
    monkeypatch.setattr(room, "room", lambda: (size - 1, size - 1))
    with pytest.raises(ConfigError, match="GB of memory, and this machine has"):
        load_network(auto, home, dtype=torch.float32)
    monkeypatch.setattr(room, "room", lambda: (2 * size, size - 1))
    load_network(auto, home, dtype=torch.float32)
    assert "it may be killed" in capsys.readouterr().err
    monkeypatch.setattr(room, "room", lambda: (2 * size, size))
    load_network(auto, home, dtype=torch.float32)
    assert not capsys.readouterr().err


def test_this_machine_says_what_it_has() -> None:
    found = room.room()
    assert found is None or 0 < found[1] <= found[0]
