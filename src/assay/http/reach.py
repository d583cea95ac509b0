"""Whether the hub can be reached, asked once in a moment rather than by retries of a minute."""

import functools
import os
import socket
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

__all__ = ["ENDPOINT", "hub_unreachable", "offline"]

SECONDS: Final = 3.0
ENDPOINT: Final = "https://huggingface.co"


def offline() -> bool:
    """Tell whether the user has said that only what was downloaded is to be found."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def hub_unreachable() -> str | None:
    """Return why the hub cannot be reached; None where it can, or where a proxy is asked."""
    address = os.environ.get("HF_ENDPOINT", ENDPOINT)
    parts = urlsplit(address)
    if parts.scheme in getproxies():
        return None
    return _unreachable(parts.hostname or "", parts.port or (443 if "https" in address else 80))


@functools.cache
def _unreachable(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), SECONDS).close()
    except OSError as error:
        return f"{host}: {error.strerror or error}"
    return None
