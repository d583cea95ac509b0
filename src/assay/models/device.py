"""Where a model computes: the words of a command line as a device that this machine has."""

import torch

from assay.errors import ConfigError

__all__ = ["device_of"]


def device_of(word: str, *, spread: bool = False) -> str:
    """Return the device that a word names, "auto" being the GPU where there is one.

    spread: whether "map", all of them together, or "parts", those of several processes, will do.
    Raises `ConfigError` where the word is no device's, or this machine or this build of torch has
    none of that kind.
    """
    if word in ("map", "parts"):
        if spread:
            return word
        raise ConfigError(
            f"device {word!r} spreads a model that is read over what there is; what is trained or"
            " calibrated lies on one: give auto, cpu or cuda, or several processes (torchrun)"
        )
    if word == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kinds = [kind for kind in ("cuda", "xpu", "mps") if getattr(torch, kind).is_available()]
    there = ", ".join(["auto", "cpu", *kinds])
    try:
        device = torch.device(word)
    except RuntimeError as error:
        raise ConfigError(f"device {word!r} means nothing; there is {there}") from error
    if device.type not in ("cpu", *kinds):
        raise ConfigError(
            f"device {word!r} is not available on this machine with this build of torch; use"
            f" {there}"
        )
    count = getattr(torch, device.type).device_count()
    if device.index is not None and device.index >= count:
        raise ConfigError(
            f"device {word!r} is not there: this machine has {count} of that kind, numbered from 0"
        )
    return word
