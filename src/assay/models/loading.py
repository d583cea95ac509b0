"""Read networks from a folder or the hub: quietly, running no code of a checkpoint, leaving no weight at random.

Transformers fills weights it does not find with random numbers and says so in a log. Here that is an error.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers.utils import logging

from assay.errors import ConfigError

__all__ = ["fetch", "first_line", "load_network", "load_tokenizer", "quiet", "read_tensors"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' loading bars and reports off the screen, and put its settings back after."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def fetch(name: str | Path) -> Path:
    """The folder itself, or the hub's files in the local cache, downloaded where they are missing; never code.

    Raises `ConfigError` when it is neither a folder nor a name that the hub can be asked for.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    # Without a network this finds what was downloaded before.
    try:
        folder = Path(
            snapshot_download(str(name), allow_patterns=["*.json", "*.jinja", "*.model", "*.txt", "*.safetensors"])
        )
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(str(name), allow_patterns=["pytorch_model*.bin*"]))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{name} is neither a folder nor reachable on the hub ({first_line(error)}); give a local folder"
        ) from error
    return folder


def load_tokenizer(folder: str | Path) -> Any:
    """The folder's tokenizer. Raises `ConfigError` when there is none that transformers itself can read."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} has no tokenizer that can be loaded: {first_line(error)}") from error


def load_network(
    auto: Any,
    folder: str | Path,
    *,
    may_miss: Sequence[str] = (),
    may_hold: Sequence[str] | None = None,
    **settings: Any,
) -> Any:
    """A network by `auto.from_pretrained`, whose every weight comes from the folder.

    may_miss: prefixes of weights that the caller fills in itself. may_hold: prefixes of weights that the folder may
    hold beside the network's; None = any. Raises `ConfigError` naming the weights that are missing, of the wrong
    shape, or left over.
    """
    try:
        with quiet():
            network, found = auto.from_pretrained(
                str(folder), output_loading_info=True, trust_remote_code=False, **settings
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{folder} cannot be loaded: {first_line(error)}") from error
    missing = sorted(k for k in found["missing_keys"] if not k.startswith(tuple(may_miss)))
    wrong = sorted(k[0] for k in found["mismatched_keys"] if not k[0].startswith(tuple(may_miss)))
    extra = []
    if may_hold is not None:
        extra = sorted(k for k in found["unexpected_keys"] if not k.startswith(tuple(may_hold)))
    for what, keys in (("lacks", missing), ("has the wrong shape for", wrong), ("holds weights nobody reads:", extra)):
        if keys:
            named = ", ".join(keys[:4]) + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
            raise ConfigError(
                f"{folder} {what} {named}; its architecture is {_architecture(network)}: "
                "give the folder of a checkpoint of this kind, whole"
            )
    return network


def read_tensors(folder: Path, names: Collection[str]) -> dict[str, Tensor]:
    """Those of the named tensors that the folder's weights hold; safetensors, or tensors-only pickles without any."""
    found: dict[str, Tensor] = {}
    files = sorted(folder.glob("*.safetensors"))
    for path in files:
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name) for name in set(names) & set(file.keys())}
    if not files:
        for path in sorted(folder.glob("pytorch_model*.bin")):
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            found |= {name: state[name] for name in names if name in state}
    return found


def first_line(error: Exception) -> str:
    """What went wrong, without the advice that follows."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _architecture(network: Any) -> str:
    return ", ".join(network.config.architectures or ["unknown"])
