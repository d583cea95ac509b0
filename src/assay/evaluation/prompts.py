"""Which records share a prompt: the unit that is resampled."""

from assay.types import Prompt

__all__ = ["prompt_key"]


def prompt_key(prompt: Prompt) -> str:
    """The prompt's text without differences of case and white space."""
    return " ".join(prompt.text.casefold().split())
