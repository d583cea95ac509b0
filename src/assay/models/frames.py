"""What stands around the steps of a prompt's responses, as tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from assay.models.rendering import Surroundings
from assay.types import Message

__all__ = ["Frame", "Placed"]


@dataclass(frozen=True)
class Frame:
    """What stands around the steps of one prompt: prefix, step, after, between, step, after, ...,
    closing."""

    prefix: list[int]
    after: list[int]
    between: list[int]
    closing: list[int]
    leads: tuple[str, str]
    """Text tokenised together with the first step, and with every other one."""
    specials: int = 0
    """Special tokens among them that the layout's texts make; a text in one piece with more holds a
    forged one."""
    around: Surroundings | None = None
    """Texts around the response, where it is laid out whole."""
    messages: tuple[Message, ...] = ()
    """The prompt's, where the template itself renders responses."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """The prompt's, likewise."""
    others: dict[Surroundings, "Frame"] = field(default_factory=dict)
    """Frames of the same prompt where the template writes something else around a response."""


class Placed(NamedTuple):
    """A response as its layout writes it: its frame, its steps' texts, and the text in one piece,
    if it is in one."""

    frame: Frame
    steps: list[str]
    text: str | None
