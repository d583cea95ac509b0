"""API keys: known by their hashes, each with limits of its own."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from assay.errors import ConfigError
from assay.server.dialects import Refused

__all__ = ["Access", "Key", "Spent", "read_keys"]


class Spent(Refused):
    """A request that is one too many for now; it may be asked again in so many seconds."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__("", f"{reason}; try again in {seconds:.0f} s", status=429)
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Key:
    """What is known of a key; not the key itself."""

    name: str
    """Whose it is, as logs name it."""
    digest: bytes
    """SHA-256 of the key."""
    per_minute: int | None = None
    """Most requests a minute; None = any number."""
    concurrent: int | None = None
    """Most requests at a time; None = any number."""


def read_keys(text: str, where: str) -> tuple[Key, ...]:
    """Read lines of `HASH NAME [REQUESTS_PER_MINUTE [CONCURRENT]]`, as `sha256sum` begins them.

    A # starts a comment; a semicolon ends a line, too. Raises `ConfigError` naming the line.
    """
    keys: list[Key] = []
    # An editor may have put a byte order mark before the first line.
    for number, line in enumerate(text.removeprefix("\ufeff").replace(";", "\n").splitlines(), 1):
        words = line.split("#")[0].split()
        if words:
            keys.append(_key(words, f"{where}, line {number}"))
    if not keys:
        raise ConfigError(f"{where} holds no key; a line is: HASH NAME [PER_MINUTE [CONCURRENT]]")
    names, digests = {key.name for key in keys}, {key.digest for key in keys}
    if len(names) < len(keys) or len(digests) < len(keys):
        raise ConfigError(f"{where} has a key or a name twice")
    return tuple(keys)


def _key(words: Sequence[str], where: str) -> Key:
    digest, *rest = words
    try:
        found = bytes.fromhex(digest)
    except ValueError:
        found = b""
    limits = rest[1:]
    if len(found) != 32 or not rest or len(limits) > 2 or not all(map(_positive, limits)):
        raise ConfigError(
            f"{where} is not HASH NAME [PER_MINUTE [CONCURRENT]], HASH being the 64 digits that"
            " `printf %s KEY | sha256sum` prints"
        )
    per_minute, concurrent, *_ = [*map(int, limits), None, None]
    return Key(name=rest[0], digest=found, per_minute=per_minute, concurrent=concurrent)


def _positive(word: str) -> bool:
    return word.isdecimal() and int(word) > 0


def given(headers: Mapping[str, str]) -> str | None:
    """Return the key of a request: a bearer's, `x-api-key`, or the password of a URL such as
    http://any:KEY@host, for stacks that can set no header."""
    kind, _, rest = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return headers.get("x-api-key")


class Access:
    """Who may ask, and how much: no keys let everybody in. Used from one event loop.

    A key's requests a minute are a bucket that fills evenly: so many may come at once.
    """

    def __init__(self, keys: Sequence[Key], clock: Callable[[], float] = time.monotonic) -> None:
        self.keys = keys
        self._clock = clock
        self._running = {key.name: 0 for key in keys}
        self._left = {key.name: float(key.per_minute or 0) for key in keys}
        self._filled = {key.name: clock() for key in keys}

    @contextmanager
    def of(self, headers: Mapping[str, str]) -> Iterator[str | None]:
        """The name of a request's key, for as long as the request lasts; None where there are no
        keys. Raises `Refused` (401) for an unknown key, and `Spent` beyond the key's limits."""
        if not self.keys:
            yield None
            return
        key = self._known(given(headers))
        if key.concurrent is not None and self._running[key.name] >= key.concurrent:
            raise Spent(f"{key.concurrent} requests of this key are under way", 1.0)
        if key.per_minute is not None:
            self._take(key.name, key.per_minute)
        self._running[key.name] += 1
        try:
            yield key.name
        finally:
            self._running[key.name] -= 1

    def _known(self, given: str | None) -> Key:
        if given is None:
            raise Refused("authorization", "this server needs a key: Bearer KEY", status=401)
        digest = hashlib.sha256(given.encode()).digest()
        # All are compared, and each in constant time: how long it takes says nothing.
        same = [key for key in self.keys if hmac.compare_digest(digest, key.digest)]
        if not same:
            raise Refused("authorization", "this key is not known here", status=401)
        return same[0]

    def _take(self, name: str, per_minute: int) -> None:
        now = self._clock()
        filled = self._left[name] + (now - self._filled[name]) * per_minute / 60
        self._left[name], self._filled[name] = min(filled, per_minute), now
        if self._left[name] < 1:
            seconds = max(1.0, (1 - self._left[name]) * 60 / per_minute)
            raise Spent(f"this key has {per_minute} requests a minute", seconds)
        self._left[name] -= 1
