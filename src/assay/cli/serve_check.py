"""`assay serve check URL --model SCORER`: whether a server scores as the model does."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from assay.cli.options import Device, Dtype, Format
from assay.specs.scorer_kinds import ScorerWord

__all__ = ["Check"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """Ask a running server and the model here about the same conversations, and say what differs.

    Found and named are activations (a sigmoid, a softmax), scaled or shifted logits, other tokens
    (a doubled beginning, no end, a length cut off, another template) and another precision. Ends
    with 1 where anything differs.
    """

    url: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="URL")]
    """Address of the server, such as http://localhost:8000."""
    model: ScorerWord
    """Folder of the reward model that it serves."""
    dialect: Literal["assay", "vllm", "vllm-steps", "sglang", "openrlhf", "llama-factory"] = "assay"
    """What the server speaks; vllm-steps is /pooling by step."""
    send: tuple[Literal["ids", "text", "messages"], ...] = ()
    """Ways to send conversations; by default all that the server takes."""
    name: str = ""
    """Name of the model there, where it serves several, or vLLM."""
    data: str | None = None
    """Records whose responses are sent besides those that are built in."""
    limit: int = 32
    """Most responses of the data."""
    format: Format = None
    tolerance: float | None = None
    """Largest difference of scores that means nothing; by default what the model's own precision
    leaves, 1e-4 in float32 and 0.2 in bfloat16."""
    key_variable: str = "ASSAY_API_KEY"
    """Environment variable with the server's key."""
    device: Device = "auto"
    dtype: Dtype = "auto"

    def __call__(self) -> None:
        """Compare, print, and end with 1 where scores differ."""
        from assay.workflows.serve_check import serve_check

        result = serve_check(**vars(self))
        print(result)
        if not result.same:
            raise SystemExit(1)
