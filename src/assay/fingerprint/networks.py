"""Attributes and configurations of networks, as far as an output depends on them."""

import sys
from typing import Any, Final

from assay.fingerprint.modules import installed

__all__ = ["NAMES_PLACES", "PLAIN", "attributes", "passing", "plain", "readable"]


NAMES_PLACES: Final = (
    "_name_or_path",
    "name_or_path",
    "transformers_version",
    "_attn_implementation",
    "_commit_hash",
    "architectures",
    "dtype",
    "torch_dtype",
    "pad_token_id",
    "padding_idx",
)
"""Keys of a transformers configuration, or attributes, that change no output or are told by the
weights; saving and loading writes them anew."""


PLAIN: Final = frozenset(
    {bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented)}
)


NO_ATTRIBUTES: Final = frozenset(
    {"training", "gradient_checkpointing", "_is_hf_initialized", "config", *NAMES_PLACES}
)
"""Attributes of a network that change no score."""


def passing(module: Any, name: str) -> bool:
    """Whether a buffer is one of a library's class that is not saved with the weights."""
    return name.rpartition(".")[2] in module._non_persistent_buffers_set and installed(
        type(module).__module__
    )


def readable(tensor: Any) -> bool:
    """Whether a tensor's numbers are in its bytes: it is not quantised, and not on a disk."""
    torch = sys.modules["torch"]
    plain_class = type(tensor) in (torch.Tensor, torch.nn.Parameter)
    return plain_class and not tensor.is_meta and bool(tensor.is_floating_point())


def attributes(module: Any) -> dict[str, Any]:
    """What a network's part keeps beside weights: all that a user's class holds, of a library's
    class what is plain."""
    kept = {
        key: value
        for key, value in vars(module).items()
        if key not in NO_ATTRIBUTES and not (key.startswith("_") and key in _INTERNAL)
    }
    if installed(type(module).__module__):
        # Rotary embeddings follow from the configuration, and some note the longest sequence that
        # they have met.
        if hasattr(module, "rope_type"):
            return {}
        # What a network has counted or warned of is not plain state of its output; LoRA's scaling
        # is.
        return {
            k: v
            for k, v in kept.items()
            if _is_plain(v) and k != "warnings_issued" and not k.startswith("_")
        }
    return kept


_INTERNAL: Final = frozenset(
    f"_{name}"
    for name in (
        "parameters",
        "buffers",
        "modules",
        "non_persistent_buffers_set",
        "is_full_backward_hook",
        "backward_hooks",
        "backward_pre_hooks",
        "forward_hooks",
        "forward_pre_hooks",
        "forward_hooks_with_kwargs",
        "forward_hooks_always_called",
        "forward_pre_hooks_with_kwargs",
        "state_dict_hooks",
        "state_dict_pre_hooks",
        "load_state_dict_pre_hooks",
        "load_state_dict_post_hooks",
    )
)
"""What torch itself keeps in every module: the tensors are hashed on their own."""


def _is_plain(value: object) -> bool:
    """Whether a value is a number, a text, or a container of such."""
    if isinstance(value, dict):
        return all(_is_plain(inner) for inner in value.values())
    if isinstance(value, (list, tuple, set)):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


def plain(value: object) -> object:
    """A configuration's value as plain data."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items() if key not in NAMES_PLACES}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if value is None or type(value) in PLAIN else str(value)
