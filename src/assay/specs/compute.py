"""Where and how models compute: the settings that every command shares that opens one."""

from dataclasses import dataclass
from typing import Literal

from assay.errors import ConfigError
from assay.models.lowbit import Weights

__all__ = ["Compute", "Weights", "dtype_of"]


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Device, precision and batch size of the models that a command opens."""

    device: str = "auto"
    """Device of the models: cpu, cuda, cuda:1 and others; auto, the GPU where there is one; or map,
    layers on all GPUs, in memory and on the disk as they fit."""

    dtype: Literal["auto", "float32", "bfloat16"] | None = "auto"
    """Precision of the parameters; auto = as saved."""

    weights: Weights = "saved"
    """Form of the matrices' numbers: saved = as the folder has them; int8 (torchao), int4 (torchao,
    on CUDA in bfloat16), nf4 (bitsandbytes). What that does to scores is measured and said; the
    head stays as it is."""

    micro_tokens: int = 8192
    """Most tokens in one forward pass, padding included, a shared prompt counted once; halved when
    memory runs out."""


Precision = Literal["float32", "bfloat16"]


def dtype_of(word: str | None) -> Precision | None:
    """Return the precision that a word names; None, that of the checkpoint, for "auto"."""
    known: dict[str | None, Precision | None] = {
        None: None,
        "auto": None,
        "float32": "float32",
        "bfloat16": "bfloat16",
    }
    if word not in known:
        raise ConfigError(f"dtype {word!r} means nothing; there is auto, float32, bfloat16")
    return known[word]
