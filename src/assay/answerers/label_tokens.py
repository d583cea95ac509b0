"""Find out from a server which tokens the labels of an answer are.

vLLM and SGLang tell the tokens of a text at `/tokenize`, and so does llama.cpp's server, in another
form. What they tell is kept in the ledger: asking the same questions again needs no server.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from assay.answerers.asking import Asked, Server, ask_all
from assay.answerers.ledger import Ledger, Usage
from assay.answerers.token_logs import spellings
from assay.errors import BackendError, ConfigError, DataError
from assay.http.client import Pace
from assay.types import Unscored

__all__ = ["Tokenizer", "key"]

MOST_IDS: Final = 128
"""Tokens that vLLM gives the log-probabilities of at once."""


def key(server: Server, model: str, body: Mapping[str, Any]) -> str:
    """Return the name of a request in the ledger, by all that changes its answer."""
    said = json.dumps([server.base_url.rstrip("/"), model, body], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Tokenizer:
    """A server's `/tokenize`, which stands beside /v1."""

    server: Server
    model: str
    ledger: Ledger
    pace: Pace

    def dialect(self) -> Literal["vllm", "llama-server", "openai"]:
        """Return what the server is, as far as its tokens show: openai where it tells none."""
        try:
            (found,) = self._ask(["yes"], tries=1)
        except BackendError:
            # What else is wrong, such as a key, the first question meets as well.
            return "openai"
        if isinstance(found, Unscored):
            return "openai"
        return "vllm" if found["counts"] else "llama-server"

    def places(self, labels: Sequence[str], begin: str) -> dict[str, int]:
        """Return the places of all tokens that stand for a label behind a text, by names such as
        "token_id:17".

        Raises `ConfigError` where a label is not one token, or where they are too many.
        """
        # SentencePiece puts a space before a text, but not behind a line break.
        starts = (begin or "\n", "")
        words = {word for label in labels for word in spellings(label)}
        before = [start + space for start in starts for space in ("", " ")]
        tokens = self._tokens([*starts, *(text + word for text in before for word in words)])

        def behind(word: str) -> set[int]:
            """Return the tokens by which a text that ends where the answer begins grows."""
            grown = [(tokens[s], tokens[s + space + word]) for s in starts for space in ("", " ")]
            return {ids[-1] for had, ids in grown if ids and ids[:-1] == had}

        exact = [behind(label) for label in labels]
        for label, found in zip(labels, exact, strict=True):
            if not found:
                raise ConfigError(
                    f"the label {label!r} is not one token of {self.model}; give labels that are"
                    " (letters are, by labels='auto'), or read the verdict in a text"
                    " (reads=text, or `TextAnswerer`)"
                )
        shared = Counter(id for some in exact for id in some)
        if len(shared) < sum(map(len, exact)):
            raise ConfigError(f"two of the labels {list(labels)} are the same token; give others")
        alike = [set().union(*map(behind, spellings(label))) - set(shared) for label in labels]
        claims = Counter(id for some in alike for id in some)
        places = {
            f"token_id:{id}": place
            for place, (own, more) in enumerate(zip(exact, alike, strict=True))
            for id in sorted(own | {id for id in more if claims[id] == 1})
        }
        if len(places) > MOST_IDS:
            raise ConfigError(
                f"{len(labels)} labels are {len(places)} tokens; vLLM gives {MOST_IDS} at most:"
                " ask with fewer options, or give dialect='openai'"
            )
        return places

    def _tokens(self, texts: Sequence[str]) -> dict[str, list[int]]:
        wanted = sorted({text for text in texts if text})
        found: dict[str, list[int]] = {"": []}
        for text, answer in zip(wanted, self._ask(wanted), strict=True):
            if isinstance(answer, Unscored):
                raise BackendError(
                    f"{self.server.base_url} does not tell the tokens of {text!r}: {answer.reason};"
                    " give dialect='openai', which asks for the likeliest tokens"
                )
            found[text] = answer["tokens"]
        return found

    def _ask(self, texts: Sequence[str], tries: int | None = None) -> list[Any | Unscored]:
        """Ask for the tokens of texts; llama.cpp's server looks for the text in content."""
        root = self.server.base_url.rstrip("/").removesuffix("/v1")
        server = replace(self.server, base_url=root, tries=tries or self.server.tries)
        bodies = [
            {"model": self.model, "prompt": text, "content": text, "add_special_tokens": False}
            for text in texts
        ]
        asked = [Asked(key=key(server, self.model, body), body=body) for body in bodies]
        return ask_all(server, "tokenize", asked, _read, ledger=self.ledger, pace=self.pace)


def _read(payload: Any) -> tuple[Any, Usage]:
    """Return the tokens, and whether they are counted, as vLLM and SGLang do."""
    found = payload.get("tokens") if isinstance(payload, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(id, int) for id in found):
        raise DataError(f"no tokens in {payload!r}")
    return {"tokens": found, "counts": "count" in payload}, Usage()
