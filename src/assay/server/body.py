"""Read a request's body: JSON and nothing else, bounded in size, depth and time."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from assay.server.dialects import Refused

__all__ = ["read_body"]

DEEPEST: Final = 64
"""Brackets within brackets, at most."""


async def read_body(request: Request, *, most: int, seconds: float) -> Mapping[str, Any]:
    """Return the object that a body holds.

    most: bytes. seconds: until all of it is there. Raises `Refused` with a status of 4xx.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused("", "compressed bodies are not read; send it plain", status=415)
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise Refused("", f"the body has {length} bytes, more than {most}", status=413)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                body += part
                if len(body) > most:
                    raise Refused("", f"the body has more than {most} bytes", status=413)
    except TimeoutError:
        raise Refused("", f"the body was not there after {seconds:g} s", status=408) from None
    except ClientDisconnect:
        raise Refused("", "the client left", status=499) from None
    return parsed(bytes(body))


def parsed(body: bytes) -> Mapping[str, Any]:
    """Return the object that JSON holds: every key once, every number finite."""
    if _depth(body) > DEEPEST:
        raise Refused("", f"the body is nested more than {DEEPEST} deep")
    try:
        found = json.loads(body, object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise Refused("", f"the body is not UTF-8: {error}") from None
    except Refused:
        raise
    except (ValueError, RecursionError) as error:
        raise Refused("", f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused("", f"the body must be an object, got {type(found).__name__}")
    return found


def _depth(body: bytes) -> int:
    """How deep brackets stand in each other, those in texts counted too where there are many."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return 0
    depth = deepest = 0
    quoted = escaped = False
    for byte in body:
        if quoted:
            quoted = escaped or byte != 34
            escaped = not escaped and byte == 92
        elif byte == 34:
            quoted = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Refused(twice, "is given twice")
    return found


def _no_number(name: str) -> Any:
    raise Refused("", f"{name} is no JSON number")
