"""Read networks from a folder or the hub: quietly, running no code of a checkpoint, leaving no
weight at random.

Transformers fills weights it does not find with random numbers and says so in a log. Here that is
an error. An adapter's folder is read as what it stands for, its base with the adapter merged.
Whatever transformers raises while it reads a folder ends in one sentence that names the folder.
"""

import functools
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers.utils import logging

from assay.errors import AssayError, ConfigError
from assay.fingerprint.networks import readable
from assay.http.reach import hub_unreachable, offline
from assay.models import lowbit, parts, placing
from assay.models.adapters import PREFIX, adapter_tensors, base_of, is_adapter, merge_adapter
from assay.models.folder import (
    check_tokenizer_files,
    check_weights,
    configuration,
    first_line,
    read_json,
)
from assay.models.generic import classifier_of
from assay.models.room import check_room, give_back

__all__ = [
    "fetch",
    "first_line",
    "home_of",
    "load_config",
    "load_network",
    "load_tokenizer",
    "quiet",
    "read_tensors",
    "say",
]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' loading bars and reports off the screen, and put its settings back
    after."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def say(text: str) -> None:
    """Tell the user what was decided for them, in a line apart from a command's output."""
    print(text, file=sys.stderr)


def fetch(name: str | Path) -> Path:
    """The folder itself, or the hub's files in the local cache, downloaded where they are missing;
    never code.

    Raises `ConfigError` when it is neither a folder nor a name that the hub can be asked for.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    # Without a network this finds what was downloaded before, at once.
    why = None if offline() else hub_unreachable()
    get = functools.partial(snapshot_download, str(name), local_files_only=why is not None)
    try:
        folder = Path(
            get(allow_patterns=["*.json", "*.jinja", "*.model", "*.txt", "*.safetensors"])
        )
        if not any(folder.glob("*.safetensors")):
            folder = Path(get(allow_patterns=["pytorch_model*.bin*", "adapter_model.bin"]))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{name} is neither a folder nor reachable on the hub ({why or first_line(error)});"
            " give a local folder"
        ) from error
    return folder


def home_of(folder: str | Path) -> Path:
    """The folder whose weights a folder stands for: an adapter's base, otherwise the folder itself.

    Raises `ConfigError` where the base of an adapter is not to be had.
    """
    folder, seen = Path(folder), set[Path]()
    while is_adapter(folder):
        if folder in seen:
            raise ConfigError(
                f"{folder} is an adapter whose base is itself; write the base's folder to its"
                " config"
            )
        seen.add(folder)
        base = base_of(folder)
        try:
            folder = fetch(base)
        except ConfigError as error:
            raise ConfigError(f"{folder} is an adapter of {base}, and {error}") from error
    return folder


def load_tokenizer(folder: str | Path) -> Any:
    """The folder's tokenizer, or that of an adapter's base where the adapter brings none.

    Raises `ConfigError` when there is none that transformers itself can read, or one that knows no
    text: of a folder without a vocabulary transformers makes an empty tokenizer, which turns every
    text into nothing.
    """
    from transformers import AutoTokenizer

    place = Path(folder)
    try:
        check_tokenizer_files(place)
    except ConfigError:
        if not is_adapter(place):
            raise
        place = home_of(place)
        check_tokenizer_files(place)
    if (place / "config.json").is_file():
        read_json(place / "config.json")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(place), trust_remote_code=False)
        words = set(tokenizer.get_vocab().values()) - set(tokenizer.added_tokens_decoder)
    except Exception as error:
        raise ConfigError(
            f"{folder} has no tokenizer that can be loaded: {first_line(error)}"
        ) from error
    if not words:
        raise ConfigError(
            f"{folder} has a tokenizer whose vocabulary is empty: every text would become nothing;"
            " save the tokenizer that the model was trained with into the same folder"
            " (tokenizer.save_pretrained)"
        )
    return tokenizer


def load_config(folder: str | Path, **settings: Any) -> Any:
    """The configuration of a folder, of its base where it is an adapter's, as transformers reads
    it.

    An attention that was written down on another machine, which had it, is left out: transformers
    chooses among what is here. Raises `ConfigError` where there is no configuration that
    transformers reads.
    """
    config, _ = _read_config(folder, **settings)
    return config


def _read_config(folder: str | Path, **settings: Any) -> tuple[Any, str | None]:
    """The configuration, and the attention that was left out of it."""
    from transformers import AutoConfig

    home = home_of(folder)
    configuration(home)
    try:
        with quiet():
            config = AutoConfig.from_pretrained(str(home), trust_remote_code=False, **settings)
    except Exception as error:
        raise ConfigError(
            f"{home} has no configuration that transformers reads: {first_line(error)}"
        ) from error
    attention = config._attn_implementation
    if attention in (None, "eager", "sdpa"):
        return config, None
    config._attn_implementation = None
    return config, str(attention)


def load_network(
    auto: Any,
    folder: str | Path,
    *,
    may_miss: Sequence[str] = (),
    may_hold: Sequence[str] | None = None,
    trains: bool = False,
    weights: str = "saved",
    device: str = "cpu",
    **settings: Any,
) -> Any:
    """A network by `auto.from_pretrained`, whose every weight comes from the folder, an adapter's
    base and adapter.

    may_miss: prefixes of weights that the caller fills in itself. may_hold: prefixes of weights
    that the folder may hold beside the network's; None = any. trains: the network is to be trained,
    for which quantised weights do not do. weights: what `lowbit.Weights` its matrices are kept in,
    made on `device`; as saved they come on the CPU, with `device` "map" where there is room, with
    "parts" this process's part of them. Raises `ConfigError` naming the weights that are missing,
    of the wrong shape, left over or no numbers, and for whatever else keeps the folder from being
    loaded.
    """
    home = home_of(folder)
    if home != Path(folder):
        _check_merges(folder, weights, device)
        settings |= {"may_miss": may_miss, "may_hold": may_hold, "trains": trains}
        return _merged(auto, Path(folder), home, settings)
    named = {key: settings.pop(key) for key in ("num_labels",) if key in settings}
    config, attention = _read_config(home, **named)
    if trains:
        _check_trains(home, config)
    if attention is not None:
        say(
            f"{home} names the attention {attention}; torch's own (sdpa), which computes the same,"
            " takes its place"
        )
    check_weights(home)
    spread, in_parts = device == placing.MAP, device == parts.PARTS
    whole = not spread and not in_parts
    if whole and (tight := check_room(home, settings.get("dtype", "auto"), weights)):
        say(tight)
    made = _quantising(home, config, weights, device, settings)
    if spread:
        settings |= placing.mapped()
    if in_parts:
        settings |= parts.divided(home, config)
    network, found = _from_pretrained(auto, home, config, settings)
    if made is not None:
        network.made_from = lowbit.made_from(home, made)
        _try(home, network)
        give_back()
    missing = sorted(k for k in found["missing_keys"] if not k.startswith(tuple(may_miss)))
    wrong = sorted(k[0] for k in found["mismatched_keys"] if not k[0].startswith(tuple(may_miss)))
    extra = []
    if may_hold is not None:
        extra = sorted(k for k in found["unexpected_keys"] if not k.startswith(tuple(may_hold)))
    for what, keys in (
        ("lacks", missing),
        ("has the wrong shape for", wrong),
        ("holds weights nobody reads:", extra),
    ):
        if keys:
            named_keys = ", ".join(keys[:4]) + (
                f" and {len(keys) - 4} more" if len(keys) > 4 else ""
            )
            raise ConfigError(
                f"{folder} {what} {named_keys}; its architecture is {_architecture(network)}: "
                "give the folder of a checkpoint of this kind, whole"
            )
    if in_parts:
        say(f"{home}: {parts.settle(home, network)}; prompts are read anew for every response")
        network.made_from = lowbit.made_from(home, f"in parts, {settings.get('dtype', 'auto')}")
    if spread:
        say(f"{home}: {placing.settle(home, network)}; prompts are read anew for every response")
        if made is None and any(parameter.is_meta for parameter in network.parameters()):
            network.made_from = lowbit.made_from(home, f"as saved, {settings.get('dtype', 'auto')}")
    return _checked(network, home)


def _check_merges(folder: str | Path, weights: str, device: str) -> None:
    """Raise `ConfigError` where an adapter is to be merged into what takes no merge."""
    if weights != "saved":
        raise ConfigError(
            f"{folder} is an adapter, which is merged into weights as they are saved; save the"
            f" merged model, and give that with weights in {weights}"
        )
    if device in (placing.MAP, parts.PARTS):
        raise ConfigError(
            f"{folder} is an adapter, which is merged into weights that lie in one place; save the"
            " merged model, and give that"
        )


def _merged(auto: Any, folder: Path, home: Path, settings: dict[str, Any]) -> Any:
    """An adapter's base, with every adapter on the way to it merged."""
    adapters: list[Path] = []
    place = folder
    while is_adapter(place):
        adapters.append(place)
        place = fetch(base_of(place))
    network = load_network(auto, home, **settings)
    for adapter in reversed(adapters):
        network = merge_adapter(network, adapter)
    say(f"{folder}: adapter merged into {home}")
    return _checked(network, folder)


