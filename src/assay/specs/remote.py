"""The words of servers of scores: `remote:URL[,URL...][,KEY=VALUE...]`, or the address alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assay.errors import ConfigError
from assay.specs.words import UnknownKey, Word, cut

if TYPE_CHECKING:
    from assay.scorers.remote import RemoteScorer

__all__ = ["is_remote", "remote_of"]

ADDRESS: Final = ("http://", "https://")
OF_SERVERS: Final = {"key_variable": str, "concurrency": int, "tries": int, "timeout_s": float}
OF_SCORERS: Final = {"dialect": str, "model": str, "layout": Path}


def is_remote(word: Word) -> bool:
    """Tell whether a word names a server of scores."""
    return cut(word.what, ":")[0] == "remote" or word.plain.startswith(ADDRESS)


def remote_of(word: Word) -> "RemoteScorer":
    """Open the servers of a word. Raises `ConfigError` naming what is wrong with it."""
    from assay.http.spread import Servers
    from assay.scorers.remote import RemoteScorer

    urls = [word.plain.removeprefix("remote:")]
    given: dict[str, Any] = {}
    for key, value in word.settings:
        if value is None and key.startswith(ADDRESS):
            urls.append(key)
        elif (kind := {**OF_SERVERS, **OF_SCORERS}.get(key)) is None:
            raise UnknownKey(word.text, key, (*OF_SCORERS, *OF_SERVERS))
        elif value is None or key in given:
            raise ConfigError(f"{word.text!r}: give {key} once, as {key}=VALUE")
        else:
            given[key] = _taken(word, key, value, kind)
    servers = {key: value for key, value in given.items() if key in OF_SERVERS}
    scorer = {key: value for key, value in given.items() if key in OF_SCORERS}
    # Where other clients want it, /v1 ends the address.
    bases = tuple(url.rstrip("/").removesuffix("/v1") for url in urls)
    return RemoteScorer(Servers(urls=bases, **servers), **scorer)


def _taken(word: Word, key: str, value: str, kind: type[Any]) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(f"{word.text!r}: {key}={value}: give a number") from None
