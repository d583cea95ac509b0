"""What every decision server takes and sends, as far as its sources or documentation say.

OpenAI's schema allows 400 questions and 255 options; what a server accepts differs, so the limits
stand here and not in the code. A number that is not known is None: no limit of ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from assay.answerers.dialects import openai, sglang, systemone
from assay.questions import Question

__all__ = ["DIALECTS", "Dialect"]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One server's way of being asked."""

    path: str
    """Behind the base URL; {model} stands for the model's name."""
    state: Literal["input", "state"]
    """The body's key of what questions are about."""
    questions: Callable[[Mapping[str, Question]], Any]
    """Writes questions under names."""
    most_questions: int | None
    """Per request."""
    most_options: int | None
    """Of a choice."""
    most_levels: int | None
    """Of a score."""
    typed: bool = False
    """Whether the option "true" is another than true."""
    turns: Literal["items", "text"] = "text"
    """Conversations as items, or as one text (see `states`)."""
    system: Literal["item", "instructions", "text"] = "text"
    """Where the system's words go: an item, a field of their own, or before the text."""
    pictures: bool = False
    """Whether items may hold images."""
    structured: bool = False
    """Whether a state may be an object or a list."""
    mass: bool = False
    """Whether the labels' mass is sent."""
    refuses: bool = False
    """Whether a single question may be refused."""
    confidence: str = "unknown"
    """Formula of the confidences that are sent (see `questions.confidence`); "" = none is."""
    names_model: bool = True
    """Whether the body names the model."""
    also: Mapping[str, Any] = field(default_factory=dict)
    """More of the body."""


_OPENAI: Final = Dialect(
    path="decisions",
    state="input",
    questions=openai.questions,
    most_questions=400,
    most_options=255,
    most_levels=None,
    typed=True,
    turns="items",
    system="item",
    pictures=True,
    refuses=True,
)
# openai/decisions/protocol.py allows 200 questions and 255 choices; the engine 64 and A to Z. The
# mass is within the confidences of choices and scores only, and not sent by itself.
_VLLM: Final = replace(
    _OPENAI,
    turns="text",
    system="text",
    pictures=False,
    most_questions=64,
    most_options=26,
    most_levels=10,
    refuses=False,
    confidence="mass",
)
_SYSTEMONE: Final = Dialect(
    path="systemone",
    state="state",
    questions=systemone.questions,
    most_questions=None,
    most_options=255,
    most_levels=10,
    structured=True,
    confidence="excess",
)
# The wording belongs to the server: another version of it is another judge, so it is pinned.
_SGLANG: Final = Dialect(
    path="decisions",
    state="input",
    questions=sglang.questions,
    most_questions=None,
    most_options=26,
    most_levels=10,
    structured=True,
    mass=True,
    confidence="",
    also={"prompt_format_version": 1},
)

DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai": _OPENAI,
    "vllm": _VLLM,
    "sglang": _SGLANG,
    # It takes OpenAI's shape for any provider: users' messages only, true and "true" not apart.
    "litellm": replace(
        _OPENAI, turns="text", system="text", most_questions=128, most_levels=10, typed=False
    ),
    "systemone": _SYSTEMONE,
    "vllm-systemone": replace(
        _SYSTEMONE,
        system="instructions",
        most_questions=64,
        most_options=26,
        mass=True,
        confidence="mass",
    ),
    "sglang-systemone": replace(_SYSTEMONE, mass=True),
    "litellm-systemone": replace(_SYSTEMONE, refuses=True, confidence="unknown"),
    "fireworks": replace(_SYSTEMONE, most_options=208, confidence="unknown"),
    # Base URL: https://HOST/api/2.0/ai-functions
    "databricks": replace(_SYSTEMONE, path="ai-decide", names_model=False, confidence="unknown"),
    # Base URL: https://HOST/serving-endpoints
    "databricks-serving": replace(_SYSTEMONE, path="{model}/invocations", confidence="unknown"),
    # Base URL: https://api.cloudflare.com/client/v4/accounts/ID/ai
    "cloudflare": replace(_SYSTEMONE, path="run/{model}", confidence="unknown"),
    # System One's bodies under OpenAI's path. Base URLs: https://openrouter.ai/api/alpha and
    # https://api.perplexity.ai/v1
    "openrouter": replace(_SYSTEMONE, path="decisions", confidence="unknown"),
    "perplexity": replace(_SYSTEMONE, path="decisions", confidence="unknown"),
}
"""Dialects by name."""
