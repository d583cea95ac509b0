"""What a plan says of memory, by hand and beside a process that was measured."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from transformers import AutoConfig

from assay.errors import ConfigError
from assay.models.shapes import SHAPES, config_of, counts_of
from assay.training.footprint import Use, footprint

TRAINS = Use(trains=True, tokens=256, length=64)
LAYER = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 2 * 576
SMOL = 49_152 * 576 + 30 * LAYER + 576 + 576
"""Parameters of SmolLM2-135M's shape with a head of one output, by hand."""


def test_parameters_are_counted_without_weights() -> None:
    counts = counts_of(config_of("135m"))
    assert counts.parameters == SMOL
    assert (counts.embeddings, counts.head, counts.kept) == (49_152 * 576, 0, 2 * 3 * 64 * 30)
    # Llama 3.1 has 8,030,261,248 and 70,553,706,496 with its language models' heads.
    for name, published in (("8b", 8_030_261_248), ("70b", 70_553_706_496)):
        found = counts_of(config_of(name))
        assert found.parameters - found.width + found.head == published


def test_what_is_no_shape_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=f"neither a folder nor a shape.*{[*SHAPES][1]}"):
        config_of("9b")


def test_weights_gradients_and_state_by_hand() -> None:
    config = config_of("135m")
    full = footprint(config, TRAINS)
    assert (full.weights, full.gradients, full.optimiser) == (4 * SMOL, 4 * SMOL, 8 * SMOL)
    low = footprint(config, replace(TRAINS, dtype="bfloat16"))
    # The head of 576 numbers is in fp32.
    assert low.weights == 2 * SMOL + 2 * 576
    assert low.optimiser == 12 * SMOL - 4 * 576
    random = footprint(config, replace(TRAINS, dtype="bfloat16", bf16_update="stochastic"))
    assert random.optimiser == 8 * SMOL
    rank = footprint(config, replace(TRAINS, ranks=4))
    assert rank.weights == SMOL
    assert rank.gathered == 4 * (SMOL - 28 * LAYER)
    adapted = footprint(config, replace(TRAINS, lora=16))
    matrices = 30 * (2 * 2 * 576 + 2 * (576 + 192) + 3 * (576 + 1536))
    assert adapted.gradients == 4 * (16 * matrices + 576)


def test_a_layers_activations_by_hand() -> None:
    # Two layers more: what a layer keeps for its way back, per token and in fp32. Norms keep what
    # they are given, the normalised, and what they give; attention queries, keys and values of all
    # heads, and its output; the feed-forward its four inner vectors.
    config = config_of("135m")
    kept = []
    for layers in (8, 10):
        config.num_hidden_layers = layers
        kept.append(footprint(config, replace(TRAINS, tokens=1024)).activations)
    by_hand = 4 * (6 * 576 + 4 * 576 + 4 * 1536)
    assert (kept[1] - kept[0]) / 2 / 1024 == pytest.approx(by_hand, rel=0.03)


def test_less_memory_is_less() -> None:
    config = config_of("135m")
    # With few tokens, the copies of the weights in bf16 would be more than what they save.
    many = replace(TRAINS, tokens=2048)
    full = footprint(config, many).activations
    for change in ({"gradient_checkpointing": True}, {"autocast": True}, {"tokens": 1024}):
        assert footprint(config, replace(many, **change)).activations < full  # type: ignore[arg-type]
    assert footprint(config, replace(many, trains=False)).activations < full / 10


def test_experts_are_traced_where_their_kernels_can_be_and_refused_elsewhere(
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = AutoConfig.for_model("mixtral")
    small = {"num_hidden_layers": 4, "hidden_size": 128, "intermediate_size": 64}
    config.update({**small, "vocab_size": 512, "num_attention_heads": 4, "head_dim": 32})
    config.num_key_value_heads = 2
    assert footprint(config, replace(TRAINS, dtype="bfloat16")).activations > 0
    with pytest.raises(ConfigError, match="a mixtral cannot be run without numbers"):
        footprint(config, TRAINS)
    assert not capfd.readouterr().err


def test_a_plan_is_within_a_tenth_of_what_a_process_takes() -> None:
    command = [sys.executable, "-m", "experiments.plan_memory", "--plain", "--tokens", "512"]
    command += ["--length", "128", "--worker", "12m", "train fp32"]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    environment["PYTHONPATH"] = ":".join(sys.path)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert row["planned"] == pytest.approx(row["measured"], rel=0.1)
