"""`assay serve WORD [WORD ...]`: a reward server. `assay serve check URL`: whether one is right."""

import ipaddress
import logging
import math
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import tyro

from assay.cli.options import Gates
from assay.cli.serve_check import Check
from assay.errors import ConfigError
from assay.specs.answerers import KINDS as ANSWERERS
from assay.specs.compute import Compute
from assay.specs.scorer_kinds import KINDS

if TYPE_CHECKING:
    from assay.protocols import Scorer
    from assay.server.keys import Key

__all__ = ["COMMANDS", "Command"]

KEYS: Final = "ASSAY_SERVE_KEYS"
"""Environment variable that holds what a file of keys would."""


@dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Serve scorers and judges to RL frameworks and others, over HTTP.

    `assay serve check URL --model SCORER` says whether a server scores as the model does.
    """

    scorers: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(metavar="WORD", help=f"Scorers, or NAME=SCORER: {KINDS}."),
    ]
    answerers: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="WORD", help=f"What answers typed questions: {ANSWERERS}."),
    ] = ()
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 is every one of this machine, and needs keys."""
    port: int = 8765
    """Port to listen at; 0 takes a free one."""
    keys: Path | None = None
    """File of API keys, a line each: SHA256 NAME [REQUESTS_PER_MINUTE [CONCURRENT]]. Without it,
    the environment variable ASSAY_SERVE_KEYS is read."""
    open_to_all: bool = False
    """Listen beyond this machine without keys."""
    batch_tokens: int = 32_768
    """Most tokens, estimated, of requests that are scored together."""
    wait_ms: float = 5.0
    """Longest wait of a request for others to be scored with, in milliseconds."""
    prompt_tokens: int = 16_384
    """Most tokens of prompts that a reward model keeps between batches, so that later samples of a
    group do not compute its prompt again; 0 keeps none."""
    queue_tokens: int = 4_000_000
    """Most tokens that wait, estimated; further requests get 429."""
    body_mib: int = 32
    """Largest body of a request, in MiB; those of all together take 1 GiB, or one body if more."""
    responses: int = 4096
    """Most responses per request."""
    connections: int = 8192
    """Most connections; beyond it the one that was idle longest is closed."""
    request_s: float = 600.0
    """Longest time for an answer, in seconds; also what running requests have at the end."""
    slow_s: float = 30.0
    """Time from which a request is logged as slow, in seconds."""
    log_requests: bool = False
    """Log every request, not only those that fail or are slow."""
    gate: Gates = ()
    self_check: bool = True
    """Refuse to serve a model whose scores depend on how requests are put together."""

    def __call__(self) -> None:
        """Serve until Ctrl-C or SIGTERM; what was asked by then is answered first."""
        from assay.server.app import Limits, application
        from assay.server.connections import listening, web_server
        from assay.server.logs import log_to
        from assay.specs.answerers import Asking
        from assay.specs.scorers import named
        from assay.specs.served import answering
        from assay.workflows.gate import admitted

        if not (self.scorers or self.answerers):
            raise ConfigError("nothing is served: name a scorer, or --answerers WORD")
        self._check_limits()
        keys = self._keys()
        bound = listening(self.host, self.port)
        # Also while models are loaded: an end that was asked for is no failure.
        for end in (signal.SIGINT, signal.SIGTERM):
            signal.signal(end, lambda *_: sys.exit(0))
        scorers = named(
            self.scorers,
            self.device,
            dtype=self.dtype,
            weights=self.weights,
            micro_tokens=self.micro_tokens,
            prompts=self.prompt_tokens,
        )
        asking = Asking(
            device=self.device,
            dtype=self.dtype,
            weights=self.weights,
            micro_tokens=self.micro_tokens,
        )
        answerers = answering(self.answerers, asking)
        admitted(self.gate, scorers)
        if self.self_check:
            _check(scorers)
        size = self.body_mib * 2**20
        limits = Limits(
            body_bytes=size,
            bodies_bytes=max(size, 2**30),
            responses=self.responses,
            request_s=self.request_s,
            slow_s=self.slow_s,
        )
        app = application(
            scorers,
            answerers,
            limits=limits,
            keys=keys,
            batch_tokens=self.batch_tokens,
            wait_s=self.wait_ms / 1000,
            queue_tokens=self.queue_tokens,
        )
        log_to(sys.stderr, logging.INFO if self.log_requests else logging.WARNING)
        print(_start(bound.getsockname(), [*scorers], [*answerers], keyed=bool(keys)), flush=True)
        server = web_server(
            app,
            connections=self.connections,
            head_s=10.0,
            drain_s=self.request_s + limits.body_s,
        )
        server.run([bound])

    def _check_limits(self) -> None:
        """Refuse limits under which nothing would ever be answered."""
        least = {"wait_ms": 0.0, "slow_s": 0.0, "prompt_tokens": 0.0}
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or name == "port":
                continue
            fit = value >= 0 if name in least else value > 0
            if not (fit and math.isfinite(value)):
                least_word = "0 or more" if name in least else "more than 0"
                raise ConfigError(f"--{name.replace('_', '-')} is {value}; give {least_word}")

    def _keys(self) -> "tuple[Key, ...]":
        """The keys, which a server that others can reach must have."""
        from assay.server.keys import read_keys

        keys: tuple[Key, ...] = ()
        if self.keys is not None:
            keys = read_keys(self.keys.read_text("utf-8", "replace"), str(self.keys))
        elif KEYS in os.environ:
            keys = read_keys(os.environ[KEYS], KEYS)
        if not keys and not self.open_to_all and not _loopback(self.host):
            raise ConfigError(
                f"others can reach {self.host}, and there are no keys: give --keys FILE, or"
                " --open-to-all to let everybody in"
            )
        return keys


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(scorers: "Mapping[str, Scorer]") -> None:
    if "torch" not in sys.modules:
        # No model was loaded: verifiers and others need no torch.
        return
    from assay.server.selfcheck import self_check

    for name, scorer in scorers.items():
        difference = self_check(name, scorer)
        if difference is not None:
            said = f"scores differ by at most {difference:.2g} however requests are put together"
            print(f"{name}: {said}", flush=True)


def _start(
    address: tuple[object, ...],
    scorers: Sequence[str],
    answerers: Sequence[str],
    *,
    keyed: bool,
) -> str:
    """What is printed when the server starts."""
    from assay.server.app import DIALECTS

    host, port = str(address[0]), address[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    paths = " ".join(dict.fromkeys(dialect.path for dialect in DIALECTS))
    path, body = "/v1/score", '"prompt": "What is 2 + 2?", "responses": ["4", "5"]'
    if not scorers:
        asked = '{"type": "predicate", "instructions": "Is it right?"}'
        path, body = "/v1/decisions", f'"input": "2 + 2 = 4", "questions": [{asked}]'
    there = scorers or answerers
    model = f'"model": "{there[0]}", ' if len(there) > 1 else ""
    key = "-H 'Authorization: Bearer KEY' " if keyed else ""
    return "\n".join(
        [
            f"serving {', '.join([*scorers, *answerers])} at {url}; Ctrl-C ends it",
            f"paths: {paths}",
            f"try: curl {url}{path} {key}-d '{{{model}{body}}}'",
            f"health: {url}/health/ready, metrics: {url}/metrics",
        ]
    )


COMMANDS: Final[Mapping[str, Any]] = {"check": Check}
