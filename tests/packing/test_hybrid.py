"""Models whose caches hold states that are written in place: a branch must not change what its
siblings start from."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from assay.packing.engine import Engine, hidden
from assay.packing.tree import grow

BASE = {
    "vocab_size": 360,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
HYBRIDS: dict[str, dict[str, Any]] = {
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "falcon_h1": {
        "mamba_d_ssm": 32,
        "mamba_n_heads": 4,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_n_groups": 1,
        "mamba_chunk_size": 8,
    },
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("architecture", HYBRIDS)
@pytest.mark.parametrize("micro_tokens", [1 << 30, 80])
def test_nested_branches_and_parts_are_those_of_each_sequence_alone(
    architecture: str, micro_tokens: int
) -> None:
    torch.manual_seed(0)
    backbone = AutoModel.from_config(
        AutoConfig.for_model(architecture, **BASE | HYBRIDS[architecture])
    ).eval()
    rng = np.random.default_rng(0)
    prompt = rng.integers(3, 300, 60)
    branch = np.concatenate([prompt, rng.integers(3, 300, 15)])
    rows = [
        np.concatenate([start, rng.integers(3, 300, n)])
        for start, n in ((branch, 3), (branch, 9), (prompt, 12))
    ]
    tree = grow(rows)
    assert len(tree.nodes) > 3
    with torch.no_grad():
        found = hidden(backbone, tree, Engine("expand", "", 1.0), micro_tokens=micro_tokens)
        for i, row in enumerate(rows):
            alone = backbone(input_ids=torch.tensor(row)[None], use_cache=False).last_hidden_state[
                0
            ]
            ours = found[torch.from_numpy(tree.places(i, np.arange(len(row))))]
            assert float((ours - alone).norm() / alone.norm()) < 1e-5
