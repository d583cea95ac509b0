"""What a call of the attention costs on this machine, measured once and kept.

Sharing saves tokens and costs calls (`Engine.worth`), so a call is counted in the operations of
linear layers that could be done meanwhile: its seconds, times operations a second in the model's
own largest product. What was measured is kept by device, precision, shape and threads, in a file of
this machine under the user's cache folder ($XDG_CACHE_HOME, or ~/.cache).

A model of fewer than 1e6 operations a layer and token is not measured: it runs as fast either way,
and a program that starts with one should not wait.
"""

import functools
import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from assay.files import write_atomic
from assay.packing.attention import Piece, attend

__all__ = ["CALL", "call_cost", "known", "machine", "remembered", "seconds_of"]

log = logging.getLogger(__name__)

CALL: Final = {"cpu": 4e6, "cuda": 4e9}
"""Operations that a call of the attention costs a layer where it is not measured."""
SMALL: Final = 1e6
"""Operations of a layer for a token below which nothing is measured."""
VERSION: Final = 1
"""Of the file; another one is not read."""
STEADY: Final = 1.25
"""Largest ratio of two measurements that are believed."""
WEIGHTS: Final = 2**20
"""Most weights of the product that is timed on a CPU, where a large layer's takes seconds."""
TOKENS: Final = {"cpu": 512, "cuda": 4096}
"""Rows of it: enough for the processor to be what bounds it, not its memory."""
CALLS: Final = 32
ROUNDS: Final = 5


def call_cost(backbone: nn.Module, token_cost: float, *, folder: Path | None = None) -> float:
    """Operations that one call of the attention costs a layer of a model.

    token_cost: operations of a layer for a token. folder: where what is measured is kept; the
    user's cache where not given.
    """
    weight = _largest(backbone)
    device = next(backbone.parameters()).device
    usual = CALL.get(device.type, CALL["cuda"])
    shape = _heads(backbone)
    if token_cost < SMALL or weight is None or shape is None:
        return usual
    name = "|".join(
        map(
            str, ("call", device.type, weight.dtype, *weight.shape, *shape, torch.get_num_threads())
        )
    )

    def measured() -> float | None:
        first, second = (
            _seconds_of_call(weight, shape) * _operations_per_second(weight) for _ in range(2)
        )
        # A machine that is busy with something else says nothing of itself.
        return min(first, second) if max(first, second) <= STEADY * min(first, second) else None

    try:
        return float(remembered(name, measured, folder) or usual)
    # A kernel that this device or precision has not: it is counted as usual.
    except (RuntimeError, TypeError, ValueError) as error:
        log.info("a call of the attention is not measured: %s", error)
        return usual


def remembered(name: str, measure: Callable[[], Any], folder: Path | None = None) -> Any:
    """What was measured on this machine under a name, or is measured now and, unless it is None,
    kept.

    A folder that cannot be written costs nothing but the next measurement.
    """
    path = _path(folder)
    values = known(path)
    if name not in values:
        value = measure()
        if value is None:
            return None
        try:
            write_atomic(path, json.dumps(_content(known(path) | {name: value}), indent=1) + "\n")
        except OSError as error:
            log.info("what was measured is not kept: %s", error)
        return value
    return values[name]


def known(path: Path) -> dict[str, Any]:
    """What a file says of this machine: nothing, where it is another's, or of another version, or
    not whole."""
    try:
        content = json.loads(path.read_text())
        return dict(content["measured"]) if content == _content(content["measured"]) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@functools.cache
def machine() -> dict[str, Any]:
    """What makes this machine another one than those measured before."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpus": gpus,
        "torch": torch.__version__,
    }


def seconds_of(run: Callable[[], Any], device: torch.device, rounds: int = ROUNDS) -> float:
    """The least seconds of some rounds: what else the machine does only adds to them."""
    taken = []
    for _ in range(rounds + 1):
        _wait(device)
        began = time.perf_counter()
        run()
        _wait(device)
        taken.append(time.perf_counter() - began)
    # The first one warms up.
    return min(taken[1:])


def _content(measured: dict[str, Any]) -> dict[str, Any]:
    return {"version": VERSION, "machine": machine(), "measured": measured}


def _path(folder: Path | None) -> Path:
    if folder is None:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay"
    # Machines may share a home.
    mark = hashlib.sha256(json.dumps(machine()).encode()).hexdigest()[:12]
    return folder / f"costs-{mark}.json"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _largest(backbone: nn.Module) -> Tensor | None:
    """The weights of the largest linear layer; None where they are no matrix of numbers."""
    found = [
        m.weight
        for m in backbone.modules()
        if isinstance(m, nn.Linear) and m.weight.ndim == 2 and m.weight.is_floating_point()
    ]
    return max(found, key=lambda weight: weight.numel(), default=None)


def _heads(backbone: nn.Module) -> tuple[int, int, int] | None:
    """Heads of queries, heads of keys, and their width."""
    config: Any = backbone.config
    heads = getattr(config, "num_attention_heads", None)
    if not isinstance(heads, int):
        return None
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads, getattr(config, "num_key_value_heads", None) or heads, int(width)


@torch.no_grad()
def _operations_per_second(weight: Tensor) -> float:
    if not weight.is_cuda:
        weight = weight[: max(1, WEIGHTS // weight.shape[1])]
    tokens = TOKENS["cuda" if weight.is_cuda else "cpu"]
    rows = torch.ones(tokens, weight.shape[1], dtype=weight.dtype, device=weight.device)
    seconds = seconds_of(lambda: nn.functional.linear(rows, weight), weight.device)
    return 2 * tokens * weight.numel() / seconds


@torch.no_grad()
def _seconds_of_call(weight: Tensor, shape: tuple[int, int, int]) -> float:
    """Of one of many small pieces: what a piece costs that has nothing to do."""
    heads, key_heads, width = shape
    query, key = (
        torch.ones(h, 8 * CALLS, width, dtype=weight.dtype, device=weight.device)
        for h in (heads, key_heads)
    )
    spans = [(8 * i, 8 * i + 8) for i in range(CALLS)]
    seen = [(Piece(*span, *span, True), None) for span in spans]
    return seconds_of(lambda: attend(query, key, key, seen, scale=1.0), weight.device) / CALLS