def _quantising(
    home: Path, config: Any, weights: str, device: str, settings: dict[str, Any]
) -> str | None:
    """Add to a loader's settings how weights are quantised; return it in words that name it, those
    of the checkpoint where it comes so, None where nothing is quantised."""
    method = _quantised(config)
    if method and device == parts.PARTS:
        raise ConfigError(
            f"{home} is quantised ({method}), and such matrices are not laid in parts; start one"
            " process"
        )
    if method and weights != "saved":
        raise ConfigError(
            f"{home} is quantised ({method}) already; leave out --weights {weights}, or give the"
            " checkpoint that it was made from"
        )
    if method:
        return f"{method}, as it came, by transformers {transformers.__version__}"
    if weights == "saved":
        return None
    if device in (placing.MAP, parts.PARTS):
        more = "--device map" if device == placing.MAP else "torchrun"
        raise ConfigError(f"weights in {weights} lie on one device; leave out {more}, or --weights")
    dtype = settings.get("dtype", "auto")
    if not isinstance(dtype, torch.dtype):
        dtype = settings["dtype"] = config.dtype or torch.float32
    found = lowbit.settings_of(weights, dtype, device)
    settings |= {"quantization_config": found.config, "device_map": {"": device}}
    return found.name


def _try(home: Path, network: Any) -> None:
    """Read one token: kernels of quantised products refuse shapes that they were not made for only
    when they are called."""
    try:
        with torch.inference_mode():
            network.eval()(input_ids=torch.zeros(1, 1, dtype=torch.long, device=network.device))
    except Exception as error:
        raise ConfigError(
            f"{home} cannot be run in these weights on this machine: {first_line(error)}; give"
            " others, or saved"
        ) from error


