"""Read a request's body: JSON and nothing else, bounded in size, values, depth and time."""

import asyncio
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request

from assay.server.dialects import Refused
from assay.server.keys import Spent

__all__ = ["Part", "Room", "aside", "parsed", "read_body"]

T = TypeVar("T")

LARGE: Final = 2**18
"""Bytes from which on a body is read in a thread."""

DEEPEST: Final = 64
"""Brackets within brackets, at most."""
VALUES: Final = 4_000_000
"""Values, at most: in memory each takes many times the two bytes that it may take in JSON."""
TEXTS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Texts, the last one closed or not, so that no text is gone through twice."""
NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


@dataclass
class Room:
    """Memory for the bodies of all requests under way, in bytes."""

    most: int
    used: int = 0

    @contextmanager
    def part(self) -> Iterator["Part"]:
        """Room for one request, given back after it."""
        part = Part(self)
        try:
            yield part
        finally:
            self.used -= part.used


@dataclass
class Part:
    """What one request takes of the room."""

    room: Room
    used: int = 0

    def take(self, size: int) -> None:
        """Take so many bytes. Raises `Spent` where there are none."""
        if self.room.used + size > self.room.most:
            raise Spent("the server holds as many bodies as it may", 1.0)
        self.room.used += size
        self.used += size


async def read_body(request: Request, *, most: int, seconds: float, part: Part) -> bytes:
    """Return a request's body.

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
            async for data in request.stream():
                part.take(len(data))
                body += data
                if len(body) > most:
                    raise Refused("", f"the body has more than {most} bytes", status=413)
    except TimeoutError:
        raise Refused("", f"the body was not there after {seconds:g} s", status=408) from None
    except ClientDisconnect:
        raise Refused("", "the client left", status=499) from None
    return bytes(body)


async def aside(size: int, run: Callable[..., T], *given: Any) -> T:
    """Run something that takes a while for a large body in a thread: others are answered
    meanwhile."""
    if size < LARGE:
        return run(*given)
    return await asyncio.to_thread(run, *given)


def parsed(body: bytes) -> Mapping[str, Any]:
    """Return the object that JSON holds: every key once, every number finite."""
    _bounded(body)
    try:
        found = json.loads(
            body.decode(), object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite
        )
        if rb"\ud" in body or rb"\uD" in body:
            # Half of a surrogate pair is no text.
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


def _bounded(body: bytes) -> None:
    """Refuse what would cost too much to parse."""
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= DEEPEST and brackets + body.count(b",") <= VALUES:
        return
    bare = TEXTS.sub(b"", body)
    if bare.count(b"[") + bare.count(b"{") + bare.count(b",") > VALUES:
        raise Refused("", f"the body has more than {VALUES} values", status=413)
    brackets_B = np.frombuffer(bare.translate(None, NOT_BRACKETS), np.uint8)
    steps_B = np.where((brackets_B == ord("[")) | (brackets_B == ord("{")), 1, -1)
    if len(steps_B) and steps_B.cumsum().max() > DEEPEST:
        raise Refused("", f"the body is nested more than {DEEPEST} deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise Refused(counts.most_common(1)[0][0][:100], "is given twice")
    return found


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise Refused("", f"{number} is no finite number")
    return value
