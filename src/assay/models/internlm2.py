"""InternLM2's reward models (arXiv:2403.17297), whose code is their authors' own: rewritten as the
Llama that they are.

One matrix holds queries, keys and values of every group of heads; `v_head.weight` reads the last
token, a special one that follows the closed conversation. `reference` computes the same from the
checkpoint's own tensors, in plain torch.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from assay.errors import ConfigError
from assay.models.folder import check_weights, read_json

__all__ = ["as_llama", "is_internlm2", "reference", "reward_token"]

KEPT: Final = (
    *(
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "hidden_act",
    ),
    *(
        "num_key_value_heads",
        "max_position_embeddings",
        "rms_norm_eps",
        "rope_theta",
        "rope_scaling",
    ),
    *("bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype", "initializer_range"),
)
"""Settings that mean the same in both."""

NAMES: Final[Mapping[str, str]] = {
    "tok_embeddings": "embed_tokens",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def is_internlm2(folder: Path) -> bool:
    """Return whether a folder holds an InternLM2 reward model in its authors' layout."""
    if not (folder / "config.json").is_file():
        return False
    config = read_json(folder / "config.json")
    kinds = config.get("architectures") or [""]
    return config.get("model_type") == "internlm2" and kinds[0] == "InternLM2ForRewardModel"


def reward_token(folder: Path) -> int:
    """Id of the token at which the score is read. Raises `ConfigError` where the configuration
    names none."""
    found = read_json(folder / "config.json").get("reward_token_id")
    if not isinstance(found, int):
        raise ConfigError(
            f"{folder} names no reward_token_id in its config.json, where the score is read"
        )
    return found


def as_llama(folder: Path, into: Path) -> Path:
    """Write the same network as a Llama with `v_head.weight`, and its tokenizer, into an empty
    folder."""
    config = read_json(folder / "config.json")
    if config.get("bias"):
        raise ConfigError(
            f"{folder} has biases in its attention, which this library does not rewrite"
        )
    llama = {key: config[key] for key in KEPT if key in config}
    body = llama | {
        "model_type": "llama",
        "architectures": ["InternLM2ForRewardModel"],
        "tie_word_embeddings": False,
    }
    (into / "config.json").write_text(json.dumps(body))
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    found: dict[str, Tensor] = {}
    for name, tensor in _tensors(folder).items():
        if name.endswith("attention.wqkv.weight"):
            stem = name.removesuffix("attention.wqkv.weight")
            parts = _split(tensor, heads, groups)
            found |= {
                f"{stem}self_attn.{k}_proj.weight": v.contiguous()
                for k, v in zip("qkv", parts, strict=True)
            }
            continue
        for old, new in NAMES.items():
            name = name.replace(f"{old}.weight", f"{new}.weight")
        found[name] = tensor.contiguous()
    save_file(found, into / "model.safetensors", metadata={"format": "pt"})
    for path in folder.iterdir():
        of_tokenizer = path.name.startswith(
            ("tokenizer", "special_tokens", "added_tokens", "chat_template")
        )
        if of_tokenizer and path.is_file() and path.suffix != ".py":
            shutil.copy(path, into / path.name)
    settings = into / "tokenizer_config.json"
    if settings.is_file():
        # Its class is its authors' code; what it does stands in tokenizer.json.
        kept = {
            k: v for k, v in read_json(settings).items() if k not in ("auto_map", "tokenizer_class")
        }
        settings.write_text(json.dumps(kept | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    return into


def _tensors(folder: Path) -> dict[str, Tensor]:
    check_weights(folder)
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    for path in [] if found else sorted(folder.glob("pytorch_model*.bin")):
        found |= torch.load(path, map_location="cpu", weights_only=True)
    return found


def _split(wqkv: Tensor, heads: int, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (heads * width, D): every group has its queries, then a key,
    then a value."""
    width = wqkv.shape[0] // (heads + 2 * groups)
    grouped = wqkv.reshape(groups, heads // groups + 2, width, wqkv.shape[-1])
    return (
        grouped[:, :-2].reshape(heads * width, -1),
        grouped[:, -2].reshape(groups * width, -1),
        grouped[:, -1].reshape(groups * width, -1),
    )


def reference(folder: Path) -> Callable[[list[int]], float]:
    """The score of a sequence of ids at its last token, by the checkpoint's own tensors in plain
    torch."""
    config = read_json(folder / "config.json")
    scaling = config.get("rope_scaling") or {}
    w = {name.removeprefix("model."): tensor.float() for name, tensor in _tensors(folder).items()}
    heads, groups, eps = (
        config["num_attention_heads"],
        config["num_key_value_heads"],
        config["rms_norm_eps"],
    )
    width = config["hidden_size"] // heads
    base = float(config.get("rope_theta", 10000.0))

    def norm(x: Tensor, weight: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight

    def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat((-second, first), -1) * sin

    @torch.inference_mode()
    def score(ids: list[int]) -> float:
        longest = config["max_position_embeddings"]
        if scaling and len(ids) > longest:
            raise ConfigError(
                f"{len(ids)} tokens are beyond {longest}, where this model's positions change"
            )
        angles = torch.arange(len(ids))[:, None] / base ** (torch.arange(0, width, 2) / width)
        cos, sin = (torch.cat((f, f), -1) for f in (angles.cos(), angles.sin()))
        mask = torch.full((len(ids), len(ids)), -torch.inf).triu(1)
        x = w["tok_embeddings.weight"][ids]
        for layer in range(config["num_hidden_layers"]):
            at = f"layers.{layer}."
            y = norm(x, w[f"{at}attention_norm.weight"])
            q, k, v = (
                (y @ part.T).reshape(len(ids), -1, width).transpose(0, 1)
                for part in _split(w[f"{at}attention.wqkv.weight"], heads, groups)
            )
            q, k = turned(q, cos, sin), turned(k, cos, sin).repeat_interleave(heads // groups, 0)
            mixed = (q @ k.transpose(1, 2) / width**0.5 + mask).softmax(-1) @ v.repeat_interleave(
                heads // groups, 0
            )
            x = x + mixed.transpose(0, 1).reshape(len(ids), -1) @ w[f"{at}attention.wo.weight"].T
            y = norm(x, w[f"{at}ffn_norm.weight"])
            gate = functional.silu(y @ w[f"{at}feed_forward.w1.weight"].T)
            x = (
                x
                + (gate * (y @ w[f"{at}feed_forward.w3.weight"].T))
                @ w[f"{at}feed_forward.w2.weight"].T
            )
        return float(norm(x[-1], w["norm.weight"]) @ w["v_head.weight"][0])

    return score
