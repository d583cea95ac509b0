"""What a model's folder holds, looked at before anything of it is loaded: what cannot be used is
said in a sentence.

Nothing here reads more than the first bytes of a weights' file, or runs code of a checkpoint.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from assay.errors import ConfigError

__all__ = [
    "check_tokenizer_files",
    "check_weights",
    "configuration",
    "first_line",
    "has_weights",
    "read_json",
]

POINTER: Final = b"version https://git-lfs"
"""What a file begins with whose content Git LFS was to fetch."""

WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
"""Whole weights; in parts, their names stand in NAME.index.json."""

ELSEWHERE: Final = {
    ".gguf": "GGUF",
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".onnx": "ONNX",
    ".pth": "plain torch",
}


def first_line(error: BaseException) -> str:
    """Return the first line of an error, without the advice that follows."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object's file. Raises `ConfigError` where it is missing, no JSON, or something else
    than an object."""
    if not path.is_file():
        if _unfinished(path.parent):
            raise ConfigError(
                f"{path.parent} has no {path.name}, for the run in it is unfinished; the command"
                " that began it goes on where it was"
            )
        raise ConfigError(
            f"{path.parent} has no {path.name}; give a model's folder, as save_pretrained writes it"
        )
    _refuse_pointer(path)
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is damaged: it is no JSON ({first_line(error)}); copy it again"
        ) from error
    if not isinstance(body, dict):
        raise ConfigError(
            f"{path} is damaged: it holds a {type(body).__name__} and no object; copy it again"
        )
    return body


def _unfinished(folder: Path) -> bool:
    """Return whether a folder is of a run that was not finished, or not yet."""
    if (folder / "checkpoint").is_dir():
        return True
    try:
        body = json.loads((folder / "run.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(body, dict) and "finished" in body and body["finished"] is None


def configuration(folder: Path) -> dict[str, Any]:
    """Return what config.json says. Raises `ConfigError` where transformers has no class for it."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    body = read_json(folder / "config.json")
    kind = body.get("model_type")
    if kind is None:
        raise ConfigError(
            f"{folder / 'config.json'} has no model_type, so nothing says what the model is"
        )
    if kind not in CONFIG_MAPPING:
        own = (
            "; its authors' own code, which auto_map names, is not run here"
            if "auto_map" in body
            else ""
        )
        raise ConfigError(
            f"{folder} is of model_type {kind!r}, which transformers {transformers.__version__}"
            f" does not know{own}; use a stock architecture"
        )
    return body


def has_weights(folder: Path) -> bool:
    """Return whether a folder holds or names weights of any kind, whole or not."""
    kinds = (".safetensors", ".bin", ".index.json", *ELSEWHERE)
    return any(path.name.endswith(kinds) for path in folder.iterdir())


def check_weights(folder: Path) -> None:
    """Raise `ConfigError` where the weights are missing, in part or whole, cut off, damaged or not
    yet fetched."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return _check_file(folder / name)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _check_parts(index)
    there = sorted(
        path.name for path in folder.glob("*.safetensors") if not path.name.startswith("adapter_")
    )
    if there:
        raise ConfigError(
            f"{folder} holds {', '.join(there[:3])}, which nothing points to; call weights in one"
            " file model.safetensors, or fetch the model.safetensors.index.json that names the"
            " parts"
        )
    others = {kind for suffix, kind in ELSEWHERE.items() if any(folder.glob(f"*{suffix}"))}
    kinds = f", only {' and '.join(sorted(others))} files, which are not read" if others else ""
    raise ConfigError(f"{folder} holds no weights{kinds}; give a folder with model.safetensors")


def check_tokenizer_files(folder: Path) -> None:
    """Raise `ConfigError` where there is no vocabulary, of which transformers would make an empty
    tokenizer."""
    names = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")
    found = [folder / name for name in names if (folder / name).is_file()]
    found += [*folder.glob("*.model"), *folder.glob("*.tiktoken")]
    if not found:
        raise ConfigError(
            f"{folder} has no tokenizer: there is none of {', '.join(names)}; save the tokenizer"
            " that the model was trained with into the same folder (tokenizer.save_pretrained)"
        )
    for path in [*found, folder / "tokenizer_config.json"]:
        if path.is_file():
            _refuse_pointer(path)


def _check_parts(index: Path) -> None:
    parts = read_json(index).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise ConfigError(f"{index} is damaged: it names no parts (weight_map); fetch it again")
    names = sorted({str(name) for name in parts.values()})
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        some = ", ".join(missing[:3]) + (
            f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        )
        raise ConfigError(
            f"{index.parent} lacks {some} of {len(names)} parts; fetch the checkpoint again, whole"
        )
    for name in names:
        _check_file(index.parent / name, {key for key, part in parts.items() if part == name})


def _check_file(path: Path, tensors: Collection[str] = ()) -> None:
    """Raise `ConfigError` where a file of weights is damaged, empty, or lacks one of the tensors
    that the index says are in it."""
    _refuse_pointer(path)
    if path.suffix != ".safetensors":
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            held = {*file.keys()}
    except (SafetensorError, OSError) as error:
        raise ConfigError(
            f"{path} is cut off or damaged ({first_line(error)}); fetch the checkpoint again, whole"
        ) from error
    if not held:
        raise ConfigError(f"{path} holds no tensor; fetch the checkpoint again, whole")
    if absent := sorted({*tensors} - held):
        some = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" * (len(absent) > 3))
        raise ConfigError(
            f"{path} lacks {some}, which the index says it holds; fetch the checkpoint again, whole"
        )


def _refuse_pointer(path: Path) -> None:
    try:
        with path.open("rb") as file:
            begins = file.read(len(POINTER))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {first_line(error)}") from error
    if begins == POINTER:
        raise ConfigError(
            f"{path} is a Git LFS pointer, not the file itself; run `git lfs pull` where it is from"
        )
