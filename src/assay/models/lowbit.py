"""Weights in eight or four bits: which library makes them, what they take, and what names them.

Only matrices of linear layers are quantised, and only to be read: embeddings, norms and the head
stay as they are saved. Transformers calls the library (`quantization_config`) as it reads the file,
matrix by matrix. A model so made computes something else than the one it was made of, and has
another name: that of the files, the settings and the library's version.
"""

import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay.errors import ConfigError, MissingExtra
from assay.fingerprint import fingerprint

if TYPE_CHECKING:
    import torch

__all__ = ["BYTES", "WHOLE", "Weights", "bytes_of", "made_from", "settings_of"]

Weights = Literal["saved", "int8", "int4", "nf4"]
"""What a matrix's numbers are kept in."""

BYTES: Final[Mapping[str, float]] = {"int8": 1.0, "int4": 0.5 + 4 / 128, "nf4": 0.5 + 4 / 64}
"""Bytes per number, scales included: a row of int8 has one, which is next to nothing; 128 numbers
of int4 a scale and a zero in bf16; 64 of NF4 one in fp32 (arXiv:2305.14314, without its double
quantisation)."""

WHOLE: Final = ("score", "lm_head")
"""Layers that are not quantised: heads."""

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "int8": ("torchao", "accelerate"),
    "int4": ("torchao", "accelerate"),
    "nf4": ("bitsandbytes", "accelerate"),
}
"""Modules that make them, the one that decides what they are first."""


@dataclass(frozen=True)
class Settings:
    """How weights are quantised."""

    config: Any
    """Transformers' `quantization_config`."""
    name: str
    """The same in words that name it, with the library's version."""


def settings_of(weights: str, dtype: "torch.dtype", device: str) -> Settings:
    """Return how weights are quantised on a device, to compute in a precision.

    Raises `MissingExtra` where the library is not installed, and `ConfigError` for a word that
    means nothing and for what a device or a precision does not have.
    """
    if weights not in BYTES:
        raise ConfigError(f"weights {weights!r} mean nothing; there is saved, {', '.join(BYTES)}")
    if weights == "int4":
        _check_int4(device, dtype)
    library = NEEDS[weights][0]
    for module in NEEDS[weights]:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"weights in {weights} ({module})", "lowbit")
    from transformers import BitsAndBytesConfig, TorchAoConfig

    if weights == "nf4":
        kept: dict[str, Any] = {
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": False,
        }
        config: Any = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=[*WHOLE],
            **kept,
        )
    else:
        from torchao import quantization

        kept = {} if weights == "int8" else dict(_INT4)
        kind = f"I{weights[1:]}WeightOnlyConfig"
        config = TorchAoConfig(getattr(quantization, kind)(**kept), [*WHOLE])
    kept |= {"weights": weights, "dtype": str(dtype).removeprefix("torch."), "whole": WHOLE}
    version = importlib.metadata.version(library)
    return Settings(config, f"{library} {version} {json.dumps(kept, sort_keys=True)}")


_INT4: Final = {"group_size": 128, "int4_packing_format": "tile_packed_to_4d"}
"""Torch's own products of int4 (tinygemm); other forms need a library of kernels besides."""


def _check_int4(device: str, dtype: "torch.dtype") -> None:
    import torch

    if not device.startswith("cuda"):
        raise ConfigError(
            f"weights in int4 are multiplied on CUDA only, and the device is {device}; nf4 and int8"
            " work here"
        )
    if dtype != torch.bfloat16:
        raise ConfigError("weights in int4 are multiplied with bfloat16 only; give that as dtype")


def bytes_of(name: str, shape: tuple[int, ...] | list[int], weights: str) -> float | None:
    """Return the bytes of a tensor that is quantised, scales included, told by its name in a file;
    None of one that stays as it is."""
    words = ("embed", "wte", "wpe", "norm", "head", *WHOLE)
    if weights == "saved" or len(shape) != 2 or not name.endswith(".weight"):
        return None
    if any(word in name for word in words):
        return None
    return shape[0] * shape[1] * BYTES[weights]


def made_from(folder: Path, settings: str) -> str:
    """Return the name of weights that cannot be named by their bytes: the files that they are made
    of, and how."""
    files = [path for end in ("safetensors", "bin") for path in sorted(folder.glob(f"*.{end}"))]
    return fingerprint(("weights", files, settings))
