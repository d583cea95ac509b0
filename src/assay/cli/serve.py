"""`assay serve WORD [WORD ...]`: a reward server. `assay serve check URL`: whether one is right."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from assay.cli.serve_check import Check
from assay.specs.compute import Compute
from assay.specs.scorers import KINDS

__all__ = ["COMMANDS", "Command"]


@dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Serve scorers and judges to RL frameworks and others, over HTTP.

    `assay serve check URL --model SCORER` says whether a server scores as the model does.
    """

    scorers: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(metavar="WORD", help=f"Scorers, or NAME=SCORER: {KINDS}."),
    ]
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 is every one of this machine."""
    port: int = 8765
    """Port to listen at; 0 takes a free one."""
    batch_tokens: int = 32_768
    """Most tokens, estimated, of requests that are scored together."""
    wait_ms: float = 5.0
    """Longest wait of a request for others to be scored with, in milliseconds."""
    queue_tokens: int = 4_000_000
    """Most tokens that wait, estimated; further requests get 429."""

    def __call__(self) -> None:
        """Serve until Ctrl-C or SIGTERM; what waits then is answered first."""
        import uvicorn

        from assay.server.app import application
        from assay.specs.scorers import named

        scorers = named(self.scorers, self.device, dtype=self.dtype, micro_tokens=self.micro_tokens)
        app = application(
            scorers,
            batch_tokens=self.batch_tokens,
            wait_s=self.wait_ms / 1000,
            queue_tokens=self.queue_tokens,
        )
        uvicorn.run(app, host=self.host, port=self.port, log_level="warning")


COMMANDS: dict[str, Any] = {"check": Check}