def _from_pretrained(
    auto: Any, home: Path, config: Any, settings: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    from pickle import UnpicklingError

    from transformers import AutoModelForSequenceClassification

    kind = classifier_of(config) if auto is AutoModelForSequenceClassification else auto
    try:
        with quiet():
            # Shapes that differ are told by name, by the caller.
            network, found = kind.from_pretrained(
                str(home),
                config=config,
                output_loading_info=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                **settings,
            )
    except AssayError:
        raise
    except UnpicklingError as error:
        raise ConfigError(
            f"{home} cannot be loaded: its .bin holds more than tensors, which could run code, or"
            " is damaged; where you trust who made it, convert it to model.safetensors"
        ) from error
    except Exception as error:
        # Whatever a file makes transformers and what it calls stumble over, the file is what is at
        # fault.
        method = _quantised(config)
        how = f" is quantised ({method}) and" if method else ""
        raise ConfigError(f"{home}{how} cannot be loaded: {first_line(error)}") from error
    return network, found


def _checked(network: Any, folder: Path) -> Any:
    """The network, if its weights are numbers."""
    for name, parameter in network.named_parameters():
        held = parts.local(parameter).detach()
        if readable(held) and not bool(torch.isfinite(held).all()):
            raise ConfigError(
                f"{folder}: {name} holds values that are no finite numbers, so that every output"
                " would be none; fetch the checkpoint again, or take one from before its training"
                " went astray"
            )
    return network


def _check_trains(folder: Path, config: Any) -> None:
    """Raise `ConfigError` where a checkpoint can be run, and not trained."""
    if method := _quantised(config):
        raise ConfigError(
            f"{folder} is quantised ({method}), and such weights can be neither trained nor saved"
            " as they are; give the checkpoint that it was made from, or dequantise it first"
        )
    if any(hasattr(config, f"{sense}_config") for sense in ("vision", "audio")):
        name = (config.architectures or [type(config).__name__])[0]
        raise ConfigError(
            f"{folder} is a {name}, which sees or hears beside reading, and only texts are trained"
            " on here; give a checkpoint of its text model alone"
            " (model.language_model.save_pretrained)"
        )


def _quantised(config: Any) -> str | None:
    """The method that a checkpoint's weights were quantised by, or None."""
    settings = getattr(config, "quantization_config", None)
    if not settings:
        return None
    method = settings.get("quant_method") if isinstance(settings, dict) else settings.quant_method
    return str(getattr(method, "value", method) or "by a method it does not name")


def read_tensors(folder: Path, names: Collection[str]) -> dict[str, Tensor]:
    """Those of the named tensors that the folder's weights hold; safetensors, or tensors-only
    pickles without any.

    Of an adapter's folder, those that it was trained with as a whole, and the others of its base.
    """
    if is_adapter(folder):
        own = adapter_tensors(folder)
        home_of(folder)
        return read_tensors(fetch(base_of(folder)), names) | {
            n: own[PREFIX + n] for n in names if PREFIX + n in own
        }
    found: dict[str, Tensor] = {}
    files = sorted(folder.glob("*.safetensors"))
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                found |= {name: file.get_tensor(name) for name in set(names) & set(file.keys())}
        except SafetensorError as error:
            raise ConfigError(
                f"{path} is cut off or damaged ({error}); fetch the checkpoint again, whole"
            ) from error
    if not files:
        for path in sorted(folder.glob("pytorch_model*.bin")):
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            found |= {name: state[name] for name in names if name in state}
    return found


def _architecture(network: Any) -> str:
    return ", ".join(network.config.architectures or ["unknown"])
